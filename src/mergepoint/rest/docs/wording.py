"""What a schema says, in words for people: its type and its limits."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import msgspec

from ...types import INT64
from ..openapi.schemas import REFERENCE, Schema
from .markup import Html, joined, tag

_FORMATS = {
    "binary": "file",
    "date": "date",
    "date-time": "date and time",
    "decimal": "decimal",
    "duration": "duration",
    "int64": "id, digits as text",
    "partial-time": "time",
    "password": "secret text",
    "time": "time with zone",
    "uuid": "UUID",
}
_EVERY = (*INT64, -sys.float_info.max, sys.float_info.max)
"""The limits that every number has: they say nothing about one of them."""
_TYPES = {"boolean": "boolean", "integer": "integer", "null": "null", "number": "number", "string": "text"}


def type_of(schema: Schema) -> Html:
    """Return the type of a value, such as `list of Bat`, with links to the records it names."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return tag("a", name, href=f"#schema-{name}")
    if "anyOf" in schema:
        return _separated([type_of(option) for option in schema["anyOf"]], " or ")
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return _separated([tag("code", _plain(value)) for value in values], " or ")
    if schema.get("contentEncoding") == "base64":
        return joined("bytes in Base64")
    known = _FORMATS.get(schema.get("format", "")) or _TYPES.get(schema.get("type", ""))
    return joined(known) if known else _container(schema)


def _container(schema: Schema) -> Html:
    if "prefixItems" in schema:
        return joined(["(", _separated([type_of(part) for part in schema["prefixItems"]], ", "), ")"])
    if schema.get("type") == "array":
        return joined(["set of " if schema.get("uniqueItems") else "list of ", type_of(schema.get("items", {}))])
    if isinstance(schema.get("additionalProperties"), dict):
        return joined(["map of ", type_of(schema["additionalProperties"])])
    return joined("object" if schema.get("type") == "object" else "anything")


def _separated(parts: list[Html], by: str) -> Html:
    return joined([part if index == 0 else [by, part] for index, part in enumerate(parts)])


def limits(schema: Schema) -> Iterator[str]:
    """Yield the limits of a value, such as `1 to 100` or `at least 3 characters`."""
    for option in schema.get("anyOf", ()):
        yield from limits(option)
    yield from _range(schema)
    for of, singular in (("Length", "character"), ("Items", "item"), ("Properties", "entry")):
        if "prefixItems" not in schema:
            yield from _size(schema.get(f"min{of}"), schema.get(f"max{of}"), singular)
    if "multipleOf" in schema:
        yield f"a multiple of {schema['multipleOf']}"
    if "pattern" in schema and schema.get("format") != "int64":
        yield f"matches {schema['pattern']}"


def _range(schema: Schema) -> Iterator[str]:
    low, high = (None if schema.get(of) in _EVERY else schema.get(of) for of in ("minimum", "maximum"))
    if low is not None and high is not None:
        yield f"{low} to {high}"
    elif low is not None:
        yield f"at least {low}"
    elif high is not None:
        yield f"at most {high}"
    if "exclusiveMinimum" in schema:
        yield f"more than {schema['exclusiveMinimum']}"
    if "exclusiveMaximum" in schema:
        yield f"less than {schema['exclusiveMaximum']}"


def _size(least: int | None, most: int | None, singular: str) -> Iterator[str]:
    plural = "entries" if singular == "entry" else singular + "s"
    if least is not None and most is not None:
        yield f"{least} to {most} {plural}" if least != most else f"{least} {plural if least != 1 else singular}"
    elif least is not None:
        yield f"at least {least} {plural if least != 1 else singular}"
    elif most is not None:
        yield f"at most {most} {plural if most != 1 else singular}"


def default_of(schema: Schema) -> str | None:
    """Return the default of a value as JSON, or None if it has none worth telling."""
    return None if schema.get("default") is None else _plain(schema["default"])


def _plain(value: object) -> str:
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()
