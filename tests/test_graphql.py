"""GraphQL: the schema that an app makes, how it runs, and what callers learn when it does not."""

import enum
import hashlib
import io
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pytest
from graphql import build_schema, get_introspection_query
from tests.menagerie import build

from mergepoint import UNSET, App, Call, Download, Id, Meta, Page, Sensitive, Unset, Upload, anyone, role, signed_in
from mergepoint.errors import RegistrationError
from mergepoint.graphql import Caller, Limits, Request, RequestError, Result, Schema
from mergepoint.target import load

T = TypeVar("T")
KEEPER = {"authorization": "Bearer keeper"}
GUEST = {"authorization": "Bearer guest"}


def schema_of(*queries: Any, commands: tuple[Any, ...] = (), **options: Any) -> Schema:
    """Return the schema of an app of some functions."""
    app = App("test")
    for function in queries:
        app.query(function)
    for function in commands:
        app.command(function)
    return Schema(app, **options)


def run(schema: Schema, query: str, headers: dict[str, str] | None = None, /, **variables: Any) -> Result:
    """Run a document that is not refused."""
    return schema.prepare(Request(query, variables)).run(variables, Caller(headers or {}, "r1"))


def ask(schema: Schema, query: str, headers: dict[str, str] | None = None, /, **variables: Any) -> Any:
    """Return the response to a document."""
    return msgspec.json.decode(run(schema, query, headers, **variables).body)


def data(schema: Schema, query: str, headers: dict[str, str] | None = None, /, **variables: Any) -> Any:
    """Return the data of a response that has no errors."""
    answer = ask(schema, query, headers, **variables)
    assert "errors" not in answer, answer
    return answer["data"]


def error(schema: Schema, query: str, headers: dict[str, str] | None = None, /, **variables: Any) -> Any:
    """Return the one error of a response."""
    (found,) = ask(schema, query, headers, **variables)["errors"]
    return found


def refused(schema: Schema, query: str | None, **request: Any) -> Any:
    """Return the first error of a request that is refused."""
    with pytest.raises(RequestError) as caught:
        schema.prepare(Request(query, **request))
    assert caught.value.status == 400
    return caught.value.errors[0]


def code(told: Any) -> str:
    """Return the code of an error."""
    return told["extensions"]["code"]  # type: ignore[no-any-return]


def sdl(schema: Schema) -> str:
    """Return the schema without descriptions, in one line for each definition."""
    text = "\n".join(line for line in schema.sdl.splitlines() if not line.strip().startswith('"""'))
    return " ".join(text.split())


# --- the schema ---


class Diet(enum.Enum):
    """What it eats."""

    FRUIT = "fruit"
    NOTHING = "nothing"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Colour(enum.Enum):
    DARK = "dark grey"
    LIGHT = "light"


@dataclass(frozen=True)
class Wing:
    """One wing.

    Attributes:
        span: from tip to tip, in metres.
    """

    span: float


@dataclass(frozen=True)
class Everything:
    id: Id
    small: Annotated[int, Meta(ge=0, le=9)]
    large: int
    real: float
    yes: bool
    text: Annotated[str, Meta(description="Some text.")]
    money: Decimal
    moment: datetime
    day: date
    hour: time
    length: timedelta
    key: UUID
    raw: bytes
    diet: Diet
    level: Level
    colour: Colour
    mood: Literal["calm", "wild"]
    wing: Wing
    wings: list[Wing]
    tags: set[str]
    pair: tuple[int, int]
    ages: dict[str, int]
    maybe: str | None = None
    unset: str | Unset = UNSET


THING = Everything(
    2**62, 3, 2**40, 1.5, True, "é", Decimal("1.50"), datetime(2025, 1, 2, 3, tzinfo=UTC), date(2025, 1, 2),
    time(1, 2), timedelta(minutes=90), UUID(int=1), b"ab", Diet.FRUIT, Level.HIGH, Colour.DARK, "calm", Wing(0.5),
    [Wing(1.0)], {"t"}, (1, 2), {"a": 1},
)  # fmt: skip


def everything() -> Everything:
    """Return one of everything."""
    return THING


def test_every_type_has_its_place_in_the_schema() -> None:
    """Python's types are the scalars, enums, lists and entries that the page says, nullable where None may be."""
    text = sdl(schema_of(everything))
    for line in (
        "id: ID!", "small: Int!", "large: Int64!", "real: Float!", "yes: Boolean!", "text: String!", "money: Decimal!",
        "moment: DateTime!", "day: Date!", "hour: Time!", "length: Duration!", "key: UUID!", "raw: Base64!",
        "diet: Diet!", "level: Int!", "colour: String!", "mood: EverythingMood!", "wing: Wing!", "wings: [Wing!]!",
        "tags: [String!]!", "pair: [Int64!]!", "ages: [StringInt64Entry!]!", "maybe: String unset: String }",
        "enum Diet { fruit nothing }", "enum EverythingMood { calm wild }",
        "type StringInt64Entry { key: String! value: Int64! }",
    ):  # fmt: skip
        assert line in text, text


def test_values_look_as_they_do_over_rest() -> None:
    """Ids are text, enums travel by value, times and decimals as RFC 3339 and exact text."""
    fields = "id small large real money moment day hour length key raw diet level colour mood maybe unset tags pair"
    found = data(schema_of(everything), f"{{everything{{{fields} wing{{span}} ages{{key value}}}}}}")["everything"]
    assert found == {
        "id": "4611686018427387904", "small": 3, "large": 2**40, "real": 1.5, "money": "1.50",
        "moment": "2025-01-02T03:00:00Z", "day": "2025-01-02", "hour": "01:02:00", "length": "PT5400S",
        "key": "00000000-0000-0000-0000-000000000001", "raw": "YWI=", "diet": "fruit", "level": 2,
        "colour": "dark grey", "mood": "calm", "maybe": None, "unset": None, "tags": ["t"], "pair": [1, 2],
        "wing": {"span": 0.5}, "ages": [{"key": "a", "value": 1}],
    }  # fmt: skip
    assert list(found)[:2] == ["id", "small"]


def test_descriptions_come_from_docstrings() -> None:
    """Operations, parameters, records and their attributes speak for themselves; values of no enum are listed."""

    def grow(wing: Wing, name: str, colour: Colour = Colour.LIGHT) -> Wing:
        """Grow a wing.

        It takes a while.

        Args:
            wing: the wing.
            name: whose it is.
            colour: of its skin.
        """
        return wing

    text = schema_of(grow, everything).sdl
    for told in (
        '"""\n  Grow a wing.\n  \n  It takes a while.\n  """', '"""whose it is."""', '"""One wing."""',
        '"""from tip to tip, in metres."""', '"""Some text."""', '"""of its skin. One of `dark grey`, `light`."""',

        '"""What it eats."""',
    ):  # fmt: skip
        assert told.replace("  \n", "\n") in text.replace("  \n", "\n"), text


