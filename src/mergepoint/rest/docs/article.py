"""One operation on the docs page: what it takes and gives, a request to copy, and a form to try it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from ..openapi import ACCESS, access_note
from ..openapi.schemas import Schema, resolve
from .markup import Content, Html, joined, json, prose, spans, tag
from .wording import default_of, limits, type_of

JSON = "application/json"
FORM = "multipart/form-data"


class Addresses(NamedTuple):
    """Where things are, as the reader's browser knows it.

    Attributes:
        origin: of the site, such as `https://bats.example`.
        api: the path of the API, such as `/api`.
        static: the path below which the page's script and style are.
        description: the path of the OpenAPI description.
    """

    origin: str
    api: str
    static: str
    description: str


def fields_of(schema: Schema) -> Html:
    """Return the table of an object's fields."""
    required = schema.get("required", ())
    found = schema.get("properties", {}).items()
    return table([_field(name, part, required=name in required) for name, part in found])


def table(rows: list[Html]) -> Html:
    """Return a list of names with what is said of each."""
    return tag("dl", rows, class_="fields")


def _field(name: str, schema: Schema, *, required: bool, doc: str = "") -> Html:
    """Return one row: the name, its type, and everything else that holds for it."""
    default = default_of(schema)
    notes: list[Content] = [tag("span", limit, class_="limit") for limit in limits(schema)]
    if default is not None:
        notes.append(tag("span", "default ", tag("code", default), class_="limit"))
    said = doc or schema.get("description", "")
    return tag(
        "div",
        tag("dt", tag("code", name), [" ", tag("em", "required")] if required else None),
        tag(
            "dd",
            tag("span", type_of(schema), class_="type"),
            [[" ", note] for note in notes],
            tag("p", spans(said)) if said else None,
        ),
    )


class Article:
    """One operation of the page.

    Args:
        method: such as `GET`.
        path: the template of its path.
        operation: its description.
        components: what the description refers to.
        addresses: where the page, the API and the rest are.
    """

    def __init__(
        self,
        method: str,
        path: str,
        operation: Mapping[str, Any],
        components: Mapping[str, Any],
        addresses: Addresses,
    ) -> None:
        self.components = components
        self.addresses = addresses
        self.method = method
        self.path = path
        self.operation = operation
        self.name = operation["operationId"]
        self.anchor = f"op-{self.name}"
        self.title = operation.get("summary", "").removesuffix(".") or self.name
        self.parameters: list[Schema] = operation.get("parameters", [])
        content: dict[str, Schema] = operation.get("requestBody", {}).get("content", {})
        self.media_type: str = next(iter(content), "")
        self.body: Schema = content.get(self.media_type, {})

    def link(self) -> Html:
        """Return its line in the contents."""
        label = tag("span", self.title)
        return tag("li", tag("a", self._badge(), " ", label, href=f"#{self.anchor}"))

    def html(self) -> Html:
        """Return the whole of it."""
        left = tag("div", self._description(), self._inputs(), self._answers(), class_="told")
        right = tag("div", self._request(), self._answer_example(), self._form(), class_="shown")
        return tag(
            "article", self._heading(), tag("div", left, right, class_="columns"), id=self.anchor, class_="operation"
        )

    def _badge(self) -> Html:
        return tag("b", self.method, class_=f"method {self.method.lower()}")

    def _heading(self) -> Html:
        parts = self.path.replace("{", "\0{").replace("}", "}\0").split("\0")
        path = [tag("var", part) if part.startswith("{") else part for part in parts]
        where = tag("p", self._badge(), " ", tag("code", path, class_="path"), " ", self._access(), class_="where")
        return tag("header", tag("h3", tag("a", spans(self.title), href=f"#{self.anchor}")), where)

    def _access(self) -> Html | None:
        allowed = self.operation.get(ACCESS)
        if allowed is None:
            return None
        limited = bool(self.operation["security"])
        return tag("span", allowed, class_="access limited" if limited else "access", title=access_note(allowed))

    def _description(self) -> Html:
        text = self.operation.get("description", "")
        return prose(text.removesuffix(access_note(self.operation.get(ACCESS, ""))))

    def _inputs(self) -> Iterator[Html]:
        for place, heading in (("path", "In the path"), ("query", "In the query")):
            found = [p for p in self.parameters if p["in"] == place]
            if found:
                yield tag("h4", heading)
                yield table([_parameter(p, required=p["required"] and place == "query") for p in found])
        if self.body:
            request = self.operation["requestBody"]
            yield tag("h4", "Body", tag("small", self.media_type))
            yield self._body_fields()
            yield tag("p", request["description"], class_="note")

    def _body_fields(self) -> Html:
        schema = self.body["schema"]
        if "properties" in schema:
            return fields_of(schema)
        named = resolve(schema, self.components["schemas"])
        return joined([tag("p", type_of(schema), class_="type"), fields_of(named) if "properties" in named else None])

    def _answers(self) -> Iterator[Html]:
        """Yield the answers: first what is this operation's own, then what any operation may answer, folded."""
        yield tag("h4", "Answers")
        found = self.operation["responses"].items()
        own = [_status(status, part) for status, part in found if "$ref" not in part]
        common = [_status(status, self._resolved(part)) for status, part in found if "$ref" in part]
        statuses = [[" ", _status_code(status)] for status, part in found if "$ref" in part]
        folded = tag("details", tag("summary", "In general:", statuses), tag("ul", common), class_="common")
        yield tag("ul", own, tag("li", folded), class_="statuses")

    def _request(self) -> Html:
        return tag("figure", tag("figcaption", "Request"), tag("pre", self._curl(), class_="curl"))

    def _curl(self) -> str:
        """Return the command that sends the example from a terminal."""
        parts = ["curl", *([f"-X {self.method}"] if self._method_must_be_said() else [])]
        if self.operation.get("security"):
            parts.append('-H "Authorization: Bearer $TOKEN"')
        if self.media_type == JSON and "example" in self.body:
            example = msgspec.json.encode(self.body["example"]).decode()
            parts += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(example)}"]
        parts += [f"-F {name}={'@' + name if _is_file(part) else 'text'}" for name, part in self._form_fields()]
        parts.append(shlex.quote(self._example_url()))
        return " ".join(parts) if len(parts) == 2 else " \\\n  ".join(parts)

    def _method_must_be_said(self) -> bool:
        return self.method != ("POST" if self.body else "GET")

    def _form_fields(self) -> list[tuple[str, Schema]]:
        if self.media_type != FORM:
            return []
        required = self.body["schema"].get("required", ())
        return [(name, part) for name, part in self.body["schema"]["properties"].items() if name in required]

    def _example_url(self) -> str:
        path, query = self.path, []
        for parameter in self.parameters:
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(_text(parameter.get("example", "…"))))
            elif parameter["required"]:
                query.append((parameter["name"], _texts(parameter.get("example", "…"))))
        address = self.addresses.origin + self.addresses.api
        return address + path + ("?" + urlencode(query, doseq=True) if query else "")

    def _answer_example(self) -> Html | None:
        status, answer = next(iter(self.operation["responses"].items()))
        content = answer.get("content", {}).get(JSON, {})
        if "example" not in content:
            return None
        caption = tag("figcaption", "Answer", tag("small", status))
        return tag("figure", caption, tag("pre", json(content["example"])))

    def _resolved(self, part: Schema) -> Schema:
        """Return the response that a reference means, or the response itself."""
        if "$ref" not in part:
            return part
        shared: Schema = self.components["responses"][part["$ref"].rpartition("/")[2]]
        return shared

    # --- try it ---

    def _form(self) -> Html:
        fields = [_input(p["name"], p["in"], p["schema"], p, required=p["required"]) for p in self.parameters]
        send = tag("p", tag("button", "Send", type="submit"), tag("output", class_="status"), class_="send")
        result = tag("pre", class_="result", hidden=True, tabindex="0")
        where = self.addresses.api + self.path
        form = tag("form", fields, self._body_inputs(), send, result, data_method=self.method, data_path=where)
        return tag("details", tag("summary", "Try it"), form, class_="try", hidden=True)

    def _body_inputs(self) -> Content:
        if self.media_type == FORM:
            required = self.body["schema"].get("required", ())
            parts = self.body["schema"]["properties"].items()
            return [_input(name, "form", part, {}, required=name in required) for name, part in parts]
        if not self.body:
            return None
        text = msgspec.json.format(msgspec.json.encode(self.body.get("example", {})), indent=2).decode()
        area = tag("textarea", text, name="body", rows=str(min(14, text.count("\n") + 1)), spellcheck="false")
        return tag("label", tag("span", "body"), area)


