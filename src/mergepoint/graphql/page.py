"""The page on which operations are written and run in a browser. It needs nothing from the internet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from string import Template
from typing import NamedTuple
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from ..wsgi.answer import answer, not_allowed, reads_only
from .outline import outline

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: its own scripts and style, and nothing written into the page."""

_HEADERS = [
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-cache"),
]
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


class _File(NamedTuple):
    body: bytes
    media_type: str
    tag: str


class Page:
    """Answers with the page, and below it with its scripts, its style and what it knows of the schema.

    Args:
        sdl: the schema.
        name: what the page is called.
    """

    def __init__(self, sdl: str, name: str) -> None:
        folder = files(__package__).joinpath("static")
        self._template = Template(folder.joinpath("page.html").read_text())
        self._name = name
        self._files = {"/schema.json": _file(msgspec.json.encode(outline(sdl)), "application/json")}
        for file in folder.iterdir():
            if media_type := _TYPES.get(file.name[file.name.rfind(".") :]):
                self._files[f"/{file.name}"] = _file(file.read_bytes(), media_type)

    def has(self, path: str) -> bool:
        """Tell whether something is at a path below the page."""
        return path in self._files

    def __call__(self, path: str, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with the page, or with what is at a path below it."""
        if not reads_only(environ):
            return not_allowed(environ, start_response)
        body, media_type, tag = self._files[path] if path else self._render(environ)
        headers = [("ETag", tag), *_HEADERS]
        known = environ.get("HTTP_IF_NONE_MATCH", "")
        if tag in (part.strip().removeprefix("W/") for part in known.split(",")):
            start_response("304 Not Modified", headers)
            return []
        return answer(environ, start_response, body, media_type=media_type, headers=headers)

    def _render(self, environ: WSGIEnvironment) -> _File:
        # PATH_INFO may end with a slash, which stands before the page's own files already.
        here = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "").rstrip("/")
        address = quote(here.encode("latin-1"), safe="/~")  # PEP 3333: bytes come as Latin-1
        text = self._template.substitute(name=escape(self._name), here=escape(address))
        return _file(text.encode(), "text/html; charset=utf-8")


def _file(body: bytes, media_type: str) -> _File:
    return _File(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
