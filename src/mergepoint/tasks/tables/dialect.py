"""What differs between PostgreSQL, SQLite and MariaDB for jobs, in the words of SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import (
    JSON,
    URL,
    BigInteger,
    Column,
    Executable,
    FromClause,
    Insert,
    Select,
    Table,
    Text,
    bindparam,
    case,
    cast,
    column,
    extract,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite

CHANNEL = "mergepoint_jobs"
"""What PostgreSQL's LISTEN and NOTIFY call the news of jobs."""

DETOURS = ("seqscan", "bitmapscan", "hashjoin", "mergejoin")
"""The ways of PostgreSQL to look at more rows than are asked for."""


class Dialect(Protocol):
    """One kind of database."""

    now: Select[int] | None
    """Asks the server for its time in microseconds since 1970; None where the machine's own clock holds."""

    monotonic: bool
    """Whether leases are measured by the machine's monotonic clock, because all processes are on that machine."""

    stale: bool
    """Whether a transaction goes on seeing what was there when it began, unless it locks what it reads."""

    settings: Executable | None
    """What a connection of the engine's own is told at first."""

    turn: Executable | None
    """Waits until no other process makes the tables."""

    turned: Executable | None
    """Lets the next make the tables, where that does not come with the end of the transaction."""

    notify: Executable | None
    """Tells waiting workers of the JSON list of texts in the parameter `news` when the transaction lasts."""

    def own(self, url: URL) -> URL:
        """Give the address of the engine's own connections."""
        ...

    def add(self, table: Table) -> Insert:
        """Make an INSERT that leaves rows alone that are there already."""
        ...

    def told(self, jobs: Table) -> Any:
        """Make the expression that tells waiting workers of an inserted row, or None where that is impossible."""
        ...

    def given(self, columns: Sequence[Column[Any]]) -> FromClause | None:
        """Make a table of the JSON in the parameter `rows`; None where there is no RETURNING to go with it."""
        ...


class PostgreSQL:
    """See `Dialect`."""

    now: Select[int] | None = select(cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger))
    monotonic = False
    stale = False
    # Plans are made once, maybe for a table that is short now and long later: they are to use indexes in any case.
    settings: Executable | None = select(
        func.set_config("plan_cache_mode", "force_generic_plan", literal(value=False)),
        *(func.set_config(f"enable_{way}", "off", literal(value=False)) for way in DETOURS),
    )
    turn: Executable | None = select(func.pg_advisory_xact_lock(0x6A6F6273))
    turned: Executable | None = None
    notify: Executable | None = select(
        func.pg_notify(CHANNEL, func.json_array_elements_text(cast(bindparam("news", type_=Text()), JSON)))
    )

    def own(self, url: URL) -> URL:
        """See `Dialect`."""
        return url

    def add(self, table: Table) -> Insert:
        """See `Dialect`."""
        return postgresql.insert(table).on_conflict_do_nothing()

    def told(self, jobs: Table) -> Any:
        """See `Dialect`."""
        news = func.pg_notify(CHANNEL, func.concat(jobs.c.due, " ", jobs.c.queue))
        return case((jobs.c.state == "waiting", news))

    def given(self, columns: Sequence[Column[Any]]) -> FromClause | None:
        """See `Dialect`."""
        names = [column(each.name, each.type) for each in columns]
        rows = func.json_to_recordset(cast(bindparam("rows", type_=Text()), JSON))
        return rows.table_valued(*names, name="given").render_derived(with_types=True)


class SQLite:
    """See `Dialect`."""

    now: Select[int] | None = None
    monotonic = True
    stale = False
    settings: Executable | None = None
    turn: Executable | None = None
    turned: Executable | None = None
    notify: Executable | None = None

    def own(self, url: URL) -> URL:
        """See `Dialect`."""
        return url

    def add(self, table: Table) -> Insert:
        """See `Dialect`."""
        return sqlite.insert(table).on_conflict_do_nothing()

    def told(self, jobs: Table) -> Any:
        """See `Dialect`."""
        return None

    def given(self, columns: Sequence[Column[Any]]) -> FromClause | None:
        """See `Dialect`."""
        rows = func.json_each(bindparam("rows", type_=Text())).table_valued("value", name="given_rows")
        fields = (func.json_extract(rows.c.value, f"$.{each.name}", type_=each.type) for each in columns)
        return select(*(field.label(each.name) for field, each in zip(fields, columns, strict=True))).subquery("given")


class MariaDB:
    """See `Dialect`."""

    now: Select[int] | None = select(
        # The unit is a keyword, which Core has no word for.
        func.timestampdiff(literal_column("MICROSECOND"), "1970-01-01", func.utc_timestamp(6), type_=BigInteger)
    )
    monotonic = False
    stale = True
    settings: Executable | None = None
    turn: Executable | None = select(func.get_lock("mergepoint jobs", 60))
    turned: Executable | None = select(func.release_lock("mergepoint jobs"))
    notify: Executable | None = None

    def own(self, url: URL) -> URL:
        """See `Dialect`."""
        # Else a claim keeps others from inserting next to the rows that it has looked at.
        settings = {"init_command": "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"}
        return url.update_query_dict({**settings, **url.query})

    def add(self, table: Table) -> Insert:
        """See `Dialect`."""
        key = next(iter(table.primary_key))
        return mysql.insert(table).on_duplicate_key_update({key.name: key})

    def told(self, jobs: Table) -> Any:
        """See `Dialect`."""
        return None

    def given(self, columns: Sequence[Column[Any]]) -> FromClause | None:
        """See `Dialect`."""
        return None


def dialect_of(url: URL) -> Dialect:
    """Choose the dialect of a database."""
    name = url.get_backend_name()
    return PostgreSQL() if name == "postgresql" else SQLite() if name == "sqlite" else MariaDB()
