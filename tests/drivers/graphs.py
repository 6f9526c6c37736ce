"""GraphQL: a document for each call, made of the schema, and what comes back read as the values it stands for."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import msgspec
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_required_argument,
    is_required_input_field,
)
from tests.drivers.stub import Stub, plain, uploads
from tests.web import environ_of

from mergepoint import App, Upload, graphql
from mergepoint.call import current
from mergepoint.faults import Fault
from mergepoint.operation import Operation
from mergepoint.testing.conformance import Need

S = TypeVar("S")

ROOTS = {"Query": "query", "Mutation": "mutation", "Subscription": "subscription"}
DEEPEST = 4
"""How often a record inside its like is asked for."""


class GraphQL:
    """Sends documents to the WSGI application."""

    lacks: Mapping[Need, str] = {
        "absent fields": "a field that is asked for is answered, with null if there is nothing",
        "downloads": "an answer is data, not a file",
        "replies": "what comes beside an answer is in the headers of a response with many answers",
        "tuples": "the items of a list have one type",
    }

    @contextmanager
    def connect(self, app: App, service: type[S], metadata: Mapping[str, str]) -> Iterator[S]:
        """Give an object that sends a document for each call."""
        server = Server(app)

        def ask(operation: Operation, values: tuple[Any, ...]) -> Any:
            given, files = plain(operation, values), uploads(operation, values)
            return server.ask(operation, given, files, {**metadata, **_passed_on()})

        yield cast(S, Stub(app, service, ask))


class Server:
    """The WSGI application of an app, and the documents to ask it with."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.wsgi = graphql.wsgi(app, limits=graphql.Limits(cost=1_000_000, depth=30))
        self.documents = Documents(build_schema(self.wsgi.schema.sdl))

    def ask(
        self, operation: Operation, given: dict[str, Any], files: dict[str, Any], headers: Mapping[str, str]
    ) -> Any:
        """Call an operation and return its value, or its items as they come.

        Args:
            operation: what to call.
            given: its arguments as plain values, by name.
            files: the files, by name.
            headers: of the request.
        """
        query, variables = self.documents.of(operation, given)
        if operation.contract.gives == "stream":
            return self._items(operation, _events(self.wsgi, query, variables, headers))
        told = json.loads(b"".join(_posted(self.wsgi, query, variables, files, headers)))
        return self.documents.value(operation, _data(self.app, told))

    def _items(self, operation: Operation, results: Iterator[dict[str, Any]]) -> Iterator[Any]:
        try:
            for told in results:
                yield self.documents.value(operation, _data(self.app, told))
        finally:
            results.close()  # type: ignore[attr-defined]  # it is a generator


def _passed_on() -> dict[str, str]:
    call = current()
    if call:
        call.check()
    return (
        {}
        if call is None
        else {"x-request-id": call.request_id, "mergepoint-timeout": f"{max(call.remaining(), 0.001):.3f}"}
    )


def _data(app: App, told: dict[str, Any]) -> Any:
    """Return the one field that was asked for, or raise the failure that was told."""
    if errors := told.get("errors"):
        given = {
            "kind": "unknown",
            "code": "unknown",
            **errors[0].get("extensions", {}),
            "message": errors[0]["message"],
        }
        given.pop("request_id", None)
        raise app.errors.failure(msgspec.convert(given, Fault))
    return next(iter(told["data"].values()))


# --- requests ------------------------------------------------------------------------------------------------------


def _posted(
    wsgi: Any,
    query: str,
    variables: dict[str, Any],
    files: dict[str, Any],
    headers: Mapping[str, str],
    accept: str = "application/json",
) -> Iterator[bytes]:
    """Send a request and yield the answer as it comes."""
    content = {"query": query, "variables": variables}
    body, media_type = _form(content, files) if files else (msgspec.json.encode(content), "application/json")
    sent = {**headers, "accept": accept, "graphql-preflight": "1"}
    environ = environ_of("POST", "/", body=body, media_type=media_type, headers=sent)
    chunks: Iterable[bytes] = wsgi(environ, lambda status, given, error=None: io.BytesIO().write)
    try:
        yield from chunks
    finally:
        if close := getattr(chunks, "close", None):
            close()