def test_parameters_are_arguments_with_their_defaults() -> None:
    """What has a default may be left out and shows it, null is what None says, a secret default stays one."""

    def find(
        name: str,
        size: int | None,
        diet: Diet = Diet.FRUIT,
        tags: tuple[str, ...] = ("a", "b"),
        wing: Wing = Wing(1.0),
        note: str | Unset = UNSET,
        token: Annotated[str, Sensitive] = "hush",  # noqa: S107 - it must not show
    ) -> str:
        return f"{name} {size} {diet} {tags} {wing} {note} {token}"

    schema = schema_of(find)
    shown = 'name: String! size: Int64 diet: Diet! = fruit tags: [String!]! = ["a", "b"] wing: WingInput note: String'
    assert f"find( {shown} token: String )" in sdl(schema)
    assert "hush" not in schema.sdl
    assert "Sensitive: it is not shown" in schema.sdl
    assert data(schema, '{find(name:"x")}')["find"] == ("x None Diet.FRUIT ('a', 'b') Wing(span=1.0) UNSET hush")


def test_left_out_and_null_are_different() -> None:
    """A parameter that may be Unset is that when left out, and None when it is null, in variables as well."""

    def tell(note: str | Unset | None = UNSET) -> str:
        return repr(note)

    schema = schema_of(tell)
    assert data(schema, "{tell}") == {"tell": "UNSET"}
    assert data(schema, "{tell(note: null)}") == {"tell": "None"}
    query = "query($n: String) {tell(note: $n)}"
    assert data(schema, query) == {"tell": "UNSET"}
    assert data(schema, query, n=None) == {"tell": "None"}
    assert data(schema, query, n="x") == {"tell": "'x'"}


def test_null_for_a_parameter_that_is_only_unset_is_the_callers_fault() -> None:
    """`str | Unset` shows as nullable, but null is not one of its values."""

    def tell(note: str | Unset = UNSET) -> str:
        return repr(note)

    told = error(schema_of(tell), "{tell(note: null)}")
    assert code(told) == "invalid_argument"
    assert told["extensions"]["problems"][0]["path"] == "$.note"


@dataclass(frozen=True)
class Nest:
    """A nest."""

    id: Id
    wings: list[Wing] = field(default_factory=list)
    sizes: dict[Id, int] = field(default_factory=dict)
    maybe: int | None = None


def test_a_record_used_both_ways_has_two_types() -> None:
    """As a parameter a record is an input object, named after it."""

    def build_nest(nest: Nest) -> Nest:
        return nest

    schema = schema_of(commands=(build_nest,))
    text = sdl(schema)
    assert "type Nest { id: ID! wings: [Wing!]! sizes: [IDInt64Entry!]! maybe: Int64 }" in text
    assert (
        "input NestInput { id: ID! wings: [WingInput!]! = [] sizes: [IDInt64EntryInput!]! = [] maybe: Int64 = null }"
    ) in text
    query = "mutation($n: NestInput!) {build_nest(nest: $n) {id wings {span} sizes {key value} maybe}}"
    nest = {"id": "7", "wings": [{"span": 1.5}], "sizes": [{"key": "8", "value": 2}], "maybe": None}
    assert data(schema, query, n=nest)["build_nest"] == nest
    literal = 'mutation {build_nest(nest: {id: 7, wings: {span: 1}, sizes: [{key: "8", value: 2}]}) {id sizes {key}}}'
    assert data(schema, literal)["build_nest"] == {"id": "7", "sizes": [{"key": "8"}]}


class Slot(msgspec.Struct):
    size: int | None
    marks: tuple[Literal["x", "y"], Literal["x", "y"]] = ("x", "y")


def test_rarer_parameters_are_read_as_well() -> None:
    """Pairs, lists of mappings, fields that may be null but have no default, infinite defaults."""

    def take(
        pair: tuple[int, int],
        many: list[dict[str, int]],
        slot: Slot,
        sizes: tuple[dict[Id, int], ...] = (),
        mood: Literal["calm", "wild"] | Literal["odd"] | None = None,  # noqa: PYI030 - as somebody may write it
        most: float = float("inf"),
    ) -> str:
        return f"{pair} {many} {slot} {sizes} {mood} {most}"

    schema = schema_of(take)
    assert "input SlotInput { size: Int64 marks: [SlotMarks!]! = [x, y] }" in sdl(schema)
    assert "mood: TakeMood = null, most: Float): String!" in sdl(schema)
    query = """query($many: [[StringInt64EntryInput!]!]!, $size: Int64, $sizes: [[IDInt64EntryInput!]!]!) {
        take(pair: [1, 2], many: $many, slot: {size: $size, marks: [y, y]}, sizes: $sizes, mood: odd) }"""
    many, sizes = [[{"key": "a", "value": 1}], []], [[{"key": "5", "value": 6}]]
    said = "(1, 2) [{'a': 1}, {}] Slot(size=None, marks=('y', 'y')) ({5: 6},) odd inf"
    assert data(schema, query, many=many, sizes=sizes)["take"] == said
    sizes[0][0]["key"] = "no id"
    assert code(error(schema, query, many=many, sizes=sizes)) == "invalid_argument"
    assert code(error(schema, "{take(pair: [1], many: [], slot: {})}")) == "invalid_argument"


def test_null_inside_an_object_that_may_not_hold_it_is_the_fields_error() -> None:
    """A variable that may be null stands where null may not: the field fails, with its path."""
    query = 'mutation($s: Float = 1) {adopt(name: "x", wings: [{span: $s}]) {wings {span}}}'
    assert data(menagerie, query) == {"adopt": {"wings": [{"span": 1.0}]}}
    told = error(menagerie, query, s=None)
    assert (code(told), told["path"]) == ("invalid_argument", ["adopt"])


class Point(NamedTuple):
    x: int
    y: int


class Extra(TypedDict):
    name: str
    size: NotRequired[int]


@attrs.frozen
class Box(Generic[T]):
    item: T


class Renamed(msgspec.Struct, rename="camel"):
    page_size: int


def test_all_kinds_of_records_are_object_types() -> None:
    """Named tuples, typed dicts, attrs classes, generics and structs with other names on the wire."""

    def points(point: Point, extra: Extra, renamed: Renamed) -> tuple[Point, ...]:
        return (point, Point(extra.get("size", 0), renamed.page_size))

    def extras() -> list[Extra]:
        return [{"name": "a"}, {"name": "b", "size": 2}]

    def boxed() -> Box[Point]:
        return Box(Point(1, 2))

    def renamed() -> Renamed:
        return Renamed(3)

    schema = schema_of(points, extras, boxed, renamed)
    text = sdl(schema)
    assert "type Extra { name: String! size: Int64 }" in text
    assert "type Box_Point { item: Point! }" in text
    assert "input RenamedInput { pageSize: Int64! }" in text
    query = '{points(point: {x: 1, y: 2}, extra: {name: "n", size: 5}, renamed: {pageSize: 6}) {x y}}'
    assert data(schema, query)["points"] == [{"x": 1, "y": 2}, {"x": 5, "y": 6}]
    assert data(schema, "{extras {name size} boxed {item {x}} renamed {pageSize}}") == {
        "extras": [{"name": "a", "size": None}, {"name": "b", "size": 2}],
        "boxed": {"item": {"x": 1}},
        "renamed": {"pageSize": 3},
    }


class Animal(msgspec.Struct, kw_only=True):
    """What every animal has."""

    name: str


class Cat(Animal, tag="cat", kw_only=True):
    lives: int = 9
    friend: "Cat | Dog | None" = None


class Dog(Animal, tag="dog", kw_only=True):
    tricks: list[str] = []


def pets() -> list[Cat | Dog]:
    """List the pets."""
    return [Cat(name="Tom", friend=Dog(name="Rex")), Dog(name="Rex", tricks=["sit"])]


