"""The WSGI application that takes the calls of other services."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from ..place import Host
from ..wsgi import problem

ASK, STREAM = "/ask", "/stream"
"""The paths below the mount: one answer, or many of them, each after its length in four bytes."""

FRAMES = "application/vnd.mergepoint.frames"
_FIXED = [("Content-Type", FRAMES), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]


def wsgi(host: Host, *, prefix: str = "") -> WSGIApplication:
    """Return the WSGI application that takes the calls of other services; links look for it at `/place`.

    What it is sent proves with its signature that it comes from a service with the same key.

    Args:
        host: answers them.
        prefix: what every path begins with, where nothing takes it off.
    """
    largest, ask, stream = host.max_frame, prefix + ASK, prefix + STREAM

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST":
            return problem(environ, start_response, HTTPStatus.METHOD_NOT_ALLOWED, "Services call with POST.")
        length = environ.get("CONTENT_LENGTH") or ""
        if not re.fullmatch(r"[0-9]{1,12}", length):
            return problem(environ, start_response, HTTPStatus.LENGTH_REQUIRED, "A call says how long it is.")
        if int(length) > largest:
            text = f"A call has at most {largest} bytes here."
            return problem(environ, start_response, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
        frame = environ["wsgi.input"].read(int(length))
        match environ["PATH_INFO"]:
            case path if path == ask:
                answer = host.ask(frame)
                start_response("200 OK", [*_FIXED, ("Content-Length", str(len(answer)))])
                return [answer]
            case path if path == stream:
                start_response("200 OK", _FIXED)
                return _prefixed(host.stream(frame))
        return problem(environ, start_response, HTTPStatus.NOT_FOUND, "Calls go to /ask or /stream.")

    return application


def _prefixed(frames: Iterator[bytes]) -> Iterator[bytes]:
    with closing(frames):  # type: ignore[type-var]  # it is a generator
        for frame in frames:
            yield len(frame).to_bytes(4, "big") + frame
