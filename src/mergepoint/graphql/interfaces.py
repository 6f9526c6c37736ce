"""Interfaces: what records have in common through a base class that is itself a record with fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_origin

import msgspec.inspect as mi
from graphql import GraphQLField, GraphQLInterfaceType, GraphQLObjectType

from .leaves import RECORDS
from .naming import Names
from .wording import told

HEIRS = 2
"""Records that must share a base before it is an interface."""


def interfaces(records: Mapping[Any, GraphQLObjectType], names: Names) -> dict[Any, list[GraphQLInterfaceType]]:
    """Return the interfaces of each record.

    A base class is one if at least two records of the schema share it, and it is no type of the schema itself.

    Args:
        records: the object types by class.
        names: the names that are taken.
    """
    heirs: dict[type, list[GraphQLObjectType]] = {}
    for cls, type_ in records.items():
        for base in _bases(cls):
            heirs.setdefault(base, []).append(type_)
    made: dict[type, GraphQLInterfaceType] = {}
    for base, types in heirs.items():
        fields = _common_fields(base, types)
        if len(types) >= HEIRS and fields and names.is_free(base.__name__):
            made[base] = _interface(base, fields, names, made)
    return {cls: _made(cls, made) for cls in records}


def _bases(cls: Any) -> list[type]:
    """Return the base classes of a record that are records themselves, the nearest first."""
    mro = (get_origin(cls) or cls).__mro__[1:]
    return [base for base in mro if not getattr(base, "__parameters__", ()) and _fields(base)]


def _fields(base: type) -> Sequence[mi.Field]:
    if base.__module__ in ("builtins", "msgspec", "typing"):
        return ()
    try:
        info = mi.type_info(base)
    except (TypeError, NameError):
        return ()
    return info.fields if isinstance(info, RECORDS) else ()


def _common_fields(base: type, types: Sequence[GraphQLObjectType]) -> dict[str, GraphQLField]:
    """Return those fields of a base class that all types kept as they were."""
    first, *others = types
    return {
        name: GraphQLField(field.type, description=field.description)
        for name, field in first.fields.items()
        if name in {each.encode_name for each in _fields(base)}
        and all(name in other.fields and str(other.fields[name].type) == str(field.type) for other in others)
    }


def _interface(
    base: type, fields: dict[str, GraphQLField], names: Names, made: Mapping[type, GraphQLInterfaceType]
) -> GraphQLInterfaceType:
    name = names.claim(base.__name__, base, f"the interface {base.__qualname__}")
    return GraphQLInterfaceType(name, fields, interfaces=lambda: _made(base, made), description=told(base).text)


def _made(cls: Any, made: Mapping[type, GraphQLInterfaceType]) -> list[GraphQLInterfaceType]:
    return [made[base] for base in _bases(cls) if base in made]