def test_tagged_unions_are_unions_and_shared_bases_interfaces() -> None:
    """The members of a union are told apart by `__typename`; what they share through a base is an interface."""
    schema = schema_of(pets)
    text = sdl(schema)
    assert "union Cat_or_Dog = Cat | Dog" in text
    assert "interface Animal { name: String! }" in text
    assert "type Dog implements Animal { name: String! tricks: [String!]! }" in text
    query = """
        { pets { __typename ...Named ... on Cat { lives friend { ...Named } } ... on Dog { tricks } } }
        fragment Named on Animal { name }
    """
    assert data(schema, query)["pets"] == [
        {"__typename": "Cat", "name": "Tom", "lives": 9, "friend": {"name": "Rex"}},
        {"__typename": "Dog", "name": "Rex", "tricks": ["sit"]},
    ]


def test_a_union_as_a_parameter_is_a_one_of_input() -> None:
    """Exactly one member is given, under its tag; two or none are refused."""

    def adopt(pet: Cat | Dog) -> str:
        return repr(pet)

    schema = schema_of(commands=(adopt,))
    assert "input Cat_or_DogInput @oneOf { cat: CatInput dog: DogInput }" in sdl(schema)
    assert (
        "Dog(name='R', tricks=['a'])" in data(schema, 'mutation {adopt(pet: {dog: {name: "R", tricks: "a"}})}')["adopt"]
    )
    query = "mutation($p: Cat_or_DogInput!) {adopt(pet: $p)}"
    friend = {"dog": {"name": "B"}}
    assert "friend=Dog(name='B'" in data(schema, query, p={"cat": {"name": "A", "friend": friend}})["adopt"]
    both = run(schema, query, p={"cat": {"name": "A"}, "dog": {"name": "B"}})
    assert not both.executed
    assert b"exactly one field of `Cat_or_DogInput`" in both.body


def test_pages_are_relay_connections() -> None:
    """`Page[T]` has edges, nodes and page info; its size and cursor are called first and after."""

    def birds(limit: Annotated[int, Meta(ge=1, le=9)] = 2, cursor: str | None = None) -> Page[Wing]:
        return Page([Wing(float(n)) for n in range(limit)], None if cursor else "next")

    schema = schema_of(birds)
    text = sdl(schema)
    assert "birds(first: Int! = 2, after: String = null): WingConnection!" in text
    assert "type WingConnection { edges: [WingEdge!]! nodes: [Wing!]! pageInfo: PageInfo! }" in text
    page = "{nodes {span} edges {cursor node {span}} pageInfo {hasNextPage hasPreviousPage startCursor endCursor}}"
    assert data(schema, f"{{birds {page}}}")["birds"] == {
        "nodes": [{"span": 0.0}, {"span": 1.0}],
        "edges": [{"cursor": None, "node": {"span": 0.0}}, {"cursor": "next", "node": {"span": 1.0}}],
        "pageInfo": {"hasNextPage": True, "hasPreviousPage": False, "startCursor": None, "endCursor": "next"},
    }
    last = data(schema, '{birds(first: 1, after: "next") {pageInfo {hasNextPage endCursor}}}')["birds"]
    assert last == {"pageInfo": {"hasNextPage": False, "endCursor": None}}
    told = error(schema, "{birds(first: 10) {nodes {span}}}")
    assert told["extensions"]["problems"] == [{"path": "$.first", "message": "Expected `int` <= 9"}]


def test_a_page_may_hold_what_is_no_record() -> None:
    """Values of no enum name travel by value in pages as well."""

    def colours() -> Page[Colour]:
        return Page([Colour.DARK])

    found = data(schema_of(colours), "{colours {nodes edges {node}}}")["colours"]
    assert found == {"nodes": ["dark grey"], "edges": [{"node": "dark grey"}]}


class Knot(msgspec.Struct, kw_only=True):
    """A base whose heirs lead to each other."""

    next: "Left | Right | None" = None


class Left(Knot, tag=True, kw_only=True):
    pass


class Right(Knot, tag=True, kw_only=True):
    pass


def test_unions_inside_unions_do_not_grow_without_end() -> None:
    """A selection with more branches than any value could take is left to graphql-core."""

    def knot() -> Left | Right:
        return Left(next=Right())

    schema = schema_of(knot, limits=Limits(depth=50))
    text = "{knot {__typename" + " ...on Knot {next {__typename" * 14 + "}}" * 14 + "}}"
    assert data(schema, text)["knot"] == {"__typename": "Left", "next": {"__typename": "Right", "next": None}}


def test_commands_are_mutations_and_streams_subscriptions() -> None:
    """A command that returns nothing answers true; the names of included apps are joined with an underscore."""
    inner = App("inner")

    @inner.command
    def forget() -> None:
        """Forget."""

    @inner.query
    def count(to: int) -> Iterator[int]:
        yield from range(to)

    outer = App("outer")
    outer.include(inner)
    schema = Schema(outer)
    assert sdl(schema).startswith("type Query { _service: String! }")
    assert data(schema, "{_service}") == {"_service": "outer"}
    assert data(schema, "mutation {inner_forget}") == {"inner_forget": True}
    prepared = schema.prepare(Request("subscription {inner_count(to: 2)}"))
    assert prepared.kind == "subscription"
    assert list(prepared.subscribe({}, Caller())) == [b'{"data":{"inner_count":0}}', b'{"data":{"inner_count":1}}']


class Empty(msgspec.Struct):
    pass


def test_what_graphql_cannot_carry_is_left_out_and_says_why() -> None:
    """A whole app can be served: downloads, mixed tuples, unions of scalars and odd names are left out by name."""

    def leaflet() -> Download:
        return Download(b"")

    def mixed() -> tuple[int, str]:
        return 1, "a"

    def either(value: int | str) -> None: ...

    def empty() -> Empty:
        return Empty()

    def nested(wing: Wing) -> dict[str, list[Empty]]:
        return {}

    app = App("test")
    for function in (leaflet, mixed, either, empty, nested, everything):
        app.query(function)
    app.query(everything, name="__odd")
    schema = Schema(app)
    assert {name: reason.split(",")[0].split(";")[0] for name, reason in schema.left_out.items()} == {
        "leaflet": "it answers with a file",
        "mixed": "a tuple of different types",
        "either": "a union of anything but records",
        "empty": "Empty has no fields",
        "nested": "Empty has no fields",
        "__odd": "the operation `__odd` is no name in GraphQL",
    }
    assert sdl(schema).startswith("type Query { everything: Everything! }")
    assert "WingInput" not in schema.sdl


def test_rarer_types_that_graphql_cannot_carry() -> None:
    """As parameters, in pages and unions, and values of two kinds."""

    def given(value: list[Empty]) -> None: ...

    def pairs(value: tuple[int, str]) -> None: ...

    def values() -> Literal["a", 1]:
        return 1

    def lists() -> Page[list[int]]:
        return Page([])

    def some() -> Wing | int:
        return 1

    assert schema_of(given, pairs, values, lists, some).left_out == {
        "given": "EmptyInput has no fields, which GraphQL does not allow.",
        "pairs": "a tuple of different types; use a NamedTuple, whose parts have names.",
        "values": "text and numbers as values of one type; keep one of them.",
        "lists": "a page of lists, or of items that may be null; use a page of records.",
        "some": "a union of anything but records; make each member a msgspec.Struct with tag=True.",
    }


