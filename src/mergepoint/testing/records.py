"""The records of the suite: one of each flavour, and the values that they are made of."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar
from uuid import UUID

import msgspec

from ..types import UNSET, Id, Meta, Unset

T = TypeVar("T")


class Colour(enum.Enum):
    """A colour; it travels by value."""

    RED = "red"
    DARK_GREEN = "dark green"


class Priority(enum.IntEnum):
    """How urgent something is; its values are numbers."""

    LOW = 1
    HIGH = 10


Size = Literal["small", "large"]


@dataclass(frozen=True)
class Point:
    """A point: a frozen dataclass with a default.

    Attributes:
        x: metres to the right.
        y: metres up.
    """

    x: float
    y: float = 0.0


@dataclass
class Crate:
    """A dataclass that can change, with a default made anew for each."""

    label: str
    points: list[Point] = field(default_factory=list)


class Track(msgspec.Struct, frozen=True, rename="camel"):
    """A struct whose fields have other names on the wire."""

    track_id: Id
    way_points: tuple[Point, ...] = ()
    closed_at: datetime | None = None


class Reading(NamedTuple):
    """A named tuple."""

    at: datetime
    value: Decimal
    unit: str = "m"


class Label(TypedDict):
    """A typed dict."""

    text: str
    size: Size


class Note(TypedDict):
    """A typed dict; one of its keys may be left out."""

    text: str
    about: NotRequired[str]


class Circle(msgspec.Struct, frozen=True, tag=True):
    """One of two that are told apart by a tag."""

    radius: float


class Square(msgspec.Struct, frozen=True, tag=True):
    """The other one."""

    side: float


Figure = Circle | Square


@dataclass(frozen=True)
class Tree:
    """A record that contains its like."""

    name: str
    branches: tuple[Tree, ...] = ()


class Pair(msgspec.Struct, Generic[T], frozen=True):
    """A generic record."""

    left: T
    right: T


class Patch(msgspec.Struct, frozen=True):
    """What to change: a field that is left out stays as it is, one that is null is emptied."""

    title: str | Unset = UNSET
    note: str | Unset | None = UNSET


class Limited(msgspec.Struct, frozen=True):
    """A record whose fields have limits."""

    name: Annotated[str, Meta(min_length=1, max_length=5)]
    marks: list[Annotated[int, Meta(ge=1, le=6)]] = []


@dataclass(frozen=True, kw_only=True)
class Everything:
    """A field of every type."""

    text: str
    integer: int
    number: float
    flag: bool
    octets: bytes
    moment: datetime
    day: date
    hour: time
    span: timedelta
    amount: Decimal
    key: UUID
    id: Id
    colour: Colour
    priority: Priority
    size: Size
    numbers: list[int]
    row: tuple[Id, ...]
    names: set[str]
    ids: frozenset[int]
    counts: dict[str, int]
    plan: dict[date, list[Point]]
    point: Point
    reading: Reading
    label: Label
    figure: Figure
    maybe: Point | None = None
    pairs: list[Pair[Id]] = field(default_factory=list)
