"""Putting jobs in, in the application's transaction."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from .rows import NewRow, new_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...jobs import Message
    from .store import Store

QUIET = 0.005
"""Seconds after news in which others may leave out theirs: who heard the first looks again after `news.ECHO`."""


class Putting:
    """Puts messages into the table."""

    def __init__(self, store: Store) -> None:
        self._store = store
        c = store.tables.jobs.c
        ids = select(c.id).where(c.id.in_(bindparam("ids", expanding=True)))
        holders = select(c.unique_key, c.id).where(c.unique_key.in_(bindparam("keys", expanding=True)))
        if store.dialect.stale:
            index = "FORCE INDEX (mergepoint_jobs_all_unique)"  # else a short table is read, and locked, as a whole
            ids = ids.with_for_update(read=True)
            holders = holders.with_hint(store.tables.jobs, index).with_for_update(read=True)
        self._ids = store.db.statement(ids)
        self._holders = store.db.statement(holders)
        self._told = 0.0

    def put(self, messages: Sequence[Message]) -> list[str]:
        """See `Engine.put`."""
        if not messages:
            return []
        self._store.prepare()
        now = self._store.clock.now()
        rows = [new_row(message, now) for message in messages]
        if self._is_joined():
            return self._put(rows, now, tell=True)
        return self._store.again(partial(self._put_alone, rows, now))

    def add(self, messages: Sequence[Message], now: int) -> None:
        """Put messages in, in the engine's own transaction that is open."""
        rows = [new_row(message, now) for message in messages]
        if rows:
            self._store.bulk.insert(rows, tell=True)
            self._store.own.on_commit(partial(self._store.news.tell, _waiting(rows), now))

    def _is_joined(self) -> bool:
        with self._store.db.unit_of_work(kind="query") as unit:
            return unit.in_transaction()

    def _put_alone(self, rows: list[NewRow], now: int) -> list[str]:
        tell = time.monotonic() > self._told + QUIET
        ids = self._put(rows, now, tell=tell)
        if tell:
            self._told = time.monotonic()
        return ids

    def _put(self, rows: list[NewRow], now: int, *, tell: bool) -> list[str]:
        if any(row.unique_key for row in rows):
            with self._store.db.transaction():
                return self._put_unique(rows, now)
        self._insert(rows, now, tell=tell)
        return [row.id for row in rows]

    def _put_unique(self, rows: list[NewRow], now: int) -> list[str]:
        found: dict[str, str] = {}
        # In one order everywhere: two that put in the same keys would wait for each other.
        missing = sorted(rows, key=lambda row: row.unique_key or "")
        while missing:
            self._insert(missing, now, tell=True)
            found |= self._find(missing)
            missing = [row for row in missing if row.id not in found]
        return [found[row.id] for row in rows]

    def _insert(self, rows: list[NewRow], now: int, *, tell: bool) -> None:
        self._store.joined.insert(rows, tell=tell)
        self._store.db.on_commit(partial(self._store.news.tell, _waiting(rows), now))

    def _find(self, rows: list[NewRow]) -> dict[str, str]:
        """Find the jobs of messages; there is none if the one that was in the way has finished in between."""
        unique = {row.id: row.unique_key for row in rows if row.unique_key is not None}
        there = set(self._ids.all(ids=list(unique)))
        holders = dict(self._holders.all(keys=list(unique.values())))
        found = {id: id if id in there else holders.get(key) for id, key in unique.items()}
        return {row.id: row.id for row in rows if row.unique_key is None} | {i: j for i, j in found.items() if j}


def _waiting(rows: list[NewRow]) -> set[tuple[str, int]]:
    return {(row.queue, row.due) for row in rows if row.state == "waiting"}
