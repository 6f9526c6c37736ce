"""What types become in protobuf, and that every value comes back as it was."""

import enum
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import attrs
import grpc
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mergepoint import UNSET, App, Id, Meta, Page, Unset
from mergepoint.errors import InvalidArgument
from mergepoint.grpc import client, server
from mergepoint.grpc.messages import GOOGLES, Messages, file_of
from mergepoint.grpc.server import Server


class Diet(enum.Enum):
    """What a bat eats."""

    FRUIT = "fruit"
    INSECTS = "insects"


class Rank(enum.IntEnum):
    """How high it hangs."""

    LOW = -1
    HIGH = 7


class Cat(msgspec.Struct, frozen=True, tag=True):
    """One of a union."""

    lives: int = 9


class Dog(msgspec.Struct, frozen=True, tag=True, tag_field="type"):
    """Another one."""

    name: str
    toys: list[str] = []


class Point(NamedTuple):
    """A place."""

    x: float
    y: float = 0.0


class Notes(TypedDict):
    """A dict with known keys."""

    title: str
    stars: NotRequired[int]


@attrs.frozen
class Cave:
    """A record of attrs."""

    name: str
    depth: float | None = None


@dataclass(frozen=True)
class Tree:
    """A record that contains its like."""

    name: str
    children: tuple["Tree", ...] = ()
    parent: "Tree | None" = None


class Odd(msgspec.Struct, frozen=True, rename={"kind": "kind-of", "from_": "from"}):
    """A record whose names on the wire are no identifiers, or words of Python."""

    kind: str
    from_: int = 0


@dataclass(frozen=True)
class Choices:
    """Everything that may be left out, be null, or be empty."""

    plain: str | None = None
    with_default: int | None = 20
    unset: str | Unset = UNSET
    both: str | Unset | None = UNSET
    names: list[str] | None = None
    tags: list[str] | Unset | None = UNSET
    defaults: list[str] = field(default_factory=lambda: ["a"])
    counts: dict[str, int] = field(default_factory=dict)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - the limits
TREES: st.SearchStrategy[Tree] = st.deferred(
    lambda: st.builds(Tree, TEXT, st.lists(TREES, max_size=2).map(tuple), st.none() | st.builds(Tree, TEXT))
)
CATS, COUNTS = st.builds(Cat, INTS), st.dictionaries(TEXT, INTS, max_size=2)
DOGS = st.builds(Dog, TEXT, st.lists(TEXT, max_size=3))
CHOICES = st.builds(
    Choices,
    plain=st.none() | TEXT,
    with_default=st.none() | INTS,
    unset=st.just(UNSET) | TEXT,
    both=st.sampled_from([UNSET, None, "", "x"]),
    names=st.none() | st.lists(TEXT, max_size=3),
    tags=st.sampled_from([UNSET, None, [], ["x"]]),
    defaults=st.lists(TEXT, max_size=2),
    counts=st.dictionaries(TEXT, INTS, max_size=3),
)

TYPES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "text": (str, TEXT),
    "integer": (int, INTS),
    "id": (Id, INTS),
    "floating": (float, FLOATS),
    "boolean": (bool, st.booleans()),
    "data": (bytes, st.binary(max_size=50)),
    "moment": (datetime, MOMENTS),
    "length": (timedelta, st.timedeltas(timedelta(days=-999_000), timedelta(days=999_000))),
    "day": (date, st.dates()),
    "clock": (time, st.times()),
    "price": (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    "uuid": (UUID, st.uuids()),
    "diet": (Diet, st.sampled_from(Diet)),
    "rank": (Rank, st.sampled_from(Rank)),
    "literal": (Literal["a", "b"], st.sampled_from(["a", "b"])),
    "mixed_literal": (Literal["a", 1] | None, st.sampled_from(["a", 1, None])),
    "optional": (str | None, st.none() | TEXT),
    "numbers": (list[int], st.lists(INTS, max_size=5)),
    "unique": (set[str], st.sets(TEXT, max_size=5)),
    "frozen": (frozenset[int], st.frozensets(INTS, max_size=5)),
    "nested": (list[list[str]], st.lists(st.lists(TEXT, max_size=3), max_size=3)),
    "holes": (list[int | None], st.lists(st.none() | INTS, max_size=5)),
    "list_or_null": (list[str] | None, st.none() | st.lists(TEXT, max_size=3)),
    "lists_or_null": (list[list[int] | None], st.lists(st.none() | st.lists(INTS, max_size=2), max_size=3)),
    "pair": (tuple[int, str], st.tuples(INTS, TEXT)),
    "odd_tuple": (tuple[list[int], str | None, Cat], st.tuples(st.lists(INTS, max_size=2), st.none() | TEXT, CATS)),
    "counts": (dict[str, int], st.dictionaries(TEXT, INTS, max_size=4)),
    "by_id": (dict[Id, str | None], st.dictionaries(INTS, st.none() | TEXT, max_size=4)),
    "by_day": (dict[date, list[str]], st.dictionaries(st.dates(), st.lists(TEXT, max_size=2), max_size=3)),
    "by_diet": (dict[Diet, dict[str, int]], st.dictionaries(st.sampled_from(Diet), COUNTS)),
    "by_moment": (dict[datetime, Point], st.dictionaries(MOMENTS, st.builds(Point, FLOATS, FLOATS), max_size=2)),
    "pet": (Cat | Dog, CATS | DOGS),
    "pet_or_null": (Cat | Dog | None, st.none() | CATS | DOGS),
    "pets": (list[Cat | Dog | None], st.lists(st.none() | CATS | DOGS, max_size=3)),
    "scalar": (int | str | bool | None, st.none() | INTS | TEXT | st.booleans()),
    "one_or_many": (str | list[str], TEXT | st.lists(TEXT, max_size=3)),
    "point": (Point, st.builds(Point, FLOATS, FLOATS)),
    "notes": (Notes, st.fixed_dictionaries({"title": TEXT}, optional={"stars": INTS})),
    "cave": (Cave, st.builds(Cave, TEXT, st.none() | FLOATS)),
    "tree": (Tree, TREES),
    "page": (Page[Dog], st.builds(Page, st.lists(DOGS, max_size=3), st.none() | TEXT)),
    "odd": (Odd, st.builds(Odd, TEXT, INTS)),
    "choices": (Choices, CHOICES),
}  # fmt: skip


