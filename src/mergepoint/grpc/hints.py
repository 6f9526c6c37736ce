"""From the type hints of an application to what there is in protobuf for them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, get_origin
from uuid import UUID

import msgspec
import msgspec.inspect as mi
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto

from ..contract import Parameter
from ..shape import SEQUENCES, shape_of
from ..types import UNSET
from .kinds import Choice, Fixed, Kind, Many, Moment, Part, Record, Scalar, Table, Template, Value
from .names import EMPTY, NULL, field_name, json_name


class CannotCarry(TypeError):
    """A type that gRPC cannot carry, though other protocols do. The message says which and why."""


def _called(name: str) -> Template:
    return lambda text: f"{name}({text})"


STR = Scalar("Str", "str", Proto.TYPE_STRING, (str,))
INT = Scalar("Int", "int", Proto.TYPE_INT64, (int,))
ID = Scalar("Id", "Id", Proto.TYPE_INT64, (int,), None, _called("str"))
BOOL = Scalar("Bool", "bool", Proto.TYPE_BOOL, (bool,))

_PLAIN: dict[type[mi.Type], Scalar | Moment] = {
    mi.StrType: STR,
    mi.IntType: INT,
    mi.BoolType: BOOL,
    mi.FloatType: Scalar("Float", "float", Proto.TYPE_DOUBLE, (float,)),
    mi.BytesType: Scalar("Bytes", "bytes", Proto.TYPE_BYTES, (bytes,)),
    mi.DecimalType: Scalar("Decimal", "Decimal", Proto.TYPE_STRING, (Decimal,), _called("plain")),
    mi.UUIDType: Scalar("Uuid", "UUID", Proto.TYPE_STRING, (UUID,), _called("plain")),
    mi.DateType: Scalar("Date", "date", Proto.TYPE_STRING, (date,), _called("plain")),
    mi.TimeType: Scalar("Time", "time", Proto.TYPE_STRING, (time,), _called("plain")),
    mi.DateTimeType: Moment(
        "Timestamp", "datetime", "google.protobuf.Timestamp", (datetime,), "timestamp", "from_timestamp"
    ),
    mi.TimeDeltaType: Moment(
        "Duration", "timedelta", "google.protobuf.Duration", (timedelta,), "duration", "from_duration"
    ),
}
_RECORDS = (mi.StructType, mi.DataclassType, mi.NamedTupleType, mi.TypedDictType)
_MANY = tuple(SEQUENCES)


class Kinds:
    """Reads types; a record that is met again is the same one."""

    def __init__(self) -> None:
        self._records: dict[Any, Record] = {}

    def value(self, hint: Any) -> Value:
        """Return what a type hint is in protobuf.

        Raises:
            CannotCarry: nothing; the message says which part of it.
        """
        known = dict(self._records)
        try:
            return self._value(mi.type_info(hint))
        except CannotCarry:
            self._records = known  # others may have met the record that failed
            raise

    def parts(self, parameters: Iterable[Parameter]) -> tuple[Part, ...]:
        """Return the parameters of a callable; raises as `value` does."""
        parts = tuple(Part(p.name, p.name, self.value(p.type), p.default, p.doc, p.sensitive) for p in parameters)
        must_have_names("The arguments", parts)
        return parts

    def _value(self, info: mi.Type) -> Value:
        match info:
            case mi.Metadata(extra=extra) if (extra or {}).get("id"):
                return Value(ID)
            case mi.Metadata():
                return self._value(info.type)
            case mi.UnionType():
                return self._union(info)
            case mi.LiteralType():
                return _literal(info.values)
            case mi.NoneType():
                raise CannotCarry("protobuf has nothing for a value that is always None")
        return Value(self._kind(info))

    def _kind(self, info: Any) -> Kind:
        if isinstance(info, mi.EnumType):
            return _enum(info.cls)
        if isinstance(info, _RECORDS):
            return self._records.get(info.cls) or self._record(info)
        if isinstance(info, _MANY):
            return Many(self._value(info.item_type))  # type: ignore[attr-defined]  # each of them has it
        if isinstance(info, mi.DictType):
            return Table(self._key(info.key_type), self._value(info.value_type))
        if isinstance(info, mi.TupleType):
            return Fixed(tuple(Part(f"{n}", f"_{n}", self._value(item)) for n, item in enumerate(info.item_types)))
        if type(info) not in _PLAIN:
            raise CannotCarry(f"{type(info).__name__.removesuffix('Type')} has no form in protobuf")
        return _PLAIN[type(info)]

    def _union(self, info: mi.UnionType) -> Value:
        present = [member for member in info.types if not isinstance(member, mi.NoneType)]
        nullable = len(present) < len(info.types)
        members = [self._value(member) for member in present]
        if len(members) == 1:
            return Value(members[0].kind, nullable or members[0].nullable)
        kinds = tuple(kind for m in members for kind in (m.kind.members if isinstance(m.kind, Choice) else [m.kind]))
        return Value(Choice(kinds), nullable or any(member.nullable for member in members))

    def _key(self, info: mi.Type) -> Scalar:
        kind = self._value(info).kind
        if isinstance(kind, Moment):  # no message can be the key of a map
            return Scalar(kind.word, kind.text, Proto.TYPE_STRING, kind.classes, _called("plain"))
        if not isinstance(kind, Scalar):
            raise CannotCarry(f"{kind.text} cannot be the key of a map")
        return INT if kind is ID else kind

    def _record(self, info: Any) -> Record:
        origin = get_origin(info.cls) or info.cls
        tag = (info.tag_field, info.tag) if getattr(info, "tag", None) is not None else None
        doc, docs = _documentation(origin)
        record = Record(shape_of(info.cls).form.__name__, origin, isinstance(info, mi.TypedDictType), tag, (), doc)
        self._records[info.cls] = record  # met again inside itself
        record.parts = tuple(self._part(field, docs) for field in info.fields)
        must_have_names(record.word, record.parts)
        return record

    def _part(self, field: mi.Field, docs: Mapping[str, str]) -> Part:
        value = self._value(field.type)
        doc = docs.get(field.name, "")
        return Part(field.name, field.encode_name, value, _default(field), doc, _is_sensitive(field.type))


def _default(field: mi.Field) -> Any:
    if field.required:
        return msgspec.NODEFAULT
    if field.default is not msgspec.NODEFAULT:
        return field.default
    return UNSET if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _is_sensitive(info: mi.Type) -> bool:
    return isinstance(info, mi.Metadata) and ((info.extra or {}).get("sensitive") is True or _is_sensitive(info.type))


def _enum(cls: Any) -> Scalar:
    values = tuple(member.value for member in cls)
    type = Proto.TYPE_INT64 if values and isinstance(values[0], int) else Proto.TYPE_STRING
    return Scalar(cls.__name__, f"enum {cls.__name__}", type, (cls,), lambda text: f"{text}.value", None, values)


def _literal(given: Sequence[Any]) -> Value:
    """Return a literal: text, numbers, or a choice of both."""
    values = sorted((value for value in given if value is not None), key=str)
    groups = [(kind, tuple(value for value in values if isinstance(value, kind.classes))) for kind in (STR, INT)]
    members = [msgspec.structs.replace(kind, values=found) for kind, found in groups if found]
    if not members:
        raise CannotCarry("protobuf has nothing for a value that is always None")
    return Value(members[0] if len(members) == 1 else Choice(tuple(members)), len(values) < len(given))


def must_have_names(what: str, parts: Sequence[Part]) -> None:
    """Refuse fields that protobuf, or its JSON, could not tell apart.

    Raises:
        CannotCarry: two have the same name there.
    """
    taken: dict[str, str] = {}
    for part in parts:
        name = field_name(part.wire_name)
        for one in [name, *([name + NULL] if part.tells_null else []), *([name + EMPTY] if part.tells_empty else [])]:
            other = taken.setdefault(json_name(one), part.wire_name)
            if other != part.wire_name:
                raise CannotCarry(f"{what}: protobuf cannot tell `{other}` from `{part.wire_name}`; rename one of them")


_SECTION = re.compile(r"^(?:Attributes|Args):\n((?:[ \t]+.*(?:\n|$)|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^ {2,8}(\w+)(?: \([^)]*\))?: +(.+(?:\n {6,}.+)*)", re.MULTILINE)


def _documentation(cls: type) -> tuple[str, dict[str, str]]:
    """Return what somebody wrote of a record, and of its attributes."""
    text = cls.__doc__ or ""
    if text.startswith(f"{cls.__name__}("):  # what dataclasses put there
        return "", {}
    text = inspect.cleandoc(text)
    section = _SECTION.search(text)
    if section is None:
        return text, {}
    docs = {name: " ".join(doc.split()) for name, doc in _ENTRY.findall(section[1])}
    return text.replace(section[0], "").strip(), docs
