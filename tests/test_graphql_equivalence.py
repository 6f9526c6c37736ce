"""GraphQL: what is compiled gives the very response that graphql-core gives, for any selection and any values."""

import enum
import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pytest
from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLUnionType, is_leaf_type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mergepoint import UNSET, App, Id, Page, Unset
from mergepoint.graphql import Caller, Limits, Request, Schema

CALLER = Caller(request_id="0000000000000000")
LIMITS = Limits(depth=50, cost=10**9, aliases=10**6, root_fields=10**6, tokens=10**6, bytes=10**7)


class Mood(enum.Enum):
    CALM = "calm"
    WILD = "wild"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


@dataclass(frozen=True)
class Owner:
    id: Id
    name: str
    born: date | None = None


class Spot(NamedTuple):
    x: float
    y: float


class Note(TypedDict, total=False):
    text: str
    stars: int | None


class Animal(msgspec.Struct, kw_only=True):
    id: Id
    name: str
    owner_id: Id | None = None


class Cat(Animal, tag=True, kw_only=True):
    lives: int
    friend: "Cat | Dog | None" = None


class Dog(Animal, tag=True, kw_only=True):
    tricks: list[str]
    mood: Mood | None = None


class Thing(msgspec.Struct):
    id: Id
    name: str
    price: Decimal
    weight: float
    size: Size
    mood: Mood
    kind: Literal["soft", "hard"]
    odd: Literal["a b", "c"]
    active: bool
    seen: datetime | None
    wait: timedelta
    at: time
    key: UUID
    data: bytes
    owner: Owner | None
    maker: Owner
    spots: tuple[Spot, ...]
    grid: list[list[int | None]]
    tags: frozenset[str]
    counts: dict[str, int]
    homes: dict[Id, Owner | None] | None
    notes: list[Note | None]
    pets: list[Cat | Dog | None]
    note: str | Unset = UNSET


GOOD = Owner(7, "Ada", date(2020, 1, 1))


def bits(*good: Any, bad: tuple[Any, ...] = (), rare: int = 12) -> st.SearchStrategy[Any]:
    """Return a strategy for values that are mostly right."""
    return st.integers(0, rare).flatmap(lambda n: st.sampled_from(bad or good) if n == 0 else st.sampled_from(good))


OWNERS = bits(GOOD, Owner(8, "Bo"), bad=(Owner(9, None), Owner("z", "x"), None, 5))  # type: ignore[arg-type]
PET = bits(
    Cat(id=1, name="Tom", lives=9, owner_id=7),
    Cat(id=2, name="Kit", lives=3, friend=Dog(id=3, name="Rex", tricks=["sit", "roll"], owner_id=8)),
    Dog(id=4, name="Bob", tricks=[], mood=Mood.WILD, owner_id=99),
    None,
    bad=(Cat(id=5, name=None, lives=1), Dog(id=6, name="Zed", tricks=[None], owner_id=13), GOOD, "cat"),  # type: ignore[arg-type, list-item]
)
THINGS = st.builds(
    Thing,
    id=bits(1, 2, 2**63 - 1, bad=(None, True, "9", 2.5)),
    name=bits("a", "é", "", bad=(None, 5, "\ud800", object)),
    price=bits(Decimal("1.50"), bad=(Decimal("NaN"), 1.5, None)),
    weight=bits(1.5, 0.0, bad=(math.nan, math.inf, 3, "2.5", None)),
    size=bits(Size.SMALL, bad=(2, "x", None)),
    mood=bits(Mood.CALM, bad=("wild", "other", None)),
    kind=bits("soft", "hard", bad=("other", None)),
    odd=bits("a b", "c", bad=(None, 3)),
    active=bits(True, False, bad=(0, "yes", None)),
    seen=bits(datetime(2024, 5, 6, 7, 8, tzinfo=UTC), None, bad=("2024", date(2024, 1, 1))),
    wait=bits(timedelta(seconds=90), bad=(90, None)),
    at=bits(time(1, 2, 3), bad=("01:02", None)),
    key=bits(UUID(int=5), bad=("x", None)),
    data=bits(b"ab", bytearray(b"cd"), bad=("ab", None)),
    owner=st.one_of(st.none(), OWNERS),
    maker=OWNERS,
    spots=bits((Spot(1.0, 2.0),), (), bad=((Spot(math.nan, 1.0),), None, "no")),
    grid=bits([[1, None], []], bad=([[1, "x"]], [None], None)),
    tags=bits(frozenset({"t"}), frozenset(), bad=({"a": 1}, "ab", None)),
    counts=bits({"a": 1}, {}, bad=({"a": None}, {3: 4}, None, [])),
    homes=bits({5: GOOD, 6: None}, None, bad=({None: GOOD}, {7: Owner(1, None)})),  # type: ignore[arg-type]
    notes=bits([{"text": "t", "stars": 3}, {}, None], [], bad=([{"text": 5}], None)),
    pets=st.lists(PET, max_size=4),
    note=bits("n", UNSET, bad=(None, 4)),
)


