"""One route, ready to answer requests: read, run through the operation's policy, write."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec
import xxhash

from ..access import anyone
from ..call import Call, new_request_id
from ..errors import RegistrationError
from ..faults import Fault
from ..wire import Wire
from ..wsgi.request import SECURITY, Headers, request_id, seconds_left
from .downloads import file_response
from .negotiation import must_accept
from .problems import MEDIA_TYPE, details, status_line, status_of
from .request import Environ, reader
from .routes import PLACEHOLDER, Route
from .streams import Lines, lines_for
from .uploads import close_files

StartResponse: TypeAlias = Callable[[str, list[tuple[str, str]]], Any]
Header = tuple[str, str]

OF_THE_BODY = ("Content-Type", "Content-Length")
"""The headers that tell of a body, and so are left out where there is none."""

_UNSAFE = re.compile(r"[^\x20-\x7e]")


class Endpoint:
    """Answers the requests for one route."""

    def __init__(self, route: Route, prefix: str) -> None:
        self.operation = route.operation
        self.run = route.operation.run
        self.read = reader(route)
        self.answer = _answers(route, prefix)

    def __call__(self, environ: Environ, start_response: StartResponse, parts: Mapping[str, str]) -> Iterable[bytes]:
        """Answer one request.

        Args:
            environ: the WSGI environment.
            start_response: as WSGI has it.
            parts: what stands in the path's placeholders, in their order.
        """
        name = request_id(environ) if "HTTP_X_REQUEST_ID" in environ else new_request_id()
        seconds = seconds_left(environ) if "HTTP_MERGEPOINT_TIMEOUT" in environ else None
        call = Call(self.operation, "http", Headers(environ), name, seconds)
        try:
            if "HTTP_ACCEPT" in environ:
                must_accept(environ["HTTP_ACCEPT"], self.operation.contract.gives)
            result = self.run(call, (environ, parts), self.read)
            return self.answer(environ, start_response, call, result)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets problem details
            _, told = self.operation.settle(call, error)
            fault = self.operation.errors.fault(told)
            return refuse(fault, call.request_id, start_response, extra=_replied(call))


class FormEndpoint(Endpoint):
    """Answers the requests for a route that takes files; they are closed when it has answered."""

    def __call__(self, environ: Environ, start_response: StartResponse, parts: Mapping[str, str]) -> Iterable[bytes]:
        """Answer one request, as `Endpoint` does."""
        try:
            return super().__call__(environ, start_response, parts)
        finally:
            close_files(environ)


def endpoint(route: Route, prefix: str) -> Endpoint:
    """Return what answers the requests for a route below a prefix."""
    return (FormEndpoint if route.operation.contract.uploads else Endpoint)(route, prefix)


def refuse(
    fault: Fault, request_id: str, start_response: StartResponse, *, extra: Iterable[Header] = ()
) -> list[bytes]:
    """Answer with the problem details of a fault."""
    status = status_of(fault)
    body = msgspec.json.encode(details(fault, request_id))
    headers = [
        ("Content-Type", MEDIA_TYPE),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Request-Id", request_id),
        *SECURITY,
        *extra,
    ]
    if status == 401:
        headers.append(("WWW-Authenticate", "Bearer"))  # RFC 9110, 11.6.1
    start_response(status_line(status), headers)
    return [body]


# --- answers -------------------------------------------------------------------------------------------------------

Answer: TypeAlias = Callable[[Environ, StartResponse, Call, Any], Iterable[bytes]]


def _answers(route: Route, prefix: str) -> Answer:
    """Return what writes the result of a route."""
    makers: dict[str, Callable[[Route], Answer]] = {
        "value": _query_answer if route.safe else functools.partial(_value_answer, prefix=prefix),
        "nothing": _nothing_answer,
        "stream": _stream_answer,
        "download": _download_answer,
    }
    return makers[route.operation.contract.gives](route)


def _query_answer(route: Route) -> Answer:
    """Write the result of a query, with an ETag by which the next one may be answered with 304."""
    encode, status = _wire(route).encode_json, status_line(route.status)
    fixed = [("Content-Type", "application/json"), ("Cache-Control", cache_control(route)), *SECURITY]
    digest = xxhash.xxh3_128_hexdigest

    def answer(environ: Environ, start_response: StartResponse, call: Call, result: Any) -> list[bytes]:
        body = encode(result)
        tag = f'"{digest(body)}"'
        headers = [("ETag", tag), ("X-Request-Id", call.request_id), ("Content-Length", str(len(body))), *fixed]
        if call.replies:
            headers += _replied(call)
        if "HTTP_IF_NONE_MATCH" in environ and _matches(environ["HTTP_IF_NONE_MATCH"], tag):
            start_response("304 Not Modified", [header for header in headers if header[0] not in OF_THE_BODY])
            return []
        start_response(status, headers)
        return [body]

    return answer


def _value_answer(route: Route, *, prefix: str) -> Answer:
    encode, status, locate = _wire(route).encode_json, status_line(route.status), _location(route, prefix)
    fixed = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), *SECURITY]

    def answer(environ: Environ, start_response: StartResponse, call: Call, result: Any) -> list[bytes]:
        body = encode(result)
        headers = [("Content-Length", str(len(body))), ("X-Request-Id", call.request_id), *fixed]
        if call.replies:
            headers += _replied(call)
        if locate is not None:
            headers.append(("Location", locate(result)))
        start_response(status, headers)
        return [body]

    return answer


def _nothing_answer(route: Route) -> Answer:
    status = status_line(route.status)
    length = [] if route.status == 204 else [("Content-Length", "0")]  # RFC 9110, 8.6

    def answer(environ: Environ, start_response: StartResponse, call: Call, result: Any) -> list[bytes]:
        start_response(status, [*length, ("X-Request-Id", call.request_id), *SECURITY, *_replied(call)])
        return []

    return answer


def _stream_answer(route: Route) -> Answer:
    wire, status = _wire(route), status_line(route.status)

    def answer(environ: Environ, start_response: StartResponse, call: Call, result: Any) -> Iterable[bytes]:
        form = lines_for(environ.get("HTTP_ACCEPT", ""))
        lines = Lines(result, wire, form, lambda error: _told(route, call, error))
        headers = [("Content-Type", form.media_type), ("Cache-Control", "no-store"), ("X-Request-Id", call.request_id)]
        start_response(status, [*headers, *SECURITY, *_replied(call)])
        return lines

    return answer


def _told(route: Route, call: Call, error: Exception) -> dict[str, Any]:
    _, told = route.operation.settle(call, error)
    return details(route.operation.errors.fault(told), call.request_id)


def _download_answer(route: Route) -> Answer:
    status, cache = status_line(route.status), cache_control(route)

    def answer(environ: Environ, start_response: StartResponse, call: Call, result: Any) -> Iterable[bytes]:
        headers, body = file_response(environ, result)
        headers += [("Cache-Control", cache), ("X-Request-Id", call.request_id), *SECURITY, *_replied(call)]
        start_response(status, headers)
        return body

    return answer


def cache_control(route: Route) -> str:
    """Return who may keep the answers of a route, and how long."""
    policy = route.operation.policy
    public = policy.allow in (None, anyone)
    if policy.cache is not None:
        return f"{'public' if public else 'private'}, max-age={int(policy.cache)}"
    # What belongs to a user stays out of every cache; the rest may be kept, but is asked for again (ETag).
    return "no-cache" if public and route.safe else "no-store"


def _wire(route: Route) -> Wire[Any]:
    assert route.operation.contract.result is not None  # noqa: S101 - so a contract says of values and streams
    return route.operation.contract.result


def _location(route: Route, prefix: str) -> Callable[[Any], str] | None:
    template = route.location
    if template is None:
        return None
    names = PLACEHOLDER.findall(template)
    wire = _wire(route)
    if missing := [name for name in names if name not in _field_names(wire)]:
        raise RegistrationError(
            f"{route.operation.name}: location={template!r} needs `{missing[0]}`, which its result does not have."
        )
    return lambda result: prefix + template.format_map({name: getattr(result, name) for name in names})


def _field_names(wire: Wire[Any]) -> tuple[str, ...]:
    return getattr(wire.form, "__struct_fields__", ())


def _matches(header: str, tag: str) -> bool:
    """Tell whether `If-None-Match` names this tag (RFC 9110, 13.1.2: weak comparison)."""
    return header.strip() == "*" or tag in (part.strip().removeprefix("W/") for part in header.split(","))


def _replied(call: Call) -> list[Header]:
    """Return the metadata of an answer as headers, without what could start another header."""
    return [(name, _UNSAFE.sub("", value)) for name, value in call.reply.items()] if call.replies else []
