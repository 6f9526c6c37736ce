"""Values on the wire: every type goes there and back unchanged, and whatever is wrong is found, all at once."""

import enum
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mergepoint import UNSET, App, Call, Id, Meta, Page, Sensitive, Unset
from mergepoint.contract import Contract
from mergepoint.errors import InvalidArgument, Problem
from mergepoint.shape import CannotTravel
from mergepoint.wire import LONGEST_TEXT, MOST_PROBLEMS, Wire

INT64 = (-(2**63), 2**63 - 1)
T = TypeVar("T")
bounded = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Color(enum.Enum):
    BROWN = "brown"
    GREY = "grey"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


@dataclass(frozen=True)
class Bat:
    id: Id
    name: Annotated[str, Meta(min_length=1)]
    weight: Decimal = Decimal("0.1")
    wings: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.name == "Count":
            raise ValueError("A count is no bat")


@dataclass(frozen=True, kw_only=True)
class Flight:
    bat: Bat
    at: datetime
    height: float | None = None


class Cave(msgspec.Struct, frozen=True):
    id: Id
    bats: list[Bat] = []
    keeper: str | Unset | None = UNSET
    guest: Id | Unset | None = UNSET


@attrs.frozen
class Wing:
    id: Id
    span: Decimal


class Point(NamedTuple):
    x: float
    y: float
    near: Id | None = None


class Tags(TypedDict):
    color: Color
    owner: NotRequired[Id]


@dataclass(frozen=True)
class Tree:
    id: Id
    branches: "list[Tree]" = field(default_factory=list)


@dataclass(frozen=True)
class Parent:
    child: "Child | None"
    number: Id = 1


@dataclass(frozen=True)
class Child:
    parent: "Parent | None"
    aunt: "Aunt | None" = None


@dataclass(frozen=True)
class Aunt:
    niece: Child | None
    parents: dict[str, Parent] = field(default_factory=dict)


class Fruit(msgspec.Struct, frozen=True, tag=True):
    id: Id


class Insect(msgspec.Struct, frozen=True, tag=True):
    legs: int
    eats: "Fruit | Insect | None" = None


@dataclass(frozen=True)
class Box(Generic[T]):
    content: T


class Item(msgspec.Struct, frozen=True, rename="camel"):
    shelf_number: int
    best_before: date | None = None


def _wire(type_: Any) -> Wire[Any]:
    return Wire(type_)


def _both_ways(type_: Any, value: Any) -> None:
    """Write and read a value in every form that Mergepoint knows, and compare."""
    wire = _wire(type_)
    assert wire.decode_json(wire.encode_json(value)) == value
    assert wire.decode_msgpack(wire.encode_msgpack(value)) == value
    assert wire.convert(wire.plain(value)) == value
    assert json.loads(wire.encode_json(value)) == json.loads(msgspec.json.encode(wire.plain(value)))


# --- there and back ------------------------------------------------------------------------------------------------

ids = st.integers(*INT64)
texts = st.text(max_size=20)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
floats = st.floats(allow_nan=False, allow_infinity=False)
zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
moments = st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9990, 1, 1), timezones=zones)  # noqa: DTZ001
bats = st.builds(Bat, ids, texts.filter(lambda s: s not in ("", "Count")), decimals, st.lists(ids, max_size=3))
wings = st.builds(Wing, ids, decimals)
points = st.builds(Point, floats, floats, st.none() | ids)
tags = st.fixed_dictionaries({"color": st.sampled_from(Color)}, optional={"owner": ids})
caves = st.builds(
    Cave,
    ids,
    st.lists(bats, max_size=2),
    st.just(UNSET) | st.none() | texts,
    st.just(UNSET) | st.none() | ids,
)
trees = st.recursive(
    st.builds(Tree, ids), lambda inner: st.builds(Tree, ids, st.lists(inner, max_size=3)), max_leaves=10
)
insects = st.recursive(st.builds(Fruit, ids), lambda inner: st.builds(Insect, ids, st.none() | inner), max_leaves=5)

VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: ids,
    float: floats,
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    datetime: moments,
    date: st.dates(),
    time: st.times(),
    timedelta: st.timedeltas(timedelta(days=-9999), timedelta(days=9999)),
    Decimal: decimals,
    UUID: st.uuids(),
    Id: ids,
    Color: st.sampled_from(Color),
    Size: st.sampled_from(Size),
    Literal["wing", "claw", 3]: st.sampled_from(["wing", "claw", 3]),
    Id | None: st.none() | ids,
    Bat | None: st.none() | bats,
    int | str: ids | texts,
    list[Id]: st.lists(ids, max_size=5),
    set[Id]: st.sets(ids, max_size=5),
    frozenset[Color]: st.frozensets(st.sampled_from(Color)),
    tuple[Id, ...]: st.lists(ids, max_size=5).map(tuple),
    tuple[Id, str, Bat]: st.tuples(ids, texts, bats),
    dict[str, Bat]: st.dictionaries(texts, bats, max_size=3),
    dict[Id, list[Point]]: st.dictionaries(ids, st.lists(points, max_size=2), max_size=3),
    dict[Color, Decimal]: st.dictionaries(st.sampled_from(Color), decimals),
    dict[date, int]: st.dictionaries(st.dates(), ids, max_size=3),
    dict[Decimal, UUID]: st.dictionaries(st.decimals(-99, 99, places=2), st.uuids(), max_size=3),
    Bat: bats,
    Flight: st.builds(Flight, bat=bats, at=moments, height=st.none() | floats),
    Cave: caves,
    Wing: wings,
    Point: points,
    list[Point]: st.lists(points, max_size=3),
    Tags: tags,
    Tree: trees,
    Fruit | Insect: insects,
    list[Fruit | Insect] | None: st.none() | st.lists(insects, max_size=3),
    Page[Bat]: st.builds(Page, st.lists(bats, max_size=3), st.none() | texts),
    Page[Point]: st.builds(Page, st.lists(points, max_size=3), st.none() | texts),
    Box[list[Wing]]: st.builds(Box, st.lists(wings, max_size=2)),
    Box[int]: st.builds(Box, ids),
    Item: st.builds(Item, ids, st.none() | st.dates()),
    Annotated[str, Sensitive]: texts,
    Annotated[list[Id], Meta(max_length=3)]: st.lists(ids, max_size=3),
}


@pytest.mark.parametrize("type_", VALUES, ids=str)
@bounded
@given(data=st.data())
def test_every_type_goes_there_and_back(type_: Any, data: st.DataObject) -> None:
    """JSON, MessagePack and plain values give back what was written, for every type of the vocabulary."""
    _both_ways(type_, data.draw(VALUES[type_]))


def test_records_that_contain_each_other_travel() -> None:
    """Three records in a circle, whichever of them comes first."""
    value = Parent(Child(Parent(None, 2), Aunt(Child(None), {"x": Parent(None, 3)})), 4)
    _both_ways(Parent, value)
    _both_ways(Child, value.child)
    _both_ways(Aunt, value.child and value.child.aunt)


def test_records_of_a_circle_have_one_name_each() -> None:
    """In a description of several operations each record appears once."""
    _, components = msgspec.json.schema_components([Wire(t).form for t in (Parent, Child, Aunt, Page[Child])])
    assert sorted(components) == ["Aunt", "Child", "Page_Child", "Parent"]


def test_an_id_is_a_string_in_json() -> None:
    """JavaScript's numbers end at 2^53, so an id is text wherever it stands."""
    largest = str(2**63 - 1)
    assert _wire(Id).encode_json(2**63 - 1) == f'"{largest}"'.encode()
    assert _wire(list[Id]).encode_json([1, -2]) == b'["1","-2"]'
    assert json.loads(_wire(Cave).encode_json(Cave(2**63 - 1, guest=2)))["id"] == largest
    assert _wire(dict[str, Id]).plain({"x": 1}) == {"x": "1"}


def test_a_decimal_is_a_string() -> None:
    """Its digits survive, trailing zeros too; a number is read as well, digit by digit."""
    wire = _wire(Decimal)
    assert wire.encode_json(Decimal("1.10")) == b'"1.10"'
    assert str(wire.decode_json(b"1.10")) == "1.10"
    assert wire.decode_json(b'"' + b"9" * 400 + b'"') == Decimal("9" * 400)


