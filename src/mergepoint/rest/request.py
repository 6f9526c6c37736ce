"""Read the arguments of an operation out of a WSGI request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any
from urllib.parse import unquote

from ..errors import InvalidArgument, Problem
from ..shape import present
from ..wire import Arguments, Wire
from .problems import HttpFailure
from .routes import Place, Route
from .uploads import read_form

Environ = dict[str, Any]
Source = tuple[Environ, Mapping[str, str]]
"""What a request brings: the WSGI environment, and what stands in the path's placeholders, in their order."""


Read = Callable[[Source], tuple[Any, ...]]
"""Reads the arguments of one route, in the order that its contract gives."""


def reader(route: Route) -> Read:
    """Return the function that reads the arguments of a route, in the order that its contract gives.

    It raises InvalidArgument with everything wrong in path, query and body at once, or an HttpFailure.
    """
    contract = route.operation.contract
    text = _text_reader(route, _text(route, "path", "query"))
    if contract.uploads:
        return _form_reader(route, text)
    if route.whole_body:
        types = {parameter.name: parameter for parameter in contract.parameters}
        whole = types[route.whole_body]
        return _joined(route, text, _whole_body(route, Wire(whole.type), whole.default))
    if "body" in route.places.values() or (not route.safe and route.method != "DELETE"):
        return _joined(route, text, _json_body(route, _part(route, "body")))
    return text


def _part(route: Route, *places: Place) -> Arguments:
    """Return what reads the parameters that come from these places."""
    fields = [field for field in route.operation.contract.fields if route.places[field.name] in places]
    return Arguments(route.operation.name.rpartition(".")[2], fields)


def _text(route: Route, *places: Place) -> Arguments:
    """Return what reads the parameters that come as text there; text is never null, it is left out."""
    fields = [field for field in route.operation.contract.fields if route.places[field.name] in places]
    forms = [field._replace(shape=field.shape._replace(form=present(field.shape.form))) for field in fields]
    return Arguments(route.operation.name.rpartition(".")[2], forms)


# --- path and query ---


def _text_reader(route: Route, text: Arguments) -> Read:
    """Return what reads the parameters in path and query, and refuses those it does not know."""
    in_path = tuple((name, f"p{position}") for position, name in enumerate(route.in_path))
    lists, convert, expected = route.lists, text.convert_text, bool(route.places)

    def read(source: Source) -> tuple[Any, ...]:
        environ, parts = source
        query = environ.get("QUERY_STRING")
        if not query and not expected:
            return ()
        raw = parse_query(query) if query else {}
        for name in lists:
            if isinstance(value := raw.get(name), str):
                raw[name] = [value]
        for name, placeholder in in_path:
            if name in raw:
                raise _given_twice(raw, route.in_path)
            raw[name] = parts[placeholder]
        return convert(raw)

    return read


def _given_twice(raw: dict[str, Any], in_path: tuple[str, ...]) -> InvalidArgument:
    twice = [name for name in in_path if name in raw]
    return InvalidArgument.of(*(Problem(f"$.{name}", "Unknown field: it stands in the path") for name in twice))


def parse_query(query: str) -> dict[str, Any]:
    """Read a query string: text by name, a list of texts for a name that is given more than once.

    Raises:
        HttpFailure: it is not UTF-8.
    """
    found: dict[str, Any] = {}
    plain = query.isascii() and "%" not in query and "+" not in query
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if not plain:
            name, value = _decoded(name), _decoded(value)
        if name not in found:
            if name:
                found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _decoded(text: str) -> str:
    try:
        # WSGI hands bytes on as Latin-1 (PEP 3333); a query may hold them unescaped.
        return unquote(text.replace("+", " ").encode("latin-1").decode(), errors="strict")
    except UnicodeDecodeError:
        raise HttpFailure("malformed", "The query string is not UTF-8.") from None


# --- body ---


def read_body(environ: Environ, most: int) -> bytes:
    """Return the body of a request.

    Raises:
        HttpFailure: it is longer than allowed, or shorter than it says.
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
        raise HttpFailure("malformed", f"The body ended after {len(body)} of {length} bytes.")
    return body


def content_length(environ: Environ) -> int | None:
    """Return the length that a request says its body has, or None."""
    length = environ.get("CONTENT_LENGTH")
    if not length:
        return None
    if not (length.isascii() and length.isdigit()):
        raise HttpFailure("malformed", "Content-Length is no number.")
    return int(length)


def too_large(most: int) -> HttpFailure:
    """Return the failure for a body of more than `most` bytes."""
    return HttpFailure("body_too_large", f"The body is longer than {most} bytes.", kind="out_of_range")


def _read_json(environ: Environ, most: int) -> bytes:
    body = read_body(environ, most)
    if body:
        media_type = environ.get("CONTENT_TYPE") or "none"
        # Refusing every other type also keeps forms of foreign sites out (cross-site request forgery).
        if media_type != "application/json" and media_type.partition(";")[0].strip().lower() != "application/json":
            raise HttpFailure("unsupported_media_type", f"Expected application/json, got {_printable(media_type)}.")
    return body


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:80])


def _json_body(route: Route, arguments: Arguments) -> Callable[[Environ], tuple[Any, ...]]:
    most, decode = route.operation.policy.max_body, arguments.decode_json

    def read(environ: Environ) -> tuple[Any, ...]:
        return decode(_read_json(environ, most) or b"{}")

    return read


def _whole_body(route: Route, wire: Wire[Any], default: Any) -> Callable[[Environ], tuple[Any, ...]]:
    most, required = (
        route.operation.policy.max_body,
        {p.name for p in route.operation.contract.parameters if p.required},
    )

    def read(environ: Environ) -> tuple[Any, ...]:
        body = _read_json(environ, most)
        if not body and route.whole_body not in required:
            return (default,)
        return (wire.decode_json(body),)

    return read


# --- together ---


def _joined(route: Route, text: Read, body: Callable[[Environ], tuple[Any, ...]]) -> Read:
    order = _order(route, ("path", "query"), ("body",))
    only_body = not any(place in ("path", "query") for place in route.places.values())

    def read(source: Source) -> tuple[Any, ...]:
        return order(_both(lambda: text(source), lambda: body(source[0])))

    def read_body_only(source: Source) -> tuple[Any, ...]:
        if source[0].get("QUERY_STRING"):
            text(source)  # which refuses what it does not know
        return body(source[0])

    return read_body_only if only_body else read


def _both(first: Callable[[], tuple[Any, ...]], second: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
    """Read two parts of a request; if both are wrong, say so of both at once."""
    try:
        values = first()
    except InvalidArgument as error:
        try:
            second()
        except InvalidArgument as more:
            raise InvalidArgument.of(*error.problems, *more.problems) from None
        raise
    return values + second()


def _order(route: Route, *groups: tuple[Place, ...]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return the function that puts values read group by group into the order of the contract."""
    names = [p.name for p in (*route.operation.contract.parameters, *route.operation.contract.uploads)]
    read = [name for places in groups for name in names if route.places[name] in places]
    if read == names:
        return lambda values: values
    positions = [read.index(name) for name in names]
    return itemgetter(*positions)  # at least two: one alone is always in order


def _form_reader(route: Route, text: Read) -> Read:
    contract, fields = route.operation.contract, _text(route, "form")
    order = _order(route, ("path", "query"), ("form",))

    def read(source: Source) -> tuple[Any, ...]:
        form, files = read_form(source[0], contract.uploads, route)
        return order(_both(lambda: text(source), lambda: fields.convert_text(form)) + files)

    return read