class Broken(Exception):
    """What the join says of unlucky keys."""


class Zoo:
    """Operations that give what a test put there, and count how often they ran."""

    def __init__(self) -> None:
        self.things: Any = []
        self.calls: list[str] = []

    def all(self) -> list[Thing]:
        """Return all things."""
        self.calls.append("all")
        return self.things  # type: ignore[no-any-return]

    def first(self, fail: bool = False) -> Thing | None:
        """Return the first thing."""
        self.calls.append("first")
        if fail:
            raise Broken("first")
        return self.things[0] if self.things else None

    def page(self, limit: int = 5, after: str | None = None) -> Page[Thing]:
        """Return a page."""
        self.calls.append("page")
        return Page(self.things[:limit], "more")

    def pet(self) -> Cat | Dog | None:
        """Return a pet."""
        self.calls.append("pet")
        return self.things[0].pets[0] if self.things and self.things[0].pets else None

    def owners(self, ids: list[Id]) -> dict[Id, Owner]:
        """Return owners."""
        self.calls.append("owners")
        if 13 in ids:
            raise Broken("unlucky")
        return {id: Owner(id, f"Owner {id}") for id in ids if id < 50}

    def friends(self, ids: list[Id]) -> list[list[Cat]]:
        """Return friends of owners, in the order of their ids."""
        self.calls.append("friends")
        return [[Cat(id=id + n, name="F", lives=n, owner_id=id + 1) for n in range(id % 3)] for id in ids]


ZOO = Zoo()


def build() -> Schema:
    """Return the schema of the zoo."""
    app = App("zoo", errors={Broken: "aborted"})
    app.query(ZOO.all)
    app.query(ZOO.first)
    app.query(ZOO.page)
    app.query(ZOO.pet)
    app.query(ZOO.owners, joins="Cat.owner(owner_id)")
    app.query(ZOO.owners, name="owners2", joins="Dog.owner(owner_id)")
    app.query(ZOO.friends, joins="Owner.friends(id)")
    app.query(ZOO.friends, name="rivals", joins="Cat.rivals(owner_id)")
    return Schema(app, limits=LIMITS)


SCHEMA = build()


class Writer:
    """Draws a document."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.fragments: list[str] = []
        self.counter = 0

    def document(self) -> str:
        query = SCHEMA._schema.type_map["Query"]
        assert isinstance(query, GraphQLObjectType)
        roots = [self.field(name, query.fields[name], 0) for name in self.some(["all", "first", "page", "pet"])]
        used = "__typename @skip(if: $yes) @include(if: $no)"
        return "\n".join(["query($yes: Boolean!, $no: Boolean = false) {", *roots, used, "}", *self.fragments])

    def some(self, values: list[Any]) -> list[Any]:
        return self.draw(st.lists(st.sampled_from(values), min_size=1, max_size=4))  # type: ignore[no-any-return]

    def field(self, name: str, field: Any, depth: int) -> str:
        type_ = field.type
        while isinstance(type_, (GraphQLNonNull, GraphQLList)):
            type_ = type_.of_type
        self.counter += 1
        alias = f"k{self.counter}: " if self.draw(st.booleans()) else ""
        arguments = "(fail: $yes)" if name == "first" and alias and self.draw(st.booleans()) else ""
        below = "" if is_leaf_type(type_) else self.selection(type_, depth + 1)
        return f"{alias}{name}{arguments}{self.directive()}{below}"

    def directive(self) -> str:
        return self.draw(  # type: ignore[no-any-return]
            st.sampled_from(
                [""] * 8 + [" @skip(if: $yes)", " @include(if: $no)", " @include(if: true)", " @skip(if: $no)"]
            )
        )

    def selection(self, type_: Any, depth: int) -> str:
        if isinstance(type_, GraphQLUnionType):
            chosen = self.some(["__typename", "... on Animal { id }", *type_.types])
            texts = (
                each if isinstance(each, str) else f"... on {each} {self.selection(each, depth)}" for each in chosen
            )
            return "{ " + " ".join(texts) + " }"
        leaves = [name for name, field in type_.fields.items() if is_leaf_type(_bare(field.type))]
        deeper = [name for name in type_.fields if name not in leaves] * 4  # where most can go wrong
        names = leaves + (deeper if depth < 4 else [])
        parts = [self.part(type_, name, depth) for name in self.some(names or ["__typename"])]
        return "{ " + " ".join(parts) + " }"

    def part(self, type_: GraphQLObjectType, name: str, depth: int) -> str:
        text = name if name == "__typename" else self.field(name, type_.fields[name], depth)
        form = self.draw(st.integers(0, 9))
        if form == 0:
            return f"... on {type_.name} {self.directive()} {{ {text} __typename }}"
        if form == 1:
            self.fragments.append(f"fragment F{len(self.fragments)} on {type_.name} {{ {text} }}")
            return f"...F{len(self.fragments) - 1}{self.directive()}"
        return text


def _bare(type_: Any) -> Any:
    while isinstance(type_, (GraphQLNonNull, GraphQLList)):
        type_ = type_.of_type
    return type_


def answers(text: str, variables: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the response as compiled, and the one of graphql-core alone; both ran the same operations as often."""
    prepared = SCHEMA.prepare(Request(text))
    compiled = prepared.run(variables, CALLER).body
    calls = sorted(ZOO.calls)
    ZOO.calls.clear()
    execution = prepared._execution(variables, CALLER)
    core = prepared._by_core(prepared._plan(execution.values), execution)
    assert calls == sorted(ZOO.calls)
    ZOO.calls.clear()
    return compiled, core


