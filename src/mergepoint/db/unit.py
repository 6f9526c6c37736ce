"""The unit of work: one connection, and for a command one transaction, from a call's first statement to its end."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, suppress
from math import inf
from threading import RLock
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from ..errors import DeadlineExceeded, MergepointError
from .links import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
    from contextvars import Token
    from types import TracebackType

    from sqlalchemy import Connection, CursorResult, Executable

    from .links import Link
    from .units import Units

PATIENCE = 30.0
"""Seconds to wait for a free connection when the call has no deadline."""

OVER = (
    "This unit of work is over. Something kept it beyond its call: a thread, a task or an iterator. "
    "Open another there: `with db.unit_of_work():`."
)
QUERY = (
    "A query changes nothing, but this one ran an INSERT, UPDATE or DELETE: register the operation with `app.command`, "
    "or open the unit of work with kind='command'."
)
ENDED_BY_HAND = (
    "The transaction of this unit of work was ended on the plain connection. Leave commit and rollback to the unit: "
    "it commits at its end and rolls back on an exception; `with db.transaction():` makes a smaller step."
)


class Work(Protocol):
    """What a unit of work asks of an operation."""

    @property
    def kind(self) -> str:
        """`"query"` or `"command"`."""

    @property
    def atomic(self) -> bool:
        """True if a command is one transaction; else it opens its transactions itself."""


class Caller(Protocol):
    """What a unit of work asks of a call; `mergepoint.call.Call` has it."""

    @property
    def operation(self) -> Work:
        """The operation that runs."""

    @property
    def expires(self) -> float:
        """When its time is up, in seconds of `time.monotonic()`."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the caller sent along; names in lower case."""

    @property
    def reply(self) -> MutableMapping[str, str]:
        """What goes back with the answer."""