def _echo(name: str, hint: Any) -> Any:
    def echo(value: Any) -> Any:
        return value

    echo.__name__ = echo.__qualname__ = name
    echo.__annotations__ = {"value": hint, "return": hint}
    return echo


def _method(name: str, hint: Any) -> Any:
    def method(self: Any, value: Any) -> Any: ...

    method.__name__ = method.__qualname__ = name
    method.__annotations__ = {"value": hint, "return": hint}
    return method


def choose(
    plain: str | None = None,
    with_default: int | None = 20,
    both: str | Unset | None = UNSET,
    names: list[str] | None = None,
    defaults: list[str] = ["a"],  # noqa: B006 - that it is one is what is tested
) -> list[str]:
    """Tell what came."""
    return [repr(plain), repr(with_default), repr(both), repr(names), repr(defaults)]


def limited(name: Annotated[str, Meta(max_length=3)], at: datetime | None = None, point: Point | None = None) -> str:
    """Take what is within limits."""
    return name


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    """Serve an echo of every type."""
    app = App("types")
    for name, (hint, _) in TYPES.items():
        app.command(_echo(name, hint))
    app.command(choose)
    app.command(limited)
    with server(app, address="127.0.0.1:0") as running:
        assert running.schema is not None
        assert running.schema.left_out == {}
        yield running


@pytest.fixture(scope="module")
def echoes(served: Server) -> Any:
    """Return a client of all of them."""
    service = type("Echoes", (), {name: _method(name, hint) for name, (hint, _) in TYPES.items()})
    return client(service, f"grpc://127.0.0.1:{served.port}")


@pytest.mark.parametrize("name", TYPES)
def test_a_value_comes_back_as_it_was(name: str, echoes: Any) -> None:
    """Whatever a type allows goes there and back; null, empty and left out stay different."""

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(TYPES[name][1])
    def holds(value: Any) -> None:
        back = getattr(echoes, name)(value)
        assert (type(back), back) == (type(value), value)

    holds()


def test_a_moment_is_the_same_moment_in_another_zone(echoes: Any) -> None:
    """A timestamp has no zone of its own: what comes back is the moment, in UTC."""
    noon = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))
    back = echoes.moment(noon)
    assert back == noon
    assert back.tzinfo is UTC


# --- as another language sends it ---


class Raw:
    """Calls with messages, as a client in another language does."""

    def __init__(self, served: Server) -> None:
        assert served.schema is not None
        self.schema = served.schema
        self.messages = Messages([*map(file_of, GOOGLES), served.schema.file])
        self.channel = grpc.insecure_channel(f"127.0.0.1:{served.port}")

    def request(self, operation: str, **fields: Any) -> Any:
        """Return a request."""
        return self.messages.message(self.schema.methods[operation].request)(**fields)

    def send(self, operation: str, request: bytes) -> Any:
        """Send the bytes of a request and return the answer."""
        method = self.schema.methods[operation]
        call: Any = self.channel.unary_unary(method.name.path)
        answer = call(request, timeout=30)
        return self.messages.message(method.response).FromString(answer)

    def refused(self, operation: str, request: bytes) -> str:
        """Return why a request is refused as wrong input."""
        with pytest.raises(grpc.RpcError) as caught:
            self.send(operation, request)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT, caught.value
        return str(caught.value.details())


@contextmanager
def _raw(served: Server) -> Iterator[Raw]:
    raw = Raw(served)
    with raw.channel:
        yield raw


@pytest.fixture(scope="module")
def raw(served: Server) -> Iterator[Raw]:
    """Call with messages."""
    with _raw(served) as calls:
        yield calls