def _form(content: dict[str, Any], files: dict[str, Any]) -> tuple[bytes, str]:
    """Return a form as the GraphQL multipart request specification has it."""
    found: dict[str, Upload] = {}
    for name, given in files.items():
        if isinstance(given, Upload):
            content["variables"][name] = None
            found[f"variables.{name}"] = given
        else:
            content["variables"][name] = [None] * len(given)
            found |= {f"variables.{name}.{number}": file for number, file in enumerate(given)}
    parts = [_part("operations", msgspec.json.encode(content))]
    parts += [_part("map", json.dumps({str(n): [path] for n, path in enumerate(found)}).encode())]
    parts += [_part(str(n), f.file.read(), f) for n, f in enumerate(found.values())]
    return b"".join(parts) + b"--bat--\r\n", "multipart/form-data; boundary=bat"


def _part(name: str, content: bytes, upload: Upload | None = None) -> bytes:
    told, kind = f'name="{name}"', ""
    if upload:
        quoted = upload.name.replace("\\", "\\\\").replace('"', '\\"')
        told, kind = f'{told}; filename="{quoted}"', f"Content-Type: {upload.media_type}\r\n"
    return f"--bat\r\nContent-Disposition: form-data; {told}\r\n{kind}\r\n".encode() + content + b"\r\n"


