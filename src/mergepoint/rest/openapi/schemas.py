"""The JSON Schemas of an app's types: one component for each record, told in its own words."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Hashable, Mapping
from typing import Any

import msgspec

from ...errors import RegistrationError

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/"


class Schemas:
    """The schemas of many forms at once, so that a record has one name wherever it appears.

    Attributes:
        components: the schemas of records and enums, by name.
    """

    def __init__(self, forms: Mapping[Hashable, Any]) -> None:
        """Describe forms.

        Args:
            forms: what msgspec reads and writes, by whatever the caller finds it under.

        Raises:
            RegistrationError: two records have the same name, even with their modules.
        """
        try:
            found, components = msgspec.json.schema_components(forms.values(), ref_template=REFERENCE + "{name}")
        except KeyError as error:  # which is how msgspec says so
            raise _alike(error.args[0]) from None
        self.components = {name: _told(_tidy(schema)) for name, schema in components.items()}
        self._found = dict(zip(forms, map(_tidy, found), strict=True))

    def __getitem__(self, key: Hashable) -> Schema:
        """Return a schema of one's own to change."""
        return copy.deepcopy(self._found[key])

    def resolve(self, schema: Schema) -> Schema:
        """Return the component that a schema refers to, or the schema itself."""
        return resolve(schema, self.components)


def _alike(record: type) -> RegistrationError:
    return RegistrationError(
        f"OpenAPI: two different records are called {record.__module__}.{record.__qualname__}, so a description could"
        " not tell them apart; rename one."
    )


def resolve(schema: Schema, components: Mapping[str, Schema]) -> Schema:
    """Return the component that a schema refers to, or the schema itself."""
    while "$ref" in schema:
        schema = components[schema["$ref"].removeprefix(REFERENCE)]
    return schema


def as_text(schema: Schema) -> Schema:
    """Return the schema of a value that comes as text, where there is no null to send."""
    present = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if not present:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if rest.get("default", ...) is None:
        del rest["default"]
    return {**present[0], **rest} if len(present) == 1 else {"anyOf": present, **rest}


def with_default(schema: Schema, default: Any) -> Schema:
    """Return a schema that says what a value is when it is left out; a secret stays one."""
    if default in (msgspec.NODEFAULT, msgspec.UNSET) or "writeOnly" in str(schema):
        return schema
    return {**schema, "default": msgspec.to_builtins(default, str_keys=True)}


def _tidy(schema: Any) -> Any:
    """Drop what says nothing, and defaults of secrets."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidy(value) for key, value in schema.items() if not (key == "required" and value == [])}
    if "default" in tidy and "writeOnly" in str(tidy):
        del tidy["default"]
    return tidy


_SECTION = re.compile(r"^(?:Attributes|Args):\n((?:[ \t]+.*(?:\n|$)|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^ {2,8}(\w+)(?: \([^)]*\))?: +(.+(?:\n {6,}.+)*)", re.MULTILINE)


def _told(schema: Schema) -> Schema:
    """Move what a record's docstring says of its attributes to the attributes."""
    text = inspect.cleandoc(schema.get("description", ""))
    section = _SECTION.search(text)
    if not section:
        return {**schema, "description": text} if text else schema
    for name, doc in _ENTRY.findall(section[1]):
        if name in schema.get("properties", {}):
            schema["properties"][name].setdefault("description", " ".join(doc.split()))
    schema["description"] = text.replace(section[0], "").strip()
    return schema
