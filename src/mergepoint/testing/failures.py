"""Failures: declared ones are raised again as the same class with the same fields, bugs leave nothing but a number."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, get_args

from ..access import anyone
from ..app import App
from ..errors import (
    Cancelled,
    DeadlineExceeded,
    Failure,
    Internal,
    InvalidArgument,
    Kind,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from ..types import INT64, Id, Meta, Sensitive
from .case import case
from .comparison import fails, same
from .records import Colour, Point

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "swordfish"  # noqa: S105  # it protects nothing; nobody may see it all the same


class NoSuchThing(LookupError):
    """An error with public fields of several types, and one that nobody may see."""

    tags: list[str]
    stock: dict[Id, Decimal]

    def __init__(
        self,
        id: Id,
        since: datetime,
        price: Decimal,
        colour: Colour,
        at: Point,
        asked: Annotated[str, Sensitive] = SECRET,
    ) -> None:
        super().__init__(f"There is no thing {id} 🦇.")
        self.id = id
        self.since = since
        self.price = price
        self.colour = colour
        self.at = at
        self.asked = asked
        self.tags = ["a", "b"]
        self.stock = {INT64[0]: Decimal("1.50")}


class Conflict(Exception):
    """An error that is nothing but its message."""


class StaleConflict(Conflict):
    """A subclass that is not declared itself: callers get the class that is."""


ERRORS: dict[type[Exception], Kind] = {NoSuchThing: "not_found", Conflict: "aborted"}
"""What the suite's app declares."""

STANDARD: dict[str, type[Failure]] = {
    cls.kind: cls
    for cls in (
        InvalidArgument,
        Unauthenticated,
        PermissionDenied,
        ResourceExhausted,
        DeadlineExceeded,
        Unavailable,
        Unimplemented,
        Cancelled,
    )
}
"""The kinds that have a class of their own."""


class Failures:
    """Operations that fail."""

    def find(self, id: Id) -> str:
        """Fail with a declared error that has fields."""
        raise NoSuchThing(id, NOON, Decimal("1.50"), Colour.DARK_GREEN, Point(1.0))

    def collide(self, message: str = "", stale: bool = False) -> None:
        """Fail with a declared error that has none."""
        raise (StaleConflict if stale else Conflict)(message)

    def fail(self, kind: Kind) -> str:
        """Fail with a failure of a kind."""
        if kind in STANDARD:
            raise STANDARD[kind](f"It is {kind}.")
        raise Failure(f"It is {kind}.", kind=kind)

    def wait(self) -> str:
        """Fail with a failure that has a code and fields of its own."""
        raise Failure("Too early.", kind="failed_precondition", code="too_early", fields={"hours": 3, "until": "noon"})

    def break_down(self) -> str:
        """Fail as a bug does."""
        return {"known": ""}[SECRET]

    def log_in(self, password: Annotated[str, Sensitive, Meta(min_length=20)]) -> str:
        """Take something that nobody may see."""
        return f"{len(password)} characters"


def register(app: App, failures: Failures) -> None:
    """Register the operations."""
    app.query(failures.find, allow=anyone, raises=(NoSuchThing,))
    app.command(failures.collide, allow=anyone)
    app.query(failures.fail, allow=anyone)
    app.query(failures.wait, allow=anyone)
    app.query(failures.break_down, allow=anyone)
    app.command(failures.log_in, allow=anyone)


# --- what must hold ------------------------------------------------------------------------------------------------


@case("errors")
def declared_errors(service: Failures) -> None:
    """A declared error is raised again: the same class, message and public fields, of the same types."""
    error = fails(NoSuchThing, service.find, INT64[1])
    same(str(error), f"There is no thing {INT64[1]} 🦇.")
    same((error.id, error.since, error.price), (INT64[1], NOON, Decimal("1.50")))
    same((error.colour, error.at, error.tags), (Colour.DARK_GREEN, Point(1.0), ["a", "b"]))
    same(error.stock, {INT64[0]: Decimal("1.50")})


@case("borders", "errors")
def sensitive_fields(service: Failures) -> None:
    """A field that is sensitive does not travel."""
    same(hasattr(fails(NoSuchThing, service.find, 1), "asked"), False)


@case("errors")
def errors_without_fields(service: Failures) -> None:
    """An error's message comes back as it was, whatever is in it."""
    for message in ("", 'Two\nlines, "quotes" and 100 % 🦇', "x" * 2000):
        same(str(fails(Conflict, service.collide, message)), message)


@case("borders", "errors")
def undeclared_subclasses(service: Failures) -> None:
    """A subclass that is not declared is told as its nearest ancestor that is."""
    same(str(fails(Conflict, service.collide, "late", stale=True)), "late")


@case("errors")
def every_kind(service: Failures) -> None:
    """A failure of any kind keeps its kind and message, and is of the class of that kind."""
    for kind in get_args(Kind):
        failure = fails(STANDARD.get(kind, Failure), service.fail, kind)
        same((failure.kind, failure.code, failure.message), (kind, kind, f"It is {kind}."))


@case("errors")
def failures_with_a_code(service: Failures) -> None:
    """A failure keeps the code and the fields that the application gave it."""
    failure = fails(Failure, service.wait)
    same((failure.kind, failure.code, str(failure)), ("failed_precondition", "too_early", "Too early."))
    same(failure.fields, {"hours": 3, "until": "noon"})


@case("policy", "errors")
def bugs(service: Failures) -> None:
    """Of an error that nobody declared, the caller learns nothing but a number under which it is in the log."""
    failure = fails(Internal, service.break_down)
    same(bool(re.fullmatch("[0-9a-f]{10}", failure.incident)), True)
    same(failure.incident in str(failure), True)
    same(SECRET in str(failure), False)


@case("checks", "errors")
def sensitive_arguments(service: Failures) -> None:
    """What is wrong with a sensitive argument is told without it."""
    same(service.log_in(SECRET * 3), "27 characters")
    failure = fails(InvalidArgument, service.log_in, SECRET)
    same([problem.path for problem in failure.problems], ["$.password"])
    same(SECRET in f"{failure} {failure.problems}", False)
