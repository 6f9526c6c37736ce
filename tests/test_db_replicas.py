"""Queries read from replicas, and never miss what their own caller wrote: with a real, lagging PostgreSQL replica."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep, time

import pytest
import sqlalchemy as sa
from sqlalchemy import func, insert, select
from tests.clusters import Cluster, cluster_folder, free_port, server_programs
from tests.databases import command, query

from mergepoint.db import WROTE, Database

NOTES = sa.Table("notes", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
LAG = 4  # seconds


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    """A primary, and a replica that replays what is written LAG seconds later."""
    programs = server_programs()
    with cluster_folder() as base:
        primary = Cluster(programs, base / "primary", free_port())
        replica = Cluster(programs, base / "replica", free_port())
        primary.make()
        primary.start()
        try:
            primary.run("pg_basebackup", "-D", str(replica.folder), "-R", "-X", "stream", "-c", "fast", "--no-sync",
                        "-d", primary.url)  # fmt: skip
            replica.start()
            try:
                yield primary, replica
            finally:
                replica.stop()
        finally:
            primary.stop()


@pytest.fixture
def db(pair: tuple[Cluster, Cluster]) -> Iterator[Database]:
    """Return a database with a replica that lags, and an empty table in both."""
    primary, replica = pair
    database = Database(primary.url, [replica.url])
    with database.session() as link:
        NOTES.drop(link.connection, checkfirst=True)
        NOTES.create(link.connection)
    _until_the_replica_has(replica, "notes")
    _delay(replica, LAG)
    yield database
    _delay(replica, 0)
    database.close()


def _delay(replica: Cluster, seconds: int) -> None:
    single = Database(replica.url)
    with single.session() as link:
        link.connection.exec_driver_sql(f"ALTER SYSTEM SET recovery_min_apply_delay = '{seconds}s'")
        link.connection.exec_driver_sql("SELECT pg_reload_conf()")
        expected, deadline = f"{seconds}s" if seconds else "0", monotonic() + 30
        while link.connection.exec_driver_sql("SHOW recovery_min_apply_delay").scalar() != expected:
            assert monotonic() < deadline, "the setting does not arrive"
            sleep(0.02)
    single.close()


def _until_the_replica_has(replica: Cluster, table: str) -> None:
    single, deadline = Database(replica.url), monotonic() + 60
    while not single.fetch(select(func.to_regclass(table).is_not(None)))[0]:
        assert monotonic() < deadline, "the replica does not follow"
        sleep(0.05)
    single.close()


IN_RECOVERY = select(func.pg_is_in_recovery())


def test_queries_read_from_the_replica(db: Database) -> None:
    """A query without history goes to the replica, a command and what runs outside of calls to the primary."""
    where = db.statement(IN_RECOVERY)
    with db.unit_of_work(query()):
        assert where.one() is True
        assert db.fetch(IN_RECOVERY) == [True]
    with db.unit_of_work(command()):
        assert where.one() is False
    assert where.one() is False


def test_a_call_sees_what_its_caller_wrote(db: Database) -> None:
    """The token of a command makes later queries read from the primary until the replica has caught up."""
    add, count = db.statement(insert(NOTES)), db.statement(select(func.count()).select_from(NOTES))
    where = db.statement(IN_RECOVERY)
    wrote = command()
    with db.unit_of_work(wrote):
        add.run(id=1)
    token = wrote.reply[WROTE]

    with db.unit_of_work(query()):
        assert count.one() == 0, "the replica lags, or this test shows nothing"
    with db.unit_of_work(query(mergepoint_wrote=token)):
        assert (count.one(), where.one()) == (1, False)
    with db.unit_of_work(query(cookie=f"a=b; {WROTE}={token}; c=d")):
        assert count.one() == 1

    deadline = monotonic() + 60
    while True:
        with db.unit_of_work(query(mergepoint_wrote=token)):
            assert count.one() == 1
            if where.one():
                break
        assert monotonic() < deadline, "the replica was never used again"
        sleep(0.1)


def test_a_command_that_wrote_nothing_leaves_no_token(db: Database) -> None:
    """Only writing pins a caller to the primary."""
    reads = command()
    with db.unit_of_work(reads):
        db.statement(IN_RECOVERY).one()
    assert reads.reply == {}


def test_a_command_inside_a_query_is_seen_by_the_query(db: Database) -> None:
    """After a nested command the rest of the query reads from the primary, and its caller gets the token."""
    add, count = db.statement(insert(NOTES)), db.statement(select(func.count()).select_from(NOTES))
    outer = query()
    with db.unit_of_work(outer):
        assert count.one() == 0
        with db.unit_of_work(command()):
            add.run(id=2)
        assert count.one() == 1
    assert WROTE in outer.reply


@pytest.mark.parametrize("token", ["", "p", "x1", "p-1", "p1; DROP", "p" + "9" * 40, "p\u0661"])
def test_what_is_no_token_is_ignored(db: Database, token: str) -> None:
    """A broken token is as good as none; a forged one only reads from the primary."""
    with db.unit_of_work(query(mergepoint_wrote=token)):
        assert db.statement(IN_RECOVERY).one() is True
    with db.unit_of_work(query(mergepoint_wrote="p9999999999999999999")):
        assert db.statement(IN_RECOVERY).one() is False


def test_a_replica_that_is_down_is_left_out(pair: tuple[Cluster, Cluster], caplog: pytest.LogCaptureFixture) -> None:
    """Queries go on, on the primary, and the log says why."""
    primary, _ = pair
    db = Database(primary.url, ["postgresql://postgres@127.0.0.1:1/postgres"], name="news")
    for _ in range(3):
        with db.unit_of_work(query()):
            assert db.statement(IN_RECOVERY).one() is False
    assert caplog.text.count("news (postgresql at 127.0.0.1:1, database postgres) cannot be used") == 1
    db.close()


def test_other_databases_go_by_time(tmp_path: Path) -> None:
    """Without positions a caller who has just written reads from the primary for as long as a replica may lag."""
    for name in ("primary", "replica"):
        single = Database(f"sqlite:///{tmp_path / name}")
        with single.session() as link:
            NOTES.create(link.connection)
        single.close()
    db = Database(f"sqlite:///{tmp_path / 'primary'}", [f"sqlite:///{tmp_path / 'replica'}"], replica_lag=5)
    count = db.statement(select(func.count()).select_from(NOTES))
    wrote = command()
    with db.unit_of_work(wrote):
        db.statement(insert(NOTES)).run(id=1)
    for token, expected in ((wrote.reply[WROTE], 1), (f"t{int((time() - 6) * 1000)}", 0), ("", 0)):
        with db.unit_of_work(query(mergepoint_wrote=token)):
            assert count.one() == expected
    db.close()