class Unit(AbstractContextManager["Unit"]):
    """One piece of work on one connection.

    Args:
        units: what opened it.
        writes: whether it may change data.
        transaction: whether all of it is one transaction.
        call: the call it belongs to, if any.
        spare: whether it may have a connection beyond the limit, because another unit waits for it.
    """

    # fmt: off
    __slots__ = (
        "_lasting", "_spare", "_token", "_transaction", "_undone", "_units",
        "call", "expires", "link", "lock", "over", "overdue", "ran", "writes", "wrote",
    )
    # fmt: on

    def __init__(
        self, units: Units, *, writes: bool, transaction: bool, call: Caller | None, spare: bool = False
    ) -> None:
        self._units = units
        self._spare = spare
        self._undone: list[Callable[[], None]] = []
        self._lasting: list[Callable[[], None]] = []
        self._transaction = transaction
        self.writes = writes
        self.call = call
        self.expires = inf if call is None else call.expires
        self.link: Link | None = None
        self.lock = RLock()  # an async operation may use its one connection from several threads
        self.over = self.overdue = self.ran = self.wrote = False

    def __enter__(self) -> Self:
        self._token: Token[Unit | None] = self._units.context.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A generator that nobody closed is ended by the collector, in any context: there is nothing to reset in it.
        with suppress(ValueError):
            self._units.context.reset(self._token)
        self.finish(error)

    def acquire(self) -> Link:
        """Take the connection, and begin the transaction if this unit is one; asked at the first statement.

        Raises:
            DatabaseUnavailable: there is no connection to be had.
            DeadlineExceeded: the call's time is up.
        """
        with self.lock:
            if self.over:
                raise MergepointError(OVER)
            if self.link is None:
                self.link = self._take()
                if self._transaction:
                    self._begin()
            return self.link

    def finish(self, error: BaseException | None = None) -> None:
        """End the unit: commit or roll back, and give the connection back.

        Args:
            error: what ended the work early, if anything.

        Raises:
            DeadlineExceeded: instead of the driver's error, when a statement was cancelled.
            DatabaseUnavailable: instead of the driver's error, when the connection was lost.
        """
        self.over = True
        if self.link is not None:
            self._finish(self.link, error)
        if error is None:
            self._tell_lasting()

    def _finish(self, link: Link, error: BaseException | None) -> None:
        try:
            if self._transaction or link.connection.in_transaction():
                self._end_transaction(link, error)
        except BaseException as late:
            error = late
            raise
        finally:
            self.link = None
            self._put_back(link, error)
            if isinstance(error, DBAPIError):
                self._explain(link, error)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a block as a transaction of its own, or as a savepoint when one is open."""
        link = self.link or self.acquire()
        if self._transaction:
            before = len(self._lasting)
            try:
                with link.connection.begin_nested():
                    yield
            except BaseException:
                del self._lasting[before:]
                self._tell_undone()
                raise
            return
        self._transaction = True
        try:
            self._begin()
            yield
            self._commit(self.link or link)
        except BaseException:
            self._lasting.clear()
            self._roll_back(self.link or link)
            raise
        finally:
            self._transaction = False
        self._tell_lasting()

    @contextmanager
    def command(self) -> Iterator[Unit]:
        """Let a command run inside this unit: on the primary, as a transaction or a savepoint."""
        before, self.writes = self.writes, True
        try:
            self._move_to_primary()
            with self.transaction():
                yield self
        finally:
            self.writes = before

    def will_write(self) -> None:
        """Note that data is about to change.

        Raises:
            MergepointError: this unit belongs to a query.
        """
        if not self.writes:
            raise MergepointError(QUERY)
        self.wrote = True

    def execute(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]], *, reads: bool
    ) -> CursorResult[Any]:
        """Run a statement as SQLAlchemy does, on this unit's connection.

        Args:
            statement: any statement.
            values: the values of its parameters, or a row of them for each time it shall run.
            reads: whether it changes nothing.
        """
        link = self.link or self.acquire()
        if self.overdue:
            raise DeadlineExceeded
        try:
            result = link.connection.execute(statement, values)
        except DBAPIError as error:
            if not self.may_retry(link, cast("Exception", error.orig), reads=reads):
                raise
            self.renew(link)
            return self.execute(statement, values, reads=reads)
        except StatementError as error:
            if isinstance(error.orig, ValueError | TypeError):  # a value that its type refuses: as on the fast path
                raise error.orig from None
            raise
        self.ran = True
        return result

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Call `undo` if what was written so far does not last."""
        self._undone.append(undo)

    def on_commit(self, tell: Callable[[], None]) -> None:
        """Call `tell` when what was written so far lasts: after the commit, or now if there is no transaction.

        It is forgotten if the transaction, or the savepoint around, is rolled back.
        """
        if self._transaction:
            self._lasting.append(tell)
        else:
            tell()

    def failure(self, link: Link, error: Exception, sql: str) -> BaseException:
        """Make the exception to raise for a driver's error: SQLAlchemy's, or that the time ran out."""
        return DeadlineExceeded() if self.overdue else link.translated(error, sql)

    def may_retry(self, link: Link, error: Exception, *, reads: bool) -> bool:
        """Tell whether a failed statement may run again on a new connection.

        That is so when the connection was lost while idle, and nothing of this unit can have lasted.
        """
        untouched = not self.ran and (reads or self._transaction)
        return untouched and not link.fresh and not self.overdue and link.is_lost(error)

    def renew(self, link: Link) -> Link:
        """Replace a connection that was found dead, and close the idle ones beside it.

        Returns:
            A new connection, in a transaction if this unit is one.
        """
        self._put_back(link, ConnectionError())
        link.links.purge()
        self.link = None
        return self.acquire()

    def plain(self) -> Connection:
        """Give SQLAlchemy's connection of this unit.

        Raises:
            DeadlineExceeded: the call's time is up.
        """
        link = self.link or self.acquire()
        if self.overdue:
            raise DeadlineExceeded
        self.ran = True
        return link.connection

    def in_transaction(self) -> bool:
        """Tell whether statements of this unit belong to a transaction."""
        return self._transaction

    def holds_the_lock(self) -> bool:
        """Tell whether nobody else can write before this unit ends."""
        link = self.link
        return link is not None and (
            link.driver.shared or (link.driver.one_writer and link.connection.in_transaction())
        )

    def _take(self) -> Link:
        remaining = self.expires - monotonic()
        if remaining <= 0:
            raise DeadlineExceeded
        try:
            link = self._units.servers.take(self, min(PATIENCE, remaining), spare=self._spare)
        except DatabaseUnavailable as error:
            if monotonic() < self.expires:
                raise
            raise DeadlineExceeded from error
        if self.expires != inf:
            self._units.watchdog.watch(link, self)
        return link

    def _begin(self) -> None:
        link = self.link
        assert link is not None  # noqa: S101 - for the type checker; acquire has just set it
        try:
            link.begin(writes=self.writes)
        except link.error as error:
            if not self.may_retry(link, error, reads=False):
                raise link.translated(error) from error
            self.renew(link)

    def _end_transaction(self, link: Link, error: BaseException | None) -> None:
        if error is None and self._transaction and not self.overdue:
            self._commit(link)
            return
        self._roll_back(link)
        if error is None and self.overdue:
            raise DeadlineExceeded

    def _commit(self, link: Link) -> None:
        if self.overdue:
            raise DeadlineExceeded
        if not link.connection.in_transaction():
            raise MergepointError(ENDED_BY_HAND)
        link.commit()
        if self.wrote and self.call is not None:
            self._units.servers.sign(self.call, link)

    def _roll_back(self, link: Link) -> None:
        with suppress(SQLAlchemyError, link.error):  # a connection that cannot even do that was lost, and is dropped
            link.rollback()
        self._tell_undone()

    def _tell_undone(self) -> None:
        for undo in self._undone:
            undo()

    def _tell_lasting(self) -> None:
        lasting, self._lasting = self._lasting, []
        for tell in lasting:
            tell()

    def _move_to_primary(self) -> None:
        link = self.link
        if link is not None and link.links is not self._units.servers.primary:
            self._put_back(link, None)
            self.link = None

    def _put_back(self, link: Link, error: BaseException | None) -> None:
        sound = error is None or (isinstance(error, Exception) and not self._broke(link, error))
        if self.expires != inf and not self._units.watchdog.release(link):
            sound = False
        if sound:
            link.links.give(link)
        elif link.driver.shared and not link.connection.closed:
            link.dbapi.rollback()  # the one connection there is holds the data too; nothing is left of the work
            link.links.give(link)
        else:
            link.links.drop(link)

    def _broke(self, link: Link, error: Exception) -> bool:
        return isinstance(error, ConnectionError) or link.connection.invalidated or not link.is_idle()

    def _explain(self, link: Link, error: DBAPIError) -> None:
        if self.overdue:
            raise DeadlineExceeded from error
        if error.connection_invalidated:
            link.links.purge()
            raise link.links.unavailable(f"the connection was lost during a statement: {error.orig}") from error
