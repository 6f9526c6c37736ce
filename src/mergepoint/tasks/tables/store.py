"""The tables in a database: the engine's own transactions, rows that they hold, and the news that they make."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from random import random
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import MetaData, bindparam, select
from sqlalchemy.exc import DBAPIError

from ...db import Database, DatabaseUnavailable
from .bulk import Bulk, Sets, Steps
from .clock import Clock
from .dialect import dialect_of
from .making import make
from .rows import Row, packed
from .schema import job_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ...db import Statement
    from ...db.links import Link
    from ...db.unit import Unit
    from .news import News

T = TypeVar("T")

CONNECTIONS = 20
"""Connections of its own that an engine has at most, beside those of the application."""

SET = "mergepoint jobs"
"""What marks a connection that has the engine's settings."""

TRIES = 10
"""How often work is tried that got into the way of other work."""

BATCH = 1000
"""Rows that are handled at once at most."""

CLASHES = frozenset({"40001", "40P01", 1213, 1205, 1020})
"""What databases call two transactions that wait for each other, or changed the same row."""

BUSY = frozenset({5, 6})
"""What SQLite calls a database that somebody else has been writing to for too long."""


class Store:
    """Runs the engine's work in transactions apart from those of the application.

    On a server they have connections of their own. With SQLite, where one can write at a time, they are the
    application's: inside a unit of work that writes they become a part of it.

    Args:
        db: the application's database.
        news: told of jobs that wait.

    Attributes:
        db: the application's database.
        own: the database as the engine uses it for itself.
        aside: where connections come from that are kept for long.
        tables: the tables.
        dialect: what is particular of this kind of database.
        bulk: handles many jobs in the engine's own transactions.
        joined: handles many jobs in the application's.
        clock: the time.
        news: what this process knows of new jobs.
    """

    def __init__(self, db: Database, news: News) -> None:
        self.db = db
        self.news = news
        self.dialect = dialect_of(db.url)
        self.tables = job_tables(MetaData())
        self.aside = Database(self.dialect.own(db.url), name=db.name, connections=CONNECTIONS)
        self.own = db if self.dialect.monotonic else self.aside
        self.bulk, self.joined = self._bulk(self.own), self._bulk(db)
        ask = None if self.dialect.now is None else self.own.statement(self.dialect.now).one
        self.clock = Clock(ask, monotonic=self.dialect.monotonic)
        self._prepared = False
        self._preparing = threading.Lock()
        self._statements()

    def _bulk(self, db: Database) -> Bulk:
        jobs = self.tables.jobs
        made = Steps if self.dialect.given([jobs.c.id]) is None else Sets
        return made(db, jobs, self.dialect)

    def _statements(self) -> None:
        jobs = self.tables.jobs
        columns = [jobs.c[name] for name in Row.__struct_fields__]
        held = select(*columns).where(jobs.c.id.in_(bindparam("ids", expanding=True))).order_by(jobs.c.id)
        self._held = self.own.statement(held.with_for_update(), Row)
        self._settings = None if self.dialect.settings is None else self.own.statement(self.dialect.settings)
        self._notify = None if self.dialect.notify is None else self.own.statement(self.dialect.notify)

    def run(self, work: Callable[[], T]) -> T:
        """Run work in a transaction of the engine's own, again if it got into the way of other work.

        Raises:
            Unavailable: the database does not answer, or others do not let it go.
        """
        self.prepare()

        def alone() -> T:
            with self._transaction():
                return work()

        return self.again(alone)

    def again(self, work: Callable[[], T]) -> T:
        """Run work that is no part of a transaction, again if it got into the way of other work."""
        for number in range(TRIES):
            try:
                return work()
            except DBAPIError as error:
                self._stand(error, number)
        raise AssertionError("the last try raises")

    def _stand(self, error: DBAPIError, number: int) -> None:
        clashed = _code(error) in CLASHES
        if (clashed and number == TRIES - 1) or _is_busy(error):
            raise DatabaseUnavailable(f"{self.db.name} is too busy for jobs: {error.orig}") from error
        if not clashed:
            raise error
        time.sleep(random() * 0.01 * (number + 1))  # noqa: S311 - it only has to differ from the others'

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self.own.apart() as unit:
            link = unit.acquire()  # whoever asks for the time has waited for others then
            if self._settings is not None:
                self._set(unit, link, self._settings)
            yield

    def _set(self, unit: Unit, link: Link, settings: Statement[Any]) -> None:
        known = link.connection.info  # lives as long as the connection to the server
        if SET not in known:
            settings.all()
            unit.on_commit(lambda: known.update({SET: True}))

    def hold(self, ids: Iterable[str]) -> list[Row]:
        """Read rows that nobody else can change until the transaction ends, in the order of their ids."""
        wanted = sorted(set(ids))  # in this order everywhere, so that two never wait for each other
        rows: list[Row] = []
        for start in range(0, len(wanted), BATCH):
            rows += self._held.all(ids=wanted[start : start + BATCH])
        return rows

    def write(self, rows: list[Row], now: int) -> None:
        """Write rows back, and tell of those that wait."""
        for start in range(0, len(rows), BATCH):
            self.bulk.write(rows[start : start + BATCH])
        waiting = {(row.queue, row.due) for row in rows if row.state == "waiting"}
        if not waiting:
            return
        if self._notify is not None:
            self._notify.all(news=packed([f"{due} {queue}" for queue, due in waiting]))
        self.own.on_commit(lambda: self.news.tell(waiting, now))

    def prepare(self) -> None:
        """Make the tables that are missing; other processes may do that at the same time."""
        if self._prepared:
            return
        with self._preparing:
            if not self._prepared:
                with self.own.apart() as unit:
                    if make(unit.plain(), self.tables, self.dialect):
                        unit.on_rollback(self._unprepared)
                self._prepared = True

    def _unprepared(self) -> None:
        self._prepared = False

    def close(self) -> None:
        """Let go of the engine's own connections."""
        self.aside.close()


def _code(error: DBAPIError) -> Any:
    """Return the database's own code of an error."""
    cause: Any = error.orig
    return getattr(cause, "sqlstate", None) or next(iter(cause.args), None)


def _is_busy(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in BUSY
