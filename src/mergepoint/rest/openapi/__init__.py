"""The OpenAPI 3.1 description of an app: everything it answers over HTTP, failures too."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from typing import Any, get_args

from msgspec import NODEFAULT, structs

from ...access import anyone
from ...access import describe as name_of
from ...app import App
from ...contract import Parameter
from ...faults import Declared
from ...types import Upload
from ..problems import phrase
from ..routes import Route, routes
from .examples import NONE, example
from .failures import ProblemDetails, Responses, declared_failure, header, is_limited, own_failures
from .schemas import Schema, Schemas, as_text, with_default

VERSION = "3.1.1"
ACCESS = "x-mergepoint-access"
"""Where an operation says who may call it, by the predicate's name."""
BODY = "x-mergepoint-body"
"""Where a request body says which parameter it is the whole of."""
NAME = "x-mergepoint-name"
"""Where a parameter says what the operation calls it, if the path has another name for it."""

_HEADERS: dict[str, Schema] = {
    "Cache-Control": {"description": "Who may keep the answer, and for how long.", "schema": {"type": "string"}},
    "ETag": {"description": "Names this answer, for `If-None-Match`.", "schema": {"type": "string"}},
    "Location": {"description": "Where what was made is.", "schema": {"type": "string", "format": "uri-reference"}},
    "WWW-Authenticate": {"description": "How to sign in.", "schema": {"type": "string"}},
    "X-Request-Id": {"description": "Names the request in the log.", "schema": {"type": "string"}},
}  # fmt: skip


def describe(app: App, prefix: str = "/api") -> dict[str, Any]:
    """Describe an app as an OpenAPI document, ready for JSON.

    Args:
        app: whose operations to describe.
        prefix: where they are served, such as `/api`.

    Raises:
        RegistrationError: an operation cannot be served over HTTP.
    """
    return _Description(app, prefix).document()


def access_note(predicate: str) -> str:
    """Return the sentence with which a description says who may call."""
    return f"Who may call: `{predicate}`."


