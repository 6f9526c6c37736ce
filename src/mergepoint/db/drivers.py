"""What differs between PostgreSQL, MariaDB and SQLite below SQLAlchemy: connecting, beginning, cancelling.

Every connection stays in the driver's autocommit mode; a unit of work that writes begins its transaction itself.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from pymysql.constants import SERVER_STATUS
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from .links import Link

CANCEL_TIMEOUT = 5
"""Seconds a request to cancel a statement may take."""

DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}


class Driver(Protocol):
    """One database library: what the fast path and the units of work need to know of it."""

    shared: bool
    """Whether there is one connection only, for everybody."""

    one_writer: bool
    """Whether a transaction that writes keeps all others from writing."""

    interleaves: bool
    """Whether a cursor kept on the server allows other statements on its connection."""

    def connect_arguments(self) -> dict[str, Any]:
        """Give the arguments of the driver's `connect` that put it in autocommit mode."""
        ...

    def prepare(self, dbapi: Any) -> None:
        """Set up a new connection."""
        ...

    def executor(self, sql: str, oids: list[Any] | None, dbapi: Any) -> Callable[[Any, tuple[Any, ...]], object]:
        """Make the function that runs `sql` on a cursor; `oids` are the types of its columns once they are known."""
        ...

    def begin(self, dbapi: Any, *, writes: bool) -> None:
        """Begin a transaction."""
        ...

    def ended(self, dbapi: Any) -> None:
        """Go back to autocommit after the end of a transaction."""
        ...

    def is_idle(self, dbapi: Any) -> bool:
        """Tell whether no transaction is open, without asking the server."""
        ...

    def is_stale(self, error: Exception) -> bool:
        """Tell whether a new connection would not meet this error."""
        ...

    def migrating(self, dbapi: Any) -> AbstractContextManager[object]:
        """Prepare a connection for changes to tables, and undo that after."""
        ...

    def cancel(self, link: Link) -> None:
        """Stop what runs on a connection; called from another thread."""
        ...


class PostgreSQL:
    """psycopg 3: binary results, statements prepared on the server at their first run."""

    shared = False
    one_writer = False
    interleaves = True

    def connect_arguments(self) -> dict[str, Any]:
        """See `Driver`."""
        return {"autocommit": True}

    def prepare(self, dbapi: Any) -> None:
        """See `Driver`."""

    def executor(self, sql: str, oids: list[Any] | None, dbapi: Any) -> Callable[[Any, tuple[Any, ...]], object]:
        """See `Driver`."""
        # A type that psycopg does not know (an enum, citext) arrives as bytes in binary and as str in text.
        binary = oids is not None and all(
            dbapi.adapters.get_loader(oid, psycopg.pq.Format.BINARY) is not None for oid in oids
        )

        def execute(cursor: Any, parameters: tuple[Any, ...]) -> object:
            return cursor.execute(sql, parameters, prepare=True, binary=binary)

        return execute

    def begin(self, dbapi: Any, *, writes: bool) -> None:
        """See `Driver`."""
        dbapi.autocommit = False  # psycopg sends BEGIN with the first statement

    def ended(self, dbapi: Any) -> None:
        """See `Driver`."""
        dbapi.autocommit = True

    def is_idle(self, dbapi: Any) -> bool:
        """See `Driver`."""
        return bool(dbapi.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE)

    def is_stale(self, error: Exception) -> bool:
        """See `Driver`."""
        # A migration changed the type of a column under a prepared statement.
        return isinstance(error, psycopg.errors.FeatureNotSupported) and "cached plan" in str(error)

    def migrating(self, dbapi: Any) -> AbstractContextManager[object]:
        """See `Driver`."""
        return nullcontext()

    def cancel(self, link: Link) -> None:
        """See `Driver`."""
        link.dbapi.cancel_safe(timeout=CANCEL_TIMEOUT)


class MariaDB:
    """PyMySQL, for MariaDB and MySQL."""

    shared = False
    one_writer = False
    interleaves = False

    def connect_arguments(self) -> dict[str, Any]:
        """See `Driver`."""
        return {"autocommit": True}

    def prepare(self, dbapi: Any) -> None:
        """See `Driver`."""

    def executor(self, sql: str, oids: list[Any] | None, dbapi: Any) -> Callable[[Any, tuple[Any, ...]], object]:
        """See `Driver`."""

        def execute(cursor: Any, parameters: tuple[Any, ...]) -> object:
            return cursor.execute(sql, parameters)

        return execute

    def begin(self, dbapi: Any, *, writes: bool) -> None:
        """See `Driver`."""
        dbapi.begin()

    def ended(self, dbapi: Any) -> None:
        """See `Driver`."""

    def is_idle(self, dbapi: Any) -> bool:
        """See `Driver`."""
        return bool(dbapi.open) and not dbapi.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS

    def is_stale(self, error: Exception) -> bool:
        """See `Driver`."""
        return False

    def migrating(self, dbapi: Any) -> AbstractContextManager[object]:
        """See `Driver`."""
        return nullcontext()

    def cancel(self, link: Link) -> None:
        """See `Driver`."""
        # The whole connection goes: SLEEP() and some loops answer KILL QUERY with an ordinary result.
        arguments, options = link.dialect.create_connect_args(link.engine.url)
        limits = {"connect_timeout": CANCEL_TIMEOUT, "read_timeout": CANCEL_TIMEOUT}
        killer: Any = link.dialect.connect(*arguments, **{**options, **limits})
        try:
            killer.kill(link.dbapi.thread_id())
        finally:
            killer.close()


