"""A caller of WSGI apps: what a browser or a program sends, and what it gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlencode
from wsgiref.types import WSGIApplication
from wsgiref.util import setup_testing_defaults

from msgspec import Struct


class Answer(Struct, frozen=True):
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def send(
    site: WSGIApplication,
    method: str,
    address: str,
    body: bytes = b"",
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request and read the whole answer."""
    path, _, query = address.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": quote(path, safe="/%").encode().decode("latin-1"),
        "QUERY_STRING": query,
        "wsgi.input": BytesIO(body),
    }
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()}
    if body:
        environ |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": media_type}
    setup_testing_defaults(environ)
    begun: list[tuple[Any, ...]] = []

    def start_response(*start: Any) -> Callable[[bytes], object]:
        begun.append(start)
        return written.append

    written: list[bytes] = []
    chunks = site(environ, start_response)
    try:
        content = b"".join((*written, *chunks))
    finally:
        getattr(chunks, "close", lambda: None)()
    status, sent, *_ = begun[-1]
    return Answer(int(status[:3]), {name.lower(): value for name, value in sent}, content)


def get(site: WSGIApplication, address: str) -> Answer:
    """Ask for an address."""
    return send(site, "GET", address)


def post(site: WSGIApplication, address: str, **values: Any) -> Answer:
    """Send values as JSON."""
    return send(site, "POST", address, json.dumps(values).encode())


def press(site: WSGIApplication, address: str, headers: Mapping[str, str] | None = None, **values: str) -> Answer:
    """Press the button of a form that is on a page of the site, unless the headers say otherwise."""
    body = urlencode(values).encode()
    ours = {"Sec-Fetch-Site": "same-origin"} if headers is None else headers
    return send(site, "POST", address, body, "application/x-www-form-urlencoded", ours)


def upload(site: WSGIApplication, name: str, content: bytes, media_type: str = "application/octet-stream") -> Answer:
    """Send a file as a form does."""
    boundary = "0123456789"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return send(site, "POST", "/api/files", body, f"multipart/form-data; boundary={boundary}")
