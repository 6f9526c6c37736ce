"""What a record of settings looks like: its fields, which of them nest, and the variable that sets each."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from mergepoint import redact


class Field(NamedTuple):
    """One field of a record of settings. `default` is `msgspec.NODEFAULT` where the field is required."""

    name: str
    type: Any
    default: Any

    @property
    def required(self) -> bool:
        """Tell whether the field has no default."""
        return self.default is msgspec.NODEFAULT

    @property
    def sensitive(self) -> bool:
        """Tell whether the field's type is marked `Sensitive`."""
        return redact.sensitive(self.type)


class Setting(NamedTuple):
    """One value of the settings, however deep: its field, the names that lead to it, and its variable."""

    field: Field
    path: tuple[str, ...]
    variable: str


@cache
def fields(record: Hashable) -> Mapping[str, Field]:
    """Return the fields of a dataclass or struct that its constructor takes, by name."""
    hints = get_type_hints(record, include_extras=True)
    return {name: Field(name, hints[name], default) for name, default in _defaults(record)}


def fields_upon(record: Any, base: Any) -> tuple[Field, ...]:
    """Return the fields of a record, with defaults from the record `base` if it is one of that class."""
    if not isinstance(base, record):
        return tuple(fields(record).values())
    return tuple(field._replace(default=getattr(base, field.name)) for field in fields(record).values())


def _defaults(record: Any) -> Iterator[tuple[str, Any]]:
    if issubclass(record, msgspec.Struct):
        for info in msgspec.structs.fields(record):
            yield info.name, _default(info.default, info.default_factory, msgspec.NODEFAULT)
    else:
        for field in dataclasses.fields(record):
            if field.init:
                yield field.name, _default(field.default, field.default_factory, dataclasses.MISSING)


def _default(value: Any, factory: Any, absent: Any) -> Any:
    if factory is not absent:
        return factory()
    return msgspec.NODEFAULT if value is absent else value


def members(hint: Any) -> tuple[Any, ...]:
    """Return the types a hint allows, without `Annotated` and without None: `Path | None` gives `(Path,)`."""
    if get_origin(hint) is Annotated:
        return members(hint.__origin__)
    if get_origin(hint) in (Union, UnionType):
        return tuple(plain for member in get_args(hint) for plain in members(member) if plain is not type(None))
    return (hint,)


def record_of(hint: Any) -> Any:
    """Return the record a hint stands for (`Database`, `Database | None`), or None for anything else."""
    only, *more = members(hint)
    return only if not more and _is_record(only) else None


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct))


def value_of(hint: Any) -> Any:
    """Return the `X` of a mapping `dict[str, X]`, or None for anything else."""
    only, *more = members(hint)
    return get_args(only)[1] if not more and get_origin(only) is dict and get_args(only)[0] is str else None


def item_of(hint: Any) -> Any:
    """Return the record `X` of a `list[X]` or `tuple[X, ...]`, or None for anything else."""
    only, *more = members(hint)
    if more or get_origin(only) not in (list, tuple) or get_args(only)[1:] not in ((), (...,)):
        return None
    return record_of(get_args(only)[0]) and get_args(only)[0]


def child(hint: Any, name: str) -> Field | None:
    """Return the field `name` inside a record or mapping, or None if there is no such field."""
    if record := record_of(hint):
        return fields(record).get(name)
    value = value_of(hint)
    return None if value is None else Field(name, value, msgspec.NODEFAULT)


def nests(hint: Any) -> bool:
    """Tell whether values of this type are JSON objects that merge deeply."""
    return record_of(hint) is not None or value_of(hint) is not None


def settings(record: Any, prefix: str, path: tuple[str, ...] = (), base: Any = None) -> Iterator[Setting]:
    """Return every single setting of a record, nested records opened, in the order they are declared."""
    for field in fields_upon(record, base):
        here = (*path, field.name)
        if inner := record_of(field.type):
            yield from settings(inner, prefix, here, field.default)
        else:
            yield Setting(field, here, variable(prefix, here))


def variable(prefix: str, path: tuple[str, ...]) -> str:
    """Return the name of the variable that sets what `path` leads to: `BATFRIEND_DATABASE__URL`."""
    return f"{prefix}_{'__'.join(path)}".upper()
