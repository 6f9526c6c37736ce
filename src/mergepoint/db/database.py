"""The database as an application holds it: units of work, statements, transactions, pages."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar, TypeVarTuple, overload

from sqlalchemy import select, true

from .drivers import Driver, describe, driver_of, engine_of, parse
from .links import Links
from .paging import Pages
from .records import Maker, maker, match
from .replicas import Position, Servers, Window
from .statement import Statement, column_names
from .unit import PATIENCE, Unit
from .units import Units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import URL, ColumnElement, Connection, Executable, MetaData, Select
    from sqlalchemy.sql.selectable import TypedReturnsRows

    from .links import Link
    from .unit import Caller

T = TypeVar("T")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Database:
    """A database: one primary server and any number of read replicas.

    Nothing is opened before the first statement. Connections are kept and reused, last in, first out; they survive
    a fork (the child opens its own).

    Args:
        url: `sqlite:///news.db`, `sqlite://` (in memory), `postgresql://…`, `mysql://…` or `mariadb://…`.
        replicas: URLs of servers that follow the primary; queries read from them in turn.
        metadata: the tables, for migrations.
        migrations: the folder of migrations (see `mergepoint.db.migrations`).
        name: its name in messages and health reports.
        connections: connections per server at most; a further thread waits for one.
        replica_lag: seconds a replica may be behind, where positions cannot be compared (all but PostgreSQL).

    Raises:
        ConfigError: a URL cannot be used.
    """

    def __init__(
        self,
        url: str | URL,
        replicas: Sequence[str | URL] = (),
        *,
        metadata: MetaData | None = None,
        migrations: str | Path | None = None,
        name: str = "database",
        connections: int = 20,
        replica_lag: float = 5.0,
    ) -> None:
        self.name = name
        self.metadata = metadata
        self.migrations = migrations
        self.url = parse(url)
        self._driver = driver_of(self.url)
        primary, *others = (self._links(parse(each), connections) for each in (url, *replicas))
        progress = Position() if self.url.get_backend_name() == "postgresql" else Window(replica_lag)
        self._units = Units(name, Servers(primary, others, progress))
        self._makers: dict[tuple[Any, ...], Maker | None] = {}
        os.register_at_fork(after_in_child=_forgetting(weakref.ref(self._units)))

    def __repr__(self) -> str:
        return f"<Database {self.name}: {describe(self.url)}>"

    @overload
    def statement(self, statement: Executable, record: type[R]) -> Statement[R]: ...
    @overload
    def statement(self, statement: TypedReturnsRows[T]) -> Statement[T]: ...
    @overload
    def statement(self, statement: TypedReturnsRows[T, R, *Ts]) -> Statement[tuple[T, R, *Ts]]: ...
    @overload
    def statement(self, statement: Executable) -> Statement[Any]: ...
    def statement(self, statement: Executable, record: type[Any] | None = None) -> Statement[Any]:
        """Prepare a statement that is known in advance, to be run often; it is compiled at its first run.

        Args:
            statement: a SELECT, INSERT, UPDATE or DELETE of SQLAlchemy Core, with `bindparam`s for what changes.
            record: what rows become: a dataclass, `msgspec.Struct`, `NamedTuple`, attrs class or `TypedDict`. Left
                out, a row of one column is its value, and a row of several is a tuple.

        Raises:
            RegistrationError: the columns do not match the record's fields; the message names them.
        """
        return Statement(self._units, statement, record)

    @overload
    def fetch(self, statement: Executable, record: type[R], **values: Any) -> list[R]: ...
    @overload
    def fetch(self, statement: TypedReturnsRows[T], **values: Any) -> list[T]: ...
    @overload
    def fetch(self, statement: TypedReturnsRows[T, R, *Ts], **values: Any) -> list[tuple[T, R, *Ts]]: ...
    @overload
    def fetch(self, statement: Executable, **values: Any) -> list[Any]: ...
    def fetch(self, statement: Executable, record: type[Any] | None = None, **values: Any) -> list[Any]:
        """Run a SELECT that was put together for this call, such as one with filters chosen by the user.

        It goes through SQLAlchemy's own cache of compiled statements.

        Args:
            statement: a SELECT of SQLAlchemy Core.
            record: what rows become, as in `statement`.
            values: the values of its parameters.

        Returns:
            Every row, in order.
        """
        make = self._maker(record, tuple(column_names(statement))) or tuple
        with self._units.reading() as unit:
            return [make(row) for row in unit.execute(statement, values, reads=True)]

    @overload
    def pages(
        self,
        statement: Select[*tuple[Any, ...]],
        record: type[R],
        *,
        by: Sequence[ColumnElement[Any]],
        parameter: str = ...,
    ) -> Pages[R]: ...
    @overload
    def pages(
        self, statement: Select[*tuple[Any, ...]], *, by: Sequence[ColumnElement[Any]], parameter: str = ...
    ) -> Pages[Any]: ...
    def pages(
        self,
        statement: Select[*tuple[Any, ...]],
        record: type[Any] | None = None,
        *,
        by: Sequence[ColumnElement[Any]],
        parameter: str = "after",
    ) -> Pages[Any]:
        """Divide a SELECT into pages by its sort columns, so that a later page costs no more than the first.

        Args:
            statement: a SELECT without ORDER BY and LIMIT.
            record: what rows become, as in `statement`.
            by: the columns to sort by, `.desc()` where wanted; the last must make the order unique (the key).
            parameter: the name of the operation's parameter that brings the cursor, for messages.

        Raises:
            RegistrationError: the columns do not match the record, or cannot be sorted by.
        """
        make = self._maker(record, tuple(column_names(statement)))
        return Pages(self._units.reading, statement, make, by=by, parameter=parameter)

    def unit_of_work(
        self, call: Caller | None = None, *, kind: Literal["query", "command"] = "command"
    ) -> AbstractContextManager[Unit]:
        """Make the context manager that goes around a call: `app.around(db.unit_of_work)`.

        The connection is taken at the first statement. A query reads without a transaction, from a replica if there
        are any; a command is one transaction on the primary, committed at the end, rolled back on any exception.
        Inside another unit it becomes a part of that: a command is a savepoint there. A command that is not `atomic`
        opens its transactions itself, and everything outside of them lasts at once.

        Args:
            call: the call; its kind and deadline hold. Without one, `kind` says, and there is no deadline.
            kind: what it is without a call.
        """
        writes = (kind if call is None else call.operation.kind) == "command"
        around = self._units.current()
        if around is None:
            atomic = call is None or call.operation.atomic
            return Unit(self._units, writes=writes, transaction=writes and atomic, call=call)
        return self._units.join(around, writes=writes)

    def apart(self) -> AbstractContextManager[Unit]:
        """Open a transaction of its own, which stays whatever becomes of the one around it.

        On SQLite, inside a unit that is writing, it becomes a part of that: nobody else can write until it ends.
        """
        return self._units.apart()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a block as a transaction; inside a transaction, as a savepoint that can be rolled back alone."""
        unit = self._units.current()
        if unit is None:
            with self._units.open(writes=True, transaction=True):
                yield
            return
        with unit.transaction():
            yield

    def on_commit(self, tell: Callable[[], None]) -> None:
        """Call something when what was written so far lasts: after the commit of the transaction, or now without one.

        Args:
            tell: called in the same thread, and not at all if the transaction or savepoint is rolled back. It is too
                late to raise an exception.
        """
        unit = self._units.current()
        if unit is None:
            tell()
        else:
            unit.on_commit(tell)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give SQLAlchemy's own connection of this unit of work, for all that `Statement` does not do.

        It shares the transaction of the unit, which also ends it: do not commit or roll back on it. Outside a unit,
        the block is one.
        """
        unit = self._units.current()
        if unit is None:
            with self._units.open(writes=True, transaction=True) as alone:
                yield alone.acquire().connection
            return
        unit.wrote = unit.writes
        yield unit.plain()

    @contextmanager
    def session(self) -> Iterator[Link]:
        """Give a connection to the primary that belongs to no unit of work, is in autocommit mode and closed after.

        For maintenance, such as migrations; in memory it is the one connection there is.
        """
        links = self._units.servers.primary
        link = links.take(PATIENCE)
        try:
            yield link
        finally:
            if link.driver.shared:
                link.rollback()
                links.give(link)
            else:
                links.drop(link)  # open or not, sound or lost: nothing of it lasts

    def check(self) -> None:
        """Ask every server something.

        Raises:
            DatabaseUnavailable: one does not answer; its text says which.
        """
        for links in self._units.servers.all():
            links.ask(select(true()))

    def close(self) -> None:
        """Close the connections that are not in use, and end the thread that watches deadlines."""
        self._units.close()

    def _links(self, url: URL, connections: int) -> Links:
        driver: Driver = driver_of(url)
        return Links(engine_of(url, driver), driver, size=connections, name=self.name)

    def _maker(self, record: Any, columns: tuple[str, ...]) -> Maker | None:
        try:
            return self._makers[record, columns]
        except KeyError:
            made = self._makers[record, columns] = maker(match(record, columns), [None] * len(columns))
            return made


def _forgetting(units: weakref.ref[Units]) -> Any:
    def forget() -> None:
        inherited = units()
        if inherited is not None:
            inherited.forget()

    return forget
