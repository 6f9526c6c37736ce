"""What a field of a message is, and whether it can hold a type."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from .kinds import Kind, Many, Table
from .names import ENTRIES, ITEMS, NOTHING, NULL_VALUE

Descriptor = Any
"""The descriptor of a message; that a field has one is known from what it holds."""


class Mismatch(TypeError):
    """The two sides of a call describe something differently. The message says what."""


def must(holds: bool, field: FieldDescriptor, kind: Kind) -> None:
    """Raise Mismatch unless a field can hold a type."""
    if not holds:
        message: Descriptor = field.containing_type
        raise Mismatch(f"`{message.name}.{field.name}` is {_told(field)} there, and `{kind.text}` here")


def _told(field: FieldDescriptor) -> str:
    name = field.message_type.name if field.message_type else _TYPES.get(field.type, "of another type")
    return f"`repeated {name}`" if field.is_repeated else f"`{name}`"


_TYPES = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
}


def is_map(field: FieldDescriptor) -> bool:
    """Tell whether a field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def is_of(field: FieldDescriptor, name: str) -> bool:
    """Tell whether a field holds the message of this full name."""
    return field.message_type is not None and field.message_type.full_name == name


def is_or_null(field: FieldDescriptor) -> bool:
    """Tell whether a field holds the message around a value that may be null."""
    null = field.message_type.fields_by_name.get(NOTHING) if field.message_type else None
    return null is not None and null.enum_type is not None and null.enum_type.full_name == NULL_VALUE


def message_of(field: FieldDescriptor, kind: Kind) -> Descriptor:
    """Return the descriptor of the message in a field; raises as `must` does if there is none."""
    must(field.message_type is not None and not is_map(field), field, kind)
    return field.message_type


def inner(field: FieldDescriptor, kind: Kind) -> FieldDescriptor:
    """Return the repeated field of the message around a list or a dict; raises as `must` does if there is none."""
    fields = message_of(field, kind).fields_by_name
    found = fields.get(ITEMS if isinstance(kind, Many) else ENTRIES)
    must(found is not None and found.is_repeated and len(fields) == 1, field, kind)
    return found  # type: ignore[no-any-return]  # the descriptor of a field


def table(kind: Kind, field: FieldDescriptor) -> Table | None:
    """Return the dict that a field holds, or None for a list; raises as `must` does if it is the other."""
    must(isinstance(kind, Table if is_map(field) else Many), field, kind)
    if not isinstance(kind, Table):
        return None
    must(entry(field)[0].type == kind.key.scalar, field, kind)
    return kind


def entry(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """Return key and value of a map."""
    message: Descriptor = field.message_type
    return message.fields_by_name["key"], message.fields_by_name["value"]