def test_names_that_collide_are_start_up_errors() -> None:
    """Two operations or two types of one name are refused, naming both."""
    inner, outer = App("a"), App("b")
    inner.query(everything, name="c")
    outer.query(everything, name="a_c")
    outer.include(inner)
    with pytest.raises(RegistrationError, match=r"a\.c and a_c would both be the field `a_c`"):
        Schema(outer)

    @dataclass
    class Query:
        x: int

    @dataclass
    class Date:
        x: int

    def query() -> Query:
        return Query(1)

    def day() -> Date:
        return Date(1)

    with pytest.raises(RegistrationError, match=r"record .*Query and the root type Query would both"):
        schema_of(query)
    with pytest.raises(RegistrationError, match="would both be the type `Date`; rename one"):
        schema_of(everything, day)


def test_the_schema_is_valid_sdl() -> None:
    """Other tools can read what is printed, and introspection says the same."""
    schema = Schema(build(), introspection=True)
    printed = build_schema(schema.sdl)
    assert set(printed.query_type.fields) == {"bat", "bats", "search", "whoami", "broken", "echo"}  # type: ignore[union-attr]
    found = data(schema, get_introspection_query(descriptions=True, specified_by_url=True))
    assert {"Bat", "BatConnection", "Diet", "Upload"} <= {each["name"] for each in found["__schema"]["types"]}


# --- running ---

menagerie = Schema(build())


def test_aliases_fragments_and_directives_select_what_they_say() -> None:
    """Fields are merged by response key and left out by @skip and @include, in the order of the document."""
    query = """
        query($with: Boolean!, $id: ID = "2") {
          __typename
          one: bat(id: 1) { ...Names id }
          two: bat(id: $id) { id ... @include(if: $with) { diet } name @skip(if: $with) __typename }
        }
        fragment Names on Bat { title: name id }
    """
    assert data(menagerie, query, **{"with": True}) == {
        "__typename": "Query",
        "one": {"title": "Bat 1", "id": "1"},
        "two": {"id": "2", "diet": "insects", "__typename": "Bat"},
    }
    assert data(menagerie, query, **{"with": False}, id=3)["two"] == {"id": "3", "name": "Bat 3", "__typename": "Bat"}


def test_files_arrive_as_uploads() -> None:
    """A file stands in a variable; it cannot be written in a document, nor be anything else."""
    query = 'mutation($f: Upload!) {portrait(photo: $f, title: "Ada")}'
    photo = Upload("a.png", "image/png", io.BytesIO(b"abc"))
    assert data(menagerie, query, f=photo)["portrait"] == "Ada: 3 bytes of image/png from a.png"
    assert not run(menagerie, query, f="abc").executed
    assert "comes in a variable" in refused(menagerie, 'mutation {portrait(photo: "x")}')["message"]


def test_lists_of_files_and_optional_files() -> None:
    """Several files are a list, and one that may be left out is None then."""

    def hang(photos: list[Upload], frame: Upload | None = None) -> str:
        return f"{[each.name for each in photos]} {frame}"

    schema = schema_of(commands=(hang,))
    assert "hang(photos: [Upload!]!, frame: Upload): String!" in sdl(schema)
    photos = [Upload(name, "image/png", io.BytesIO()) for name in "ab"]
    assert data(schema, "mutation($p: [Upload!]!) {hang(photos: $p)}", p=photos) == {"hang": "['a', 'b'] None"}


def test_mutations_run_one_after_the_other_and_stop_at_a_failure() -> None:
    """The second sees what the first did; after one that fails and may not be null, none runs."""
    done: list[int] = []

    def add(number: int) -> list[int]:
        if number < 0:
            raise Unlucky(str(number))
        done.append(number)
        return list(done)

    app = App("test", errors={Unlucky: "aborted"})
    app.command(add)
    schema = Schema(app)
    assert data(schema, "mutation {a: add(number: 1) b: add(number: 2)}") == {"a": [1], "b": [1, 2]}
    answer = ask(schema, "mutation {a: add(number: 3) b: add(number: -1) c: add(number: 4)}")
    assert answer["data"] is None
    assert [told["path"] for told in answer["errors"]] == [["b"]]
    assert done == [1, 2, 3]


class Unlucky(Exception):
    """It did not work."""


def test_a_nullable_field_that_fails_leaves_its_neighbours() -> None:
    """Null goes as far up as the types demand, no further; the error has its path and place."""

    def lucky(number: int) -> int | None:
        if number == 13:
            raise Unlucky("thirteen")
        return number

    app = App("test", errors={Unlucky: "aborted"})
    app.query(lucky)
    answer = ask(Schema(app), "{\n  a: lucky(number: 1)\n  b: lucky(number: 13)\n}")
    assert answer["data"] == {"a": 1, "b": None}
    assert answer["errors"] == [
        {
            "message": "thirteen",
            "locations": [{"line": 3, "column": 3}],
            "path": ["b"],
            "extensions": {"code": "unlucky", "kind": "aborted", "request_id": "r1"},
        }
    ]


def test_declared_errors_travel_with_code_kind_and_fields() -> None:
    """A declared exception is told with its public fields; an invalid argument with every problem and its path."""
    told = error(menagerie, "{bat(id: 77) {id}}")
    assert told["message"] == "There is no bat 77."
    assert told["extensions"] == {
        "code": "no_such_bat", "kind": "not_found", "fields": {"id": "77"}, "request_id": "r1"
    }  # fmt: skip
    told = error(menagerie, 'mutation {adopt(name: "", wings: [{span: 3}]) {id}}')
    assert [problem["path"] for problem in told["extensions"]["problems"]] == ["$.name", "$.wings[0].span"]


def test_a_bug_leaves_only_its_incident(caplog: pytest.LogCaptureFixture) -> None:
    """The traceback is in the log under the number that the caller gets."""
    told = error(menagerie, "{broken}")
    incident = told["extensions"]["incident"]
    assert told["message"].endswith(f"{incident}.")
    assert "passwd" not in str(told)
    assert f"Incident {incident}" in caplog.text
    assert "passwd" in caplog.text


def test_values_that_are_not_what_their_types_say_are_bugs(caplog: pytest.LogCaptureFixture) -> None:
    """One incident for a response, at the exact places; nothing of the value is told."""

    def wings() -> list[Wing | None]:
        return [Wing("secret"), Wing(1.0), Wing(float("nan"))]  # type: ignore[arg-type]

    answer = ask(schema_of(wings), "{wings {span}}")
    assert answer["data"] == {"wings": [None, {"span": 1.0}, None]}
    assert [told["path"] for told in answer["errors"]] == [["wings", 0, "span"], ["wings", 2, "span"]]
    assert len({told["extensions"]["incident"] for told in answer["errors"]}) == 1
    assert "secret" not in str(answer)
    assert len(caplog.records) == 1


def test_a_result_of_another_kind_is_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    """What is no mapping has no entries, also as an item of a stream."""

    def ages() -> dict[str, int]:
        return 5  # type: ignore[return-value]

    def each() -> Iterator[dict[str, int]]:
        yield {"a": 1}
        yield 5  # type: ignore[misc]

    schema = schema_of(ages, each)
    assert error(schema, "{ages {key}}")["extensions"]["kind"] == "internal"
    good, bad = schema.prepare(Request("subscription {each {key}}")).subscribe({}, Caller())
    assert good == b'{"data":{"each":[{"key":"a"}]}}'
    assert b'"internal"' in bad


