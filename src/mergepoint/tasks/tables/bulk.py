"""The statements that handle many jobs at once: each is one round trip where the database allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Executable,
    FromClause,
    Select,
    Subquery,
    Table,
    Update,
    bindparam,
    delete,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
    update,
)

from .rows import CHANGING, Done, NewRow, Row, Taken, changes, packed
from .schema import TIERS

if TYPE_CHECKING:
    from ...db import Database
    from .dialect import Dialect

WAITING: ColumnElement[str] = literal_column("'waiting'")
"""As it stands in the condition of an index, which a database must recognise."""

RUNNING: ColumnElement[str] = literal_column("'running'")
DONE: ColumnElement[str] = literal_column("'done'")


class Bulk(Protocol):
    """Handles many jobs at once, in whatever transaction is open."""

    def insert(self, rows: Sequence[NewRow], *, tell: bool) -> None:
        """Add jobs; those whose id or unique key is there already are left out.

        Args:
            rows: the jobs.
            tell: whether to tell waiting workers, where the database can do that.
        """
        ...

    def take(self, queues: Sequence[str], most: int, now: int, claimed: dict[str, Any]) -> list[Taken]:
        """Take due jobs from queues, which come in the order of their importance.

        Args:
            queues: from where.
            most: how many at most.
            now: the time.
            claimed: what to write into each, by column.
        """
        ...

    def finish(self, rows: Sequence[Done], now: int, *, keep: bool) -> list[str]:
        """Note that jobs are done, or forget them; return the ids of those whose token was the newest."""
        ...

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows back that this transaction holds."""
        ...


class Sets:
    """For databases that read a table from JSON and have RETURNING: PostgreSQL and SQLite."""

    def __init__(self, db: Database, jobs: Table, dialect: Dialect) -> None:
        self._inserts = {tell: db.statement(_inserting(jobs, dialect, tell=tell)) for tell in (True, False)}
        self._take = cache(lambda queues: db.statement(_taking(jobs, queues), Taken))
        self._keep = db.statement(_keeping(jobs, dialect))
        self._forget = db.statement(_forgetting(jobs, dialect))
        self._write = db.statement(_writing(jobs, dialect))

    def insert(self, rows: Sequence[NewRow], *, tell: bool) -> None:
        """See `Bulk`."""
        self._inserts[tell].run(rows=packed(rows))

    def take(self, queues: Sequence[str], most: int, now: int, claimed: dict[str, Any]) -> list[Taken]:
        """See `Bulk`."""
        taken = self._take(len(queues)).all(**named(queues), most=most, now=now, **claimed)
        places = {queue: place for place, queue in enumerate(queues)}
        return sorted(taken, key=lambda row: (places[row.queue], row.priority, row.due, row.id))

    def finish(self, rows: Sequence[Done], now: int, *, keep: bool) -> list[str]:
        """See `Bulk`."""
        if keep:
            return self._keep.all(rows=packed(rows), now=now)
        return self._forget.all(rows=packed(rows))

    def write(self, rows: Sequence[Row]) -> None:
        """See `Bulk`."""
        self._write.run(rows=packed([{"id": row.id, **changes(row)} for row in rows]))


def named(queues: Iterable[str]) -> dict[str, str]:
    """Give each queue the name of its parameter."""
    return {f"queue{place}": queue for place, queue in enumerate(queues)}