def test_an_enum_travels_by_value() -> None:
    """Its value is written, not its name, as a key too."""
    assert _wire(list[Color]).encode_json([Color.GREY]) == b'["grey"]'
    assert _wire(dict[Size, int]).encode_json({Size.LARGE: 5}) == b'{"2":5}'


def test_a_named_tuple_is_an_object() -> None:
    """Its fields have names, so they travel by name."""
    assert _wire(Point).plain(Point(1, 2, 3)) == {"x": 1, "y": 2, "near": "3"}


def test_a_renamed_field_keeps_its_name_on_the_wire() -> None:
    """What a struct renames is renamed on the wire only."""
    assert _wire(Item).plain(Item(7)) == {"shelfNumber": 7, "bestBefore": None}
    assert _problems(Item, b'{"shelfNumber":"x"}') == [("$.shelfNumber", "Expected `int`, got `str`")]


def test_left_out_and_null_are_different() -> None:
    """`Unset` is not written at all, `None` is null."""
    wire = _wire(Cave)
    assert wire.plain(Cave(1)) == {"id": "1", "bats": []}
    assert wire.plain(Cave(1, keeper=None, guest=None)) == {"id": "1", "bats": [], "keeper": None, "guest": None}
    assert wire.decode_json(b'{"id":"1"}').guest is UNSET
    assert wire.decode_json(b'{"id":"1","guest":null}').guest is None


def test_defaults_are_filled_in() -> None:
    """A field left out has its default, made anew for each record."""
    wire = _wire(Bat)
    one, other = (wire.decode_json(b'{"id":"1","name":"Flap"}') for _ in range(2))
    assert one == Bat(1, "Flap")
    assert one.wings is not other.wings


@pytest.mark.parametrize("number", INT64)
def test_integers_have_64_bits(number: int) -> None:
    """The bounds themselves travel; one more does not."""
    _both_ways(int, number)
    _both_ways(Id, number)
    beyond = number + int(math.copysign(1, number))
    assert _problems(int, str(beyond).encode())[0][1].startswith("Expected `int` ")
    assert _problems(Id, f'"{beyond}"'.encode()) == [("$", "Expected a 64-bit id, got a larger number")]
    assert _problems(dict[Id, int], f'{{"{beyond}":1}}'.encode())[0][1].startswith("Key: Expected `int` ")


def test_narrower_bounds_are_kept() -> None:
    """A range of the application's own replaces that of 64 bits."""
    assert _problems(Annotated[int, Meta(ge=0, lt=10)], b"10") == [("$", "Expected `int` <= 9")]
    assert _problems(Annotated[float, Meta(gt=0)], b"0") == [("$", "Expected `float` > 0.0")]