def test_text_that_cannot_be_written_is_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    """Half a character in a result ends in an incident, not in an exception."""

    def half() -> str:
        return "\ud800"

    told = error(schema_of(half), "{half}")
    assert told["extensions"]["kind"] == "internal"
    assert told["path"] == ["half"]


def test_an_operation_never_runs_twice(caplog: pytest.LogCaptureFixture) -> None:
    """When its values turn out to be odd, the response is made of what it returned the first time."""
    calls: list[int] = []

    def odd() -> list[Wing | None]:
        calls.append(1)
        return [Wing(None)]  # type: ignore[arg-type]

    schema = schema_of(odd)
    assert ask(schema, "{a: odd {span} b: odd {span}}")["data"] == {"a": [None], "b": [None]}
    assert calls == [1, 1]


def test_selections_deeper_than_python_nests_are_left_to_graphql_core() -> None:
    """A function that Python would not take is not compiled; the answer is the same."""
    deep: Any = 1
    type_: Any = int
    for _ in range(25):
        deep, type_ = [deep], list[type_]

    def nested() -> int:
        return deep  # type: ignore[no-any-return]

    nested.__annotations__["return"] = type_
    assert data(schema_of(nested), "{nested}")["nested"] == deep


def test_parameters_may_have_any_name() -> None:
    """Also those that graphql-core gives its own resolvers."""

    def find(info: str, source: str, value: str, ask: str) -> str:
        return info + source + value + ask

    schema = schema_of(find, introspection=True)
    query = '{find(info: "a", source: "b", value: "c", ask: "d")}'
    assert data(schema, query) == {"find": "abcd"}
    mixed = '{__type(name: "Query") {name} ' + query[1:]
    assert data(schema, mixed) == {"__type": {"name": "Query"}, "find": "abcd"}


def test_one_schema_serves_many_threads() -> None:
    """What is prepared and planned once is used by all of them at the same time."""
    query = "query($t: String!, $with: Boolean!) {echo(text: $t) more: echo(text: $t) @include(if: $with)}"

    def one(number: int) -> bool:
        text, more = str(number), number % 2 == 0
        expected = {"echo": text, "more": text} if more else {"echo": text}
        return bool(data(menagerie, query, t=text, **{"with": more}) == expected)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(one, range(200), timeout=30))


def test_asynchronous_operations_run_as_well() -> None:
    """`async def` is awaited like everywhere."""
    assert data(menagerie, '{echo(text: "x")}') == {"echo": "x"}


# --- who may ---


def test_access_is_asked_before_arguments_are_read() -> None:
    """Strangers learn nothing from arguments, the wrong role is refused, the right one is served."""
    query = 'mutation {release(id: "no id at all")}'
    assert code(error(menagerie, query)) == "unauthenticated"
    assert code(error(menagerie, query, GUEST)) == "permission_denied"
    assert code(error(menagerie, query, KEEPER)) == "invalid_argument"
    assert data(menagerie, "mutation {release(id: 3)}", KEEPER) == {"release": True}
    assert code(error(menagerie, "{whoami}")) == "unauthenticated"
    assert data(menagerie, "{whoami}", GUEST) == {"whoami": "guest"}


def test_calls_carry_protocol_metadata_request_and_time() -> None:
    """Each operation gets a call of its own; what it replies is collected."""
    seen: list[Call] = []

    def look(call: Call) -> bool:
        seen.append(call)
        call.reply[f"x-{len(seen)}"] = "y"
        return True

    schema = schema_of(look)
    caller = Caller({"a": "b"}, "r9", seconds=5.0)
    result = schema.prepare(Request("{one: look two: look}")).run({}, caller)
    assert result.reply == {"x-1": "y", "x-2": "y"}
    assert {(call.protocol, call.request_id, call.metadata["a"]) for call in seen} == {("graphql", "r9", "b")}
    assert all(0 < (call.seconds or 0) <= 5 for call in seen)
    late = Caller(seconds=0.0)
    assert b"deadline_exceeded" in schema.prepare(Request("{look}")).run({}, late).body


# --- variables ---


@pytest.mark.parametrize(
    ("type_", "value", "problem"),
    [
        ("ID!", None, "Expected `ID!`, got null"),
        ("ID!", ["x"], "Expected `ID`, got a list"),
        ("Int!", "5", "Expected `Int`, got text"),
        ("Int!", 2**31, "Expected `Int`, got a number"),
        ("Diet", "meat", "Expected `Diet`, got text"),
        ("[WingInput!]!", [{"span": "x"}], "Expected `Float`, got text"),
        ("[WingInput!]!", [{}], "Missing; expected `Float!`"),
        ("[WingInput!]!", [{"span": 1, "spam": 2}], "Unknown field"),
        ("[WingInput!]!", [5], "Expected `WingInput`, got a number"),
    ],
)
def test_variables_that_do_not_fit_are_told_by_their_types(type_: str, value: Any, problem: str) -> None:
    """Nothing runs; the message has the path and what was expected, not what was sent nor what could be meant."""
    field = {"ID!": "bat(id: $v) {id}", "Int!": "bats(first: $v) {nodes {id}}", "Diet": "bats(diet: $v) {nodes {id}}"}
    command = 'adopt(name: "x", wings: $v) {id}'
    text = f"query($v: {type_}) {{{field[type_]}}}" if type_ in field else f"mutation($v: {type_}) {{{command}}}"
    result = menagerie.prepare(Request(text)).run({"v": value}, Caller())
    assert not result.executed
    (told,) = msgspec.json.decode(result.body)["errors"]
    assert code(told) == "invalid_variables"
    assert problem in [each["message"] for each in told["extensions"]["problems"]]
    assert "meat" not in str(told)
    assert "spam" not in told["message"].partition("Unknown")[2]


def test_missing_variables_and_defaults() -> None:
    """A variable that must be there is missed by name; one with a default need not be."""
    result = run(menagerie, "query($id: ID!) {bat(id: $id) {id}}")
    assert b"$.id: Missing; expected `ID!`" in result.body
    assert data(menagerie, "query($id: ID! = 2) {bat(id: $id) {id}}") == {"bat": {"id": "2"}}
    assert data(menagerie, "query($n: Int) {bats(first: $n) {nodes {id}}}")["bats"]["nodes"][0] == {"id": "1"}
    told = error(menagerie, "query($n: Int) {bats(first: $n) {nodes {id}}}", n=None)
    assert told["path"] == ["bats"]
    assert "got null" in told["message"]


def test_variables_inside_lists_and_objects() -> None:
    """A variable may stand inside a value that is written out."""
    query = "mutation($s: Float!, $n: String!) {adopt(name: $n, wings: [{span: $s}, {span: 1}]) {name wings {span}}}"
    found = data(menagerie, query, s=0.5, n="x")["adopt"]
    assert found == {"name": "x", "wings": [{"span": 0.5}, {"span": 1.0}]}


def test_deep_variables_are_refused_quickly() -> None:
    """A value nested a thousand times is no crash."""

    @dataclass
    class Tree:
        inside: "Tree | None" = None

    globals()["Tree"] = Tree

    def plant(tree: Tree) -> int:
        return 1

    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"inside": deep}
    result = run(schema_of(commands=(plant,)), "mutation($t: TreeInput!) {plant(tree: $t)}", t=deep)
    assert not result.executed


