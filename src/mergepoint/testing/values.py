"""Every type as an argument and as a result: what goes there and comes back is equal, and of the same type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import inf, nan
from typing import TypeVar
from uuid import UUID

from ..access import anyone
from ..app import App
from ..errors import InvalidArgument
from ..types import INT64, UNSET, Id, Unset
from .case import case
from .comparison import fails, same
from .records import Colour, Priority, Size

T = TypeVar("T")

NOON = datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=UTC)


class Values:
    """Operations that answer with their argument."""

    def text(self, value: str) -> str:
        """Answer with a text."""
        return value

    def integer(self, value: int) -> int:
        """Answer with an integer."""
        return value

    def number(self, value: float) -> float:
        """Answer with a number."""
        return value

    def flag(self, value: bool) -> bool:
        """Answer with yes or no."""
        return value

    def octets(self, value: bytes) -> bytes:
        """Answer with bytes."""
        return value

    def moment(self, value: datetime) -> datetime:
        """Answer with a moment."""
        return value

    def day(self, value: date) -> date:
        """Answer with a day."""
        return value

    def hour(self, value: time) -> time:
        """Answer with a time of the day."""
        return value

    def span(self, value: timedelta) -> timedelta:
        """Answer with a duration."""
        return value

    def amount(self, value: Decimal) -> Decimal:
        """Answer with a decimal."""
        return value

    def key(self, value: UUID) -> UUID:
        """Answer with a UUID."""
        return value

    def identity(self, value: Id) -> Id:
        """Answer with an id."""
        return value

    def colour(self, value: Colour) -> Colour:
        """Answer with a member of an enum of texts."""
        return value

    def priority(self, value: Priority) -> Priority:
        """Answer with a member of an enum of numbers."""
        return value

    def size(self, value: Size) -> Size:
        """Answer with one of some texts."""
        return value

    def maybe(self, value: int | None) -> int | None:
        """Answer with an integer, or nothing."""
        return value

    def maybe_text(self, value: str | None = "") -> str | None:
        """Answer with a text, or nothing."""
        return value

    def change(self, value: str | Unset | None = UNSET) -> str:
        """Tell a value that was left out from null."""
        if value is UNSET:
            return "left out"
        return "null" if value is None else f"text {value}"

    def defaults(
        self,
        count: int = 3,
        colour: Colour = Colour.RED,
        day: date = date(2026, 1, 1),
        price: Decimal = Decimal("1.50"),
    ) -> str:
        """Tell what was given, or not."""
        return f"{count} {colour.value} {day} {price}"

    def nothing(self) -> None:
        """Answer with nothing."""


def register(app: App, values: Values) -> None:
    """Register the operations; two have their value in the path over REST."""
    app.query(values.text, allow=anyone)
    app.query(values.integer, allow=anyone)
    app.query(values.number, allow=anyone)
    app.query(values.flag, allow=anyone)
    app.command(values.octets, allow=anyone)
    app.query(values.moment, allow=anyone)
    app.query(values.day, allow=anyone)
    app.query(values.hour, allow=anyone)
    app.query(values.span, allow=anyone)
    app.query(values.amount, allow=anyone)
    app.query(values.key, allow=anyone)
    app.query(values.identity, http="GET /identities/{value}", allow=anyone)
    app.query(values.colour, http="GET /colours/{value}", allow=anyone)
    app.query(values.priority, allow=anyone)
    app.query(values.size, allow=anyone, cache=60)
    app.command(values.maybe, allow=anyone)
    app.query(values.maybe_text, allow=anyone)
    app.command(values.change, allow=anyone)
    app.query(values.defaults, allow=anyone)
    app.command(values.nothing, allow=anyone)


# --- what must hold ------------------------------------------------------------------------------------------------


@case()
def text(service: Values) -> None:
    """Text comes back as it was: empty, in every script, with quotes and line breaks, looking like something else."""
    for value in (
        "Flap",
        "",
        " ",
        "Fledermaus 🦇 コウモリ",
        "a \"b\" 'c' \\d",
        "two\r\nlines\t",
        "null",
        "true",
        "1",
        "-x",
        "--x",
    ):
        same(service.text(value), value)
    for value in ("&a=b;c", "%41+%", "/../..", "$variable", "{name}", "<b>", "@file", "\u2028", "x" * 1000):
        same(service.text(value), value)


@case("control characters")
def control_characters(service: Values) -> None:
    """Text may hold any character, NUL too."""
    for value in ("a\0b", "\x01\x1f\x7f"):
        same(service.text(value), value)


@case()
def integers(service: Values) -> None:
    """Integers have 64 bits: from the least to the greatest nothing is rounded."""
    for value in (0, 1, -1, 2**31, 2**53 + 1, *INT64):
        same(service.integer(value), value)


@case("checks", "errors")
def integers_beyond(service: Values) -> None:
    """An integer of more than 64 bits is refused as an argument that is wrong; so is an id."""
    for value in (INT64[1] + 1, INT64[0] - 1, 10**30):
        _refused(service.integer, value)
        _refused(service.identity, value)


@case()
def numbers(service: Values) -> None:
    """Numbers come back to the last bit, and a whole one is still a float."""
    for value in (0.1, 1.0, -0.0, 1e308, 5e-324, -2.5, 1 / 3):
        same(service.number(value), value)


@case("checks", "errors")
def numbers_that_are_none(service: Values) -> None:
    """NaN and the infinities are refused."""
    for value in (nan, inf, -inf):
        _refused(service.number, value)


@case()
def flags(service: Values) -> None:
    """Yes and no stay what they are."""
    same(service.flag(True), True)
    same(service.flag(False), False)


@case()
def octets(service: Values) -> None:
    """Bytes come back as they were, whatever they are."""
    for value in (b"", b"\0", b"bat", bytes(range(256))):
        same(service.octets(value), value)


@case()
def moments(service: Values) -> None:
    """A moment is the same moment, to the microsecond, in whatever zone it was told."""
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=45)))
    for value in (
        NOON,
        elsewhere,
        NOON.replace(microsecond=0),
        datetime(1900, 1, 1, tzinfo=UTC),
        datetime(9999, 1, 1, tzinfo=UTC),
    ):
        same(service.moment(value), value)


@case("checks", "errors")
def moments_without_a_zone(service: Values) -> None:
    """A datetime without a zone is refused: it is another moment on every machine."""
    _refused(service.moment, NOON.replace(tzinfo=None))


@case()
def days_and_hours(service: Values) -> None:
    """Days, times of the day and durations come back to the microsecond."""
    for day in (date(2026, 11, 21), date(1, 1, 1), date(9999, 12, 31)):
        same(service.day(day), day)
    for hour in (time(0), time(23, 59, 59, 999999)):
        same(service.hour(hour), hour)
    for span in (timedelta(0), timedelta(days=400, microseconds=1), timedelta(seconds=-90.5)):
        same(service.span(span), span)


@case()
def amounts(service: Values) -> None:
    """A decimal keeps every digit, the zeros at its end too."""
    for value in ("1.50", "0", "-0.001", "123456789012345678901234567890.123456789", "1E+3"):
        same(service.amount(Decimal(value)), Decimal(value))


@case("checks", "errors")
def amounts_that_are_none(service: Values) -> None:
    """A decimal that is no number is refused."""
    for value in ("NaN", "Infinity"):
        _refused(service.amount, Decimal(value))


@case()
def keys(service: Values) -> None:
    """A UUID is a UUID again."""
    same(service.key(UUID(int=2**127 + 1)), UUID(int=2**127 + 1))


@case()
def ids(service: Values) -> None:
    """An id has 64 bits, at both of its ends."""
    for value in (0, 7, 2**53 + 1, *INT64):
        same(service.identity(value), value)


@case()
def choices(service: Values) -> None:
    """Members of enums and of literals come back as what they are."""
    for colour in Colour:
        same(service.colour(colour), colour)
    for priority in Priority:
        same(service.priority(priority), priority)
    same(service.size("large"), "large")


@case()
def optional(service: Values) -> None:
    """None is told from a value, as an argument and as a result."""
    same(service.maybe(0), 0)
    same(service.maybe(None), None)


@case("null", "typed queries")
def optional_text(service: Values) -> None:
    """No text is the same as None, whatever it says."""
    for value in (None, "null", "None", "", "a"):
        same(service.maybe_text(value), value)


@case("null")
def left_out_is_not_null(service: Values) -> None:
    """A value that is left out and one that is null are different."""
    same(service.change(), "left out")
    same(service.change(UNSET), "left out")
    same(service.change(None), "null")
    same(service.change(""), "text ")


@case()
def defaults(service: Values) -> None:
    """What is left out has its default; what is given by position or by name arrives."""
    same(service.defaults(), "3 red 2026-01-01 1.50")
    same(service.defaults(0, Colour.DARK_GREEN), "0 dark green 2026-01-01 1.50")
    same(service.defaults(price=Decimal(2), day=date(2027, 2, 3)), "3 red 2027-02-03 2")


@case()
def nothing(service: Values) -> None:
    """An operation that answers nothing answers None."""
    answer: object = service.nothing()  # type: ignore[func-returns-value]  # that is what is checked
    same(answer, None)


def _refused(operation: Callable[[T], object], value: T) -> None:
    problems = fails(InvalidArgument, operation, value).problems
    same([problem.path for problem in problems], ["$.value"])
