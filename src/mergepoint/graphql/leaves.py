"""Python types that hold nothing else, as scalars and enums of the schema."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec.inspect as mi
from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLScalarType,
    GraphQLString,
)

from .naming import CannotCarry, Names, is_enum
from .scalars import (
    BASE64,
    DATE,
    DATETIME,
    DECIMAL,
    DURATION,
    INT32,
    INT64_SCALAR,
    LEAVES,
    TIME,
    UUID_SCALAR,
    Leaf,
)

LeafType = GraphQLScalarType | GraphQLEnumType

SEQUENCES = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType)
RECORDS = (mi.StructType, mi.DataclassType, mi.NamedTupleType, mi.TypedDictType)

_SCALARS: dict[type[mi.Type], GraphQLScalarType] = {
    mi.BoolType: GraphQLBoolean,
    mi.BytesType: BASE64,
    mi.DateTimeType: DATETIME,
    mi.DateType: DATE,
    mi.DecimalType: DECIMAL,
    mi.FloatType: GraphQLFloat,
    mi.StrType: GraphQLString,
    mi.TimeDeltaType: DURATION,
    mi.TimeType: TIME,
    mi.UUIDType: UUID_SCALAR,
}


class Known(NamedTuple):
    """An inspected type without the possibility of None."""

    info: mi.Type
    nullable: bool
    sensitive: bool = False

    @property
    def is_id(self) -> bool:
        """True for an `Id`."""
        return isinstance(self.info, mi.Metadata)


def known(info: mi.Type) -> Known:
    """Take away what was noted on an inspected type, but for what makes it an id, and the possibility of None."""
    if isinstance(info, mi.Metadata):
        extra = info.extra or {}
        inner = known(info.type)
        sensitive = bool(extra.get("sensitive")) or inner.sensitive
        return Known(info if extra.get("id") else inner.info, inner.nullable, sensitive)
    if isinstance(info, mi.UnionType):
        return _of_union(info)
    if isinstance(info, mi.LiteralType) and None in info.values:
        return Known(mi.LiteralType(tuple(v for v in info.values if v is not None)), nullable=True)
    return Known(info, nullable=False)


def _of_union(info: mi.UnionType) -> Known:
    members = [known(member) for member in info.types if not isinstance(member, mi.NoneType)]
    nullable = len(members) < len(info.types) or any(member.nullable for member in members)
    sensitive = any(member.sensitive for member in members)
    literals = [member.info for member in members if isinstance(member.info, mi.LiteralType)]
    if len(members) == 1:
        return Known(members[0].info, nullable, sensitive)
    if len(literals) == len(members):
        return Known(mi.LiteralType(tuple(v for literal in literals for v in literal.values)), nullable, sensitive)
    return Known(mi.UnionType(tuple(member.info for member in members)), nullable, sensitive)


class Enum(GraphQLEnumType):
    """An enum whose members travel by value."""

    def __init__(self, name: str, values: Sequence[str], members: Any, description: str | None) -> None:
        super().__init__(name, {value: GraphQLEnumValue(value) for value in values}, description=description)
        self.members = members

    def coerce_output_value(self, output_value: Any) -> str:
        """Return the value of a member, or a value that is one's."""
        value = output_value._value_ if self.members and isinstance(output_value, self.members) else output_value
        if isinstance(value, str) and value in self.values:
            return str(value)
        raise GraphQLError(f"Expected a member of {self.name}")

    @property
    def leaf(self) -> Leaf:
        """How generated code writes it."""
        if self.members is None:
            values = f"values_{self.name}"
            return Leaf(f"type({{v}}) is str and {{v}} in {values}", names={values: frozenset(self.values)})
        members = f"members_{self.name}"
        # A member keeps its value there (enum, "Supported _sunder_ names"); `.value` looks it up, which takes longer.
        return Leaf(f"type({{v}}) is {members}", "{v}._value_", {members: self.members})


def leaf_of(type_: LeafType) -> Leaf:
    """Return how generated code writes a scalar or an enum."""
    return type_.leaf if isinstance(type_, Enum) else LEAVES[type_]  # type: ignore[index]


class Leaves:
    """The scalars and enums of one schema."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.enums: dict[Any, Enum] = {}

    def of(self, this: Known, owner: str) -> LeafType | None:
        """Return the scalar or enum for a type; None if it holds other types.

        Args:
            this: the type.
            owner: what a type without a name of its own is named after.

        Raises:
            CannotCarry: there is none for it.
        """
        info = this.info
        if isinstance(info, mi.EnumType):
            return self._enum(info.cls, owner)
        if isinstance(info, mi.LiteralType):
            return self._values(tuple(sorted(info.values, key=str)), owner, None)
        scalar = (
            GraphQLID if this.is_id else _integer(info) if isinstance(info, mi.IntType) else _SCALARS.get(type(info))
        )
        return scalar and self._claimed(scalar)

    def _claimed(self, scalar: GraphQLScalarType) -> GraphQLScalarType:
        self.names.claim(scalar.name, scalar, f"the scalar {scalar.name}")
        return scalar

    def _enum(self, cls: Any, owner: str) -> LeafType:
        return self._values(tuple(member.value for member in cls), owner, cls)

    def _values(self, values: tuple[Any, ...], owner: str, members: Any) -> LeafType:
        if all(isinstance(value, int) for value in values):
            return self._claimed(GraphQLInt if all(INT32[0] <= v <= INT32[1] for v in values) else INT64_SCALAR)
        if not all(isinstance(value, str) for value in values):
            raise CannotCarry("text and numbers as values of one type; keep one of them")
        if not is_enum(values):
            return self._claimed(GraphQLString)
        name = members.__name__ if members else owner
        key = members or (name, values)
        self.names.claim(name, key, f"the enum {members.__qualname__}" if members else f"the values of {owner}")
        if key not in self.enums:
            self.enums[key] = Enum(name, values, members, members and _doc(members))
        return self.enums[key]


def _integer(info: mi.IntType) -> GraphQLScalarType:
    least = info.ge if info.ge is not None else info.gt
    most = info.le if info.le is not None else info.lt
    small = least is not None and most is not None and INT32[0] <= least and most <= INT32[1]
    return GraphQLInt if small else INT64_SCALAR


def values_note(this: Known) -> str:
    """Return the sentence that lists the values of a type that could be an enum but for their names."""
    info = this.info
    values = [member.value for member in info.cls] if isinstance(info, mi.EnumType) else getattr(info, "values", ())
    if not isinstance(info, (mi.EnumType, mi.LiteralType)) or is_enum(values):
        return ""
    return "One of " + ", ".join(f"`{value}`" for value in sorted(values, key=str)) + "."


def _doc(members: type) -> str | None:
    """Return what an enum says of itself, not what Python puts there for one that says nothing."""
    text = inspect.cleandoc(members.__doc__ or "")
    return None if text in ("", "An enumeration.") else text