def test_scalars_read_what_rest_reads() -> None:
    """Each scalar takes its JSON text, in documents and in variables, and refuses other text."""

    def take(
        money: Decimal, moment: datetime, day: date, hour: time, length: timedelta, key: UUID, raw: bytes, large: int
    ) -> str:
        return f"{money} {moment} {day} {hour} {length} {key} {raw!r} {large}"

    schema = schema_of(take)
    values = {
        "money": "1.50", "moment": "2025-01-02T03:00:00Z", "day": "2025-01-02", "hour": "01:02:00",
        "length": "PT1H", "key": "00000000-0000-0000-0000-000000000001", "raw": "YWI=", "large": 2**40,
    }  # fmt: skip
    said = (
        "1.50 2025-01-02 03:00:00+00:00 2025-01-02 01:02:00 1:00:00"
        " 00000000-0000-0000-0000-000000000001 b'ab' 1099511627776"
    )
    written = ", ".join(f"{name}: {msgspec.json.encode(value).decode()}" for name, value in values.items())
    assert data(schema, f"{{take({written})}}")["take"] == said
    number = written.replace('"1.50"', "1.50")
    assert data(schema, f"{{take({number})}}")["take"] == said
    types = dict(
        zip(values, ["Decimal", "DateTime", "Date", "Time", "Duration", "UUID", "Base64", "Int64"], strict=True)
    )
    declared = ", ".join(f"${name}: {type_}!" for name, type_ in types.items())
    query = f"query({declared}) {{take({', '.join(f'{name}: ${name}' for name in types)})}}"
    assert data(schema, query, **values)["take"] == said
    for name, type_ in types.items():
        wrong: Any
        for wrong in ("nonsense!", True, {}):
            result = run(schema, query, **{**values, name: wrong})
            assert not result.executed
            assert f"$.{name}: Expected `{type_}`".encode() in result.body
    naive = run(schema, query, **{**values, "moment": "2025-01-02T03:00:00"})
    assert not naive.executed


# --- refused documents ---


@pytest.mark.parametrize(
    ("query", "code_", "message"),
    [
        ("", "malformed", "Unexpected <EOF>"),
        ("{bat(id: 1) {id}", "malformed", "Expected Name, found <EOF>"),
        ("{bat(id: 1)}", "invalid_document", "must have a selection of subfields"),
        ("{bat {id}}", "invalid_document", "is required, but it was not provided"),
        ("{bat(id: 1) {nmae}}", "invalid_document", "Cannot query field 'nmae' on type 'Bat'."),
        ("{bat(id: 1, x: 2) {id}}", "invalid_document", "Unknown argument 'x'"),
        ('{bats(first: "x") {nodes {id}}}', "invalid_document", "Int cannot represent non-integer value"),
        ("{bats(diet: meat) {nodes {id}}}", "invalid_document", "Value 'meat' does not exist in 'Diet' enum."),
        ("query A {whoami} query B {whoami}", "no_such_operation", "2 operations; say which"),
        ("fragment F on Bat {id}", "invalid_document", "The fragment `F` is never used."),
        ("type A {b: Int}", "invalid_document", "not executable"),
        ("subscription {watch {id} more: watch {id}}", "invalid_document", "must select only one top level field"),
        ("{__schema {types {name}}}", "introspection_off", "introspection=True"),
        ("{" * 1000 + "}" * 1000, "malformed", "Expected Name"),
        ("{" + "a{" * 900 + "b" + "}" * 901, "malformed", "nested too deeply"),
        ("{echo(text: " + "[" * 990 + "]" * 990 + ")}", "malformed", "nested too deeply"),
        ("{bat(id: 1) {...A}} fragment A on Bat {...B} fragment B on Bat {...A}", "invalid_document", "within itself"),
        ("{bats(first: " + "9" * 9000 + ") {nodes {id}}}", "invalid_document", "Expected value of type 'Int'"),
        ("{nope" + "e" * 20_000 + "}", "invalid_document", "Cannot query field"),
        ("{echo(text: \"\\ud800\")}", "malformed", "Invalid Unicode escape"),
    ],
)  # fmt: skip
def test_documents_that_are_refused_say_why(query: str, code_: str, message: str) -> None:
    """Syntax, validity and shape: each with its code, at its place, without a suggestion and of bounded length."""
    told = refused(menagerie, query)
    assert code(told) == code_
    assert message in told["message"]
    assert "Did you mean" not in told["message"].replace("Did you mean 'bat { ... }'?", "")  # its own words
    assert len(told["message"]) < 400


def test_the_operation_is_chosen_by_name() -> None:
    """Of several operations in one document the named one runs; another name is refused."""
    text = 'query A {echo(text: "a")} query B {echo(text: "b")}'
    prepared = menagerie.prepare(Request(text, operation_name="B"))
    assert prepared.run({}, Caller()).body == b'{"data":{"echo":"b"}}'
    assert code(refused(menagerie, text, operation_name="C")) == "no_such_operation"


def test_suggestions_are_for_open_schemas() -> None:
    """Whoever may read the schema is told what could have been meant."""
    open_ = Schema(build(), introspection=True)
    assert "Did you mean 'name'?" in refused(open_, "{bat(id: 1) {nmae}}")["message"]
    result = run(open_, 'mutation($w: [WingInput!]!) {adopt(name: "x", wings: $w) {id}}', w=[{"spam": 1}])
    assert b"did you mean `span`?" in result.body


def test_a_kind_of_operation_that_the_app_does_not_have_is_refused() -> None:
    """An app without commands has no mutations."""
    assert "mutation operation is not supported" in refused(schema_of(everything), "mutation {x}")["message"]


# --- limits ---


@pytest.mark.parametrize(
    ("limits", "query", "code_"),
    [
        (Limits(depth=2), "{bats {nodes {id}}}", "too_deep"),
        (Limits(depth=2), "{bats {...F}} fragment F on BatConnection {nodes {id}}", "too_deep"),
        (Limits(aliases=1), "{a: whoami b: whoami}", "too_many_aliases"),
        (Limits(root_fields=1), "{a: whoami b: whoami}", "too_many_root_fields"),
        (Limits(tokens=5), "{bats {nodes {id}}}", "too_many_tokens"),
        (Limits(bytes=10), "{bats {nodes {id}}}", "too_many_bytes"),
        (Limits(bytes=10), "#éééééééé", "too_many_bytes"),
        (Limits(cost=4), "{bats(first: 2) {nodes {id}}}", "too_costly"),
        (Limits(cost=40), "{bats {nodes {id}}}", "too_costly"),
        (Limits(), "{bats {nodes {" + "id " * 65 + "}}}", "too_many_repeats"),
        (Limits(), "{bats {" + "".join(f"...F{n} " for n in range(70)) + "}}" +
            "".join(f"fragment F{n} on BatConnection {{nodes {{id}}}}" for n in range(70)), "too_many_repeats"),
    ],
)  # fmt: skip
def test_each_limit_has_its_own_error(limits: Limits, query: str, code_: str) -> None:
    """A document that is too large is refused before anything runs; the message has the limit and a remedy."""
    told = refused(Schema(build(), limits=limits), query)
    assert (code(told), told["extensions"]["kind"]) == (code_, "out_of_range")
    assert "at most" in told["message"]


