"""Sweeps: a slow, steady walk over many records, a few each second, that goes on where it stopped."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil
from time import monotonic
from typing import Generic, Protocol, TypeVar

import msgspec

from ..errors import InvalidArgument, RegistrationError
from ..redact import visible
from ..types import Page
from .queue import Queue

T = TypeVar("T")

logger = logging.getLogger("mergepoint")

PAGE = 100
"""The most records that are asked for at a time."""

LONGEST = 5.0
"""Seconds after which a step ends, though there is more to visit: a worker that stops need not wait for longer."""

UNTIL_IT_WORKS = 1_000_000_000
"""How often a step that cannot read is tried again, later each time, before its job is dead."""


class Pages(Protocol[T]):
    """What a sweep walks over; `Database.pages(...)` makes one of a table, `redis.Keys(...)` is one of a keyspace."""

    def page(self, after: str | None, limit: int, /) -> Page[T]:
        """Return a page: about so many records, and in `next` where the following one begins; None after the last.

        Raises:
            InvalidArgument: `after` is no such place.
        """


class Round(msgspec.Struct, frozen=True, omit_defaults=True):
    """One walk from the beginning to the end.

    Attributes:
        began: when it began.
        visited: how many records were visited so far.
        failed: how many of them raised an exception.
        ended: when it was over; None if it is not.
    """

    began: datetime
    visited: int = 0
    failed: int = 0
    ended: datetime | None = None


class SweepState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a sweep is.

    Attributes:
        cursor: where the next page begins; None for at the beginning.
        round: the walk that is under way; None between two.
        last: the one before, which reached the end.
    """

    cursor: str | None = None
    round: Round | None = None
    last: Round | None = None


class Sweep(Generic[T]):
    """A walk that jobs do step by step. Made by `sweep`.

    Args:
        queue: whose engine keeps how far it is.
        name: names it.
        visit: called with each record.
        over: the records.
        most: the most records of a step.
        rest: seconds between the end of a round and the next one.

    Attributes:
        name: the same; it is what the task and the schedule of its steps are called.
    """

    def __init__(
        self, queue: Queue, name: str, visit: Callable[[T], object], over: Pages[T], most: int, rest: float
    ) -> None:
        self.name = name
        self._engine = queue.engine
        self._visit = visit
        self._over = over
        self._most = most
        self._rest = rest

    def __repr__(self) -> str:
        return f"<Sweep {self.name}>"

    def state(self) -> SweepState:
        """Return how far it is."""
        saved = self._engine.load(self.name)
        return SweepState() if saved is None else msgspec.json.decode(saved, type=SweepState)

    def restart(self) -> None:
        """Begin at the beginning with the next step, also where that would wait until the rest is over."""
        self._save(SweepState())

    def step(self) -> None:
        """Visit the next few records. Jobs call this, one at a time."""
        found = self.state()
        state = self._begun(found)
        ends, left = monotonic() + LONGEST, self._most
        try:
            while state.round is not None and left > 0 and monotonic() < ends:
                state = self._visited(state, state.round, min(left, PAGE))
                left -= PAGE
        finally:
            if state is not found:
                self._save(state)

    def _begun(self, state: SweepState) -> SweepState:
        now, last = datetime.now(UTC), state.last
        if state.round is not None:
            return state
        if last is not None and last.ended is not None and (now - last.ended).total_seconds() < self._rest:
            return state
        return SweepState(round=Round(now), last=last)

    def _visited(self, state: SweepState, round: Round, limit: int) -> SweepState:
        page = self._page(state.cursor, limit)
        failed = sum([not self._went_well(record) for record in page.items])
        round = msgspec.structs.replace(round, visited=round.visited + len(page.items), failed=round.failed + failed)
        if page.next is not None:
            return SweepState(page.next, round, state.last)
        return SweepState(last=msgspec.structs.replace(round, ended=datetime.now(UTC)))

    def _page(self, cursor: str | None, limit: int) -> Page[T]:
        try:
            return self._over.page(cursor, limit)
        except InvalidArgument as error:
            if cursor is None:
                raise
            logger.warning("%s begins anew, as it cannot go on where it was: %s", self.name, error)
            return self._over.page(None, limit)

    def _went_well(self, record: T) -> bool:
        try:
            self._visit(record)
        except Exception:
            logger.exception("%s failed at %r, and goes on", self.name, visible(record))
            return False
        return True

    def _save(self, state: SweepState) -> None:
        self._engine.save(self.name, msgspec.json.encode(state))


def sweep(
    queue: Queue,
    visit: Callable[[T], object],
    over: Pages[T],
    *,
    per_second: float = 20.0,
    rest: float = 60.0,
    name: str | None = None,
) -> Sweep[T]:
    """Visit records one after the other, a few each second, over and over again, as jobs of the queue.

    One process at a time takes a step. Where it stopped is kept, so a restart goes on there; a worker that dies in a
    step makes the records of that step be visited again. An exception is logged and counted, and the walk goes on.

    Args:
        queue: the queue of the app; its workers take the steps.
        visit: called with each record, outside of any transaction: it opens those that it needs.
        over: the records: `db.pages(...)`, `redis.Keys(...)`, or anything that gives pages.
        per_second: how many records to look at in a second, at most.
        rest: seconds between the end of a round and the beginning of the next.
        name: names its task and its schedule; `sweep_` and the name of `visit` unless given.

    Returns:
        The sweep, which tells how far it is.

    Raises:
        RegistrationError: it cannot be declared so, or there is a task or a schedule of this name.
    """
    name = name or f"sweep_{getattr(visit, '__name__', type(visit).__name__)}"
    if inspect.iscoroutinefunction(visit):
        raise RegistrationError(f"{name}: an `async def` cannot be visited with; pass a plain function.")
    if not 0 < per_second <= 100_000:
        raise RegistrationError(f"{name}: per_second={per_second!r}: expected more than 0, and at most 100,000.")
    most = ceil(per_second)
    made = Sweep(queue, name, visit, over, most, rest)
    queue.app.task(made.step, name=name, atomic=False, keep=0.0, retries=UNTIL_IT_WORKS)
    queue.app.every(made.step, seconds=most / per_second, missed="skip", overlap=False, name=name)
    return made