def _events(wsgi: Any, query: str, variables: dict[str, Any], headers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the results of a subscription, one for each server-sent event."""
    rest = ""
    chunks = _posted(wsgi, query, variables, {}, headers, "text/event-stream")
    try:
        for chunk in chunks:
            *events, rest = (rest + chunk.decode()).split("\n\n")
            for event in events:
                data = "".join(
                    line.removeprefix("data:").strip() for line in event.split("\n") if line.startswith("data:")
                )
                if data:
                    yield json.loads(data)
        if rest.startswith("{"):  # refused before it began: a plain response
            yield json.loads(rest)
    finally:
        chunks.close()  # type: ignore[attr-defined]  # it is a generator


# --- documents -----------------------------------------------------------------------------------------------------


class Documents:
    """Makes documents of a schema, and plain values of what comes back."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema

    def of(self, operation: Operation, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the document that calls an operation, and its variables."""
        root, field = self.field(operation)
        names = [*values, *(p.name for p in operation.contract.uploads)]
        declared = ", ".join(f"${name}: {field.args[name].type}" for name in names)
        given = ", ".join(f"{name}: ${name}" for name in names)
        call = f"{_name(operation)}({given})" if names else _name(operation)
        variables = {name: _input(field.args[name].type, value) for name, value in values.items()}
        return f"{root} {f'({declared})' if names else ''} {{ {call} {_selection(field.type)} }}", variables

    def field(self, operation: Operation) -> tuple[str, GraphQLField]:
        """Return where an operation stands in the schema."""
        for name, root in ROOTS.items():
            found = self.schema.get_type(name)
            if isinstance(found, GraphQLObjectType) and _name(operation) in found.fields:
                return root, found.fields[_name(operation)]
        raise AssertionError(f"{operation.name} is not in the schema")

    def samples(self, operation: Operation) -> dict[str, Any]:
        """Return arguments that GraphQL takes for an operation: those that must be there."""
        files = {upload.name for upload in operation.contract.uploads}
        arguments = self.field(operation)[1].args
        return {n: sample(a.type) for n, a in arguments.items() if is_required_argument(a) and n not in files}

    def value(self, operation: Operation, data: Any) -> Any:
        """Return the value that data stands for."""
        result = operation.contract.result
        if operation.contract.gives == "nothing" or result is None:
            return None
        return result.decode_json(msgspec.json.encode(_output(self.field(operation)[1].type, data)))


def _name(operation: Operation) -> str:
    """Return the name of the field; that of an operation of an included app has no dot there."""
    return operation.name.replace(".", "_")


def _selection(given: Any, depth: int = 0, seen: tuple[str, ...] = ()) -> str:
    """Return what to ask of a type: everything, and of a record inside its like as much as the cases need."""
    named: Any = get_named_type(given)
    if isinstance(named, GraphQLUnionType):
        inner = " ".join(f"... on {member.name} {_selection(member, depth, seen)}" for member in named.types)
        return f"{{ __typename {inner} }}"
    if not isinstance(named, GraphQLObjectType) or seen.count(named.name) >= DEEPEST:
        return ""
    if "pageInfo" in named.fields:
        return f"{{ nodes {_selection(named.fields['nodes'].type)} pageInfo {{ endCursor }} }}"
    fields = []
    for name, field in named.fields.items():
        selection = _selection(field.type, depth + 1, (*seen, named.name))
        if selection or not isinstance(get_named_type(field.type), GraphQLObjectType | GraphQLUnionType):
            fields.append(f"{name} {selection}")
    return f"{{ {' '.join(fields)} }}"


SAMPLES: dict[str, Any] = {
    "Base64": "",
    "Boolean": False,
    "Date": "2026-01-01",
    "DateTime": "2026-01-01T00:00:00Z",
    "Decimal": "1",
    "Duration": "PT0S",
    "Float": 0.0,
    "ID": "0",
    "Int": 0,
    "Int64": 0,
    "String": "",
    "Time": "12:00:00",
    "UUID": "00000000-0000-0000-0000-000000000000",
}
"""A value of each scalar."""


def sample(given: Any) -> Any:
    """Return a plain value that GraphQL takes for a type, whatever the contract says of it."""
    named = get_nullable_type(given)
    if isinstance(named, GraphQLList):
        return []
    if isinstance(named, GraphQLEnumType):
        return next(iter(named.values))
    if isinstance(named, GraphQLInputObjectType):
        if named.is_one_of:
            name, field = next(iter(named.fields.items()))
            return {"type": name, **sample(get_nullable_type(field.type))}
        return {name: sample(field.type) for name, field in named.fields.items() if is_required_input_field(field)}
    return SAMPLES[named.name]


def _each(given: Any, value: Any, make: Callable[[Any, Any], Any]) -> Any:
    return [make(given.of_type, item) for item in value]


def _input(given: Any, value: Any) -> Any:
    """Return a plain value as GraphQL takes it: a dict as a list of entries, one of several records by its name."""
    given = get_nullable_type(given)
    if value is None:
        return None
    if isinstance(given, GraphQLList):
        if isinstance(value, dict):
            entry: Any = get_named_type(given)
            fields = entry.fields
            return [{"key": k, "value": _input(fields["value"].type, v)} for k, v in value.items()]
        return _each(given, value, _input)
    if isinstance(given, GraphQLInputObjectType):
        if given.is_one_of:
            return {
                value["type"]: _input(given.fields[value["type"]].type, {k: v for k, v in value.items() if k != "type"})
            }
        return {name: _input(given.fields[name].type, item) for name, item in value.items()}
    return value


def _output(given: Any, data: Any) -> Any:
    """Return what GraphQL gave as a plain value."""
    given = get_nullable_type(given)
    if data is None or isinstance(given, GraphQLScalarType | GraphQLEnumType):
        return data
    if isinstance(given, GraphQLList):
        entries = _entries(given)
        return (
            _each(given, data, _output)
            if entries is None
            else {str(e["key"]): _output(entries, e["value"]) for e in data}
        )
    if isinstance(given, GraphQLUnionType):
        name = data.pop("__typename")
        named = next(member for member in given.types if member.name == name)
        return {"type": named.name, **_output(named, data)}
    if "pageInfo" in given.fields:
        return {"items": _output(given.fields["nodes"].type, data["nodes"]), "next": data["pageInfo"]["endCursor"]}
    return {name: _output(given.fields[name].type, value) for name, value in data.items()}


def _entries(given: Any) -> Any:
    """Return the type of the values if this is a list of the entries of a dict, else None."""
    named: Any = get_named_type(given)
    is_entry = isinstance(named, GraphQLObjectType) and named.fields.keys() == {"key", "value"}
    return named.fields["value"].type if is_entry else None
