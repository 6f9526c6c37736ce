"""Deadlines reach the database, and a connection whose work was cancelled is never used again."""

# ruff: noqa: PT012 - what fails is a unit of work, with all that happens in it

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import func, insert, literal, select
from tests.databases import KINDS, FakeCall, command, database_url, query

from mergepoint.db import Database
from mergepoint.errors import DeadlineExceeded

NOTES = sa.Table("notes", sa.MetaData(), sa.Column("text", sa.String(50), nullable=False))


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return a database of each kind, with an empty table."""
    with database_url(request.param, tmp_path) as url:
        database = Database(url)
        with database.session() as link:
            NOTES.create(link.connection)
        yield database
        database.close()


def slow(db: Database) -> Any:
    """Select something that takes far longer than any test."""
    match db.url.get_backend_name():
        case "postgresql":
            return select(func.pg_sleep(600))
        case "mysql":
            return select(func.sleep(600))
        case _:
            numbers = select(literal(1).label("n")).cte("numbers", recursive=True)
            return select(func.count()).select_from(numbers.union_all(select(numbers.c.n + 1)))


@pytest.mark.parametrize("make", [query, command])
def test_a_slow_statement_ends_at_the_deadline(db: Database, make: Any) -> None:
    """The caller gets DeadlineExceeded, and nothing that the call wrote lasts."""
    statement = db.statement(slow(db))
    add = db.statement(insert(NOTES))
    began = monotonic()
    with pytest.raises(DeadlineExceeded), db.unit_of_work(make(0.3)):
        if make is command:
            add.run(text="never")
        statement.all()
    assert 0.3 <= monotonic() - began < 60
    assert db.statement(select(func.count()).select_from(NOTES)).one() == 0


def test_the_plain_connection_has_the_deadline_too(db: Database) -> None:
    """SQLAlchemy's own execution and dynamic statements are cancelled as well."""
    for run in (_plainly, lambda db: db.fetch(slow(db))):
        with pytest.raises(DeadlineExceeded), db.unit_of_work(command(0.2)):
            run(db)
    db.check()


def _plainly(db: Database) -> None:
    with db.connection() as connection:
        connection.execute(slow(db))


def test_what_was_caught_does_not_save_the_call(db: Database) -> None:
    """Business code that swallows the error cannot go on: the next statement and the commit are refused."""
    add = db.statement(insert(NOTES))
    with pytest.raises(DeadlineExceeded), db.unit_of_work(command(0.2)):
        add.run(text="never")
        with pytest.raises(DeadlineExceeded):
            db.statement(slow(db)).all()
        with pytest.raises(DeadlineExceeded):
            add.run(text="neither")
    assert db.statement(select(func.count()).select_from(NOTES)).one() == 0


def test_a_call_without_time_does_not_reach_the_database(db: Database) -> None:
    """A deadline that has passed is noticed before the first statement."""
    with pytest.raises(DeadlineExceeded), db.unit_of_work(query(-1)):
        db.check()
        db.statement(select(literal(1))).one()


def test_a_cancelled_connection_is_not_used_again(db: Database) -> None:
    """The next call gets another connection and its own answer, a hundred times."""
    statement, quick = db.statement(slow(db)), db.statement(select(literal(7)))
    for _ in range(5):
        with pytest.raises(DeadlineExceeded), db.unit_of_work(query(0.02)):
            statement.all()
        for _ in range(20):
            with db.unit_of_work(query()):
                assert quick.one() == 7


def test_calls_at_their_deadline_never_harm_their_neighbours(db: Database) -> None:
    """Threads whose calls end about when they expire answer right or with DeadlineExceeded, nothing else."""
    quick = db.statement(select(literal(7)))
    wrong: list[object] = []

    def work() -> None:
        for turn in range(150):
            try:
                with db.unit_of_work(query(0.0002 * (turn % 10))):
                    wrong.extend(answer for answer in (quick.one(), quick.one(), quick.one()) if answer != 7)
            except DeadlineExceeded:
                pass
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is wrong
                wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    db.check()


def test_without_deadlines_there_is_no_watchdog(db: Database) -> None:
    """Nothing runs beside the application until a call has a deadline; then one thread, which `close` ends."""
    name = "database deadlines"
    db.check()
    assert name not in {thread.name for thread in threading.enumerate()}
    for _ in range(100):
        with db.unit_of_work(query()):
            db.statement(select(literal(1))).one()
    assert [thread.name for thread in threading.enumerate()].count(name) == 1
    db.close()
    assert name not in {thread.name for thread in threading.enumerate()}


def test_a_nearer_deadline_wakes_the_watchdog(db: Database) -> None:
    """A call with little time is cancelled in time although one with much time came before it."""
    far: FakeCall = query(3600)
    with db.unit_of_work(far):
        if not db._driver.shared:
            db.statement(select(literal(1))).one()
        context = threading.Thread(target=_expect_deadline, args=(db,))
        context.start()
        context.join(30)
        assert not context.is_alive()


def _expect_deadline(db: Database) -> None:
    with pytest.raises(DeadlineExceeded), db.unit_of_work(query(0.1)):
        db.statement(slow(db)).all()
