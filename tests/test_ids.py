"""Ids: unique whatever the clock does, whoever restarts and however many processes make them."""

# ruff: noqa: PT012 - what fails is a unit of work, with all that happens in it

from __future__ import annotations

import multiprocessing
import os
import threading
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import insert, select
from tests.databases import KINDS, SERVERS, command, database_url, query

from mergepoint import ids
from mergepoint.db import Database
from mergepoint.ids import Grant, Ids, NodeLease, NoNodeFree

PROCESSES = 8


class Clock:
    """A clock that the test sets, in milliseconds."""

    def __init__(self) -> None:
        self.now = ids.milliseconds()

    def __call__(self) -> int:
        return self.now


class Desk:
    """A lease in memory, for tests that need no database."""

    def __init__(self) -> None:
        self.reserved: dict[int, int] = {}
        self.owners: list[str] = []

    def grant(self, owner: str, node: int | None, now: int, void: object) -> Grant:
        node = len(self.owners) if node is None else node
        if owner not in self.owners:
            self.owners.append(owner)
        after = self.reserved.get(node, now - 1)
        self.reserved[node] = max(after, now) + ids.AHEAD
        return Grant(node, after, self.reserved[node])

    def release(self, owner: str, node: int, used: int) -> None:
        self.reserved[node] = used


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return a database of each kind, with the table of leases."""
    with database_url(request.param, tmp_path) as url:
        yield from opened(url)


@pytest.fixture(params=["sqlite", *SERVERS])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database that several processes can use."""
    with database_url(request.param, tmp_path) as url:
        yield from opened(url)


def opened(url: str) -> Iterator[Database]:
    """Open a database and make the table of leases."""
    database = Database(url)
    metadata = sa.MetaData()
    ids.node_table(metadata)
    with database.session() as link:
        metadata.create_all(link.connection)
    yield database
    database.close()


def parts(id: int) -> tuple[int, int, int]:
    """Split an id into milliseconds, node and sequence."""
    return id >> 22, id >> 12 & 0x3FF, id & 0xFFF


