"""Security headers for every answer that does not set its own."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from types import TracebackType
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from mergepoint.wsgi.answer import problem

_log = logging.getLogger(__name__)
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class Secure:
    """A WSGI application with security headers on every answer, errors too.

    An answer's own headers of the same name stay as they are. An exception that the application lets out before it
    answers is logged and becomes a bare 500, so that no server prints it.

    Args:
        app: the application.
        frames: who may show the pages in a frame, as in CSP's `frame-ancestors`.
        referrer: the `Referrer-Policy`.
        hsts: the `Strict-Transport-Security` of answers over https; None for none. The server must set
            `wsgi.url_scheme` when a proxy ends TLS.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        frames: str = "'none'",
        referrer: str = "strict-origin-when-cross-origin",
        hsts: str | None = "max-age=31536000; includeSubDomains",
    ) -> None:
        self.app = app
        self.http = {
            "x-content-type-options": ("X-Content-Type-Options", "nosniff"),
            "referrer-policy": ("Referrer-Policy", referrer),
            "content-security-policy": ("Content-Security-Policy", f"frame-ancestors {frames}"),
        }
        # RFC 6797, section 7.2: never over plain HTTP.
        strict = {"strict-transport-security": ("Strict-Transport-Security", hsts)} if hsts else {}
        self.https = {**self.http, **strict}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        ours = self.https if environ["wsgi.url_scheme"] == "https" else self.http

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None
        ) -> Callable[..., object]:
            theirs = {name.lower() for name, _ in headers}
            if ours.keys().isdisjoint(theirs):
                added = [*headers, *ours.values()]
            else:
                added = [*headers, *(header for name, header in ours.items() if name not in theirs)]
            return start_response(status, added, exc_info)

        try:
            return self.app(environ, start)
        except Exception:  # noqa: BLE001 - the outermost layer: what nobody caught is answered here
            _log.exception("a WSGI application failed")
            # With exc_info, as the application may have begun an answer that it could not finish.
            start_over = partial(start, exc_info=sys.exc_info())
            return problem(environ, start_over, HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here.")