@pytest.fixture
def shallow() -> Iterator[None]:
    """Nest calls as deep as a new process may; property-based tests let them go deeper and may leave it so."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


# --- everything wrong at once --------------------------------------------------------------------------------------


def _problems(type_: Any, data: bytes) -> list[tuple[str, str]]:
    wire = _wire(type_)
    with pytest.raises(InvalidArgument) as caught:
        wire.decode_json(data)
    assert caught.value.code == "invalid_argument"
    return [(problem.path, problem.message) for problem in caught.value.problems]


def test_all_problems_are_reported_at_once() -> None:
    """Wrong, missing, unknown, out of range, at any depth: each with its path, in the order of the input."""
    data = b"""{"id": 7, "bats": [{"id": "1", "nmae": "x"}, {"id": "2", "name": "", "wings": [1, "two", 3.5]}],
               "keeper": 3, "bts": []}"""
    assert _problems(Cave, data) == [
        ("$.bts", "Unknown field; did you mean `bats`?"),
        ("$.id", "Expected `str`, got `int`"),
        ("$.bats[0].nmae", "Unknown field; did you mean `name`?"),
        ("$.bats[0].name", "Missing"),
        ("$.bats[1].name", "Expected `str` of length >= 1"),
        ("$.bats[1].wings[1]", "Expected `int`, got `str`"),
        ("$.bats[1].wings[2]", "Expected `int`, got `float`"),
        ("$.keeper", "Expected `str | null`, got `int`"),
    ]


def test_the_message_names_the_first_problem_and_counts_the_rest() -> None:
    """Who reads only the message learns where to look."""
    with pytest.raises(InvalidArgument) as caught:
        _wire(Bat).decode_json(b'{"id":"x","nme":1}')
    assert str(caught.value) == "$.nme: Unknown field; did you mean `name`? (and 2 more)"


@pytest.mark.parametrize(
    ("type_", "data", "problems"),
    [
        (Bat, b'{"id":"1","name":"Count"}', [("$", "A count is no bat")]),
        (
            list[Bat],
            b'[{"id":"1","name":"Count"},{"id":"2","name":"Flap"},{"id":"3","name":"Count"}]',
            [("$[0]", "A count is no bat"), ("$[2]", "A count is no bat")],
        ),
        (dict[str, Bat], b'{"it":{"id":"1","name":"Count"}}', [("$.it", "A count is no bat")]),
        (Bat | None, b'{"id":"1","name":"Count"}', [("$", "A count is no bat")]),
        (
            tuple[Id, Bat],
            b'["x",{"id":"1"}]',
            [("$[0]", "Expected a 64-bit id: digits in a string"), ("$[1].name", "Missing")],
        ),
        (tuple[Id, Bat], b'["1"]', [("$", "Expected `array` of length 2, got 1")]),
        (Fruit | Insect, b'{"type":"Fruit","idd":"1"}', [
            ("$.idd", "Unknown field; did you mean `id`?"),
            ("$.id", "Missing"),
        ]),
        (Fruit | Insect, b'{"type":"Insect","legs":6,"eats":{"type":"Fruit","id":"x"}}', [
            ("$.eats.id", "Expected a 64-bit id: digits in a string"),
        ]),
        (Fruit | Insect, b'{"type":"Stone"}', [("$.type", "Invalid value 'Stone'")]),
        (Fruit | Insect, b'{"id":"1"}', [("$", "Object missing required field `type`")]),
        (Tree, b'{"id":"1","branches":[{"id":2}]}', [("$.branches[0].id", "Expected `str`, got `int`")]),
        (Parent, b'{"child":{"parent":{"child":null,"numbr":"1"}}}', [
            ("$.child.parent.numbr", "Unknown field; did you mean `number`?"),
        ]),
        (dict[int, int], b'{"x":"y"}', [
            ("$.x", "Key: Expected `int`, got `str`"),
            ("$.x", "Expected `int`, got `str`"),
        ]),
        (dict[Decimal, int], b'{"NaN":1}', [("$.NaN", "Key: Expected a finite `decimal`, got one that is no number")]),
        (set[Id], b'["1",2]', [("$[1]", "Expected `str`, got `int`")]),
        (Tags, b'{"color":"pink","ownr":"1"}', [
            ("$.ownr", "Unknown field; did you mean `owner`?"),
            ("$.color", "Invalid enum value 'pink'"),
        ]),
        (Point, b'{"x":1,"y":"2"}', [("$.y", "Expected `float`, got `str`")]),
        (Page[Bat], b'{"items":[{"id":1,"name":"x"}]}', [("$.items[0].id", "Expected `str`, got `int`")]),
        (Cave, b"[]", [("$", "Expected `object`, got `array`")]),
        (datetime, b'"2026-11-21T12:00:00"', [("$", "Expected `datetime` with a timezone component")]),
        (datetime, b"1577836800", [("$", "Expected `datetime`, got `int`")]),
        (int, b"true", [("$", "Expected `int`, got `bool`")]),
        (bool, b"1", [("$", "Expected `bool`, got `int`")]),
        (Id, b"7", [("$", "Expected `str`, got `int`")]),
        (Id, b'"abc"', [("$", "Expected a 64-bit id: digits in a string")]),
        (Id, '"٣"'.encode(), [("$", "Expected a 64-bit id: digits in a string")]),
        (Id, b'"1\\n"', [("$", "Expected a 64-bit id, got one with a line break")]),
        (bytes, b'"!!"', [("$", "Invalid base64 encoded string")]),
        (Decimal, b'"NaN"', [("$", "Expected a finite `decimal`, got one that is no number")]),
        (Decimal, b'"sNaN"', [("$", "Expected a finite `decimal`, got one that is no number")]),
        (Decimal, b'"-Infinity"', [("$", "Expected a finite `decimal`, got one that is no number")]),
    ],
)  # fmt: skip
def test_each_problem_has_its_path(type_: Any, data: bytes, problems: list[tuple[str, str]]) -> None:
    """Whatever holds the value, the path leads to the fault and the message says what was expected."""
    assert _problems(type_, data) == problems


def test_problems_have_an_order() -> None:
    """The same input gives the same list in every process: unknown fields come as they were sent."""
    fields = [f"x{number}" for number in range(20)]
    data = json.dumps({"id": "1", "name": "Flap"} | dict.fromkeys(fields, 1)).encode()
    assert [path for path, _ in _problems(Bat, data)] == [f"$.{name}" for name in fields]


def test_no_more_than_a_hundred_problems_are_reported() -> None:
    """A caller who sends ten thousand mistakes gets the first hundred."""
    problems = _problems(list[int], json.dumps(["x"] * 10_000).encode())
    assert len(problems) == MOST_PROBLEMS == 100
    assert problems[-1][0] == "$[99]"


def test_a_fault_far_behind_is_found_all_the_same() -> None:
    """In a large input that is wrong at its end, the path is that of the fault."""
    data = b"[" + b"1," * 200_000 + b'"x"]'
    assert _problems(list[int], data) == [("$[200000]", "Expected `int`, got `str`")]


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("depth", [10, 100, 300, 900, 3000])
def test_a_fault_far_down_is_refused_too(depth: int) -> None:
    """However deep the records are nested, a fault at the bottom is the caller's, never an error of ours."""
    data = b'{"id":"1","branches":[' * depth + b'{"id":7}' + b"]}" * depth
    with pytest.raises(InvalidArgument) as caught:
        _wire(Tree).decode_json(data)
    (problem,) = caught.value.problems
    found = (_cut_path("$" + ".branches[0]" * depth + ".id"), "Expected `str`, got `int`")
    assert (problem.path, problem.message) in [found, ("$", "Malformed: nested too deeply")]
    assert (problem.path, problem.message) == found or depth >= 100