def test_an_id_tells_when_it_was_made() -> None:
    """41 bits of time, 10 of node, 12 of sequence: positive, rising, and readable."""
    clock = Clock()
    generator = Ids(Desk(), clock)
    made = [generator.next() for _ in range(5000)]
    assert made == sorted(set(made))
    assert all(0 < id < 2**63 for id in made)
    assert parts(made[0]) == (clock.now, 0, 0)
    assert parts(made[4096]) == (clock.now + 1, 0, 0), "a full millisecond runs over into the next"
    assert abs(ids.time_of(made[0]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_threads_share_a_generator() -> None:
    """No two threads get the same id."""
    generator, made = Ids(Desk()), array("q")

    def work() -> None:
        made.extend([generator.next() for _ in range(20_000)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 80_000


def _produce(url: str, folder: str, number: int, each: int) -> None:
    db = Database(url)
    clock = Clock()
    generator = Ids(NodeLease(db), clock)
    made = array("q", bytes(8 * each))
    for turn in range(each):
        if turn % 4000 == 0:
            # A fast clock that steps 5 s back in the middle.
            clock.now += 1 if turn != each // 2 else -5000
        made[turn] = generator.next()
    Path(folder, f"{number}.ids").write_bytes(made.tobytes())
    db.close()


def test_eight_processes_make_a_million_ids_each(shared: Database, tmp_path: Path) -> None:
    """8,000,000 ids of processes that start at once, whose clocks step back 5 s: no duplicate.

    Processes meet in the database only when they lease, so the servers are asked for a tenth.
    """
    each = 1_000_000 if shared.url.get_backend_name() == "sqlite" else 100_000
    context = multiprocessing.get_context("spawn")
    url = shared.url.render_as_string(hide_password=False)
    processes = [context.Process(target=_produce, args=(url, str(tmp_path), n, each)) for n in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    made = array("q")
    for number in range(PROCESSES):
        made.frombytes((tmp_path / f"{number}.ids").read_bytes())
    assert len(made) == PROCESSES * each
    assert all(before < after for before, after in pairwise(sorted(made)))


def test_the_clock_may_step_back(db: Database) -> None:
    """Five seconds back, ids go on rising."""
    clock = Clock()
    generator = Ids(NodeLease(db), clock)
    made = [generator.next() for _ in range(100)]
    clock.now -= 5000
    made += [generator.next() for _ in range(10_000)]
    clock.now += 10_000
    made += [generator.next() for _ in range(100)]
    assert made == sorted(set(made))


def test_a_restart_with_an_older_clock_begins_above_the_mark(db: Database) -> None:
    """A process that takes over a node starts after all that its predecessor may have used, dead or closed."""
    clock = Clock()
    first = Ids(NodeLease(db), clock)
    used = [first.next() for _ in range(10)]
    clock.now += ids.LEASE + 1  # the first one died without a word; its lease ends
    late = Ids(NodeLease(db), lambda: clock.now)
    assert parts(late.next())[1] == parts(used[0])[1], "the node is used again"
    late.close()
    clock.now -= ids.LEASE + 5000
    again = Ids(NodeLease(db), clock)
    assert again.next() > late_mark(db)
    assert again.next() > used[-1]


def late_mark(db: Database) -> int:
    """Return the id at which the newest reservation began."""
    table = ids.node_table(sa.MetaData())
    reserved: int = min(db.fetch(select(table.c.reserved)))
    return (reserved - ids.AHEAD) << 22


def test_a_closed_generator_gives_its_node_back(db: Database) -> None:
    """After `close` the next one gets the same node at once, and ids above."""
    first = Ids(NodeLease(db))
    before = first.next()
    first.close()
    first.close()
    second = Ids(NodeLease(db))
    after = second.next()
    assert parts(after)[1] == parts(before)[1]
    assert after > before
    assert first.next() != second.next(), "and the first one can begin again, as another node"


def test_a_holder_that_slept_past_its_lease_takes_another_node(db: Database) -> None:
    """Nobody makes ids of a stretch that another has been given."""
    clock = Clock()
    sleeper, other = Ids(NodeLease(db), clock), Ids(NodeLease(db), clock)
    first = sleeper.next()
    clock.now += ids.LEASE + 1
    taken = other.next()
    assert parts(taken)[1] == parts(first)[1]
    made = {sleeper.next() for _ in range(100)} | {other.next() for _ in range(100)}
    assert len(made) == 200
    assert {parts(id)[1] for id in made} == {0, 1}


def test_a_forked_child_gets_a_node_of_its_own(shared: Database) -> None:
    """A child never goes on as its parent's node."""
    generator = Ids(NodeLease(shared))
    mine = generator.next()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, generator.next().to_bytes(8, "big"))
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    theirs = int.from_bytes(os.read(reading, 8), "big")
    os.close(reading)
    os.close(writing)
    assert parts(theirs)[1] != parts(mine)[1]
    assert parts(generator.next())[1] == parts(mine)[1]


def test_all_nodes_taken_is_a_clear_error(db: Database) -> None:
    """With every number leased the message says how many there are and what to do."""
    table = ids.node_table(sa.MetaData())
    later = ids.milliseconds() + 10**9
    rows = [{"node": n, "owner": "x", "expires": later, "reserved": 0} for n in range(ids.NODES)]
    db.statement(insert(table)).run_many(rows)
    with pytest.raises(NoNodeFree, match=r"All 768 node numbers are leased.*keeps it for 60 s: wait, or run fewer"):
        Ids(NodeLease(db)).next()


def test_ids_can_be_made_inside_a_unit_of_work(db: Database) -> None:
    """The first id of a process may be asked for in a query, and in a command that has written and then fails."""
    generator = Ids(NodeLease(db))
    notes = sa.Table("notes", sa.MetaData(), sa.Column("id", sa.BigInteger, primary_key=True))
    with db.session() as link:
        notes.create(link.connection)
    add = db.statement(insert(notes))
    with pytest.raises(LookupError), db.unit_of_work(command()):
        add.run(id=1)
        lost = generator.next()
        add.run(id=lost)
        raise LookupError
    with db.unit_of_work(command()):
        kept = generator.next()
        add.run(id=kept)
    other = Ids(NodeLease(db))
    assert len({lost, kept, generator.next(), other.next()}) == 4
    with db.unit_of_work(query()):
        assert Ids(NodeLease(db)).next()


def test_postgresql_makes_ids_by_itself(tmp_path: Path) -> None:
    """The function as a column's default gives rising, distinct ids of the time now, apart from the application's."""
    table = sa.Table(
        "notes", sa.MetaData(), sa.Column("id", sa.BigInteger, primary_key=True, server_default=ids.id_default()),
        sa.Column("text", sa.String(10)),
    )  # fmt: skip
    with database_url("postgresql", tmp_path) as url:
        db = Database(url)
        with db.session() as link:
            for ddl in ids.create_id_default():
                link.connection.execute(ddl)
            table.create(link.connection)
        db.statement(insert(table)).run_many([{"text": "x"}] * 20_000)
        made = db.statement(select(table.c.id)).all()
        assert len(set(made)) == 20_000
        assert all(parts(id)[1] >= ids.NODES and id > 0 for id in made)
        assert abs(ids.time_of(made[0]) - datetime.now(UTC)) < timedelta(minutes=1)
        with db.session() as link:
            table.drop(link.connection)
            for ddl in ids.drop_id_default():
                link.connection.execute(ddl)
        db.close()
