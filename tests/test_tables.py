"""Jobs in tables: what the databases add to the promises of every engine (see test_engines.py)."""

# ruff: noqa: PT012 - what fails is a unit of work, with all that happens in it

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy import func, select
from tests.databases import KINDS, SERVERS, database_url, query

from mergepoint.db import Database, DatabaseUnavailable, migrations
from mergepoint.errors import MergepointError, Unavailable
from mergepoint.jobs import Claim, Lane, Message, Outcome, new_id
from mergepoint.tasks.tables import Tables, job_tables
from mergepoint.testing.comparison import soon

SHARED = ["sqlite", *SERVERS]
"""The databases that several processes can use."""

LANES = [Lane()]
PATIENCE = 30.0


def message(**fields: Any) -> Message:
    """Return a message that is not put in yet."""
    return Message(id=new_id(), operation="publish", created=time.time(), **fields)


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return an empty database of each kind."""
    with opened(request.param, tmp_path) as database:
        yield database


@pytest.fixture(params=SHARED)
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return an empty database of each kind that several processes can use."""
    with opened(request.param, tmp_path) as database:
        yield database


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Database]:
    """Make an empty database, and close it in the end."""
    with database_url(kind, folder) as url:
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def tables(db: Database) -> Iterator[Tables]:
    """Return an engine whose tables are made at its first use."""
    with using(db) as engine:
        yield engine


@contextmanager
def using(db: Database) -> Iterator[Tables]:
    """Make an engine, and close it in the end."""
    engine = Tables(db)
    try:
        yield engine
    finally:
        engine.close()


def claimed(tables: Tables, limit: int = 100, lease: float = 60.0) -> list[Claim]:
    """Claim what is due."""
    return tables.claim("worker", LANES, limit, lease)


def children(number: int, work: Callable[[int], None]) -> None:
    """Run something in forked processes at the same moment; fail if it fails in one."""
    with beside(number, work):
        pass


@contextmanager
def beside(number: int, work: Callable[[int], None]) -> Iterator[None]:
    """Run something in forked processes that begin at the same moment, beside the block."""
    gate, opener = os.pipe()
    pids = [_child(gate, opener, work, place) for place in range(number)]
    os.close(gate)
    os.close(opener)  # whoever reads at the gate goes on
    try:
        yield
    finally:
        exits = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert exits == [0] * number