@pytest.mark.parametrize("limits", [Limits(depth=3), Limits(cost=5), Limits(tokens=14), Limits(bytes=29)])
def test_what_is_just_within_a_limit_runs(limits: Limits) -> None:
    """The limit itself is allowed."""
    schema = Schema(build(), limits=limits)
    assert data(schema, "{bats(first: 2) {nodes {id}}}")["bats"]["nodes"] == [{"id": "1"}, {"id": "2"}]


def test_the_cost_of_a_page_may_come_from_a_variable() -> None:
    """Then it is known only with the request, which is refused before anything runs."""
    schema = Schema(build(), limits=Limits(cost=50))
    prepared = schema.prepare(Request("query($n: Int! = 2) {bats(first: $n) {nodes {id}}}"))
    assert prepared.run({}, Caller()).executed
    result = prepared.run({"n": 90}, Caller())
    assert not result.executed
    assert b'"too_costly"' in result.body


def test_lists_in_lists_multiply_and_fragments_count_where_they_stand() -> None:
    """One for a field, times ten for each list that does not say how long it is."""
    nested = "{search(name: []) {wings {...F}}} fragment F on Wing {span}"  # 1 + 10 * (1 + 10 * 1)
    assert data(Schema(build(), limits=Limits(cost=111)), nested) == {"search": []}
    assert "cost of 111" in refused(Schema(build(), limits=Limits(cost=110)), nested)["message"]


def test_introspection_has_limits_of_its_own() -> None:
    """Where it is on, the standard query passes, and one that goes round and round does not."""
    schema = Schema(build(), introspection=True)
    loop = "{__schema {types {fields {type {fields {type {fields {type {name}}}}}}}}}"
    assert "introspection depth" in refused(schema, loop)["message"]
    deep = "{__schema {types {ofType" + " {ofType" * 15 + " {name}" + "}" * 17 + "}"
    assert code(refused(schema, deep)) == "too_deep"
    mixed = data(schema, '{__type(name: "Bat") {name} bat(id: 1) {id}}')
    assert mixed == {"__type": {"name": "Bat"}, "bat": {"id": "1"}}


def test_many_documents_do_not_fill_the_memory() -> None:
    """Old documents are forgotten, and read again when they come back."""
    schema = Schema(build())
    for number in range(60):
        assert run(schema, f'{{echo(text: "{number}{"x" * 9_000}")}}').executed
    documents = schema._documents
    assert documents._size <= 250_000
    assert len(documents._known) < 30


# --- persisted documents ---

WHOAMI = "{whoami}"
HASH = hashlib.sha256(WHOAMI.encode()).hexdigest()


def hashed(text: str) -> dict[str, Any]:
    """Return the extensions with which clients name a document by its hash."""
    return {"persistedQuery": {"version": 1, "sha256Hash": text}}


def test_persisted_documents_are_found_by_name_and_hash() -> None:
    """An unknown one is answered as clients of persisted queries expect; nothing is registered by sending it."""
    schema = Schema(build(), persisted={"me": WHOAMI})
    for request in (
        Request(document_id="me"),
        Request(extensions=hashed(HASH)),
        Request(extensions=hashed(HASH.upper())),
    ):
        assert schema.prepare(request).run({}, Caller(GUEST)).body == b'{"data":{"whoami":"guest"}}'
    other = '{echo(text: "x")}'
    unknown = hashed(hashlib.sha256(other.encode()).hexdigest())
    assert schema.prepare(Request(other, extensions=unknown)).kind == "query"
    told = refused(schema, None, extensions=unknown)
    assert (told["message"], code(told)) == ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")


def test_only_persisted_documents_may_run() -> None:
    """Every other text is refused; the text of a known one is not."""
    schema = Schema(build(), persisted={HASH: WHOAMI}, only_persisted=True)
    assert code(refused(schema, '{echo(text: "x")}')) == "not_persisted"
    assert schema.prepare(Request(extensions=hashed(HASH))).kind == "query"
    assert schema.prepare(Request(WHOAMI)).kind == "query"


def test_persisted_documents_must_be_texts() -> None:
    """A list, or none at all where only they may run, is a start-up error."""
    with pytest.raises(RegistrationError, match="takes texts by name"):
        Schema(build(), persisted=[WHOAMI])  # type: ignore[arg-type]
    with pytest.raises(RegistrationError, match="nothing could run"):
        Schema(build(), only_persisted=True)


def test_requests_for_documents_that_make_no_sense_are_refused() -> None:
    """No document, a hash that is none, or one of another text."""
    schema = Schema(build())
    assert code(refused(schema, None)) == "no_document"
    assert code(refused(schema, WHOAMI, extensions=hashed("00"))) == "wrong_hash"
    assert code(refused(schema, None, extensions={"persistedQuery": "x"})) == "malformed"


# --- subscriptions ---


def test_a_subscription_is_a_response_for_each_item() -> None:
    """What fails on the way is the last response; closing it ends the operation."""
    query = "subscription($n: Int!) {watch(count: $n) {id}}"
    bodies = list(menagerie.prepare(Request(query)).subscribe({"n": 6}, Caller()))
    assert len(bodies) == 6
    last = msgspec.json.decode(bodies[-1])
    assert (last["data"], code(last["errors"][0])) == (None, "no_such_bat")
    with pytest.raises(RequestError, match="Expected `Int`"):
        menagerie.prepare(Request(query)).subscribe({"n": "x"}, Caller())


def test_closing_a_subscription_ends_its_operation() -> None:
    """The clean-up of the stream runs at once, and nothing comes after."""
    ended: list[bool] = []

    def forever() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.append(True)

    events = schema_of(forever).prepare(Request("subscription {forever}")).subscribe({}, Caller())
    assert next(events) == b'{"data":{"forever":1}}'
    events.close()
    assert ended == [True]
    assert list(events) == []


def test_a_stranger_gets_one_refusal_from_a_subscription() -> None:
    """Access holds for streams, too."""
    app = App("test")
    app.identify(lambda call: None)

    @app.query(allow=signed_in)
    def ticks() -> Iterator[int]:
        yield 1

    (body,) = Schema(app).prepare(Request("subscription {ticks}")).subscribe({}, Caller())
    assert b'"unauthenticated"' in body


# --- joins ---


@dataclass(frozen=True)
class Person:
    id: Id
    name: str


@dataclass(frozen=True)
class Book:
    id: Id
    title: str
    author_id: Id | None