def due(jobs: Table, place: int, tier: int, *columns: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    """Select waiting jobs of one queue and priority in the order of their index: no other is ever looked at."""
    c = jobs.c
    mine = (c.state == WAITING) & (c.queue == bindparam(f"queue{place}")) & (c.priority == literal_column(str(tier)))
    return select(*columns).where(mine).order_by(c.due)


def _taking(jobs: Table, queues: int) -> Update:
    c = jobs.c
    ready = [_ready(jobs, place, tier) for place in range(queues) for tier in TIERS.values()]
    # PostgreSQL may run a subquery again for each row, and lock others then.
    picked = union_all(*(select(each.c.id) for each in ready)).limit(bindparam("most")).cte("picked")
    begun = {"state": RUNNING, "token": c.token + 1, "attempts": c.attempts + 1, "progress": 0.0, "note": None}
    return (
        update(jobs)
        .where(c.id.in_(select(picked.prefix_with("MATERIALIZED").c.id)))
        .values(**begun, began=bindparam("now"), changed=bindparam("now"))
        .returning(*(c[name] for name in Taken._fields))
    )


def _ready(jobs: Table, place: int, tier: int) -> Subquery:
    ready = due(jobs, place, tier, jobs.c.id).where(jobs.c.due <= bindparam("now")).limit(bindparam("most"))
    return ready.with_for_update(skip_locked=True).subquery()


def _given(jobs: Table, dialect: Dialect, names: Iterable[str]) -> FromClause:
    given = dialect.given([jobs.c[name] for name in names])
    if given is None:
        raise TypeError(f"{type(dialect).__name__} does not read tables from JSON.")
    return given


def _inserting(jobs: Table, dialect: Dialect, *, tell: bool) -> Executable:
    names = NewRow.__struct_fields__
    given = _given(jobs, dialect, names)
    # SQLite takes the ON of ON CONFLICT for that of a join unless there is a WHERE.
    insertion = dialect.add(jobs).from_select(list(names), select(*(given.c[name] for name in names)).where(true()))
    told = dialect.told(jobs)
    return insertion if not tell or told is None else insertion.returning(told)


def _mine(jobs: Table, given: FromClause) -> Any:
    # Only running jobs have a lease. By their state PostgreSQL would look at all of that state, dead rows included.
    return (jobs.c.id == given.c.id) & (jobs.c.token == given.c.token) & jobs.c.lease.is_not(None)


def _keeping(jobs: Table, dialect: Dialect) -> Update:
    given = _given(jobs, dialect, Done.__struct_fields__)
    over = dict.fromkeys(("unique_key", "lease", "renewed"))
    kept = {"state": DONE, "changed": bindparam("now"), "expires": given.c.expires, "result": given.c.result}
    return update(jobs).where(_mine(jobs, given)).values(**over, **kept).returning(jobs.c.id)


def _forgetting(jobs: Table, dialect: Dialect) -> Executable:
    given, c = _given(jobs, dialect, ("id", "token")), jobs.c
    mine = tuple_(c.id, c.token).in_(select(given.c.id, given.c.token))
    return delete(jobs).where(mine, c.lease.is_not(None)).returning(c.id)


def _writing(jobs: Table, dialect: Dialect) -> Update:
    given = _given(jobs, dialect, ("id", *CHANGING))
    return update(jobs).where(jobs.c.id == given.c.id).values({name: given.c[name] for name in CHANGING})


class Steps:
    """For MariaDB, which has neither: rows are locked first, and changed one by one."""

    def __init__(self, db: Database, jobs: Table, dialect: Dialect) -> None:
        c = jobs.c
        self._insert = db.statement(dialect.add(jobs))
        self._ready = [db.statement(_whole(jobs, tier), Taken) for tier in TIERS.values()]
        begun = {"state": RUNNING, "token": c.token + 1, "attempts": c.attempts + 1, "progress": 0.0, "note": None}
        ids = c.id.in_(bindparam("ids", expanding=True))
        self._begin = db.statement(update(jobs).where(ids).values(**begun))
        held = select(c.id, c.token).where(ids, c.state == RUNNING).order_by(c.id)
        self._held = db.statement(held.with_for_update())
        self._keep = db.statement(update(jobs).where(c.id == bindparam("of")))
        self._forget = db.statement(delete(jobs).where(ids))

    def insert(self, rows: Sequence[NewRow], *, tell: bool) -> None:
        """See `Bulk`."""
        self._insert.run_many([{name: getattr(row, name) for name in NewRow.__struct_fields__} for row in rows])

    def take(self, queues: Sequence[str], most: int, now: int, claimed: dict[str, Any]) -> list[Taken]:
        """See `Bulk`."""
        taken: list[Taken] = []
        for queue in queues:
            for ready in self._ready:
                if len(taken) < most:
                    taken += ready.all(queue0=queue, now=now, most=most - len(taken))
        if taken:
            self._begin.run(ids=[row.id for row in taken], **claimed, began=now, changed=now)
        return [row._replace(token=row.token + 1, attempts=row.attempts + 1) for row in taken]

    def finish(self, rows: Sequence[Done], now: int, *, keep: bool) -> list[str]:
        """See `Bulk`."""
        tokens = dict(self._held.all(ids=[row.id for row in rows]))
        mine = {row.id: row for row in rows if tokens.get(row.id) == row.token}
        if not mine:
            return []
        if not keep:
            self._forget.run(ids=list(mine))
            return list(mine)
        over = {"state": "done", "changed": now, **dict.fromkeys(("unique_key", "lease", "renewed"))}
        self._keep.run_many(
            [{"of": row.id, "expires": row.expires, "result": row.result, **over} for row in mine.values()]
        )
        return list(mine)

    def write(self, rows: Sequence[Row]) -> None:
        """See `Bulk`."""
        self._keep.run_many([{"of": row.id, **changes(row)} for row in rows])


def _whole(jobs: Table, tier: int) -> Select[*tuple[Any, ...]]:
    columns = (jobs.c[name] for name in Taken._fields)
    ready = due(jobs, 0, tier, *columns).where(jobs.c.due <= bindparam("now")).limit(bindparam("most"))
    return ready.with_for_update(skip_locked=True)
