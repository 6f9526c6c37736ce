"""Waiting for jobs: what comes from this process is known at once, what comes from others an ear hears."""

from __future__ import annotations

from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, Select, Table, literal_column, select, union_all

from .bulk import due, named
from .ears import Ears
from .schema import TIERS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ...db import Statement
    from .store import Store

FALLBACK = 2.0
"""Seconds after which who waits looks for itself, whatever was heard."""


class Waiting:
    """Lets workers wait for jobs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._news = store.news
        self._next = cache(self._statement)
        self._ears = Ears(store)

    def wait(self, queues: Collection[str], seconds: float) -> None:
        """See `Engine.wait`."""
        names = tuple(dict.fromkeys(queues))
        end, wakes = monotonic() + seconds, self._news.wakes
        self._store.prepare()
        self._ears.open()
        with self._news.interest(names):
            while (left := end - monotonic()) > 0:
                changes = self._news.changes
                pause = self._pause(names)
                if pause <= 0 or not self._news.sleep(names, changes, wakes, min(left, pause)):
                    return

    def forget(self) -> None:
        """Begin anew, in a forked child."""
        self._news.forget()
        self._ears.forget()

    def close(self) -> None:
        """Stop listening."""
        self._ears.close()

    def _pause(self, queues: Sequence[str]) -> float:
        """Return for how many seconds nothing is to be expected."""
        rows = self._store.run(lambda: self._next(len(queues)).all(**named(queues))) if queues else []
        now = self._store.clock.now()
        pauses = [max((due - now) / 1_000_000, self._news.held(queues[place])) for place, due in rows]
        return min(*pauses, self._news.echo() or FALLBACK, FALLBACK)

    def _statement(self, queues: int) -> Statement[tuple[int, int]]:
        jobs = self._store.tables.jobs
        first = [select(_first(jobs, place, tier).subquery()) for place in range(queues) for tier in TIERS.values()]
        return self._store.own.statement(union_all(*first))


def _first(jobs: Table, place: int, tier: int) -> Select[*tuple[Any, ...]]:
    columns = literal_column(str(place), Integer).label("place"), jobs.c.due
    return due(jobs, place, tier, *columns).limit(1)
