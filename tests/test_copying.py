"""Copies of values at a border: everything that can change is another object afterwards, and equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar

import attrs
import msgspec
import pytest

from mergepoint import UNSET, Download, Id, Meta, Page, Unset, Upload
from mergepoint.place.copying import copier

T = TypeVar("T")


class Diet(Enum):
    FRUIT = "fruit"


@dataclass(frozen=True)
class Wing:
    span: float


@dataclass(frozen=True)
class Bat:
    id: Id
    wings: tuple[Wing, ...] = ()
    born: datetime | None = None
    diet: Diet = Diet.FRUIT
    next: Bat | None = None


@dataclass
class Cave:
    bats: list[Bat] = field(default_factory=list)
    inner: Cave | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """Frozen, and yet it holds a list."""

    names: list[str]


class Box(msgspec.Struct):
    names: list[str]
    note: str | Unset = UNSET


class Cat(msgspec.Struct, tag=True):
    lives: list[int]


class Dog(msgspec.Struct, tag=True, frozen=True):
    name: str


class Pair(NamedTuple):
    left: str
    right: list[int]


class Loose(TypedDict):
    names: list[str]
    extra: NotRequired[int]


@attrs.define
class Shelf:
    items: list[str]


class Holder(msgspec.Struct, Generic[T], frozen=True):
    value: T


UNCHANGEABLE: list[Any] = [
    str, int, bytes, Id, date, datetime, Decimal, Diet, Literal["a", "b"], Bat, tuple[Bat, ...], frozenset[str],
    str | None, Bat | Unset, tuple[int, str], Annotated[int, Meta(ge=0)], Dog, Holder[str], Upload, Download,
]  # fmt: skip


@pytest.mark.parametrize("hint", UNCHANGEABLE, ids=str)
def test_what_cannot_change_is_not_copied(hint: Any) -> None:
    """Frozen records of unchangeable values cost nothing at a border."""
    assert copier(hint) is None


CHANGEABLE: list[tuple[Any, Any]] = [
    (list[str], ["a"]),
    (set[int], {1}),
    (dict[str, int], {"a": 1}),
    (dict[str, list[int]], {"a": [1]}),
    (list[list[int]], [[1], [2]]),
    (tuple[list[int], str], ([1], "a")),
    (tuple[list[int], ...], ([1], [2])),
    (Cave, Cave([Bat(1, (Wing(0.3),), datetime.now(UTC))], Cave([Bat(2)]))),
    (Sealed, Sealed(["a"])),
    (Box, Box(["a"])),
    (Box, Box(["a"], "note")),
    (Pair, Pair("a", [1])),
    (Loose, Loose(names=["a"])),
    (Shelf, Shelf(["a"])),
    (Cat | Dog, Cat([9])),
    (list[str] | None, ["a"]),
    (Page[Box], Page([Box(["a"])], "more")),
    (Page[Bat], Page([Bat(1)], None)),
    (Holder[list[int]], Holder([1])),
]


@pytest.mark.parametrize(("hint", "value"), CHANGEABLE, ids=lambda value: str(value)[:40])
def test_what_can_change_is_another_object(hint: Any, value: Any) -> None:
    """Equal, of the same class, and nothing that can change is shared."""
    copy = copier(hint)
    assert copy is not None
    copied = copy(value)
    assert copied == value
    assert type(copied) is type(value)
    assert not changeable(copied) & changeable(value)


def changeable(value: Any) -> set[int]:
    """Return the identities of all lists, sets and dicts that a value leads to."""
    found = {id(value)} if isinstance(value, list | set | dict) else set()
    if isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, list | tuple | set):
        parts = list(value)
    else:
        marks = ("__struct_fields__", "__dataclass_fields__", "__slots__")
        names: Any = next((getattr(value, mark) for mark in marks if hasattr(value, mark)), ())
        parts = [getattr(value, name) for name in names if not name.startswith("__")]
    return found.union(*map(changeable, parts))


def test_what_is_absent_stays_absent() -> None:
    """None, and the member of a union that needs no copy, pass."""
    assert copier(list[str] | None)(None) is None  # type: ignore[misc]  # it is a function here
    dog = Dog("Rex")
    assert copier(Cat | Dog)(dog) is dog  # type: ignore[misc]