class SQLite:
    """The standard library's sqlite3, with the settings of a server: WAL, foreign keys, a patient lock."""

    one_writer = True
    interleaves = True

    def __init__(self, *, memory: bool) -> None:
        self.shared = memory

    def connect_arguments(self) -> dict[str, Any]:
        """See `Driver`."""
        # A link serves one thread at a time, but not always the same one.
        return {"isolation_level": None, "check_same_thread": False, "cached_statements": 512}

    def prepare(self, dbapi: Any) -> None:
        """See `Driver`."""
        # 32 MiB at the most: with the usual 2, a table of a million rows is read again and again.
        _set(
            dbapi, "busy_timeout=5000", "journal_mode=WAL", "foreign_keys=ON", "synchronous=NORMAL", "cache_size=-32768"
        )

    def executor(self, sql: str, oids: list[Any] | None, dbapi: Any) -> Callable[[Any, tuple[Any, ...]], object]:
        """See `Driver`."""

        def execute(cursor: Any, parameters: tuple[Any, ...]) -> object:
            return cursor.execute(sql, parameters)

        return execute

    def begin(self, dbapi: Any, *, writes: bool) -> None:
        """See `Driver`."""
        # Taking the write lock later, after a read, may fail at once: SQLite cannot wait for it then.
        dbapi.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    def ended(self, dbapi: Any) -> None:
        """See `Driver`."""

    def is_idle(self, dbapi: Any) -> bool:
        """See `Driver`."""
        return not dbapi.in_transaction

    def is_stale(self, error: Exception) -> bool:
        """See `Driver`."""
        return False

    @contextmanager
    def migrating(self, dbapi: Any) -> Iterator[None]:
        """See `Driver`."""
        # A table that is made anew is dropped in between, which would delete the rows that refer to it.
        _set(dbapi, "foreign_keys=OFF", "busy_timeout=600000")
        try:
            yield
        finally:
            _set(dbapi, "foreign_keys=ON", "busy_timeout=5000")

    def cancel(self, link: Link) -> None:
        """See `Driver`."""
        link.dbapi.interrupt()


def _set(dbapi: Any, *pragmas: str) -> None:
    for pragma in pragmas:
        dbapi.execute(f"PRAGMA {pragma}").close()


def parse(url: str | URL) -> URL:
    """Read a database's URL and name the driver for it.

    Args:
        url: `sqlite:///news.db`, `sqlite://` (in memory), `postgresql://…`, `mysql://…` or `mariadb://…`.

    Raises:
        ConfigError: it is no such URL; the message never holds the password.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            "The database's URL cannot be read: expected something like sqlite:///news.db or "
            "postgresql://user:password@host:5432/name."
        ) from None
    scheme = parsed.drivername.partition("+")[0]
    if DRIVERS.get(scheme) is None or parsed.drivername not in (scheme, DRIVERS[scheme]):
        raise ConfigError(
            f"The database's URL begins with {parsed.drivername}://; expected one of "
            f"{', '.join(f'{name}://' for name in DRIVERS)}."
        )
    return parsed.set(drivername=DRIVERS[scheme])


def driver_of(url: URL) -> Driver:
    """Choose the driver of a parsed URL."""
    if url.get_backend_name() == "postgresql":
        return PostgreSQL()
    if url.get_backend_name() == "sqlite":
        return SQLite(memory=url.database in (None, "", ":memory:") or "mode=memory" in str(url.database))
    return MariaDB()


def engine_of(url: URL, driver: Driver) -> Engine:
    """Make SQLAlchemy's engine for one server; it keeps no pool, because `Links` is the pool."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        connect_args=driver.connect_arguments(),
        hide_parameters=True,
        paramstyle="qmark" if url.get_backend_name() == "sqlite" else "format",
    )
    event.listen(engine, "connect", lambda dbapi, _: driver.prepare(dbapi))
    return engine


def describe(url: URL) -> str:
    """Say which database a URL means, without the password: `postgresql at db1:5432, database news`."""
    if url.host is None:
        return f"{url.get_backend_name()}, {url.database or 'in memory'}"
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()} at {url.host}{port}, database {url.database}"
