"""Collections and records of every flavour: they come back equal, of the same type, and so does all that is in them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from ..access import anyone
from ..app import App
from ..errors import InvalidArgument
from ..types import INT64, UNSET, Id, Meta, Page, Unset
from .case import case
from .comparison import fails, same
from .records import (
    Circle,
    Colour,
    Crate,
    Everything,
    Figure,
    Label,
    Limited,
    Note,
    Pair,
    Patch,
    Point,
    Priority,
    Reading,
    Square,
    Track,
    Tree,
)

NOON = datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=UTC)
ONE, TWO = Point(1.0, -0.5), Point(2.0)


class Structures:
    """Operations on collections and records."""

    def __init__(self) -> None:
        self._kept: list[Point] = [ONE]

    def lists(self, values: list[int]) -> list[int]:
        """Answer with a list."""
        return values

    def nested(self, values: list[list[str]]) -> list[list[str]]:
        """Answer with a list of lists."""
        return values

    def pair(self, value: tuple[int, str]) -> tuple[int, str]:
        """Answer with a tuple of two."""
        return value

    def row(self, values: tuple[Id, ...]) -> tuple[Id, ...]:
        """Answer with a tuple of any length."""
        return values

    def names(self, values: set[str]) -> set[str]:
        """Answer with a set."""
        return values

    def numbers(self, values: frozenset[int]) -> frozenset[int]:
        """Answer with a frozen set."""
        return values

    def counts(self, values: dict[str, int]) -> dict[str, int]:
        """Answer with a dict by text."""
        return values

    def prices(self, values: dict[Id, Decimal]) -> dict[Id, Decimal]:
        """Answer with a dict by id."""
        return values

    def plan(self, values: dict[date, list[Point]]) -> dict[date, list[Point]]:
        """Answer with a dict by day."""
        return values

    def palette(self, values: dict[Colour, Priority]) -> dict[Colour, Priority]:
        """Answer with a dict by the members of an enum."""
        return values

    def search(
        self, words: list[str], colours: tuple[Colour, ...] | None = None, ids: frozenset[Id] = frozenset()
    ) -> str:
        """Tell what is searched for: a query with more than single values."""
        return f"{words} {colours and tuple(colour.value for colour in colours)} {sorted(ids)}"

    def point(self, value: Point) -> Point:
        """Answer with a dataclass."""
        return value

    def crate(self, value: Crate) -> Crate:
        """Answer with a dataclass that can change."""
        return value

    def track(self, value: Track) -> Track:
        """Answer with a struct."""
        return value

    def reading(self, value: Reading) -> Reading:
        """Answer with a named tuple."""
        return value

    def label(self, value: Label) -> Label:
        """Answer with a typed dict."""
        return value

    def figure(self, value: Figure) -> Figure:
        """Answer with one of two records."""
        return value

    def figures(self, values: list[Figure], main: Figure | None = None) -> list[Figure]:
        """Answer with all figures, the main one first."""
        return [*([main] if main else []), *values]

    def tree(self, value: Tree) -> Tree:
        """Answer with a record that contains its like."""
        return value

    def patch(self, value: Patch) -> Patch:
        """Answer with what to change."""
        return value

    def note(self, value: Note) -> Note:
        """Answer with a typed dict that may lack a key."""
        return value

    def described(self, value: Patch) -> str:
        """Tell what to change from what to leave."""
        return ", ".join(_said(field) for field in (value.title, value.note))

    def swap(self, value: Pair[Point]) -> Pair[Point]:
        """Answer with a pair the other way round."""
        return Pair(value.right, value.left)

    def pages(self, count: int = 1) -> Page[Track]:
        """Answer with a page of tracks."""
        return Page([Track(number, (ONE,)) for number in range(count)], "more" if count else None)

    def everything(self, value: Everything) -> Everything:
        """Answer with a record that has a field of every type."""
        return value

    def maybe_point(self, value: Point | None = None) -> Point | None:
        """Answer with a record, or nothing."""
        return value

    def limited(
        self,
        count: Annotated[int, Meta(ge=1, le=10)],
        name: Annotated[str, Meta(pattern="^[a-z]+$")] = "x",
        items: Annotated[list[Limited], Meta(max_length=3)] = [],  # noqa: B006  # nobody changes it, and a copy is made
    ) -> str:
        """Take arguments within limits."""
        return f"{count} {name} {len(items)}"

    def kept(self) -> list[Point]:
        """Answer with the very list that the service keeps."""
        return self._kept

    def fill(self, crate: Crate) -> Crate:
        """Change the argument, and answer with it."""
        crate.points.append(TWO)
        return crate


def _said(field: str | Unset | None) -> str:
    if field is UNSET:
        return "left out"
    return "null" if field is None else str(field)


def register(app: App, structures: Structures) -> None:
    """Register the operations: commands, but for what a query can ask."""
    for command in (
        structures.lists,
        structures.nested,
        structures.pair,
        structures.row,
        structures.names,
        structures.numbers,
        structures.counts,
        structures.prices,
        structures.plan,
        structures.palette,
        structures.crate,
        structures.track,
        structures.reading,
        structures.label,
        structures.figure,
        structures.figures,
        structures.tree,
        structures.patch,
        structures.note,
        structures.described,
        structures.swap,
        structures.everything,
        structures.maybe_point,
        structures.limited,
        structures.fill,
    ):
        app.command(command, allow=anyone)
    app.command(structures.point, http="PUT /point", body="value", allow=anyone)
    app.query(structures.search, allow=anyone)
    app.query(structures.pages, allow=anyone)
    app.query(structures.kept, allow=anyone)


# --- what must hold ------------------------------------------------------------------------------------------------


@case()
def lists_and_tuples(service: Structures) -> None:
    """Lists are lists and tuples are tuples, in their order."""
    same(service.lists([3, 1, 2]), [3, 1, 2])
    same(service.nested([["a", "b"], ["c"]]), [["a", "b"], ["c"]])
    same(service.row((1, *INT64)), (1, *INT64))


@case("empty lists")
def empty_lists(service: Structures) -> None:
    """A list of nothing is a list."""
    same(service.lists([]), [])
    same(service.nested([[], ["a"], []]), [[], ["a"], []])
    same(service.row(()), ())
    same(service.names(set()), set())


@case("empty lists", "typed queries")
def queries_with_empty_lists(service: Structures) -> None:
    """A list of nothing is a list for a query too."""
    same(service.search([], ()), "[] () []")


@case()
def sets(service: Structures) -> None:
    """Sets are sets, frozen ones too."""
    same(service.names({"a", "b"}), {"a", "b"})
    same(service.numbers(frozenset({1, 2})), frozenset({1, 2}))


@case()
def dicts(service: Structures) -> None:
    """Keys of a dict are of their own type again."""
    same(service.counts({"a": 1, "b c": 2, "": 3, "ü.$": 4}), {"a": 1, "b c": 2, "": 3, "ü.$": 4})
    same(service.counts({}), {})
    same(service.prices({7: Decimal("1.50"), INT64[1]: Decimal(0)}), {7: Decimal("1.50"), INT64[1]: Decimal(0)})
    same(service.plan({date(2026, 1, 1): [ONE, TWO]}), {date(2026, 1, 1): [ONE, TWO]})
    same(service.palette({Colour.RED: Priority.HIGH}), {Colour.RED: Priority.HIGH})


@case()
def queries_with_lists(service: Structures) -> None:
    """A query takes several values as well as a command does."""
    same(service.search(["a", "b c"]), "['a', 'b c'] None []")
    same(service.search(["a"], (Colour.RED, Colour.DARK_GREEN), frozenset({7})), "['a'] ('red', 'dark green') [7]")


@case()
def records(service: Structures) -> None:
    """Records of every flavour are of their own class again, defaults included."""
    same(service.point(ONE), ONE)
    same(service.point(TWO), Point(2.0, 0.0))
    same(service.crate(Crate("fruit", [ONE, TWO])), Crate("fruit", [ONE, TWO]))
    same(service.crate(Crate("empty")), Crate("empty", []))
    same(service.track(Track(2**60, (ONE,), NOON)), Track(2**60, (ONE,), NOON))
    same(service.track(Track(1)), Track(1, (), None))
    same(service.reading(Reading(NOON, Decimal("1.50"))), Reading(NOON, Decimal("1.50"), "m"))
    same(service.label({"text": "a", "size": "small"}), {"text": "a", "size": "small"})


@case()
def optional_records(service: Structures) -> None:
    """Where a record may be missing, it may."""
    same(service.maybe_point(), None)
    same(service.maybe_point(None), None)
    same(service.maybe_point(ONE), ONE)


@case()
def unions(service: Structures) -> None:
    """Which of several records it is, is never lost."""
    same(service.figure(Circle(1.0)), Circle(1.0))
    same(service.figure(Square(2.0)), Square(2.0))
    same(service.figures([Circle(1.0), Square(2.0)], Square(3.0)), [Square(3.0), Circle(1.0), Square(2.0)])


@case()
def recursive_records(service: Structures) -> None:
    """A record may contain its like."""
    tree = Tree("root", (Tree("left", (Tree("leaf"),)), Tree("right")))
    same(service.tree(tree), tree)


@case()
def generic_records(service: Structures) -> None:
    """A generic record is one, whatever is in it."""
    same(service.swap(Pair(ONE, TWO)), Pair(TWO, ONE))
    same(service.pages(2), Page([Track(0, (ONE,)), Track(1, (ONE,))], "more"))
    same(service.pages(0), Page([], None))


@case()
def fields_left_out_are_not_null(service: Structures) -> None:
    """A field that is left out and one that is null are different."""
    same(service.described(Patch()), "left out, left out")
    same(service.described(Patch(note=None)), "left out, null")
    same(service.described(Patch("a", "b")), "a, b")


@case("absent fields")
def results_may_leave_fields_out(service: Structures) -> None:
    """A field that a result leaves out is left out, and one that is null is null."""
    for patch in (Patch(), Patch(note=None), Patch("a", "b")):
        same(service.patch(patch), patch)
    same(service.note({"text": "a"}), {"text": "a"})
    same(service.note({"text": "a", "about": "b"}), {"text": "a", "about": "b"})


@case("tuples")
def tuples_of_several_types(service: Structures) -> None:
    """A tuple whose items are of several types is one."""
    same(service.pair((1, "one")), (1, "one"))


@case()
def every_type_in_one_record(service: Structures) -> None:
    """A record with a field of every type comes back as it was."""
    value = Everything(
        text="🦇",
        integer=INT64[0],
        number=0.1,
        flag=True,
        octets=bytes(range(256)),
        moment=NOON,
        day=date(2026, 11, 21),
        hour=time(23, 59, 59, 1),
        span=timedelta(days=-1, microseconds=5),
        amount=Decimal("-0.10"),
        key=UUID(int=1),
        id=INT64[1],
        colour=Colour.DARK_GREEN,
        priority=Priority.HIGH,
        size="small",
        numbers=[1, 2],
        row=(1, *INT64),
        names={"a", "b"},
        ids=frozenset({3}),
        counts={"a": 1},
        plan={date(2026, 1, 1): [ONE]},
        point=TWO,
        reading=Reading(NOON, Decimal(1), "km"),
        label={"text": "t", "size": "large"},
        figure=Circle(2.5),
        maybe=ONE,
        pairs=[Pair(1, 2**60)],
    )
    same(service.everything(value), value)


@case()
def many_records(service: Structures) -> None:
    """An answer of ten thousand records is complete."""
    page = service.pages(10_000)
    same(len(page.items), 10_000)
    same(page.items[-1], Track(9_999, (ONE,)))


@case("checks", "errors")
def every_problem_is_told(service: Structures) -> None:
    """Arguments outside their limits are refused together, each with the path that leads to it."""
    broken = [Limited("a"), Limited("", [1, 7]), Limited("too long")]
    failure = fails(InvalidArgument, service.limited, 0, "X", broken)
    paths = ["$.count", "$.items[1].marks[1]", "$.items[1].name", "$.items[2].name", "$.name"]
    same(sorted(problem.path for problem in failure.problems), paths)
    same(all(problem.message for problem in failure.problems), True)


@case("checks", "errors")
def one_problem_is_told(service: Structures) -> None:
    """A list that is too long is refused as such; at the limits everything is well."""
    failure = fails(InvalidArgument, service.limited, 1, items=[Limited("a")] * 4)
    same([problem.path for problem in failure.problems], ["$.items"])
    same(service.limited(10, "abc", [Limited("abcde", [1, 6])] * 3), "10 abc 3")


@case("copies", "state")
def results_are_copies(service: Structures) -> None:
    """What a caller does to a result is nothing to the service."""
    service.kept().clear()
    same(service.kept(), [ONE])


@case("copies")
def arguments_are_copies(service: Structures) -> None:
    """What a service does to an argument is nothing to its caller."""
    crate = Crate("fruit", [ONE])
    same(service.fill(crate), Crate("fruit", [ONE, TWO]))
    same(crate, Crate("fruit", [ONE]))