class Library:
    """Books and their authors; it keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def books(self) -> list[Book]:
        """List the books."""
        return [Book(1, "A", 1), Book(2, "B", 2), Book(3, "C", 1), Book(4, "D", None), Book(5, "E", 99)]

    def authors(self, ids: list[Id]) -> dict[Id, Person]:
        """Find authors."""
        self.asked.append(("authors", ids))
        return {id: Person(id, f"P{id}") for id in ids if id < 50}

    def written(self, ids: frozenset[Id]) -> dict[Id, list[Book]]:
        """Find what authors wrote."""
        self.asked.append(("written", ids))
        return {id: [book for book in self.books() if book.author_id == id] for id in ids if id == 1}

    def ages(self, ids: tuple[Id, ...]) -> list[int | None]:
        """Find the ages of authors, in their order."""
        self.asked.append(("ages", ids))
        return [None if id == 2 else int(id) for id in ids]


def library(allow: Any = anyone, **extra: Any) -> tuple[Library, Schema]:
    """Return a library and the schema of its books, whose authors are for those whom `allow` lets in."""
    library = Library()
    app = App("library")
    app.identify(lambda call: None)
    app.query(library.books, allow=anyone)
    app.query(library.authors, joins="Book.author(author_id)", allow=allow)
    app.query(library.written, joins="Person.written(id)", allow=anyone)
    app.query(library.ages, joins="Person.age(id)", allow=anyone)
    return library, Schema(app, **extra)


def test_a_join_is_asked_once_for_all_rows() -> None:
    """Each level asks with its distinct keys, once; what has no key or is not found is null, or an empty list."""
    shelf, schema = library()
    assert "type Book { id: ID! title: String! author_id: ID author: Person }" in sdl(schema)
    assert "type Person { id: ID! name: String! written: [Book!]! age: Int64 }" in sdl(schema)
    found = data(schema, "{books {id author {name age written {title author {name}}}}}")["books"]
    assert [book["author"] and book["author"]["name"] for book in found] == ["P1", "P2", "P1", None, None]
    assert [book["author"] and book["author"]["age"] for book in found] == [1, None, 1, None, None]
    assert found[0]["author"]["written"] == [
        {"title": "A", "author": {"name": "P1"}}, {"title": "C", "author": {"name": "P1"}}
    ]  # fmt: skip
    assert found[1]["author"]["written"] == []
    assert sorted(shelf.asked, key=str) == [
        ("ages", (1, 2)),
        ("authors", [1, 2, 99]),
        ("authors", [1]),
        ("written", frozenset({1, 2})),
    ]


def test_the_same_join_twice_under_other_names_is_two_levels() -> None:
    """Aliases are levels of their own."""
    shelf, schema = library()
    data(schema, "{books {a: author {name} b: author {id}}}")
    assert [name for name, _ in shelf.asked] == ["authors", "authors"]


def test_a_join_has_its_own_policy() -> None:
    """Where it is refused, there is an error and null at each place; the rest stands. It was asked once."""
    shelf, schema = library(allow=signed_in)
    answer = ask(schema, "{books {title author {name}}}")
    assert [book["title"] for book in answer["data"]["books"]] == ["A", "B", "C", "D", "E"]
    assert all(book["author"] is None for book in answer["data"]["books"])
    assert [told["path"] for told in answer["errors"]] == [["books", n, "author"] for n in (0, 1, 2, 4)]
    assert {code(told) for told in answer["errors"]} == {"unauthenticated"}
    assert shelf.asked == []


def test_a_join_that_answers_with_too_little_is_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    """A list must have one item for each key."""

    def books() -> list[Book]:
        return [Book(1, "A", 1)]

    def authors(ids: list[Id]) -> list[Person | None]:
        return []

    app = App("library")
    app.query(books)
    app.query(authors, joins="Book.author(author_id)")
    answer = ask(Schema(app), "{books {author {name}}}")
    assert answer["data"] == {"books": [{"author": None}]}
    assert answer["errors"][0]["extensions"]["kind"] == "internal"


def test_joins_may_reply() -> None:
    """What a join sends back is collected, too; a join of what was left out is refused."""

    def books() -> list[Book]:
        return [Book(1, "A", 1)]

    def ages(ids: list[Id], call: Call) -> dict[Id, int]:
        call.reply["x"] = "y"
        return {}

    app = App("library")
    app.query(books)
    app.query(ages, joins="Book.age(author_id)")
    result = run(Schema(app), "{books {age}}")
    assert (result.body, result.reply) == (b'{"data":{"books":[{"age":null}]}}', {"x": "y"})

    def odd(ids: list[Id]) -> dict[Id, tuple[int, str]]:
        return {}

    app = App("library")
    app.query(books)
    app.query(odd, joins="Book.odd(author_id)")
    with pytest.raises(RegistrationError, match=r"that GraphQL cannot carry, see `Schema\.left_out`"):
        Schema(app)


@pytest.mark.parametrize(
    ("joins", "message"),
    [
        ("author", "does not say which field"),
        ("Boook.author(author_id)", "the record `Boook`, which no operation returns; there are Book, Person"),
        ("Book.author(autor)", "the key `autor`, which Book does not have; there are author_id, id, title"),
        ("Book.title(author_id)", "which Book has already"),
        ("Book.author(title)", "joins by `title`, a String!, but `ids` takes a list of ID!"),
        ("Book.__author(id)", "no name in GraphQL"),
    ],
)
def test_wrong_declarations_of_joins_are_start_up_errors(joins: str, message: str) -> None:
    """They name the operation, what is wrong and what there is."""
    shelf = Library()
    app = App("library")
    app.query(shelf.books)
    app.query(shelf.authors, joins=joins)
    with pytest.raises(RegistrationError) as caught:
        Schema(app)
    assert str(caught.value).startswith("authors: joins=")
    assert message in str(caught.value)


def test_joins_of_operations_that_cannot_serve_them_are_start_up_errors() -> None:
    """A command, a query of one key, two required parameters, a result without keys."""

    def one(id: Id) -> dict[Id, Person]:
        return {}

    def two(ids: list[Id], more: str) -> dict[Id, Person]:
        return {}

    def single(ids: list[Id]) -> Person:
        return Person(1, "x")

    for function, message in ((one, "exactly one parameter"), (two, "exactly one"), (single, "needs a result `dict")):
        app = App("library")
        app.query(Library().books)
        app.query(function, joins="Book.author(author_id)")
        with pytest.raises(RegistrationError, match=message):
            Schema(app)
    app = App("library")
    app.query(Library().books)
    app.command(Library().authors, joins="Book.author(author_id)")
    with pytest.raises(RegistrationError, match="only a query can serve a field"):
        Schema(app)


# --- as a whole ---


def test_the_first_example_has_a_schema() -> None:
    """`hello.py` can be asked, with and without a name."""
    app = load(str(Path(__file__).parents[1] / "examples" / "hello.py"))
    schema = Schema(app)
    assert 'greet(name: String! = "World"): String!' in sdl(schema)
    assert data(schema, "{greet}") == {"greet": "Hello, World!"}
    assert data(schema, "query($n: String!) {greet(name: $n)}", n="Bat") == {"greet": "Hello, Bat!"}


def test_limits_of_roles_hold_in_one_request() -> None:
    """Each root field asks for itself: a nullable one that is refused leaves the other."""
    app = App("test")
    app.identify(lambda call: None)

    @app.query(allow=role("keeper"))
    def secret() -> str | None:
        return "x"

    @app.query(allow=anyone)
    def open_() -> str:
        return "y"

    answer = ask(Schema(app), "{secret open_}")
    assert answer["data"] == {"secret": None, "open_": "y"}
    assert code(answer["errors"][0]) == "unauthenticated"


def test_nothing_is_logged_for_callers_mistakes(caplog: pytest.LogCaptureFixture) -> None:
    """Only bugs leave incidents."""
    with caplog.at_level(logging.WARNING):
        ask(menagerie, "{bat(id: 77) {id}}")
        run(menagerie, "query($id: ID!) {bat(id: $id) {id}}", id=[1])
        refused(menagerie, "{nope}")
    assert not caplog.records
