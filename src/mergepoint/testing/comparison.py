"""What cases compare with: equal and of the same type, the same exception, something that is true soon."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from decimal import Decimal
from time import monotonic, sleep
from typing import Any, TypeVar

import msgspec

E = TypeVar("E", bound=Exception)

_NOTHING = object()

PATIENCE = 10.0
"""Seconds to wait for what the other side does in its own time, such as noticing that nobody listens any more."""


def same(got: Any, expected: Any) -> None:
    """Check that a value is equal to another one and of the same type, and so is all that is in it.

    Raises:
        AssertionError: it is not; the message says where.
    """
    for path, mine, other in _differences(got, expected, "$"):
        raise AssertionError(f"at `{path}`: expected {_shown(other)}, got {_shown(mine)}")


def fails(error: type[E], operation: Callable[..., Any], *values: Any, **named: Any) -> E:
    """Check that an operation, called with some arguments, fails with an exception of this very class, and return it.

    Raises:
        AssertionError: it does not fail.
        Exception: another one that it raises.
    """
    try:
        answer = operation(*values, **named)
    except error as raised:
        if type(raised) is error:
            return raised
        raise
    raise AssertionError(f"expected {error.__name__}, but it answered {answer!r}")


def soon(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: it still does not after `PATIENCE` seconds.
    """
    end = monotonic() + PATIENCE
    while not holds():
        if monotonic() > end:
            raise AssertionError(f"after {PATIENCE:.0f} s still not so: {what}")
        sleep(0.02)


def _differences(got: Any, expected: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    parts = _parts(expected)
    if type(got) is type(expected) and parts:
        others = _parts(got)
        for name in {**parts, **others}:
            yield from _differences(others.get(name, _NOTHING), parts.get(name, _NOTHING), path + name)
    elif type(got) is not type(expected) or not _equal(got, expected):
        yield path, got, expected


def _equal(got: Any, expected: Any) -> bool:
    """Tell whether two values of one type, without parts, are the same."""
    if isinstance(got, (float, Decimal)):
        return repr(got) == repr(expected)  # -0.0 equals 0.0, and 1.50 equals 1.5
    if isinstance(got, (set, frozenset)):
        return {(type(item), item) for item in got} == {(type(item), item) for item in expected}
    return bool(got == expected)


def _parts(value: Any) -> dict[str, Any]:
    """Return what a value is made of, by the path that leads to it; nothing for one that has no parts."""
    if isinstance(value, dict):
        # The type of a key counts: {1: ...} is not {True: ...}.
        return {f"[{key!r}]": item for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return {f"[{index}]": item for index, item in enumerate(value)}
    return {f".{name}": getattr(value, name) for name in _fields(value)}


def _fields(value: Any) -> tuple[str, ...]:
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if attributes := getattr(type(value), "__attrs_attrs__", ()):
        return tuple(attribute.name for attribute in attributes)
    return tuple(field.name for field in dataclasses.fields(value)) if dataclasses.is_dataclass(value) else ()


def _shown(value: Any) -> str:
    return "nothing" if value is _NOTHING else f"{value!r} ({type(value).__name__})"
