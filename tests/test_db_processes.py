"""Forks, restarts and lost connections."""

# ruff: noqa: PT012 - what fails is a unit of work, with all that happens in it

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy import bindparam, func, insert, literal, select
from tests.databases import SERVERS, command, database_url, query

from mergepoint.db import Database, DatabaseUnavailable

NOTES = sa.Table(
    "notes", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(50))
)


def in_child(work: Callable[[], None]) -> None:
    """Run something in a forked process; fail if it fails."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - a child must never go on as the test run
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture(params=["sqlite", *SERVERS])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return a database that several processes can use, with an empty table."""
    with database_url(request.param, tmp_path) as url:
        database = Database(url)
        with database.session() as link:
            NOTES.create(link.connection)
        yield database
        database.close()


def test_pools_survive_preload_and_fork(db: Database) -> None:
    """Parent and children use a database that was used before the fork, at the same time, without mixing answers."""
    find = db.statement(select(bindparam("value", type_=sa.Integer)))
    with db.unit_of_work(query()):
        find.one(value=0)

    def work() -> None:
        for value in range(200):
            with db.unit_of_work(query()):
                assert find.one(value=value) == value

    children = [threading.Thread(target=in_child, args=(work,)) for _ in range(3)]
    for child in children:
        child.start()
    work()
    for child in children:
        child.join()
    work()


def test_a_fork_inside_a_unit_starts_afresh(db: Database) -> None:
    """A child forked in the middle of a transaction is outside of it, and the parent's transaction is unharmed."""
    add, count = db.statement(insert(NOTES)), db.statement(select(func.count()).select_from(NOTES))
    with db.unit_of_work(command()):
        add.run(id=1, text="parent")
        in_child(lambda: _expect(count.one(), 0))
        add.run(id=2, text="parent")
    assert count.one() == 2


def _expect(value: object, expected: object) -> None:
    assert value == expected


@pytest.fixture(params=SERVERS)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return a database on a server, with an empty table."""
    with database_url(request.param, tmp_path) as url:
        database = Database(url)
        with database.session() as link:
            NOTES.create(link.connection)
        yield database
        database.close()


def cut(db: Database) -> None:
    """End every session of a database from the server's side, as a restart does."""
    if db.url.get_backend_name() == "postgresql":
        with psycopg.connect(db.url.set(drivername="postgresql").render_as_string(hide_password=False)) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return
    killer = pymysql.connect(host=db.url.host, port=db.url.port or 3306, user=db.url.username)
    with killer, killer.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (db.url.database,))
        for (session,) in cursor.fetchall():
            cursor.execute("KILL %s", (session,))


def warm(db: Database) -> None:
    """Leave several idle connections."""
    units = [db._units.open(writes=False) for _ in range(3)]
    for unit in units:
        unit.acquire()
    for unit in units:
        unit.finish()


def test_a_restarted_server_is_not_noticed_by_new_calls(served: Database) -> None:
    """Idle connections that died are replaced at the first statement of a query, a command and a plain statement."""
    find = served.statement(select(literal(7)))
    add = served.statement(insert(NOTES))
    for number in range(2):
        warm(served)
        cut(served)
        with served.unit_of_work(query()):
            assert find.one() == 7
        warm(served)
        cut(served)
        with served.unit_of_work(command()):
            add.run(id=number + 1, text="after")
        warm(served)
        cut(served)
        assert find.one() == 7
        warm(served)
        cut(served)
        assert served.fetch(select(literal(7))) == [7]
        warm(served)
        cut(served)
        with served.transaction():
            assert find.one() == 7
        warm(served)
        cut(served)
        with served.unit_of_work(query()), served.transaction():
            assert find.one() == 7
        warm(served)
        cut(served)
        served.check()
    assert served.statement(select(func.count()).select_from(NOTES)).one() == 2


def test_a_connection_lost_in_the_middle_fails_the_call(served: Database) -> None:
    """A command that had begun is not run again: its caller is told, and nothing of it lasts."""
    add, count = served.statement(insert(NOTES)), served.statement(select(func.count()).select_from(NOTES))
    with pytest.raises(DatabaseUnavailable, match="the connection was lost"), served.unit_of_work(command()):
        add.run(id=1, text="before")
        cut(served)
        add.run(id=2, text="after")
    assert count.one() == 0


def test_a_changed_column_does_not_break_prepared_statements(tmp_path: Path) -> None:
    """On PostgreSQL a migration may change a column's type under a running process."""
    with database_url("postgresql", tmp_path) as url:
        db = Database(url)
        with db.session() as link:
            NOTES.create(link.connection)
        find = db.statement(select(NOTES.c.id))
        db.statement(insert(NOTES)).run(id=1, text="x")
        for _ in range(3):
            assert find.all() == [1]
        with db.session() as link:
            link.connection.execute(sa.DDL("ALTER TABLE notes ALTER COLUMN id TYPE bigint"))  # type: ignore[no-untyped-call]
        for _ in range(3):
            assert find.all() == [1]
        db.close()


def test_types_that_psycopg_does_not_know_arrive_as_text(tmp_path: Path) -> None:
    """An enum of PostgreSQL is a string in every run, the binary ones too."""
    mood = sa.Table(
        "mood", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("kind", sa.Enum("happy", "sad", name="kind"))
    )
    with database_url("postgresql", tmp_path) as url:
        db = Database(url)
        with db.session() as link:
            mood.metadata.create_all(link.connection)
        db.statement(insert(mood)).run(id=1, kind="sad")
        find = db.statement(select(mood))
        for _ in range(3):
            assert find.all() == [(1, "sad")]
        db.close()
