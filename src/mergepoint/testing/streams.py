"""Streams: items come one by one, in order; a failure comes after the items before it; who stops ends the operation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count as counting
from time import sleep
from typing import Annotated, Any
from uuid import uuid4

from ..access import anyone, role
from ..app import App
from ..errors import DeadlineExceeded, Internal, InvalidArgument, PermissionDenied
from ..types import Meta
from .calls import GUEST, KEEPER
from .case import case
from .comparison import fails, same, soon
from .failures import Conflict
from .records import Circle, Figure, Point, Square

Count = Annotated[int, Meta(ge=0, le=10_000)]


class Streams:
    """Operations that stream."""

    def __init__(self) -> None:
        self._ended: set[str] = set()

    def up_to(self, count: Count) -> Iterator[int]:
        """Count from nothing."""
        yield from range(count)

    def parade(self, count: Count) -> Iterator[Figure]:
        """Stream records of two classes."""
        for number in range(count):
            yield Square(float(number)) if number % 2 else Circle(float(number))

    def line(self, count: Count) -> Iterator[Point]:
        """Stream records of one class."""
        return (Point(float(number)) for number in range(count))

    def fail_after(self, count: Count, message: str) -> Iterator[str]:
        """Stream some items, then fail with a declared error."""
        yield from map(str, range(count))
        raise Conflict(message)

    def break_after(self, count: Count) -> Iterator[str]:
        """Stream some items, then fail as a bug does."""
        yield from map(str, range(count))
        yield {"known": ""}["swordfish"]

    def endless(self, name: str) -> Iterator[int]:
        """Count until nobody listens; then it is known to have ended."""
        try:
            for number in counting():
                yield number
                sleep(0.005)
        finally:
            self._ended.add(name)

    def ended(self, name: str) -> bool:
        """Tell whether an endless stream has ended, its clean-up done."""
        return name in self._ended

    def dawdle(self, seconds: float) -> Iterator[str]:
        """Stream one item at once, and another one after a while."""
        yield "at once"
        sleep(seconds)
        yield "late"

    def for_keepers_up_to(self, count: Count) -> Iterator[int]:
        """Count from nothing, for keepers."""
        yield from range(count)

    def later_up_to(self, count: Count) -> Iterator[int]:
        """Count from nothing; behind an app this is `async def`."""
        yield from range(count)


def register(app: App, streams: Streams) -> None:
    """Register the operations."""
    app.query(streams.up_to, allow=anyone)
    app.query(streams.parade, allow=anyone)
    app.query(streams.line, allow=anyone)
    app.query(streams.fail_after, allow=anyone)
    app.query(streams.break_after, allow=anyone)
    app.query(streams.endless, allow=anyone)
    app.query(streams.ended, allow=anyone)
    app.query(streams.dawdle, allow=anyone, deadline=0.7)
    app.query(streams.for_keepers_up_to, allow=role("keeper"))
    app.query(streams.later_up_to, allow=anyone)


# --- what must hold ------------------------------------------------------------------------------------------------


@case("streams")
def items_come_in_order(service: Streams) -> None:
    """Every item arrives, in order, also when there are none or many."""
    for number in (0, 1, 3, 1000):
        same(list(service.up_to(number)), list(range(number)))


@case("streams")
def items_are_records(service: Streams) -> None:
    """Items are of their own type again, whichever of several it is."""
    same(list(service.line(2)), [Point(0.0), Point(1.0)])
    same(list(service.parade(3)), [Circle(0.0), Square(1.0), Circle(2.0)])


@case("streams")
def asynchronous_streams(service: Streams) -> None:
    """Callers cannot tell a stream that is `async def` from any other."""
    same(list(service.later_up_to(3)), [0, 1, 2])


@case("checks", "errors", "streams")
def streams_check_their_arguments(service: Streams) -> None:
    """Arguments that are wrong are refused before the first item."""
    failure = fails(InvalidArgument, lambda: list(service.up_to(-1)))
    same([problem.path for problem in failure.problems], ["$.count"])


@case("errors", "policy", "streams", metadata=GUEST)
def refused_streams(service: Streams) -> None:
    """A stream is refused before its first item, whatever its arguments are."""
    fails(PermissionDenied, lambda: list(service.for_keepers_up_to(-1)))


@case("policy", "streams", metadata=KEEPER)
def allowed_streams(service: Streams) -> None:
    """A stream is given to whoever may have it."""
    same(list(service.for_keepers_up_to(2)), [0, 1])


@case("errors", "streams")
def streams_that_fail(service: Streams) -> None:
    """A stream that fails in its middle gives the items before, then the error."""
    for number in (0, 3):
        items = service.fail_after(number, "gone")
        same([next(items) for _ in range(number)], [str(item) for item in range(number)])
        same(str(fails(Conflict, next, items)), "gone")


@case("policy", "errors", "streams")
def streams_that_break(service: Streams) -> None:
    """A bug in the middle of a stream is told as any other bug is."""
    items = service.break_after(2)
    same([next(items), next(items)], ["0", "1"])
    same("swordfish" in str(fails(Internal, next, items)), False)


@case("closing", "state", "streams")
def streams_closed_early(service: Streams) -> None:
    """Items come as they are made; when nobody wants more, the operation ends and its clean-up runs."""
    name = uuid4().hex
    items: Any = service.endless(name)
    same([next(items) for _ in range(3)], [0, 1, 2])
    same(service.ended(name), False)
    items.close()
    soon(lambda: service.ended(name), "the operation has ended")


@case("policy", "errors", "streams")
def late_items(service: Streams) -> None:
    """An item that comes after the deadline is not given."""
    items = service.dawdle(0.8)
    same(next(items), "at once")
    fails(DeadlineExceeded, next, items)
