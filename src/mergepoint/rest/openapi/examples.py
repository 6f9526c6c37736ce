"""An example of a value, made of its schema alone: always the same, and as short as the schema allows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from .schemas import Schema, resolve

NONE: Final = object()
"""What `example` answers when it can think of none: a pattern too hard, a record that needs itself."""

_FORMATS = {
    "date": "2026-03-01",
    "date-time": "2026-03-01T12:00:00Z",
    "decimal": "12.50",
    "duration": "PT15M",
    "int64": "42",
    "partial-time": "12:00:00",
    "password": "correct horse",
    "time": "12:00:00Z",
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
}
_TEXTS = ("text", "Text", "1", "42", "a1", "A1", "a-b", "a@b.example", "2026-03-01", "0" * 32, "0" * 40, "0" * 64)


def example(schema: Schema, components: Mapping[str, Schema], inside: tuple[str, ...] = ()) -> Any:
    """Return an example of the values that a schema describes, or `NONE`.

    Args:
        schema: the schema; its own examples and default come first.
        components: what it refers to, by name.
        inside: the references followed to come here.
    """
    if known := next(_known(schema), None):
        return known[0]
    if "$ref" in schema:
        if schema["$ref"] in inside:
            return NONE
        return example(resolve(schema, components), components, (*inside, schema["$ref"]))
    if "anyOf" in schema:
        found = (example(option, components, inside) for option in schema["anyOf"])
        return next((value for value in found if value is not NONE), NONE)
    make = _MAKERS.get(schema.get("type", ""))
    return NONE if make is None else make(schema, lambda part: example(part, components, inside))


def _known(schema: Schema) -> Iterator[tuple[Any]]:
    """Yield what the schema itself gives as an example, each in a tuple, since None may be one."""
    if schema.get("examples"):
        yield (schema["examples"][0],)
    if "const" in schema:
        yield (schema["const"],)
    if schema.get("default") not in (None, "", [], {}):
        yield (schema["default"],)
    if schema.get("enum"):
        yield (schema["enum"][0],)


Inner = Callable[[Schema], Any]


def _text(schema: Schema, inner: Inner) -> Any:
    if schema.get("contentEncoding") == "base64":
        return "YmF0cw=="
    known = _FORMATS.get(schema.get("format", ""))
    least, most = schema.get("minLength", 0), schema.get("maxLength", 10_000)
    pattern = re.compile(schema.get("pattern", ""))
    candidates = (known,) if known else _TEXTS
    fitting = (text.ljust(least, text[-1])[:most] for text in candidates)
    return next((text for text in fitting if pattern.search(text)), NONE)


def _number(schema: Schema, inner: Inner) -> Any:
    low: Any = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high: Any = schema.get("maximum", schema.get("exclusiveMaximum", low + 1))
    step: float = schema.get("multipleOf", 1)
    above = (low // step + 1) * step
    whole = schema["type"] == "integer"
    candidates = (1, low, high, low + 1, high - 1, above) if whole else (1.5, 1.0, low, high, (low + high) / 2, above)
    return next((value for value in candidates if _fits(value, schema)), NONE)


def _fits(value: float, schema: Schema) -> bool:
    """Tell whether a number keeps the limits of its schema."""
    return (
        bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
        and ("exclusiveMinimum" not in schema or bool(value > schema["exclusiveMinimum"]))
        and ("exclusiveMaximum" not in schema or bool(value < schema["exclusiveMaximum"]))
        and bool(value % schema.get("multipleOf", value or 1) == 0)
    )


def _array(schema: Schema, inner: Inner) -> Any:
    if "prefixItems" in schema:
        items = [inner(part) for part in schema["prefixItems"]]
        return NONE if NONE in items else items
    item = inner(schema.get("items", {}))
    if item is NONE:
        return NONE if schema.get("minItems") else []
    return [item] * max(1, schema.get("minItems", 0))


def _object(schema: Schema, inner: Inner) -> Any:
    found = {name: inner(part) for name, part in schema.get("properties", {}).items()}
    if any(found.get(name) is NONE for name in schema.get("required", ())):
        return NONE
    made = {name: value for name, value in found.items() if value is not NONE}
    rest = schema.get("additionalProperties")
    if isinstance(rest, dict) and (value := inner(rest)) is not NONE:
        names = schema.get("propertyNames", {"const": "1"})  # which fits a key that is a number as well
        made[inner({"type": "string", **names})] = value
    return made


_MAKERS: dict[str, Callable[[Schema, Inner], Any]] = {
    "array": _array,
    "boolean": lambda schema, inner: True,
    "integer": _number,
    "null": lambda schema, inner: None,
    "number": _number,
    "object": _object,
    "string": _text,
}
