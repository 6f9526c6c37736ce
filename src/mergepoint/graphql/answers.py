"""What goes back over HTTP: status, media type and headers of results, refusals and streams of events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from ..errors import Failure, Internal
from ..wsgi.request import SECURITY, Headers, HttpFailure, request_id, seconds_left
from .events import Events
from .exchange import Caller, RequestError, Result
from .negotiation import EVENTS, JSON, RESPONSE, Accepted, accepted

Header = tuple[str, str]

PARTIAL = "294 Partial Success"
"""For data that comes with errors (GraphQL over HTTP, 5.4); only its own media type makes the meaning clear (6.1)."""

_UNSAFE = re.compile(r"[^\x20-\x7e]")


class Answer:
    """The answer to one request.

    Args:
        environ: the request.
        start_response: as WSGI has it.
    """

    def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self.method: str = environ["REQUEST_METHOD"]
        self.request_id = request_id(environ)
        self.start_response = start_response
        self._environ = environ

    @cached_property
    def takes(self) -> Accepted:
        """In which form the caller takes it."""
        return accepted(self._environ.get("HTTP_ACCEPT", ""))

    def caller(self) -> Caller:
        """Return who asks."""
        return Caller(Headers(self._environ), self.request_id, seconds_left(self._environ))

    def must_be_acceptable(self) -> None:
        """Refuse a caller who takes none of our media types."""
        if self.takes.form is None and not self.takes.events:
            raise _not_acceptable(f"This answers with {RESPONSE}, {JSON} or {EVENTS}.")

    def must_take_events(self) -> None:
        """Refuse a caller who subscribes and does not take a stream of events."""
        if not self.takes.events:
            raise _not_acceptable(f"A subscription is answered with events: send `Accept: {EVENTS}`.")

    # --- results ---

    def result(self, result: Result) -> Iterable[bytes]:
        """Answer with what an operation came to."""
        if self.takes.form is None:
            return self.events(iter([result.body]), _replied(result.reply))
        return self._whole(self._status(result), self.takes.form, result.body, _replied(result.reply))

    def request_error(self, error: RequestError) -> Iterable[bytes]:
        """Answer that a document was refused: callers of the older media type rely on 200, those of events too."""
        if self.takes.form is None:
            return self.events(iter([error.body]))
        status = error.status if self.takes.form == RESPONSE else HTTPStatus.OK
        return self._whole(_line(HTTPStatus(status)), self.takes.form, error.body)

    def events(self, results: Iterator[bytes], headers: Iterable[Header] = ()) -> Iterable[bytes]:
        """Answer with results as they come."""
        # Proxies that collect an answer before they pass it on would make a stream useless.
        self._start("200 OK", [("Content-Type", EVENTS), ("X-Accel-Buffering", "no"), *headers])
        events = Events(results)
        if self.method != "HEAD":
            return events
        events.close()
        return []

    def _status(self, result: Result) -> str:
        if self.takes.form == JSON:
            return "200 OK"
        if not result.executed:
            return "400 Bad Request"
        # Errors stand first where there are any (GraphQL, 7.1), so the body need not be read.
        return PARTIAL if result.body.startswith(b'{"errors"') else "200 OK"

    # --- refusals ---

    def refuse(self, failure: Failure, status: HTTPStatus, headers: Iterable[Header] = ()) -> Iterable[bytes]:
        """Answer a request that is no well-formed one, or that met a bug."""
        extensions = {"code": failure.code, "kind": failure.kind, "request_id": self.request_id}
        if isinstance(failure, Internal):
            extensions["incident"] = failure.incident
        body = msgspec.json.encode({"errors": [{"message": failure.message, "extensions": extensions}]})
        return self._whole(_line(status), self._form_of_refusals(), body, headers)

    def _form_of_refusals(self) -> str:
        try:
            return self.takes.form or JSON
        except HttpFailure:  # the very header that says it cannot be read
            return JSON

    # --- inside ---

    def empty(self, headers: Iterable[Header]) -> Iterable[bytes]:
        """Answer with headers alone."""
        self._start("204 No Content", headers)
        return []

    def _whole(self, status: str, form: str, body: bytes, headers: Iterable[Header] = ()) -> Iterable[bytes]:
        told = [("Content-Type", f"{form}; charset=utf-8"), ("Content-Length", str(len(body)))]
        self._start(status, [*told, *headers])
        return [] if self.method == "HEAD" else [body]

    def _start(self, status: str, headers: Iterable[Header]) -> None:
        fixed = [("Cache-Control", "no-store"), ("X-Request-Id", self.request_id), *SECURITY]
        self.start_response(status, [*headers, *fixed])


def _line(status: HTTPStatus) -> str:
    return f"{status.value} {status.phrase}"


def _not_acceptable(message: str) -> HttpFailure:
    return HttpFailure(HTTPStatus.NOT_ACCEPTABLE, "not_acceptable", message, kind="unimplemented")


def _replied(reply: dict[str, str]) -> list[Header]:
    """Return the metadata of an answer as headers, without what could start another header."""
    return [(name, _UNSAFE.sub("", value)) for name, value in reply.items()]
