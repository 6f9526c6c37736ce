"""What people do with jobs: look at them, cancel, put back, expedite, purge."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, literal_column, select
from sqlalchemy.exc import IntegrityError

from . import transitions
from .rows import Row, digest, entry_of, message_of, micros
from .store import BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy import ColumnElement

    from ...jobs import Entry, State
    from .settling import Settling
    from .store import Store

INDEXED: tuple[set[State], ...] = ({"dead"}, {"running"})
"""The states that have an index of their own."""


class People:
    """Serves those who look after jobs."""

    def __init__(self, store: Store, settling: Settling) -> None:
        jobs = store.tables.jobs
        self._store = store
        self._settling = settling
        self._jobs = jobs
        self._columns = [jobs.c[name] for name in Row.__struct_fields__]
        one = select(*self._columns).where(jobs.c.id == bindparam("id"))
        self._one, self._mine = store.own.statement(one, Row), store.db.statement(one, Row)
        self._counts = store.db.statement(
            select(jobs.c.queue, jobs.c.state, func.count()).group_by(jobs.c.queue, jobs.c.state)
        )
        ids = select(jobs.c.id).where(jobs.c.id > bindparam("after")).order_by(jobs.c.id)
        self._end = store.own.statement(ids.offset(literal_column(str(BATCH - 1))).limit(literal_column("1")))

    def get(self, id: str) -> Entry | None:
        """See `Engine.get`."""
        self._store.prepare()
        row = self._one.one_or_none(id=id) or self._mine.one_or_none(id=id)  # which the caller may have just put in
        return None if row is None else entry_of(row)

    def entries(
        self,
        states: Collection[State],
        queue: str | None,
        operation: str | None,
        owner: str | None,
        before: str | None,
        limit: int,
    ) -> list[Entry]:
        """See `Engine.entries`."""
        self._store.prepare()
        c = self._jobs.c
        wanted = [
            column == value
            for column, value in ((c.queue, queue), (c.operation, operation), (c.owner, owner))
            if value is not None
        ]
        if owner:
            wanted.append(c.owner != literal_column("''"))  # as in the condition of the index
        if before is not None:
            wanted.append(c.id < before)
        listed = select(*self._columns).where(*wanted, *self._among(states)).order_by(c.id.desc()).limit(limit)
        return [entry_of(row) for row in self._store.own.fetch(listed, Row)]

    def counts(self) -> dict[tuple[str, State], int]:
        """See `Engine.counts`."""
        self._store.prepare()
        return {(queue, state): number for queue, state, number in self._counts.all()}

    def cancel(self, ids: Collection[str]) -> list[str]:
        """See `Engine.cancel`."""
        return self._change(ids, transitions.cancel)

    def expedite(self, ids: Collection[str]) -> list[str]:
        """See `Engine.expedite`."""
        return self._change(ids, transitions.expedite)

    def retry(self, ids: Collection[str]) -> list[str]:
        """See `Engine.retry`."""
        return self._store.run(partial(self._retry, ids)) if ids else []

    def purge(self, states: Collection[State], before: float | None) -> int:
        """See `Engine.purge`."""
        wanted = [state for state in states if state != "running"]
        purged, last = 0, ""
        while wanted:
            number, end = self._store.run(partial(self._purge, wanted, before, last))
            purged += number
            if end is None:
                break
            last = end
        return purged

    def _change(self, ids: Collection[str], alter: Callable[[Row, int], bool]) -> list[str]:
        def work() -> list[str]:
            now = self._store.clock.now()
            rows = [row for row in self._store.hold(ids) if alter(row, now)]
            self._settling.write(rows, now)
            return [row.id for row in rows]

        return self._store.run(work) if ids else []

    def _retry(self, ids: Collection[str]) -> list[str]:
        now = self._store.clock.now()
        rows = [row for row in self._store.hold(ids) if transitions.retry(row, now)]
        back = [row for row in rows if message_of(row).unique is None]
        self._store.write(back, now)
        back += [row for row in rows if message_of(row).unique is not None and self._takes_its_key(row, now)]
        return [row.id for row in back]

    def _takes_its_key(self, row: Row, now: int) -> bool:
        row.unique_key = digest(message_of(row).unique or "")
        try:
            with self._store.own.transaction():
                self._store.write([row], now)
        except IntegrityError:
            return False
        return True

    def _purge(self, states: Collection[State], before: float | None, after: str) -> tuple[int, str | None]:
        """Forget those of the next jobs; return how many, and the id to go on from, if there is more."""
        c = self._jobs.c
        end = self._end.one_or_none(after=after)
        wanted = [*self._among(states), c.id > after]
        if end is not None:
            wanted.append(c.id <= end)
        if before is not None:
            wanted.append(c.changed < micros(before))
        with self._store.own.connection() as connection:
            return connection.execute(delete(self._jobs).where(*wanted)).rowcount, end

    def _among(self, states: Collection[State]) -> list[ColumnElement[bool]]:
        """Ask for states, by their index where there is one of few rows in the order of ids."""
        if not states:
            return []
        state = self._jobs.c.state
        if set(states) in INDEXED:
            return [state == literal_column(f"'{next(iter(states))}'")]
        # What is made of a column has no index: databases would take that of all waiting jobs, and sort these.
        return [func.coalesce(state, "").in_(list(states))]