def _cut_path(path: str) -> str:
    return path if len(path) <= LONGEST_TEXT else path[:LONGEST_TEXT] + "…"


def test_what_a_caller_sends_comes_back_cut() -> None:
    """A field name or value of a megabyte is not repeated in full."""
    problems = _problems(Bat, json.dumps({"id": "1", "name": "Flap", "x" * 1_000_000: 1}).encode())
    problems += _problems(Color, json.dumps("y" * 1_000_000).encode())
    assert all(len(text) <= LONGEST_TEXT + 1 for problem in problems for text in problem)
    assert problems[0][0].endswith("x…")


def _found(read: Callable[[bytes], Any], data: bytes) -> tuple[Problem, ...]:
    """Return what is wrong with the data: nothing, or at least one problem; any other exception is a fault."""
    try:
        read(data)
    except InvalidArgument as error:
        return error.problems or (Problem("", ""),)
    return ()


@bounded
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["id", "bats", "name", "keeper", "wings", "x"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_whatever_is_sent_is_read_or_explained(raw: Any) -> None:
    """Any JSON at all gives a value or problems with paths, never another exception."""
    for type_ in (Cave, Tree, Parent, Fruit | Insect, dict[Id, Point], tuple[Bat, Id], Page[Bat]):
        wire = _wire(type_)
        found = _found(wire.decode_json, json.dumps(raw).encode())
        assert all(problem.path.startswith("$") and problem.message for problem in found)


# --- input that is no value at all ---------------------------------------------------------------------------------

MALFORMED = {
    "nothing": b"",
    "truncated": b'{"id":"1","name":',
    "truncated text": b'"abc',
    "a comma too many": b'{"id":"1",}',
    "two values": b"{} {}",
    "single quotes": b"{'id': '1'}",
    "NaN": b'{"id":"1","name":"x","weight":NaN}',
    "Infinity": b'{"id":"1","name":"x","weight":-Infinity}',
    "a number beyond every float": b'{"id":"1","name":"x","wings":[1e999]}',
    "an unknown number of 5,000 digits": b'{"id":"1","name":"x","y":' + b"9" * 5000 + b"}",
    "10,000 brackets": b"[" * 10_000,
    "10,000 closed brackets": b"[" * 10_000 + b"]" * 10_000,
    "10,000 objects": b'{"name":' * 10_000,
    "a lone surrogate": b'{"id":"1","name":"\\ud800"}',
    "a lone surrogate as UTF-8": b'{"id":"1","name":"\xed\xa0\x80"}',
    "invalid UTF-8": b'{"id":"1","name":"\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"id":"1","name":"x"}',
    "MessagePack": msgspec.msgpack.encode({"id": "1", "name": "x"}),
}


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("type_", [Bat, Tree, list[Bat], dict[str, Bat]], ids=str)
def test_malformed_json_is_called_malformed(type_: Any, data: bytes) -> None:
    """What is no JSON is refused with a code of its own, whatever was expected."""
    with pytest.raises(InvalidArgument) as caught:
        _wire(type_).decode_json(data)
    assert caught.value.code == "malformed"
    assert caught.value.kind == "invalid_argument"
    (problem,) = caught.value.problems
    assert problem.path == "$"
    assert problem.message.startswith("Malformed: ")
    assert len(problem.message) > len("Malformed: ")


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[" * 10_000, "nested too deeply"),
        (b'"\xff"', "text that is not UTF-8"),
        (b"{} {}", "trailing characters (byte 4)"),
        (b"", "Input data was truncated"),
    ],
)
def test_malformed_json_says_what_is_wrong(data: bytes, reason: str) -> None:
    """The message has the reason, and where that is known."""
    with pytest.raises(InvalidArgument) as caught:
        _wire(Tree).decode_json(data)
    assert caught.value.problems == (Problem("$", f"Malformed: {reason}"),)


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize("type_", [int, float, Id, bool, str, datetime, Bat, list[Bat], Fruit | Insect, dict[int, int]])
def test_huge_numbers_are_refused(type_: Any, digits: int) -> None:
    """A number of 400 or 5,000 digits fits nothing but a Decimal, and costs nobody anything."""
    for data in (b"9" * digits, b"-" + b"9" * digits, b'{"id":' + b"9" * digits + b"}"):
        with pytest.raises(InvalidArgument):
            _wire(type_).decode_json(data)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xff", b"\x91" * 10_000, b"\xa5abc", b"\xa1\xff", b"\xc1"], ids=lambda data: repr(data[:4])
)
def test_malformed_messagepack_is_called_malformed(data: bytes) -> None:
    """MessagePack that cannot be read is refused in the same way."""
    with pytest.raises(InvalidArgument) as caught:
        _wire(Bat).decode_msgpack(data)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_floats_are_finite(number: float) -> None:
    """MessagePack and plain values can hold NaN and infinities; they are refused as in JSON."""
    reads: list[Callable[[], Any]] = [
        lambda: _wire(list[float]).decode_msgpack(msgspec.msgpack.encode([number])),
        lambda: _wire(list[float]).convert([number]),
        lambda: _wire(Box[float | None]).convert({"content": number}),
    ]
    for read in reads:
        with pytest.raises(InvalidArgument, match="Expected a finite `float`"):
            read()