def _parameter(parameter: Schema, *, required: bool) -> Html:
    return _field(parameter["name"], parameter["schema"], required=required, doc=parameter.get("description", ""))


def _status(status: str, response: Schema) -> Html:
    """Return one status that an operation may answer with, and the codes that come with it."""
    content = response.get("content", {})
    problems = content.get("application/problem+json", {}).get("examples", {})
    if not problems:
        types = " or ".join(content)
        schema = next((part["schema"] for part in content.values()), None)
        result = [" ", tag("span", type_of(schema), class_="type")] if schema else None
        said = [_status_code(status), " ", spans(response["description"]), result]
        return tag("li", said, tag("small", types) if types else None)
    return tag("li", [_problem(status, code, given) for code, given in problems.items()])


def _problem(status: str, code: str, given: Schema) -> Html:
    title = tag("summary", _status_code(status), " ", tag("code", code), " ", tag("span", spans(given["summary"])))
    return tag("details", title, tag("pre", json(given["value"])))


def _status_code(status: str) -> Html:
    return tag("b", status, class_=f"status s{status[0]}")


def _is_file(schema: Schema) -> bool:
    return bool(schema.get("items", schema).get("format") == "binary")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


def _input(name: str, place: str, schema: Schema, parameter: Schema, *, required: bool) -> Html:
    """Return the field of a form for one parameter."""
    return tag("label", tag("span", name), _control(name, place, schema, parameter.get("example"), required))


def _control(name: str, place: str, schema: Schema, example: Any, required: bool) -> Html:
    several = schema.get("type") == "array"
    said = {"name": name, "data_in": place, "required": required, "data_list": several}
    if _is_file(schema):
        return tag("input", type="file", multiple=several, **said)
    if schema.get("type") == "boolean" or "enum" in schema:
        values = schema.get("enum", [True, False])
        return tag("select", [tag("option", _text(value)) for value in ([] if required else [""]) + values], **said)
    kind = "password" if schema.get("format") == "password" else "text"
    value = _text(example) if required and example is not None and place == "path" else None
    hint = None if example is None else ", ".join(_texts(example))
    return tag("input", type=kind, value=value, placeholder=hint, autocomplete="off", **said)
