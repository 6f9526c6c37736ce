"""Connections kept open: last in, first out, without a lock on the usual way."""

from __future__ import annotations

import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..errors import Unavailable
from .drivers import describe

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Select

    from .drivers import Driver


T = TypeVar("T")

ASKING = 2.0
"""Seconds to wait for a free connection to ask for the state of a server."""


class DatabaseUnavailable(Unavailable):
    """Report a database that cannot be reached, or that has no connection to spare.

    `message` is for callers and names no host; `str()` of it is for the log and the terminal: it names the database.
    """

    def __init__(self, detail: str) -> None:
        super().__init__("The database cannot be reached now: try again later.")
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class Link:
    """One connection, with what is worth keeping beside it: the driver's own object and a cursor."""

    __slots__ = ("connection", "cursor", "dbapi", "dialect", "driver", "engine", "error", "fresh", "links")

    def __init__(self, links: Links, connection: Connection) -> None:
        self.links = links
        self.engine = links.engine
        self.driver = links.driver
        self.connection = connection
        self.dialect = connection.dialect
        dbapi: Any = connection.connection.driver_connection
        self.dbapi = dbapi
        self.cursor = dbapi.cursor()
        self.error: type[Exception] = self.dialect.loaded_dbapi.Error
        self.fresh = True

    def begin(self, *, writes: bool) -> None:
        """Begin a transaction that the fast path and SQLAlchemy's connection share."""
        if self.connection.in_transaction():  # left open by reads on the plain connection
            self.connection.rollback()
        self.driver.begin(self.dbapi, writes=writes)
        self.connection.begin()

    def commit(self) -> None:
        """Commit, and go back to autocommit."""
        self.connection.commit()
        self.driver.ended(self.dbapi)

    def rollback(self) -> None:
        """Roll back, and go back to autocommit."""
        self.connection.rollback()
        self.driver.ended(self.dbapi)

    def renew_cursor(self) -> None:
        """Let go of the last result, which a cursor keeps in memory."""
        self.cursor.close()
        self.cursor = self.dbapi.cursor()

    def is_idle(self) -> bool:
        """Tell whether nothing runs and no transaction is open, as far as the driver knows without asking."""
        return self.driver.is_idle(self.dbapi)

    def is_lost(self, error: Exception) -> bool:
        """Tell whether a driver's error means that this connection is of no more use."""
        return self.driver.is_stale(error) or bool(
            self.dialect.is_disconnect(cast("Any", error), self.dbapi, self.cursor)
        )

    def translated(self, error: Exception, sql: str | None = None) -> BaseException:
        """Make SQLAlchemy's exception of a driver's, as its own execution does; values of parameters stay out."""
        return DBAPIError.instance(
            sql,
            None,
            error,
            self.error,
            hide_parameters=True,
            connection_invalidated=self.is_lost(error),
            dialect=self.dialect,
        )


class Links:
    """The connections to one server.

    Args:
        engine: SQLAlchemy's engine, without a pool of its own.
        driver: what is known of its driver.
        size: connections at most; one more thread waits.
        name: the database's name in messages.
    """

    def __init__(self, engine: Engine, driver: Driver, *, size: int, name: str) -> None:
        self.engine = engine
        self.driver = driver
        self.name = name
        self._size = 1 if driver.shared else size
        self._inherited: list[list[Link]] = []
        self._reset()

    def _reset(self) -> None:
        self._idle: list[Link] = []
        self._opened = 0
        self._waiting = 0
        self._changed = threading.Condition()

    def take(self, timeout: float, *, spare: bool = False) -> Link:
        """Get a connection for the calling thread.

        Args:
            timeout: seconds to wait while all are in use.
            spare: whether to open one beyond the limit rather than wait for threads that wait for this one.

        Raises:
            DatabaseUnavailable: the server does not answer, or none became free in time.
        """
        try:
            return self._idle.pop()
        except IndexError:
            return self._wait(timeout, self._size + (spare and not self.driver.shared)) or self._connect()

    def give(self, link: Link) -> None:
        """Put a connection back for the next thread."""
        link.fresh = False
        self._idle.append(link)
        # A waiter counts itself before it looks for an idle link, so either it finds this one or it is seen here.
        if self._waiting:
            with self._changed:
                self._changed.notify()

    def drop(self, link: Link) -> None:
        """Close a connection that must not be used again."""
        self._opened_less()
        with suppress(SQLAlchemyError):
            link.connection.invalidate()
        with suppress(SQLAlchemyError):
            link.connection.close()

    def purge(self) -> None:
        """Close every idle connection: one of them was found dead, so its neighbours are."""
        for link in self._taken_idle():
            self.drop(link)

    def ask(self, statement: Select[T]) -> T | None:
        """Run a small SELECT on a connection of its own and return its only value.

        Raises:
            DatabaseUnavailable: the server does not answer.
        """
        link = self.take(ASKING)
        try:
            answer = link.connection.scalar(statement)
            link.connection.rollback()
        except BaseException as error:
            self.drop(link)
            if not isinstance(error, SQLAlchemyError):
                raise
            if link.fresh:
                raise self.unavailable(str(error)) from error
            self.purge()
            return self.ask(statement)
        self.give(link)
        return answer

    def forget(self) -> None:
        """Leave the connections to the parent process: called in a forked child."""
        # Collecting them would close the parent's sessions (sqlite.org/howtocorrupt.html, section 2.6).
        self._inherited.append(self._idle)
        self.engine.dispose(close=False)
        self._reset()

    def close(self) -> None:
        """Close what is idle."""
        self.purge()
        self.engine.dispose()

    def unavailable(self, reason: str) -> DatabaseUnavailable:
        """Make the exception that says which database cannot be used, and why."""
        return DatabaseUnavailable(f"{self.name} ({describe(self.engine.url)}) cannot be used: {reason}")

    def _wait(self, timeout: float, limit: int) -> Link | None:
        until = monotonic() + timeout
        with self._changed:
            self._waiting += 1
            try:
                while self._opened >= limit or self._idle:
                    with suppress(IndexError):
                        return self._idle.pop()
                    if not self._changed.wait(until - monotonic()):
                        raise self.unavailable(f"all {self._size} connections were in use for {timeout:.1f} s")
                self._opened += 1
                return None
            finally:
                self._waiting -= 1

    def _connect(self) -> Link:
        try:
            return Link(self, self.engine.connect())
        except SQLAlchemyError as error:
            self._opened_less()
            reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            raise self.unavailable(reason) from error
        except BaseException:
            self._opened_less()
            raise

    def _opened_less(self) -> None:
        with self._changed:
            self._opened -= 1
            self._changed.notify()

    def _taken_idle(self) -> list[Link]:
        taken = []
        with suppress(IndexError):
            while True:
                taken.append(self._idle.pop())
        return taken
