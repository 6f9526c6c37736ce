"""The tables of jobs, the same on every database but for the names of types and for indexes on a part of the rows."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    literal_column,
    true,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

from ...jobs import PRIORITIES

PARTIAL = ("postgresql", "sqlite")
"""The databases that have indexes on a part of the rows."""

TIERS = {priority: tier for tier, priority in enumerate(PRIORITIES)}
"""What the column `priority` holds: 0 is served first."""

LONGEST_NAME = 255
"""Characters that the name of a queue, operation, owner, worker, schedule or note may have."""


class JobTables(NamedTuple):
    """The tables of an engine."""

    jobs: Table
    lanes: Table
    ticks: Table
    notes: Table


def job_tables(metadata: MetaData) -> JobTables:
    """Describe the tables of jobs as a part of an application's tables, so that a migration makes them.

    Without that the engine makes them itself. Times are in microseconds since 1970, but for leases on SQLite, which
    are in microseconds of the machine's monotonic clock.
    """
    return JobTables(_jobs(metadata), _lanes(metadata), _ticks(metadata), _notes(metadata))


def _jobs(metadata: MetaData) -> Table:
    jobs = Table(
        "mergepoint_jobs",
        metadata,
        Column("id", _code(24), primary_key=True),
        Column("operation", _name(), nullable=False),
        Column("owner", _name(), nullable=False),
        Column("queue", _name(), nullable=False),
        Column("state", _code(9), nullable=False),
        Column("priority", SmallInteger, nullable=False, comment="0 is served first"),
        Column("due", BigInteger, nullable=False, comment="negative for those that were expedited"),
        Column("changed", BigInteger, nullable=False, comment="when it came into its state"),
        Column("needs", Integer, nullable=False, comment="how many jobs it waits for"),
        Column("unique_key", _code(32), comment="a digest of the key; null once it is final"),
        Column("message", _long_text(), nullable=False, comment="what was put in, as JSON"),
        Column("token", Integer, nullable=False, server_default="0", comment="grows with every claim"),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("failures", Integer, nullable=False, server_default="0"),
        Column("losses", Integer, nullable=False, server_default="0", comment="how many workers it lost"),
        Column("progress", Double, nullable=False, server_default="0"),
        Column("note", _long_text()),
        Column("worker", _name()),
        Column("began", BigInteger),
        Column("renewed", BigInteger, comment="when its worker last gave a sign of life"),
        Column("lease", BigInteger, comment="when it is taken from its worker"),
        Column("cancelling", Boolean, nullable=False, server_default=_false()),
        Column("expires", BigInteger, comment="when it is forgotten"),
        Column("history", _long_text(), comment="the attempts that did not end well, as JSON"),
        Column("result", _long_text(), comment="as JSON"),
        # Each claim and settlement writes a row anew: room on its page, and a sweeper that comes often, keep it small.
        postgresql_with={"fillfactor": "75", "autovacuum_vacuum_scale_factor": "0.02"},
        **_MARIADB,
    )
    _indexes(jobs)
    return jobs


def _indexes(jobs: Table) -> None:
    c = jobs.c
    _partial("mergepoint_jobs_due", "state = 'waiting'", c.queue, c.priority, c.due)
    _partial("mergepoint_jobs_running", "state = 'running'", c.queue)
    _partial("mergepoint_jobs_dead", "state = 'dead'", c.id)
    _partial("mergepoint_jobs_expires", "expires IS NOT NULL", c.expires)
    _partial("mergepoint_jobs_owner", "owner <> ''", c.owner, c.id)
    _partial("mergepoint_jobs_unique", "unique_key IS NOT NULL", c.unique_key, unique=True)
    _whole("mergepoint_jobs_state", c.state, c.queue, c.priority, c.due)
    _whole("mergepoint_jobs_all_expires", c.expires)
    _whole("mergepoint_jobs_all_owner", c.owner, c.id)
    _whole("mergepoint_jobs_all_unique", c.unique_key, unique=True)


def _lanes(metadata: MetaData) -> Table:
    return Table(
        "mergepoint_lanes",
        metadata,
        Column("queue", _name(), primary_key=True),
        Column("arrival", BigInteger, nullable=False, comment="when the jobs begun so far are due at the queue's rate"),
        **_MARIADB,
    )


def _ticks(metadata: MetaData) -> Table:
    return Table(
        "mergepoint_ticks",
        metadata,
        Column("schedule", _name(), primary_key=True),
        Column("tick", Double, nullable=False, comment="the last that was fired, in seconds since 1970"),
        **_MARIADB,
    )


def _notes(metadata: MetaData) -> Table:
    return Table(
        "mergepoint_notes",
        metadata,
        Column("name", _name(), primary_key=True),
        Column("value", LargeBinary().with_variant(mysql.LONGBLOB(), *_MYSQL), nullable=False),
        **_MARIADB,
    )


_MYSQL = ("mysql", "mariadb")
_MARIADB: dict[str, Any] = {
    f"{name}_{option}": value
    for name in _MYSQL
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def _code(length: int) -> TypeEngine[str]:
    """Make the type of short ASCII text, compared byte by byte."""
    ascii_only = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return _bytewise(String(length), length).with_variant(ascii_only, *_MYSQL)


def _name() -> TypeEngine[str]:
    return _bytewise(String(LONGEST_NAME), LONGEST_NAME)


def _bytewise(type: String, length: int) -> TypeEngine[str]:
    # The rules of a language cost PostgreSQL most of the time of a comparison.
    return type.with_variant(postgresql.VARCHAR(length, collation="C"), "postgresql")


def _long_text() -> TypeEngine[str]:
    return Text().with_variant(mysql.LONGTEXT(), *_MYSQL)  # a TEXT ends at 64 KB there


def _false() -> Any:
    return ~true()


def _partial(name: str, where: str, *columns: Column[Any], unique: bool = False) -> None:
    condition: Any = literal_column(where)
    index: Any = Index(name, *columns, unique=unique, postgresql_where=condition, sqlite_where=condition)
    index.ddl_if(PARTIAL)


def _whole(name: str, *columns: Column[Any], unique: bool = False) -> None:
    index: Any = Index(name, *columns, unique=unique)
    index.ddl_if(_MYSQL)
