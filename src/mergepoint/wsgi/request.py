"""What adapters read of an HTTP request: headers as metadata, its id, the time it has, its body."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from wsgiref.types import WSGIEnvironment

from mergepoint.call import new_request_id
from mergepoint.errors import Failure, Kind

SECURITY: tuple[tuple[str, str], ...] = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)
"""On every answer that is no page, errors too (OWASP ASVS 5, 3.4)."""

_REQUEST_ID = re.compile(r"[\w.\-]{1,64}", re.ASCII).fullmatch
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII).fullmatch


class HttpFailure(Failure):
    """A request that is wrong as HTTP, before any operation is concerned.

    Args:
        status: what the answer begins with.
        code: a stable name.
        message: what is wrong, and what to do.
        kind: one of the google.rpc kinds.
        headers: what the answer must say besides, such as `Allow`.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        kind: Kind = "invalid_argument",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message, kind=kind, code=code)
        self.status = status
        self.headers = headers


class Headers(Mapping[str, str]):
    """The headers of a request as the metadata of a call, by lower-case name; read only when asked for."""

    __slots__ = ("_environ",)

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        return str(self._environ["HTTP_" + name.upper().replace("-", "_")])

    def __iter__(self) -> Iterator[str]:
        return (key[5:].lower().replace("_", "-") for key in self._environ if key.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def request_id(environ: WSGIEnvironment) -> str:
    """Return the id that the caller gave the request, if it is fit for headers and logs, or a new one."""
    given = environ.get("HTTP_X_REQUEST_ID")
    return given if given and _REQUEST_ID(given) else new_request_id()


def seconds_left(environ: WSGIEnvironment) -> float | None:
    """Return the time that the caller still has, from `Mergepoint-Timeout`, or None if it does not say."""
    given = environ.get("HTTP_MERGEPOINT_TIMEOUT")
    return float(given) if given and _SECONDS(given) else None


def content_length(environ: WSGIEnvironment) -> int | None:
    """Return the length that a request says its body has, or None.

    Raises:
        HttpFailure: it is no number.
    """
    length = environ.get("CONTENT_LENGTH")
    if not length:
        return None
    if not (length.isascii() and length.isdigit()):
        raise HttpFailure(HTTPStatus.BAD_REQUEST, "malformed", "Content-Length is no number.")
    return int(length)


def read_body(environ: WSGIEnvironment, most: int) -> bytes:
    """Return the body of a request.

    Raises:
        HttpFailure: it is longer than `most` bytes, or shorter than it says.
    """
    length = content_length(environ)
    if length is None:
        # Without a length the body ends where the server says; others would wait for more for ever.
        ends = environ.get("wsgi.input_terminated") or "HTTP_TRANSFER_ENCODING" in environ
        body: bytes = environ["wsgi.input"].read(most + 1) if ends else b""
        if len(body) > most:
            raise too_large(most)
        return body
    if length > most:
        raise too_large(most)
    body = environ["wsgi.input"].read(length) if length else b""
    if len(body) < length:
        raise HttpFailure(HTTPStatus.BAD_REQUEST, "malformed", f"The body ended after {len(body)} of {length} bytes.")
    return body


def too_large(most: int) -> HttpFailure:
    """Return the failure for a body of more than `most` bytes."""
    message = f"The body is longer than {most} bytes."
    return HttpFailure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", message, kind="out_of_range")


def printable(text: str) -> str:
    """Return what a caller sent as it may stand in a message: cut, and without what could forge a line."""
    return "".join(char if char.isprintable() else "?" for char in text[:80])