def _child(gate: int, opener: int, work: Callable[[int], None], place: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.close(opener)
        os.read(gate, 1)
        work(place)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a child must never go on as the test run
        traceback.print_exc()
    finally:
        os._exit(1)


# --- transactions ---


def test_a_job_is_there_once_its_transaction_is(db: Database, tables: Tables) -> None:
    """What is put in and rolled back has never been; what is committed is there once."""
    tables.prepare()
    with pytest.raises(LookupError), db.unit_of_work():
        tables.put([message(), message(unique="a")])
        raise LookupError
    assert (claimed(tables), tables.counts()) == ([], {})
    with db.unit_of_work():
        ids = tables.put([message(), message(unique="a")])
    assert sorted(claim.message.id for claim in claimed(tables)) == sorted(ids)


def test_a_job_goes_with_its_savepoint(db: Database, tables: Tables) -> None:
    """A block that is rolled back alone takes its jobs along, and no others."""
    with db.unit_of_work():
        kept = tables.put([message()])
        with pytest.raises(LookupError), db.transaction():
            tables.put([message()])
            raise LookupError
    assert [claim.message.id for claim in claimed(tables)] == kept


def test_the_tables_may_be_made_in_a_transaction(db: Database, tables: Tables) -> None:
    """The first job of all may be put in within a transaction, whether that lasts or not."""
    for error in (LookupError, None):
        with suppress(LookupError), db.unit_of_work():
            tables.put([message()])
            if error is not None:
                raise error
    assert len(claimed(tables)) == 1


def test_a_key_that_was_rolled_back_is_free(db: Database, tables: Tables) -> None:
    """A unique key that was taken in a transaction that did not last is free."""
    with pytest.raises(LookupError), db.unit_of_work():
        tables.put([message(unique="key")])
        raise LookupError
    later = message(unique="key")
    assert tables.put([later]) == [later.id]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_key_waits_for_another_transaction(kind: str, tmp_path: Path) -> None:
    """Who puts in a unique key that an open transaction has taken waits for its end, and gets its job or an own one."""
    with opened(kind, tmp_path) as db, using(db) as tables:
        tables.prepare()
        for lasts in (True, False):
            first, second = message(unique="key"), message(unique="key")
            answers: list[str] = []
            thread = threading.Thread(target=lambda: answers.extend(tables.put([second])))  # noqa: B023 - joined below
            with suppress(LookupError), db.unit_of_work():
                tables.put([first])
                thread.start()
                time.sleep(0.2)
                assert answers == []
                if not lasts:
                    raise LookupError
            thread.join(PATIENCE)
            assert answers == [first.id if lasts else second.id]
            tables.purge(["waiting"])


def test_a_query_puts_no_jobs_in(db: Database, tables: Tables) -> None:
    """A query changes nothing, so it cannot put jobs in; it may look at them."""
    (id,) = tables.put([message()])
    with pytest.raises(MergepointError, match="A query changes nothing"), db.unit_of_work(query()):
        tables.put([message()])
    with db.unit_of_work(query()):
        assert tables.get(id) is not None
        assert len(tables.entries()) == 1


def test_a_transaction_sees_its_own_job(db: Database, tables: Tables) -> None:
    """Who has just put a job in can look at it before the transaction ends."""
    with db.unit_of_work():
        (id,) = tables.put([message()])
        entry = tables.get(id)
        assert entry is not None
        assert entry.state == "waiting"


def test_a_workers_doings_are_apart(db: Database, tables: Tables) -> None:
    """What a worker tells the engine lasts, also when the transaction of its job is rolled back."""
    tables.put([message(), message()])
    with pytest.raises(LookupError), db.unit_of_work():
        first, second = claimed(tables)
        assert tables.report(first, 0.5, "half")
        tables.settle([Outcome(second, "done")])
        tables.save("sweep", b"1")
        raise LookupError
    states = [
        entry and (entry.state, entry.progress) for entry in map(tables.get, [first.message.id, second.message.id])
    ]
    assert (states, tables.load("sweep")) == ([("running", 0.5), ("done", 0.0)], b"1")


def test_a_report_in_a_transaction_that_writes(db: Database, tables: Tables) -> None:
    """A job whose transaction has written may report: seen at once, but on SQLite, where it is seen with the rest."""
    tables.put([message()])
    (claim,) = claimed(tables)
    with using(db) as other, db.unit_of_work():
        tables.put([message()])
        assert tables.report(claim, 0.5, "half")
        entry = threading_result(lambda: other.get(claim.message.id)) if db.url.get_backend_name() != "sqlite" else None
        assert entry is None or entry.progress == 0.5
    entry = tables.get(claim.message.id)
    assert entry is not None
    assert entry.progress == 0.5


def threading_result(work: Callable[[], Any]) -> Any:
    """Run something in another thread, where no unit of work is open."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join(PATIENCE)
    return results[0]


# --- tables ---


def test_many_processes_make_the_tables_at_once(shared: Database) -> None:
    """Processes that put in the first jobs of all at the same moment all succeed."""

    def work(place: int) -> None:
        with using(shared) as tables:
            tables.put([message(owner=f"user:{place}")])

    children(8, work)
    with using(shared) as tables:
        assert tables.counts() == {("default", "waiting"): 8}


def test_tables_of_the_application(db: Database) -> None:
    """An application may make the tables among its own, and the engine uses them."""
    metadata = sa.MetaData()
    job_tables(metadata)
    with db.session() as link:
        metadata.create_all(link.connection)
    with using(db) as tables:
        tables.put([message()])
        assert len(claimed(tables)) == 1


@pytest.mark.parametrize("kind", SHARED)
def test_a_migration_makes_the_tables(kind: str, tmp_path: Path) -> None:
    """A migration that is written from `job_tables` makes tables that differ from these in nothing."""
    with database_url(kind, tmp_path) as url:
        metadata = sa.MetaData()
        made = job_tables(metadata)
        db = Database(url, metadata=metadata, migrations=tmp_path / "migrations")
        migrations.revision(db, "jobs")
        migrations.upgrade(db)
        assert migrations.check(db) == []
        with using(db) as tables, db.session() as link:
            tables.put([message(unique="key"), message(unique="key")])
            assert tables.counts() == {("default", "waiting"): 1}
            names = {index["name"] for index in sa.inspect(link.connection).get_indexes(made.jobs.name)}
        partial = {"mergepoint_jobs_due", "mergepoint_jobs_unique"}
        assert (partial <= names) == (kind != "mariadb")
        db.close()


# --- waiting ---


def test_no_wake_up_before_the_commit(shared: Database) -> None:
    """Who waits is woken when the transaction that put a job in is committed, not before, and not if it is not."""
    with using(shared) as tables:
        tables.prepare()
        _wake_by_a_commit(shared, tables)
        assert len(claimed(tables)) == 1


def _wake_by_a_commit(db: Database, tables: Tables) -> None:
    woken, began = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        tables.wait(["default"], PATIENCE)
        woken.set()

    thread = threading.Thread(target=work)
    thread.start()
    began.wait()
    time.sleep(0.1)
    with pytest.raises(LookupError), db.unit_of_work():
        tables.put([message()])
        raise LookupError
    with db.unit_of_work():
        tables.put([message()])
        assert not woken.wait(0.3)
    assert woken.wait(PATIENCE)
    thread.join()


@pytest.mark.parametrize("kind", SHARED)
def test_latency(kind: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """A worker that waits in another process begins soon after a job was put in."""
    with opened(kind, tmp_path) as db, using(db) as tables:
        tables.prepare()
        delays: list[float] = []
        with beside(1, lambda _: _send(db, 30)):
            until = time.monotonic() + PATIENCE
            while len(delays) < 30 and time.monotonic() < until:
                claims = claimed(tables)
                began = time.monotonic()
                delays += [began - msgspec.json.decode(claim.message.arguments)["at"] for claim in claims]
                if not claims:
                    tables.wait(["default"], PATIENCE)
    assert len(delays) == 30
    record_property("median_ms", round(median(delays) * 1000, 1))
    record_property("worst_ms", round(max(delays) * 1000, 1))


def _send(db: Database, number: int) -> None:
    with using(db) as tables:
        for place in range(number):
            time.sleep(0.01 + place % 7 * 0.005)
            tables.put([message(arguments=msgspec.Raw(msgspec.json.encode({"at": time.monotonic()})))])


@pytest.mark.parametrize("kind", KINDS)
def test_waiting_costs_little(kind: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Four threads that wait for jobs use little of a core; how much is recorded."""
    with opened(kind, tmp_path) as db, using(db) as tables:
        tables.prepare()
        tables.wait(["default", "other"], 0.1)  # which compiles what it needs
        threads = [threading.Thread(target=tables.wait, args=(["default", "other"], 1.5)) for _ in range(4)]
        for thread in threads:
            thread.start()
        used, began = time.process_time(), time.monotonic()
        for thread in threads:
            thread.join()
        record_property("percent_of_a_core", round((time.process_time() - used) / (time.monotonic() - began) * 100, 2))


# --- lost connections ---


def test_the_ear_hears_again(tmp_path: Path) -> None:
    """After the server has cut every connection, put, claim and the news of jobs work again by themselves."""
    with opened("postgresql", tmp_path) as db, using(db) as tables, using(db) as other:
        _wait_and_claim(tables, other)
        for _ in range(3):
            _terminate(db)
            _wait_and_claim(tables, other)


def _wait_and_claim(tables: Tables, other: Tables) -> None:
    """Let one engine wait while the other puts a job in; news may get lost with a connection, jobs may not."""
    claims: list[Claim] = []

    def work() -> None:
        while not claims:
            with suppress(Unavailable):
                claims.extend(claimed(tables))
            if not claims:
                with suppress(Unavailable):
                    tables.wait(["default"], PATIENCE)

    thread = threading.Thread(target=work)
    thread.start()
    soon(lambda: _listeners(tables) == 1, "somebody listens")
    (id,) = _put(other)
    thread.join(PATIENCE)
    assert [claim.message.id for claim in claims] == [id]
    tables.settle([Outcome(claims[0], "done")])


def _put(tables: Tables) -> list[str]:
    while True:
        with suppress(Unavailable):
            return tables.put([message()])


def _listeners(tables: Tables) -> int:
    return _activity(tables._store.db, "LISTEN%")


def _activity(db: Database, wanted: str) -> int:
    activity = sa.table("pg_stat_activity", sa.column("datname"), sa.column("query"))
    mine = (activity.c.datname == func.current_database()) & activity.c.query.like(wanted)
    with suppress(Unavailable), db.session() as link:
        return link.connection.scalar(select(func.count()).select_from(activity).where(mine)) or 0
    return 0


def _terminate(db: Database) -> None:
    activity = sa.table("pg_stat_activity", sa.column("datname"), sa.column("pid"))
    others = (activity.c.datname == func.current_database()) & (activity.c.pid != func.pg_backend_pid())
    with db.session() as link:
        link.connection.execute(select(func.pg_terminate_backend(activity.c.pid)).where(others))


def test_everything_works_after_a_restart(tmp_path: Path) -> None:
    """Connections that were cut while nobody used them are not noticed by anybody but the one who listens."""
    with opened("postgresql", tmp_path) as db, using(db) as tables:
        tables.put([message() for _ in range(4)])
        first, second, third, _ = claimed(tables)
        _terminate(db)
        tables.settle([Outcome(first, "done")])
        _terminate(db)
        assert tables.extend("worker", [second, third], 60.0).lost == frozenset()
        _terminate(db)
        assert tables.report(second, 0.5, "")
        _terminate(db)
        tables.put([message()])
        _terminate(db)
        assert len(claimed(tables)) == 1
        _terminate(db)
        assert tables.recover() == 0


def test_a_server_that_is_gone_is_unavailable() -> None:
    """An engine whose server does not answer says so."""
    db = Database("postgresql://nobody@127.0.0.1:9/nowhere")
    with using(db) as tables:
        for work in (tables.check, tables.prepare, lambda: tables.put([message()]), lambda: claimed(tables)):
            with pytest.raises(DatabaseUnavailable):
                work()


# --- processes ---


def test_fifty_processes_and_one_key(shared: Database, tmp_path: Path) -> None:
    """Fifty processes that put in a job with the same unique key at once make one job, and all are told its id."""
    answers = tmp_path / "answers"
    answers.mkdir()
    with using(shared) as tables:
        tables.prepare()

        def work(place: int) -> None:
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:
                with suppress(Unavailable):  # so many connections may be too many for the server
                    (id,) = tables.put([message(unique="key")])
                    (answers / str(place)).write_text(id)
                    return

        children(50, work)
        told = [(answers / str(place)).read_text() for place in range(50)]
        assert tables.counts() == {("default", "waiting"): 1}
        assert told == [claim.message.id for claim in claimed(tables)] * 50


def test_a_fork_begins_anew(shared: Database) -> None:
    """A child of a process that waits for jobs can wait itself, and its parent goes on."""
    with using(shared) as tables:
        tables.wait(["default"], 0.05)

        def work(_: int) -> None:
            tables.put([message()])
            tables.wait(["default"], PATIENCE)
            assert len(claimed(tables)) == 1
            tables.close()

        children(1, work)
        assert tables.counts() == {("default", "running"): 1}
        tables.put([message()])
        tables.wait(["default"], PATIENCE)
        assert len(claimed(tables)) == 1


# --- clocks ---


class Clocks:
    """The clocks of this process, which the test sets."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._time, self._time_ns, self._monotonic_ns = time.time, time.time_ns, time.monotonic_ns

    def step(self, seconds: int) -> None:
        """Let the wall clock be so far ahead of the true time."""
        self._patch.setattr(time, "time", lambda: self._time() + seconds)
        self._patch.setattr(time, "time_ns", lambda: self._time_ns() + seconds * 1_000_000_000)

    def boot(self, seconds: int) -> None:
        """Let the machine run for so much longer, or shorter, than it does."""
        self._patch.setattr(time, "monotonic_ns", lambda: self._monotonic_ns() + seconds * 1_000_000_000)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Return the clocks of this process."""
    return Clocks(monkeypatch)


@pytest.mark.parametrize("step", [-86_400, -3600, 3600, 86_400])
def test_steps_of_the_clock_change_no_lease(tables: Tables, clocks: Clocks, step: int) -> None:
    """A live job is not taken from its worker when the clock is set, and a lost one is given back all the same."""
    tables.put([message(), message()])
    (live,) = claimed(tables, 1)
    (lost,) = claimed(tables, 1, lease=0.2)
    clocks.step(step)
    time.sleep(0.25)
    assert tables.recover() == 1
    states = [entry and entry.state for entry in map(tables.get, [live.message.id, lost.message.id])]
    assert states == ["running", "waiting"]
    assert tables.extend("worker", [live], 60.0).lost == frozenset()


def test_a_machine_that_was_started_anew(tmp_path: Path, clocks: Clocks) -> None:
    """Jobs that ran on SQLite when the machine went down come back at once when it is up, however long it had run."""
    with opened("sqlite", tmp_path) as db, using(db) as tables:
        tables.put([message()])
        clocks.boot(3600)
        claimed(tables)
        assert tables.recover() == 0
        clocks.boot(0)
        assert tables.recover() == 1
        assert len(claimed(tables)) == 1


# --- plans ---


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_claims_look_at_nothing_but_their_index(
    kind: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A claim reads what is due in the order of an index, whatever waits, is due later or is finished beside it."""
    with opened(kind, tmp_path) as db, using(db) as tables:
        tables.put([message() for _ in range(2000)])
        before = _claim_times(tables)
        for priority in ("high", "normal"):
            tables.put([message(delay=3600.0, priority=priority) for _ in range(20_000)])
        after = _claim_times(tables)
        store, now = tables._store, tables._store.clock.now()
        queues: dict[str, Any] = {"queue0": "default"}
        lease = {"worker": "worker", "lease": now, "renewed": now}
        plans = {
            "claim": _plan(tables, store.bulk._take(1), **queues, now=now, most=100, **lease),  # type: ignore[attr-defined]
            "wait": _plan(tables, tables._waiting._next(1), **queues),
        }
    record_property("claim_ms", [round(before, 2), round(after, 2)])
    for what, plan in plans.items():
        assert "mergepoint_jobs_due" in plan, f"{what}:\n{plan}"
        assert "Seq Scan on mergepoint" not in plan
        assert "SCAN mergepoint" not in plan
        assert "Sort" not in plan


def _claim_times(tables: Tables) -> float:
    """Return how many milliseconds a claim of 100 takes."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        claims = claimed(tables)
        times.append(time.perf_counter() - began)
        tables.settle([Outcome(claim, "done") for claim in claims])
    return median(times) * 1000


def _plan(tables: Tables, statement: Any, **values: Any) -> str:
    """Ask the database how it would run a statement of the engine."""
    explain = "EXPLAIN QUERY PLAN " if tables._store.dialect.monotonic else "EXPLAIN "

    def ask() -> str:
        with tables._store.own.unit_of_work() as unit:
            link = unit.acquire()
            plan = statement._plan(link, values)
            rows = link.dbapi.cursor().execute(explain + plan.sql, plan.bind(values)).fetchall()
        return "\n".join(str(row[-1]) for row in rows)

    return tables._store.run(ask)
