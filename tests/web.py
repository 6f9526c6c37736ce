"""A WSGI client for tests: every request goes through the standard library's validator of both sides."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator


@dataclass(frozen=True)
class Answer:
    """What came back: the status as a number, headers by lower-case name, and the bytes."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


def environ_of(
    method: str, target: str, *, body: bytes, media_type: str | None, headers: dict[str, str]
) -> dict[str, Any]:
    """Return the WSGI environment of a request."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    if media_type is not None:
        environ["CONTENT_TYPE"] = media_type
    setup_testing_defaults(environ)
    return environ | {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}


def request(
    app: Callable[..., Any],
    method: str,
    target: str,
    *,
    json_body: Any = None,
    body: bytes = b"",
    media_type: str | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send one request to a WSGI application and read the whole answer."""
    if json_body is not None:
        body = json.dumps(json_body).encode()
    media_type = media_type or ("application/json" if body else None)
    environ = environ_of(method, target, body=body, media_type=media_type, headers=headers or {})
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, given: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], object]:
        started.append((status, given))
        return io.BytesIO().write

    chunks: Any = validator(app)(environ, start_response)
    try:
        content = b"".join(chunks)
    finally:
        chunks.close()
    status, given = started[-1]
    return Answer(int(status.split()[0]), {name.lower(): value for name, value in given}, content)
