"""What operations take, as types of the schema, and how their values become what the operation reads.

What graphql-core makes of an argument is plain JSON again, in the form that REST has: the operation's own contract
reads it, with all its rules, after it is known who may call.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import msgspec.inspect as mi
from graphql import (
    GraphQLArgument,
    GraphQLDefaultInput,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
)

from ..shape import shape_of
from ..types import UNSET
from .leaves import RECORDS, SEQUENCES, Known, Leaves, known, values_note
from .naming import CannotCarry, Names, camel, checked, is_name
from .outputs import label
from .wording import SENSITIVE, joined, told

NODEFAULT = msgspec.NODEFAULT

Reader = Callable[[Any], Any]
"""Makes of a value in the form of the schema the one in the form of JSON."""

_EMPTY = (list, tuple, set, frozenset, dict)


class Value(NamedTuple):
    """Something that a caller fills: a parameter, or a field of a record."""

    info: mi.Type
    default: Any = NODEFAULT
    factory: Any = NODEFAULT
    may_be_unset: bool = False
    doc: str | None = None

    @property
    def required(self) -> bool:
        """True if a caller may not leave it out."""
        return self.default is NODEFAULT and self.factory is NODEFAULT and not self.may_be_unset


class Inputs:
    """The input object types of one schema."""

    def __init__(self, names: Names, leaves: Leaves) -> None:
        self.names = names
        self.leaves = leaves
        self.objects: dict[Any, GraphQLInputObjectType] = {}

    def argument(self, value: Value, name: str, owner: str, type_: GraphQLInputType | None = None) -> GraphQLArgument:
        """Return the argument for a parameter.

        Args:
            value: the parameter.
            name: its name, by which the operation knows it.
            owner: what a type without a name of its own is named after.
            type_: what it is called in the schema, if not as its type says.

        Raises:
            CannotCarry: GraphQL has no type for it.
        """
        type_, default, description = self._described(value, owner, type_)
        return GraphQLArgument(type_, default=default, description=description, out_name=name)

    def reader(self, info: mi.Type) -> Reader | None:
        """Return what gives a value of a type the form of JSON; None if it has it already."""
        this = known(info)
        read = self._reader(this.info)
        return read and (lambda value: None if value is None else read(value))

    def of(self, info: mi.Type, owner: str) -> GraphQLInputType:
        """Return the type for an inspected one; raises as `argument` does."""
        this = known(info)
        type_ = self.leaves.of(this, owner) or self._composite(this.info, owner)
        return type_ if this.nullable else GraphQLNonNull(type_)

    def _described(
        self, value: Value, owner: str, type_: GraphQLInputType | None = None
    ) -> tuple[GraphQLInputType, GraphQLDefaultInput | None, str | None]:
        this = known(value.info)
        type_ = type_ or self.of(value.info, owner)
        default = None if this.sensitive else _shown(value, this)
        if isinstance(type_, GraphQLNonNull) and not value.required and default is None:
            type_ = type_.of_type
        return type_, default, joined(value.doc, values_note(this), SENSITIVE if this.sensitive else None)

    def _composite(self, info: Any, owner: str) -> Any:
        if isinstance(info, SEQUENCES):
            return GraphQLList(self.of(info.item_type, owner))
        if isinstance(info, mi.TupleType):
            return GraphQLList(self._item(info, owner))
        if isinstance(info, mi.DictType):
            return GraphQLList(GraphQLNonNull(self._entry(info, owner)))
        if isinstance(info, RECORDS):
            return self._record(info)
        if isinstance(info, mi.UnionType):
            return self._union(info)
        raise CannotCarry(f"GraphQL has no type for {type(info).__name__.removesuffix('Type').lower()}")

    def _item(self, info: mi.TupleType, owner: str) -> GraphQLInputType:
        types = [self.of(item, owner) for item in info.item_types]
        if len(set(map(str, types))) != 1:
            raise CannotCarry("a tuple of different types; use a NamedTuple, whose parts have names")
        return types[0]

    def _record(self, info: Any) -> GraphQLInputObjectType:
        if info.cls in self.objects:
            return self.objects[info.cls]
        record = shape_of(info.cls).form.__name__
        name = self.names.claim(f"{record}Input", ("input", info.cls), f"the input of {record}")
        docs, fields, readers = told(info.cls), dict[str, GraphQLInputField](), dict[str, Reader]()
        absent: dict[str, None] = {}
        self.objects[info.cls] = GraphQLInputObjectType(
            name, lambda: fields, description=docs.text, out_type=_out_type(readers, absent)
        )
        for field in info.fields:
            wire_name = checked(field.encode_name, f"{name}: the field")
            value = _value(field, docs.attributes.get(field.name))
            type_, default, description = self._described(value, camel(record, wire_name))
            fields[wire_name] = GraphQLInputField(type_, default=default, description=description)
            if value.required and not isinstance(type_, GraphQLNonNull):
                absent[wire_name] = None
            if read := self.reader(field.type):
                readers[wire_name] = read
        if not fields:
            raise CannotCarry(f"{name} has no fields, which GraphQL does not allow")
        return self.objects[info.cls]

    def _union(self, info: mi.UnionType) -> GraphQLInputObjectType:
        """Return the type of a union: an object of which exactly one field is given (GraphQL, 3.10.1)."""
        if not all(isinstance(member, mi.StructType) for member in info.types):
            raise CannotCarry("a union of anything but records; make each member a msgspec.Struct with tag=True")
        members: list[Any] = list(info.types)
        types = [self._record(member) for member in members]  # first: one of them may lead back to this union
        records = [shape_of(member.cls).form.__name__ for member in members]
        name = self.names.claim("_or_".join(records) + "Input", ("input", *records), f"the input of {records}")
        if name not in self.objects:
            keys = [m.tag if is_name(m.tag) else record for m, record in zip(members, records, strict=True)]
            tags = {key: {m.tag_field: m.tag} for key, m in zip(keys, members, strict=True)}
            fields = {key: GraphQLInputField(type_) for key, type_ in zip(keys, types, strict=True)}
            self.objects[name] = GraphQLInputObjectType(name, fields, is_one_of=True, out_type=_tagged(tags))
        return self.objects[name]

    def _entry(self, info: mi.DictType, owner: str) -> GraphQLInputObjectType:
        key, value = self.of(info.key_type, owner), self.of(info.value_type, owner)
        name = f"{label(key)}{label(value).removesuffix('Input')}EntryInput"
        self.names.claim(name, ("input", str(key), str(value)), f"the entries {{{key}: {value}}}")
        if name not in self.objects:
            fields = {"key": GraphQLInputField(key), "value": GraphQLInputField(value)}
            self.objects[name] = GraphQLInputObjectType(name, fields, description="One entry of a mapping.")
        return self.objects[name]

    def _reader(self, info: mi.Type) -> Reader | None:
        if isinstance(info, mi.DictType):
            return _mapping(known(info.key_type), self.reader(info.value_type))
        item = getattr(info, "item_type", None) if isinstance(info, SEQUENCES) else None
        if isinstance(info, mi.TupleType) and info.item_types:
            item = info.item_types[0]
        read = item and self.reader(item)
        return read and (lambda values: [read(value) for value in values])


def _value(field: mi.Field, doc: str | None) -> Value:
    absent = not field.required and field.default is field.default_factory
    unset = absent or field.default is UNSET
    default = NODEFAULT if field.default is UNSET else field.default
    note = (getattr(field.type, "extra_json_schema", None) or {}).get("description")
    return Value(field.type, default, field.default_factory, unset, doc or note)


def _shown(value: Value, this: Known) -> GraphQLDefaultInput | None:
    """Return the default of a value as the schema shows it; None if it has none, or one that is not simple."""
    default = value.default
    if value.factory in _EMPTY:
        default = value.factory()
    if default is NODEFAULT:
        return None
    if default is None:
        return GraphQLDefaultInput(None) if this.nullable else None
    if isinstance(this.info, (*RECORDS, mi.UnionType)) or (isinstance(this.info, mi.DictType) and default):
        return None
    if isinstance(this.info, (*SEQUENCES, mi.TupleType)) and default:
        return _shown_items(default, this.info)
    return _external(default, this)


def _shown_items(default: Any, info: Any) -> GraphQLDefaultInput | None:
    inner = known(info.item_type if isinstance(info, SEQUENCES) else info.item_types[0])
    shown = [_shown(Value(inner.info, item), inner) for item in default]
    return None if None in shown else GraphQLDefaultInput([each.value for each in shown if each])


def _external(default: Any, this: Known) -> GraphQLDefaultInput | None:
    if isinstance(default, float) and not math.isfinite(default):
        return None  # which no document could say
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        plain = str(default) if this.is_id else msgspec.to_builtins(default)
        return GraphQLDefaultInput([] if plain == {} else plain)
    return None


def _out_type(readers: Mapping[str, Reader], absent: Mapping[str, None]) -> Callable[[dict[str, Any]], Any]:
    def complete(value: dict[str, Any]) -> dict[str, Any]:
        if not (readers or absent):
            return value
        read = {key: readers[key](item) if key in readers else item for key, item in value.items()}
        return {**absent, **read}

    return complete


def _tagged(tags: Mapping[str, dict[str, Any]]) -> Callable[[dict[str, Any]], Any]:
    def tagged(value: dict[str, Any]) -> dict[str, Any]:
        (key, record), *_ = value.items()
        return {**tags[key], **record}

    return tagged


def _mapping(key: Known, read: Reader | None) -> Reader:
    def mapping(entries: list[dict[str, Any]]) -> dict[Any, Any]:
        keys = [entry["key"] for entry in entries]
        values = [entry["value"] if read is None else read(entry["value"]) for entry in entries]
        return dict(zip(map(_id_key, keys) if key.is_id else keys, values, strict=True))

    return mapping


def _id_key(text: Any) -> Any:
    """Return an id as the number that it is where it is a key; the operation refuses what is none."""
    with contextlib.suppress(ValueError):
        return int(text)
    return text
