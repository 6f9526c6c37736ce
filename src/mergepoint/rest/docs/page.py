"""The docs page of a REST API as HTML, made of its OpenAPI description. It can be read without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..openapi.schemas import Schema
from .article import Addresses, Article, fields_of
from .markup import Html, prose, tag
from .wording import type_of


def render(description: Mapping[str, Any], addresses: Addresses) -> str:
    """Return the whole page for an OpenAPI description."""
    return "<!doctype html>\n" + _Page(description, addresses).html()


class _Page:
    def __init__(self, description: Mapping[str, Any], addresses: Addresses) -> None:
        self.description = description
        self.components = description["components"]
        self.schemas: dict[str, Schema] = self.components["schemas"]
        self.addresses = addresses
        self.name = description["info"]["title"]
        self.has_users = "securitySchemes" in self.components
        self.groups: dict[str, list[Article]] = {group["name"]: [] for group in description["tags"]}
        for path, methods in description["paths"].items():
            for method, operation in methods.items():
                self.groups[operation["tags"][0]].append(
                    Article(method.upper(), path, operation, self.components, addresses)
                )

    def html(self) -> Html:
        return tag("html", self._head(), self._body(), lang="en")

    def _head(self) -> Html:
        static = self.addresses.static
        return tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", f"{self.name} API"),
            tag("link", rel="icon", href="data:,"),
            tag("link", rel="stylesheet", href=f"{static}/docs.css"),
            tag("script", src=f"{static}/docs.js", defer=True),
        )

    def _body(self) -> Html:
        used = self._records()
        main = tag("main", self._intro(), [self._group(name) for name in self.groups], self._schemas(used), id="main")
        return tag(
            "body",
            tag("a", "Skip to the operations", href="#main", class_="skip"),
            self._bar(),
            tag("div", self._menu(used), main, class_="layout"),
        )

    def _bar(self) -> Html:
        box = tag("input", type="search", id="search", placeholder="Search", aria_label="Search", autocomplete="off")
        return tag(
            "header",
            tag("a", self.name, tag("span", "API"), href="#main", class_="brand"),
            tag("label", box, tag("kbd", "/"), class_="search", hidden=True),
            tag("a", "OpenAPI", href=self.addresses.description, class_="quiet"),
            tag("button", "Theme", type="button", id="theme", class_="quiet", hidden=True),
        )

    def _menu(self, used: list[str]) -> Html:
        groups = [self._menu_group(name, operations) for name, operations in self.groups.items()]
        records = [tag("li", tag("a", name, href=f"#schema-{name}")) for name in used]
        last = tag("section", tag("h2", "Records"), tag("ul", records)) if used else None
        inside = tag("details", tag("summary", "Contents"), tag("div", groups, last), open=True)
        return tag("nav", inside, aria_label="Contents")

    def _menu_group(self, name: str, operations: list[Article]) -> Html:
        return tag("section", tag("h2", name), tag("ul", [operation.link() for operation in operations]))

    def _intro(self) -> Html:
        token = tag("input", type="password", id="token", autocomplete="off", placeholder="Bearer token", size="28")
        sign_in = tag("label", "Token for “Try it”", token, class_="token", hidden=True)
        version = tag("span", f"version {self.description['info']['version']}", class_="version")
        return tag(
            "section",
            tag("h1", self.name, " ", version),
            tag("p", "Address ", tag("code", self.addresses.origin + self.addresses.api, class_="address")),
            sign_in if self.has_users else None,
            tag("p", "Nothing here matches.", id="nothing", class_="note", hidden=True),
            class_="intro",
        )

    def _group(self, name: str) -> Html:
        heading = tag("h2", name) if len(self.groups) > 1 else None
        return tag("section", heading, [operation.html() for operation in self.groups[name]], class_="group")

    def _records(self) -> list[str]:
        """Return the names of the records that operations take or give, those of problems last."""
        return sorted(self.schemas, key=lambda name: (name in ("Problem", "ProblemDetails"), name))

    def _schemas(self, used: list[str]) -> Html | None:
        if not used:
            return None
        return tag("section", tag("h2", "Records"), [self._schema(name) for name in used], class_="group records")

    def _schema(self, name: str) -> Html:
        schema = self.schemas[name]
        fields = tag("p", "One of ", type_of(schema), ".") if "enum" in schema else fields_of(schema)
        body = [tag("h3", name), prose(schema.get("description", "")), fields]
        return tag("article", body, id=f"schema-{name}", class_="schema")