@bounded
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Bytes that mean nothing are never anything but invalid input."""
    for type_ in (Cave, Fruit | Insect, float):
        for read in (_wire(type_).decode_json, _wire(type_).decode_msgpack):
            assert all(problem.message for problem in _found(read, data))


# --- text ----------------------------------------------------------------------------------------------------------


def _contract_of(hint: Any) -> Contract:
    def ask(it: Any) -> None: ...

    ask.__annotations__["it"] = hint
    app = App("roost")
    app.query(ask)
    return app.operations["ask"].contract


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (int, "7", 7),
        (float, "1.5", 1.5),
        (bool, "true", True),
        (bool, "0", False),
        (str, "7", "7"),
        (Id, "9223372036854775807", 2**63 - 1),
        (Decimal, "1.10", Decimal("1.10")),
        (Color, "grey", Color.GREY),
        (Size, "2", Size.LARGE),
        (date, "2026-11-21", date(2026, 11, 21)),
        (datetime, "2026-11-21T12:00:00Z", datetime(2026, 11, 21, 12, tzinfo=UTC)),
        (UUID, str(UUID(int=7)), UUID(int=7)),
        (int | None, "7", 7),
        (list[int], ["1", "2"], [1, 2]),
        (Literal["wing", "claw"], "wing", "wing"),
    ],
)
def test_arguments_may_come_as_text(hint: Any, text: Any, value: Any) -> None:
    """In a path, a query string or on a command line everything is text: it is read by the parameter's type."""
    assert _contract_of(hint).arguments.convert_text({"it": text}) == (value,)


