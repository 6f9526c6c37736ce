"""Copies of values at the border of a service, so that a service in this process is as far away as any other."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from ..types import UNSET, Download, Page, Unset, Upload

Copy = Callable[[Any], Any]

_SEQUENCES: dict[Any, Callable[[Any], Any]] = {list: list, tuple: tuple, set: set, frozenset: frozenset}


@functools.cache
def copier(hint: Any) -> Copy | None:
    """Return a function that copies values of a type, or None if they cannot change and need no copy.

    Frozen records of unchangeable values are passed as they are; an `Upload` or a `Download` is handed over.

    Args:
        hint: the type hint, of a type that can travel.
    """
    return _copier(hint, {})


def _can_change(hint: Any, within: frozenset[Any] = frozenset()) -> bool:
    """Tell whether values of a type can change; a record inside its like says nothing new."""
    hint, arguments = _bare(hint)
    origin = get_origin(hint) or hint
    if origin in (list, set, dict):
        return True
    if not _is_record(origin):
        return any(_can_change(argument, within) for argument in arguments)
    if hint in within:
        return False
    return not _is_frozen(origin) or any(_can_change(type, within | {hint}) for type in _fields(hint, origin).values())


def _copier(hint: Any, open: dict[Any, _Record]) -> Copy | None:
    if not _can_change(hint):
        return None
    hint, arguments = _bare(hint)
    origin = get_origin(hint) or hint
    if origin in _SEQUENCES:
        return _sequence(origin, _inner(arguments, open))
    if origin is dict:
        return _dictionary(*(_copier(argument, open) for argument in arguments))
    if origin in (Union, UnionType):
        return _alternatives([_bare(argument)[0] for argument in arguments], open)
    return _record(hint, origin, open)


def _bare(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint, () if get_origin(hint) is Literal else get_args(hint)


def _inner(arguments: tuple[Any, ...], open: dict[Any, _Record]) -> list[Copy | None]:
    return [_copier(argument, open) for argument in arguments if argument is not Ellipsis]


def _sequence(make: Any, inner: list[Copy | None]) -> Copy:
    if not any(inner):
        return _SEQUENCES[make]
    if make is tuple and len(inner) > 1:
        return lambda value: tuple(c(v) if c else v for c, v in zip(inner, value, strict=True))
    copy = inner[0]
    assert copy is not None  # noqa: S101 - some are copied, and there is but one
    return lambda value: make(map(copy, value))


def _dictionary(key: Copy | None = None, value: Copy | None = None) -> Copy:
    # A key is hashable, and what can be hashed is not meant to change.
    return dict if value is None else lambda given: {k: value(v) for k, v in given.items()}


def _alternatives(members: list[Any], open: dict[Any, _Record]) -> Copy:
    """Copy what is of one of several types; which one is seen from the value's class."""
    copies = {get_origin(member) or member: _copier(member, open) for member in members}

    def copy(value: Any) -> Any:
        for cls in type(value).__mro__:
            if found := copies.get(cls):
                return found(value)
        return value

    return copy


def _is_record(cls: Any) -> bool:
    if not isinstance(cls, type) or issubclass(cls, Enum) or cls in (Upload, Download, Unset):
        return False
    return (
        dataclasses.is_dataclass(cls)
        or issubclass(cls, msgspec.Struct)
        or is_typeddict(cls)
        or hasattr(cls, "__attrs_attrs__")
        or hasattr(cls, "_fields")
    )


class _Record:
    """Copies records of a class; made before its fields are known, for a record may contain its like."""

    copies: Mapping[str, Copy]

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        self.copies = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.copies[name](v) if name in self.copies else v for name, v in value.items()}
        changed = {
            name: copy(getattr(value, name)) for name, copy in self.copies.items() if getattr(value, name) is not UNSET
        }
        return _replaced(value, changed)


def _record(hint: Any, cls: Any, open: dict[Any, _Record]) -> Copy:
    if hint not in open:
        open[hint] = _Record(cls)
        open[hint].copies = {name: copy for name, type in _fields(hint, cls).items() if (copy := _copier(type, open))}
    return open[hint]


def _fields(hint: Any, cls: Any) -> dict[str, Any]:
    parameters = getattr(cls, "__parameters__", ())
    given: dict[Any, Any] = dict(zip(parameters, get_args(hint), strict=False))
    return {name: _filled(type, given) for name, type in get_type_hints(cls, include_extras=True).items()}


def _filled(hint: Any, given: Mapping[Any, Any]) -> Any:
    """Put the arguments of a generic record into the type of a field."""
    if isinstance(hint, TypeVar):
        return given.get(hint, hint)
    inner = getattr(hint, "__parameters__", ())
    return hint[tuple(given.get(parameter, parameter) for parameter in inner)] if inner and given else hint


def _is_frozen(cls: Any) -> bool:
    if cls is Page or hasattr(cls, "_fields"):  # a NamedTuple is a tuple
        return True
    if issubclass(cls, msgspec.Struct):
        return bool(cls.__struct_config__.frozen)
    if dataclasses.is_dataclass(cls):
        return bool(vars(cls)["__dataclass_params__"].frozen)
    return bool(getattr(cls, "__attrs_props__", None) and cls.__attrs_props__.is_frozen)


def _replaced(value: Any, changed: dict[str, Any]) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **changed)
    if hasattr(value, "_replace"):
        return value._replace(**changed)
    made = object.__new__(type(value))
    for name in _slots(value):
        object.__setattr__(made, name, changed.get(name, getattr(value, name)))
    return made


def _slots(value: Any) -> list[str]:
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    return [attribute.name for attribute in value.__attrs_attrs__]
