"""The docs page and the OpenAPI description as WSGI applications. They need nothing from the internet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from ...app import App
from ...wsgi.answer import answer, not_allowed, problem, reads_only
from ..openapi import describe
from .article import Addresses
from .page import render

Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: its own script and style, and nothing written into the page."""

_HEADERS = [
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-cache"),
]
_STATIC = {"/docs.js": "text/javascript; charset=utf-8", "/docs.css": "text/css; charset=utf-8"}


def description(app: App, prefix: str = "/api") -> Application:
    """Make the WSGI application that answers with the OpenAPI description of an app, for `/openapi.json`.

    Args:
        app: whose operations to describe.
        prefix: where they are served.

    Raises:
        RegistrationError: an operation cannot be served over HTTP.
    """
    body = msgspec.json.encode(describe(app, prefix))
    # Anybody's tools may read what is public anyway: it holds no data and no cookie opens it.
    everybody = ("Access-Control-Allow-Origin", "*")
    return _Fixed(body, "application/json", [everybody])


def page(app: App, prefix: str = "/api", *, described_at: str = "/openapi.json") -> Application:
    """Make the WSGI application of the docs page, for `/docs`.

    Args:
        app: whose operations to describe.
        prefix: where they are served.
        described_at: where `description` is served.

    Raises:
        RegistrationError: an operation cannot be served over HTTP.
    """
    return _Page(describe(app, prefix), prefix, described_at)


def wsgi(app: App, prefix: str = "/api") -> Application:
    """Make one WSGI application of both: the page at `/docs`, the description at `/openapi.json`."""
    pages, told = page(app, prefix), description(app, prefix)

    def docs(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/openapi.json":
            return told(environ, start_response)
        if path == "/docs" or path.startswith("/docs/"):
            inside = {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + "/docs", "PATH_INFO": path.removeprefix("/docs")}
            return pages({**environ, **inside}, start_response)
        return problem(environ, start_response, HTTPStatus.NOT_FOUND, "There is nothing at this path.")

    return docs


class _Fixed:
    """Answers every request with the same bytes, and with 304 who has them already."""

    def __init__(self, body: bytes, media_type: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        self.body = body
        self.media_type = media_type
        self.tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        self.headers = [("ETag", self.tag), *_HEADERS, *headers]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not reads_only(environ):
            return not_allowed(environ, start_response)
        known = environ.get("HTTP_IF_NONE_MATCH", "")
        if self.tag in (part.strip().removeprefix("W/") for part in known.split(",")):
            start_response("304 Not Modified", self.headers)
            return []
        return answer(environ, start_response, self.body, media_type=self.media_type, headers=self.headers)


class _Page:
    """Answers with the page, and below it with its script and style."""

    def __init__(self, described: dict[str, Any], prefix: str, described_at: str) -> None:
        self.described = described
        self.prefix = prefix
        self.described_at = described_at
        folder = files(__package__).joinpath("static")
        self.static = {path: _Fixed(folder.joinpath(path[1:]).read_bytes(), kind) for path, kind in _STATIC.items()}
        # An address or two in real life; the bound is for those who invent Host headers.
        self.at = lru_cache(maxsize=8)(self._render)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in ("", "/"):
            host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
            return self.at(f"{environ['wsgi.url_scheme']}://{host}", environ.get("SCRIPT_NAME", ""))(
                environ, start_response
            )
        if path in self.static:
            return self.static[path](environ, start_response)
        return problem(environ, start_response, HTTPStatus.NOT_FOUND, "There is nothing at this path.")

    def _render(self, origin: str, script_name: str) -> _Fixed:
        root = script_name.removesuffix("/docs")
        where = Addresses(origin, root + self.prefix, script_name, root + self.described_at)
        return _Fixed(render(self.described, where).encode(), "text/html; charset=utf-8")
