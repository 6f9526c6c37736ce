"""The JSON Schemas of a tool, draft 2020-12: of the object that it takes, and of the object that it answers with."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ..contract import Contract
from ..errors import RegistrationError
from ..shape import FINITE
from ..types import INT64

Schema = dict[str, Any]

_REFERENCE = "#/$defs/"
_NAMED = ("properties", "$defs")
"""The keywords whose keys are names, not keywords."""
_INNER = ("items", "prefixItems", "anyOf", "additionalProperties")
_WIDEST = {"minimum": (INT64[0], FINITE[0]), "maximum": (INT64[1], FINITE[1])}
"""The bounds of every number here; an agent reads each word of a schema, and these say nothing to it."""


class Output(NamedTuple):
    """What a tool answers with: the schema, and whether a value stands in its field `result`."""

    schema: Schema | None
    wrapped: bool = False


def input_schema(form: Any, docs: Mapping[str, str]) -> Schema:
    """Return the schema of a tool's arguments.

    Args:
        form: what msgspec reads them into.
        docs: what is said of each, by name.
    """
    schema = _described(form)
    for name, doc in docs.items():
        if doc:
            schema["properties"][name]["description"] = doc
    return schema


def output_schema(contract: Contract) -> Output:
    """Return the schema of a tool's structured answer; none for files, and where there is nothing to say.

    Through revision 2025-11-25 it is an object; a value that is none stands in the field `result`, as the SDK has it.
    """
    if contract.result is None or contract.gives == "nothing":
        return Output(None)
    schema = _described(contract.result.form)
    if contract.gives == "stream":
        return Output(_wrapped(schema, many=True), wrapped=True)
    if schema.get("type") == "object":
        return Output(schema)
    return Output(_wrapped(schema, many=False), wrapped=True)


def _wrapped(schema: Schema, *, many: bool) -> Schema:
    definitions = schema.pop("$defs", None)
    properties = {"result": {"type": "array", "items": schema} if many else schema}
    if many:
        properties["truncated"] = {"type": "boolean", "description": "True if there were more than is sent."}
    wrapped: Schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {**wrapped, "$defs": definitions} if definitions else wrapped


def _described(form: Any) -> Schema:
    """Return the schema of a form with the record itself at its root, where clients look for its type."""
    try:
        (root,), found = msgspec.json.schema_components([form], ref_template=_REFERENCE + "{name}")
    except KeyError as error:  # which is how msgspec says that two records have one name
        record = error.args[0]
        raise RegistrationError(
            f"MCP: two different records are called {record.__module__}.{record.__qualname__}, so a schema could not"
            " tell them apart; rename one."
        ) from None
    root, definitions = _tidy(root), {name: _tidy(schema) for name, schema in found.items()}
    if reference := root.pop("$ref", None):
        name = reference.removeprefix(_REFERENCE)
        root = {**definitions[name], **root}
        if f"'{reference}'" not in str(definitions):
            del definitions[name]
    return {**root, "$defs": definitions} if definitions else root


def _tidy(schema: Any) -> Any:
    """Drop what says nothing, and defaults of secrets."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _part(key, value) for key, value in schema.items() if not _says_nothing(key, value)}
    if "default" in tidy and "writeOnly" in str(tidy):
        del tidy["default"]
    return tidy


def _part(key: str, value: Any) -> Any:
    if key in _NAMED:
        return {name: _tidy(schema) for name, schema in value.items()}
    if key == "description":
        return inspect.cleandoc(value)
    return _tidy(value) if key in _INNER else value


def _says_nothing(key: str, value: Any) -> bool:
    return key in ("title", "discriminator") or (key == "required" and not value) or value in _WIDEST.get(key, ())