class _Description:
    """One document in the making."""

    def __init__(self, app: App, prefix: str) -> None:
        self.app = app
        self.prefix = prefix
        self.routes = routes(app)
        self.has_users = any(route.operation.identify for route in self.routes)
        self.schemas = Schemas(dict(_forms(self.routes, app)))
        self.responses = Responses(self.schemas["problem"])

    def document(self) -> dict[str, Any]:
        components: dict[str, Any] = {
            "schemas": self.schemas.components,
            "responses": self.responses.shared(),
            "headers": _HEADERS,
        }
        if self.has_users:
            components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        return {
            "openapi": VERSION,
            "info": {"title": self.app.name, "version": self.app.version},
            "servers": [{"url": self.prefix or "/"}],
            "tags": [{"name": name} for name in dict.fromkeys(map(self.tag, self.routes))],
            "paths": self.paths(),
            "components": components,
        }

    def tag(self, route: Route) -> str:
        return route.operation.name.rpartition(".")[0] or self.app.name

    def paths(self) -> dict[str, Any]:
        """Return the operations by path and method; one path has one set of names for its placeholders."""
        paths: dict[str, dict[str, Any]] = {}
        first: dict[str, Route] = {}
        for route in self.routes:
            known = first.setdefault(re.sub(r"\{\w+\}", "{}", route.path), route)
            names = dict(zip(route.in_path, known.in_path, strict=True))
            paths.setdefault(known.path, {})[route.method.lower()] = self.operation(route, names)
        return paths

    def operation(self, route: Route, names: dict[str, str]) -> Schema:
        """Describe one operation; `names` are those of its parameters in the path."""
        contract = route.operation.contract
        described = {
            "operationId": route.operation.name,
            "summary": contract.summary,
            "description": "\n\n".join(filter(None, [contract.description, self.access(route)])),
            "tags": [self.tag(route)],
            "parameters": list(self.parameters(route, names)),
            "requestBody": self.body(route),
            "responses": {**self.successes(route), **self.responses.by_status(self.failures(route))},
        }
        if self.has_users:
            described[ACCESS] = name_of(route.operation.policy.allow or anyone)
            described["security"] = [{"bearer": []}] if is_limited(route) else []
        return {key: value for key, value in described.items() if value or key == "security"}

    def access(self, route: Route) -> str:
        allow = route.operation.policy.allow
        return access_note(name_of(allow)) if allow is not None and is_limited(route) else ""

    # --- requests ---

    def parameters(self, route: Route, names: dict[str, str]) -> Iterator[Schema]:
        for parameter, schema in self.values(route, "path", "query"):
            place, name = route.places[parameter.name], names.get(parameter.name, parameter.name)
            described = {"name": name, "in": place, "required": place == "path" or parameter.required}
            if name != parameter.name:
                described[NAME] = parameter.name
            if parameter.name in route.lists and place == "query":
                described.update(style="form", explode=True)
            if doc := parameter.doc or schema.pop("description", ""):
                described["description"] = doc
            yield {**described, **self.with_example(as_text(schema))}

    def values(self, route: Route, *places: str) -> Iterator[tuple[Parameter, Schema]]:
        """Yield the parameters that stand in these places, each with its schema."""
        defaults = _defaults(route)
        for parameter in route.operation.contract.parameters:
            if route.places[parameter.name] in places:
                schema = self.schemas[route.operation.name, parameter.name]
                yield parameter, with_default(schema, defaults.get(parameter.name, NODEFAULT))

    def body(self, route: Route) -> Schema | None:
        most = f"At most {route.operation.policy.max_body:,} bytes."
        if route.whole_body:
            ((parameter, schema),) = self.values(route, "body")
            content = {"application/json": self.with_example(schema)}
            described = f"{parameter.doc} {most}".strip()
            return {"description": described, "content": content, "required": parameter.required, BODY: parameter.name}
        media_type = "multipart/form-data" if route.operation.contract.uploads else "application/json"
        schema = self.object(route)
        if not schema["properties"]:
            return None
        content = {media_type: {"schema": schema} if "multipart" in media_type else self.with_example(schema)}
        return {"description": most, "content": content, "required": "required" in schema}

    def object(self, route: Route) -> Schema:
        """Return the schema of the object that holds the arguments of a body."""
        properties, required = {}, []
        for parameter, schema in self.values(route, "body", "form"):
            text = as_text(schema) if route.places[parameter.name] == "form" else schema
            properties[parameter.name] = _documented(text, parameter)
            required += [parameter.name] if parameter.required else []
        for parameter in route.operation.contract.uploads:
            properties[parameter.name] = _documented(_file(parameter), parameter)
            required += [parameter.name] if parameter.required else []
        schema = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**schema, "required": required} if required else schema

    def with_example(self, schema: Schema) -> Schema:
        made = example(schema, self.schemas.components)
        return {"schema": schema} if made is NONE else {"schema": schema, "example": made}

    # --- responses ---

    def successes(self, route: Route) -> dict[str, Schema]:
        names = ["X-Request-Id"]
        gives = route.operation.contract.gives
        if route.safe and gives != "nothing":
            names += ["Cache-Control"]
        if route.safe and gives == "value":
            names += ["ETag"]
        if route.location:
            names += ["Location"]
        headers = {name: header(name) for name in names}
        answer = {"description": phrase(route.status), "headers": headers, **self.content(route)}
        unchanged = {"description": "Not Modified: `If-None-Match` names this answer.", "headers": headers}
        found = {str(route.status): answer}
        return {**found, "304": unchanged} if "ETag" in names else found

    def content(self, route: Route) -> Schema:
        gives = route.operation.contract.gives
        if gives == "nothing":
            return {}
        if gives == "download":
            return {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
        schema = self.schemas[route.operation.name, ""]
        return {"content": _stream(schema) if gives == "stream" else {"application/json": self.with_example(schema)}}

    def failures(self, route: Route) -> Iterator[Any]:
        """Yield what a caller may meet, the application's own errors first."""
        raises = route.operation.policy.raises
        for declared in self.app.errors:
            if raises is None or issubclass(declared.error, raises):
                yield self.declared(declared)
        yield from own_failures(route)

    def declared(self, declared: Declared) -> Any:
        properties = {name: self.schemas[declared.error, name] for name in declared.fields}
        schema = {"type": "object", "properties": properties}
        made = example(schema, self.schemas.components)
        return declared_failure(declared, schema, {} if made is NONE else made)


def _forms(all_routes: list[Route], app: App) -> Iterator[tuple[Hashable, Any]]:
    """Yield all that travels: parameters and results by operation, attributes of errors, problem details."""
    yield "problem", ProblemDetails
    for route in all_routes:
        operation = route.operation
        for parameter, field in zip(operation.contract.parameters, operation.contract.fields, strict=True):
            yield (operation.name, parameter.name), field.shape.form
        if operation.contract.result is not None:
            yield (operation.name, ""), operation.contract.result.form
    for declared in app.errors:
        for name, wire in declared.fields.items():
            yield (declared.error, name), wire.form


def _defaults(route: Route) -> dict[str, Any]:
    """Return the defaults of the parameters, in their form."""
    fields = structs.fields(route.operation.contract.arguments.form)
    return {f.name: f.default if f.default_factory is NODEFAULT else f.default_factory() for f in fields}


def _documented(schema: Schema, parameter: Parameter) -> Schema:
    return {**schema, "description": parameter.doc} if parameter.doc else schema


def _file(parameter: Parameter) -> Schema:
    file = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    one = parameter.type is Upload or type(None) in get_args(parameter.type)
    return file if one else {"type": "array", "items": file}


def _stream(item: Schema) -> Schema:
    """Return the content of a stream as OpenAPI 3.2 has it (4.14.4): the items as if they were in an array."""
    event = {"type": "object", "properties": {"data": {"type": "string", "contentSchema": item}}}
    return {
        "application/x-ndjson": {"schema": {"type": "array", "items": item}},
        "text/event-stream": {"schema": {"type": "array", "items": event}},
    }
