"""Whole answers of small WSGI applications: bytes, JSON and problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

Headers = Sequence[tuple[str, str]]


def answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    body: bytes,
    *,
    media_type: str,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Headers = (),
) -> list[bytes]:
    """Answer a request with a body that is known as a whole; HEAD gets the headers alone."""
    length = ("Content-Length", str(len(body)))
    start_response(f"{status.value} {status.phrase}", [("Content-Type", media_type), length, *headers])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def answer_json(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    value: Any,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Headers = (),
) -> list[bytes]:
    """Answer a request with JSON that no cache may keep."""
    fresh = [("Cache-Control", "no-store"), *headers]
    body = msgspec.json.encode(value)
    return answer(environ, start_response, body, media_type="application/json", status=status, headers=fresh)


def problem(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: HTTPStatus,
    detail: str,
    *,
    headers: Headers = (),
) -> list[bytes]:
    """Answer a request with problem details (RFC 9457, section 3)."""
    members = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    body = msgspec.json.encode(members)
    media_type = "application/problem+json"
    return answer(environ, start_response, body, media_type=media_type, status=status, headers=headers)


def reads_only(environ: WSGIEnvironment) -> bool:
    """Tell whether the request is a GET or a HEAD."""
    return environ["REQUEST_METHOD"] in ("GET", "HEAD")


def not_allowed(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Refuse a method other than GET and HEAD (RFC 9110, section 15.5.6, wants `Allow` with it)."""
    detail = "Only GET and HEAD are answered here."
    allow = [("Allow", "GET, HEAD")]
    return problem(environ, start_response, HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=allow)