def settled(body: bytes) -> Any:
    """Return a response without the numbers of incidents."""
    return msgspec.json.decode(re.sub(rb"\b[0-9a-f]{10}\b", b"", body))


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Bugs are made by the thousand here; their tracebacks would take longer than the test."""
    caplog.set_level(logging.CRITICAL, "mergepoint")


@given(data=st.data(), things=st.lists(THINGS, max_size=4), yes=st.booleans())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_compiled_and_interpreted_answers_are_equal(data: st.DataObject, things: list[Thing], yes: bool) -> None:
    """Nulls, lists, unions, joins, fragments, aliases, directives, errors: byte for byte what graphql-core answers."""
    ZOO.things = things
    text = Writer(data.draw).document()
    compiled, core = answers(text, {"yes": yes})
    assert settled(compiled) == settled(core)
    assert list(settled(compiled).get("data") or ()) == list(settled(core).get("data") or ())


def everything(type_: Any, depth: int = 0) -> str:
    """Return a selection of all fields of a type, some levels deep."""
    if is_leaf_type(type_):
        return ""
    if isinstance(type_, GraphQLUnionType):
        return "{__typename " + " ".join(f"... on {each} {everything(each, depth)}" for each in type_.types) + "}"
    fields = ((name, _bare(field.type)) for name, field in type_.fields.items())
    return "{" + " ".join(name + everything(t, depth + 1) for name, t in fields if depth < 4 or is_leaf_type(t)) + "}"


def test_good_values_need_no_interpreter() -> None:
    """With every field of every type selected, the generated function alone makes the whole response."""
    tom = Cat(id=1, name="Tom", lives=9, owner_id=7, friend=Dog(id=2, name="Rex", tricks=["sit"], mood=Mood.WILD))
    thing = Thing(
        id=1, name="é", price=Decimal("1.5"), weight=0.5, size=Size.LARGE, mood=Mood.CALM, kind="soft", odd="a b",
        active=True, seen=None, wait=timedelta(1), at=time(1), key=UUID(int=1), data=b"a", owner=None, maker=GOOD,
        spots=(Spot(1.0, 2.0),), grid=[[1, None]], tags=frozenset("a"), counts={"a": 1}, homes={5: GOOD, 6: None},
        notes=[{}, None, {"text": "t", "stars": None}], pets=[tom, None],
    )  # fmt: skip
    ZOO.things = [thing]
    text = "{" + " ".join(f"{name} {everything(SCHEMA._schema.type_map[t])}" for name, t in ROOTS.items()) + "}"
    prepared = SCHEMA.prepare(Request(text))
    expected = prepared.run({}, CALLER).body
    assert b'"errors"' not in expected
    assert expected.count(b'"Rex"') == 5
    prepared._by_core = None  # type: ignore[assignment, method-assign]
    assert prepared.run({}, CALLER).body == expected


ROOTS = {"all": "Thing", "first": "Thing", "page": "ThingConnection", "pet": "Cat_or_Dog"}
