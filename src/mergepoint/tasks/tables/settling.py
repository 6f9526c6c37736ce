"""Settling: what becomes of claims, and of the jobs that wait for them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete

from . import transitions
from .rows import Done, Row, message_of, micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...jobs import Outcome
    from .store import Store


class Settling:
    """Settles outcomes, in a transaction of the engine's own that is open."""

    def __init__(self, store: Store) -> None:
        jobs = store.tables.jobs
        self._store = store
        self._delete = store.own.statement(delete(jobs).where(jobs.c.id.in_(bindparam("ids", expanding=True))))

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """See `Engine.settle`."""
        now = self._store.clock.now()
        plain = [outcome for outcome in outcomes if outcome.verdict == "done" and outcome.attempt is None]
        others = [outcome for outcome in outcomes if outcome.verdict != "done" or outcome.attempt is not None]
        if plain:
            self._finish(plain, now)
        if others:
            self._change(others, now)
        queues = {outcome.claim.message.queue for outcome in outcomes}
        self._store.own.on_commit(lambda: self._store.news.free(queues))

    def _finish(self, outcomes: Sequence[Outcome], now: int) -> None:
        """The usual way: jobs that are done, without a look at the rows."""
        ordered = sorted(outcomes, key=lambda outcome: outcome.claim.message.id)
        done: list[str] = []
        for keep in (True, False):
            rows = [_done(outcome, now) for outcome in ordered if (outcome.claim.message.keep > 0) == keep]
            if rows:
                done += self._store.bulk.finish(rows, now, keep=keep)
        following = {outcome.claim.message.id: outcome.claim.message.then for outcome in outcomes}
        self._begin_next((following[id] for id in done), now)

    def _change(self, outcomes: Sequence[Outcome], now: int) -> None:
        rows = {row.id: row for row in self._store.hold(outcome.claim.message.id for outcome in outcomes)}
        changed: dict[str, Row] = {}
        for outcome in outcomes:
            row = rows.get(outcome.claim.message.id)
            if row is not None and transitions.settle(row, outcome, now):
                changed[row.id] = row
        self.write(list(changed.values()), now)
        self._begin_next((message_of(row).then for row in changed.values() if row.state == "done"), now)

    def write(self, rows: Sequence[Row], now: int) -> None:
        """Write rows back, cancel what waits for cancelled ones, and forget what nobody wants to look up."""
        gone = [row.id for row in rows if row.state == "done" and (row.expires or 0) <= now]
        self._store.write([row for row in rows if row.id not in gone], now)
        if gone:
            self._delete.run(ids=gone)
        self._cancel_next([row for row in rows if row.state == "cancelled"], now)

    def _cancel_next(self, rows: Sequence[Row], now: int) -> None:
        while waiting := {then for row in rows if (then := message_of(row).then)}:
            rows = [row for row in self._store.hold(waiting) if row.state == "blocked"]
            for row in rows:
                transitions.cancel(row, now)
            self._store.write(rows, now)

    def _begin_next(self, following: Iterable[str | None], now: int) -> None:
        counts = Counter(id for id in following if id)
        if not counts:
            return
        rows = self._store.hold(counts)
        for row in rows:
            transitions.others_done(row, now, counts[row.id])
        self._store.write(rows, now)


def _done(outcome: Outcome, now: int) -> Done:
    claim = outcome.claim
    result = None if outcome.result is None else outcome.result.decode()
    return Done(claim.message.id, claim.token, now + micros(claim.message.keep), result)