@pytest.mark.parametrize(
    ("hint", "text", "message"),
    [
        (int, "seven", "Expected `int`, got `str`"),
        (int, "9" * 400, "Expected `int` <= 9223372036854775807"),
        (int, "9" * 5000, "Integer value out of range"),
        (bool, "yes", "Expected `bool`, got `str`"),
        (float, "nan", "Expected a finite `float`"),
        (float, "-inf", "Expected a finite `float`"),
        (float | None, "NaN", "Expected a finite `float`"),
        (Decimal, "nan", "Expected a finite `decimal`, got one that is no number"),
        (Decimal, "Infinity", "Expected a finite `decimal`, got one that is no number"),
        (datetime, "2026-11-21T12:00:00", "Expected `datetime` with a timezone component"),
        (Id, "7.0", "Expected a 64-bit id: digits in a string"),
        (Color, "pink", "Invalid enum value 'pink'"),
    ],
)
def test_wrong_text_is_refused(hint: Any, text: str, message: str) -> None:
    """Text that does not fit is refused with the path of the parameter."""
    with pytest.raises(InvalidArgument) as caught:
        _contract_of(hint).arguments.convert_text({"it": text})
    assert caught.value.problems == (Problem("$.it", message),)


def test_numbers_in_a_list_of_texts_are_looked_at_one_by_one() -> None:
    """A parameter that may be given several times names the one that is wrong."""
    with pytest.raises(InvalidArgument) as caught:
        _contract_of(list[float]).arguments.convert_text({"it": ["1", "nan", "x"]})
    assert [p.path for p in caught.value.problems] == ["$.it[1]", "$.it[2]"]


def test_arguments_that_do_not_exist_are_named() -> None:
    """An unknown parameter is refused with the one that may be meant."""

    def adopt(name: str, color: Color = Color.BROWN) -> None: ...

    app = App("roost")
    app.command(adopt)
    operation = app.operations["adopt"]
    with pytest.raises(InvalidArgument) as caught:
        operation.run(Call(operation), {"nane": "x", "colour": "pink"}, operation.contract.arguments.convert_text)
    assert [(p.path, p.message) for p in caught.value.problems] == [
        ("$.nane", "Unknown field; did you mean `name`?"),
        ("$.colour", "Unknown field; did you mean `color`?"),
        ("$.name", "Missing"),
    ]


def test_what_cannot_travel_says_so() -> None:
    """A type that no protocol carries is refused when it is prepared."""
    with pytest.raises(CannotTravel, match="Any says nothing about the value"):
        _wire(dict[str, Any])


@dataclass(frozen=True)
class Fig:
    sort: str


@dataclass(frozen=True)
class Basket:
    fruit: list[Fig]


def test_what_somebody_newer_wrote_is_read_without_what_is_unknown() -> None:
    """Unknown fields are left out wherever they stand; everything else is as strict as ever."""
    wire: Wire[list[Basket]] = Wire(list[Basket])
    newer = b'[{"fruit": [{"sort": "fig", "colour": "red"}], "weight": 3}]'
    assert wire.tolerate_json(newer) == [Basket([Fig("fig")])]
    packed = msgspec.msgpack.encode(msgspec.json.decode(newer))
    assert wire.tolerate_msgpack(packed) == [Basket([Fig("fig")])]
    with pytest.raises(InvalidArgument, match=r"\$\[0\]\.fruit\[0\]\.sort: Missing"):
        wire.tolerate_json(b'[{"fruit": [{"colour": "red"}]}]')
    with pytest.raises(InvalidArgument, match="Malformed"):
        wire.tolerate_json(b"[")