@pytest.mark.parametrize(
    ("fields", "came"),
    [
        ({}, ["None", "20", "UNSET", "None", "['a']"]),
        ({"plain": "", "with_default": 0, "both": ""}, ["''", "0", "''", "None", "['a']"]),
        ({"with_default_null": 0, "both_null": 0}, ["None", "None", "None", "None", "['a']"]),
        ({"names": {}}, ["None", "20", "UNSET", "[]", "['a']"]),
        ({"names": {"items": ["x"]}, "defaults": ["b"]}, ["None", "20", "UNSET", "['x']", "['b']"]),
        ({"defaults_empty": True}, ["None", "20", "UNSET", "None", "[]"]),
    ],
)
def test_left_out_null_and_empty_are_different(fields: dict[str, Any], came: list[str], raw: Raw) -> None:
    """A field that is absent takes its default; null and the empty list can be said where they are something else."""
    assert list(raw.send("choose", raw.request("choose", **fields).SerializeToString()).result) == came


def test_what_is_missing_is_refused_by_name(raw: Raw) -> None:
    """A required field that is absent is no empty text and no zero."""
    assert raw.refused("text", b"") == "$.value: Missing"
    assert raw.refused("point", raw.request("point", value={}).SerializeToString()) == "$.value.x: Missing"
    assert raw.refused("pair", raw.request("pair", value={"_1": "x"}).SerializeToString()) == (
        "$.value[0]: Expected `int`, got `nothing`"
    )


def test_what_does_not_fit_is_refused_with_its_path(raw: Raw) -> None:
    """Limits, infinities and unknown members are told as over any other protocol."""
    assert raw.refused("limited", raw.request("limited", name="four").SerializeToString()) == (
        "$.name: Expected `str` of length <= 3"
    )
    assert raw.refused("floating", raw.request("floating", value=math.inf).SerializeToString()) == (
        "$.value: Expected a finite `float`"
    )
    request = raw.request("limited", name="x", point={"x": math.nan})
    assert raw.refused("limited", request.SerializeToString()) == "$.point.x: Expected a finite `float`"
    assert raw.refused("diet", raw.request("diet", value="stones").SerializeToString()).startswith(
        "$.value: Invalid enum value"
    )
    assert raw.refused("price", raw.request("price", value="NaN").SerializeToString()).startswith("$.value: Expected")
    assert raw.refused("pet", raw.request("pet", value={}).SerializeToString()).startswith("$.value: Expected")


@pytest.mark.parametrize(("seconds", "nanos"), [(2**62, 0), (-(2**62), 0), (253_402_300_800, 0), (0, 2**31 - 1)])
def test_a_timestamp_outside_the_calendar_is_refused(seconds: int, nanos: int, raw: Raw) -> None:
    """A moment that Python has no date for is wrong input, unless it is only oddly written."""
    request = raw.request("moment", value={"seconds": seconds, "nanos": nanos})
    if seconds:
        assert raw.refused("moment", request.SerializeToString()).startswith("$.value: ")
    else:
        raw.send("moment", request.SerializeToString())


@pytest.mark.parametrize(
    ("request_bytes", "reason"),
    [
        (b"\xff\xff", "$: Malformed: no such message, or nested too deeply"),
        (b"\x0a\x02\xff\xfe", "$: Malformed: text that is not UTF-8"),
        (b"\x0a\x01x\xf8\x07\x01", "$.#127: Unknown field"),
    ],
)
def test_bytes_that_are_no_request_are_refused(request_bytes: bytes, reason: str, raw: Raw) -> None:
    """Broken bytes, broken text and fields that nobody knows are wrong input, never an internal error."""
    assert raw.refused("text", request_bytes) == reason


def test_an_unknown_field_is_refused_at_any_depth(raw: Raw) -> None:
    """What a caller says is never silently ignored, in a record neither."""
    inside = b"\x0a\x01x\xf8\x07\x01"
    assert raw.refused("odd", b"\x0a" + bytes([len(inside)]) + inside) == "$.value.#127: Unknown field"


def test_a_deep_message_is_refused(raw: Raw) -> None:
    """A message within messages a thousand deep ends as wrong input."""
    inside = b""
    for _ in range(1000):
        length = len(inside)
        size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
        inside = b"\x1a" + size + inside
    assert "Malformed" in raw.refused("tree", b"\x0a" + bytes([len(inside) & 127 | 128, len(inside) >> 7]) + inside)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
@given(data=st.binary(max_size=60), name=st.sampled_from(sorted(TYPES)))
def test_no_bytes_at_all_are_an_internal_error(data: bytes, name: str, raw: Raw) -> None:
    """Whatever bytes come, they are a request or wrong input."""
    try:
        raw.send(name, data)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error  # noqa: PT017 - an answer is fine, too


def test_what_a_client_cannot_write_is_wrong_input(echoes: Any) -> None:
    """A number that has no place, or another type, is told with the parameter before anything is sent."""
    for name, value in (("integer", 2**63), ("text", 5), ("text", "\ud800"), ("diet", "fruit"), ("numbers", 5)):
        with pytest.raises(InvalidArgument, match=r"^\$\.value: "):
            getattr(echoes, name)(value)
