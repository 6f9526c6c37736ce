"""Sweeps: a walk over many records in small steps, which goes on where it stopped and never meets itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa
from tests.databases import database_url
from tests.memory import Memory, Shelf
from tests.redises import prefixed

from mergepoint import App, Page
from mergepoint.db import Database
from mergepoint.errors import InvalidArgument, Problem, RegistrationError, Unavailable
from mergepoint.jobs import Engine, Lane, Runner
from mergepoint.redis import Keys, Server
from mergepoint.schedule import Scheduler
from mergepoint.tasks import Queue, Tables
from mergepoint.tasks.sweeps import Pages, Sweep, sweep

BATS = sa.Table(
    "bats",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(50), nullable=False),
)


class Watch:
    """A clock that somebody sets."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


class Numbers:
    """Pages of numbers, as far as a sweep cares."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.away = False

    def page(self, after: str | None, limit: int, /) -> Page[int]:
        """Return some numbers."""
        if self.away:
            raise Unavailable("The numbers cannot be reached now.")
        if after is not None and not after.isdigit():
            raise InvalidArgument.of(Problem("$.after", "expected a number"))
        begin = int(after or 0)
        end = begin + limit
        return Page(list(range(begin, min(end, self.count))), str(end) if end < self.count else None)


class Night:
    """An app with a sweep, whose time goes on when the test says so."""

    def __init__(
        self,
        over: Pages[int],
        engine: Engine | None = None,
        watch: Watch | None = None,
        *,
        per_second: float = 20.0,
        rest: float = 0.0,
    ) -> None:
        self.visited: list[int] = []
        self.watch = watch or Watch()
        self.queue = Queue(App("bats"), engine or Memory(Shelf()))
        self.sweep: Sweep[int] = sweep(self.queue, self.visit, over, per_second=per_second, rest=rest)
        self.runner = Runner(self.queue.app, "worker", self.queue.engine.report)
        self.scheduler = Scheduler(self.queue, clock=self.watch)
        self.scheduler.fire()

    def visit(self, number: int) -> None:
        """Visit a number; 13 brings no luck."""
        self.visited.append(number)
        if number == 13:
            raise LookupError("an unlucky number")

    def seconds(self, count: int) -> None:
        """Let some seconds go by, and run what is due in each."""
        for _ in range(count):
            self.watch.now += 1
            self.scheduler.fire()
            claims = self.queue.engine.claim("worker", [Lane()], 10, 60.0)
            self.queue.engine.settle([self.runner.run(claim) for claim in claims])


def test_a_walk_takes_a_few_records_each_second() -> None:
    """So many in a second, in order, each once in a round; its jobs leave nothing behind."""
    night = Night(Numbers(50), per_second=20)
    night.seconds(1)
    assert night.visited == list(range(20))
    night.seconds(1)
    assert night.visited == list(range(40))
    state = night.sweep.state()
    assert state.round is not None
    assert (state.round.visited, state.round.failed, state.last) == (40, 1, None)
    assert night.queue.engine.entries() == []


def test_a_walk_begins_anew_at_its_end() -> None:
    """A round that reached its end is noted, and the next one begins with the next step."""
    night = Night(Numbers(50), per_second=20)
    night.seconds(3)
    state = night.sweep.state()
    assert (state.cursor, state.round) == (None, None)
    assert state.last is not None
    assert (state.last.visited, state.last.failed) == (50, 1)
    assert state.last.ended is not None
    assert timedelta(0) <= datetime.now(UTC) - state.last.ended < timedelta(minutes=1)
    night.seconds(1)
    assert night.visited[50:] == list(range(20))
    assert night.sweep.state().last == state.last


def test_a_walk_rests_between_two_rounds() -> None:
    """Few records are not visited again and again without a pause; a restart ends that."""
    night = Night(Numbers(5), rest=3600)
    night.seconds(10)
    assert night.visited == list(range(5))
    night.sweep.restart()
    night.seconds(1)
    assert night.visited == [*range(5), *range(5)]


def test_a_walk_over_nothing_ends() -> None:
    """No records are a round, too."""
    night = Night(Numbers(0))
    night.seconds(2)
    last = night.sweep.state().last
    assert last is not None
    assert (last.visited, night.visited) == (0, [])


def test_an_exception_does_not_stop_the_walk(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with the record, counted, and the walk goes on with the next one."""
    night = Night(Numbers(15))
    night.seconds(1)
    assert night.visited == list(range(15))
    assert "sweep_visit failed at 13, and goes on" in caplog.text
    assert "an unlucky number" in caplog.text


@pytest.mark.parametrize(("per_second", "seconds", "visited"), [(0.5, 10, 5), (2.5, 12, 30), (1000, 1, 1000)])
def test_the_pace_is_steady(per_second: float, seconds: int, visited: int) -> None:
    """Less than one record in a second, a part of one, or many pages of them."""
    night = Night(Numbers(100_000), per_second=per_second)
    night.seconds(seconds)
    assert night.visited == list(range(visited))


def test_two_steps_are_never_there_at_once() -> None:
    """While a step waits or runs, no other one is put in, however many processes fire the schedule."""
    night = Night(Numbers(50))
    others = [Scheduler(night.queue, clock=night.watch) for _ in range(3)]
    for _ in range(5):
        night.watch.now += 1
        for scheduler in (night.scheduler, *others):
            scheduler.fire()
    (claim,) = night.queue.engine.claim("worker", [Lane()], 10, 60.0)
    night.watch.now += 1
    night.scheduler.fire()
    assert night.queue.engine.claim("other", [Lane()], 10, 60.0) == []
    night.queue.engine.settle([night.runner.run(claim)])
    night.seconds(1)
    assert night.visited == list(range(40))


def test_what_cannot_be_read_is_tried_again_later() -> None:
    """No dead letters pile up while the records cannot be reached: one job waits, and the walk goes on after it."""
    night = Night(numbers := Numbers(50))
    night.seconds(1)
    numbers.away = True
    night.seconds(5)
    (waiting,) = night.queue.engine.entries()
    assert (waiting.state, waiting.history[-1].code) == ("waiting", "unavailable")
    numbers.away = False
    night.queue.engine.expedite([waiting.message.id])
    night.seconds(1)
    assert night.visited == list(range(40))


def test_a_place_that_is_refused_is_the_beginning(caplog: pytest.LogCaptureFixture) -> None:
    """If the order of the records was changed with a release, the walk begins anew and says so."""
    night = Night(Numbers(50))
    night.queue.engine.save("sweep_visit", b'{"cursor":"from before","round":{"began":"2026-01-01T00:00:00Z"}}')
    night.seconds(1)
    assert night.visited == list(range(20))
    assert "begins anew" in caplog.text


def test_declarations_that_make_no_sense_are_refused() -> None:
    """No pace, an asynchronous visit, a name that is taken."""
    queue = Queue(App("bats"), Memory(Shelf()))

    async def visit(number: int) -> None:
        raise AssertionError

    with pytest.raises(RegistrationError, match="sweep_print: per_second=0"):
        sweep(queue, print, Numbers(5), per_second=0)
    with pytest.raises(RegistrationError, match="sweep_visit: an `async def`"):
        sweep(queue, visit, Numbers(5))
    sweep(queue, print, Numbers(5))
    with pytest.raises(RegistrationError, match="registered twice"):
        sweep(queue, print, Numbers(5))


# --- over a table ---


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a database with sixty bats."""
    with database_url(request.param, tmp_path) as url, closing(Database(url)) as db:
        with db.session() as link:
            BATS.create(link.connection)
        db.statement(sa.insert(BATS)).run_many([{"id": id, "name": f"bat {id}"} for id in range(60)])
        yield url


def test_a_walk_over_a_table(url: str) -> None:
    """Rows come by key, those that were added meanwhile too; a new process goes on where the last one was."""
    with closing(Database(url)) as db:
        night = Night(ids(db), Tables(db))
        night.seconds(1)
        db.statement(sa.delete(BATS)).run()
        db.statement(sa.insert(BATS)).run_many([{"id": id, "name": "new"} for id in (5, 30, 70)])
    with closing(Database(url)) as db:
        later = Night(ids(db), Tables(db), night.watch)
        later.seconds(1)
        state = later.sweep.state()
    assert (night.visited, later.visited) == (list(range(20)), [30, 70])
    assert state.last is not None
    assert (state.last.visited, state.last.failed) == (22, 1)


def ids(db: Database) -> Pages[int]:
    """Return what a sweep walks over."""
    return db.pages(sa.select(BATS.c.id), by=[BATS.c.id])


DYING = """\
import os
import sys

from tests.test_sweeps import Night, ids

from mergepoint.db import Database
from mergepoint.tasks import Tables


class Dying(Night):
    def visit(self, number: int) -> None:
        print(number, flush=True)
        if number == 30:
            os.kill(os.getpid(), 9)


db = Database(sys.argv[1])
Dying(ids(db), Tables(db)).seconds(5)
"""


def test_a_worker_that_dies_makes_one_step_be_repeated(url: str) -> None:
    """What it visited in the step in which it was killed is visited again; nothing is left out."""
    root = Path(__file__).parent.parent
    died = subprocess.run([sys.executable, "-c", DYING, url], cwd=root, capture_output=True, text=True, check=False)
    assert [int(line) for line in died.stdout.splitlines()] == list(range(31)), died.stderr
    with closing(Database(url)) as db:
        night = Night(ids(db), Tables(db))
        night.sweep.step()
        assert night.visited == list(range(20, 40))


# --- over a keyspace ---


def test_a_walk_over_the_keys_of_redis() -> None:
    """Every key that matches is met, in small pages; the place is kept in the engine, not in Redis."""
    with prefixed() as (address, prefix), closing(redis.Redis.from_url(address)) as client:
        client.mset({f"{prefix}:bat:{number}": number for number in range(100)} | {f"{prefix}:owl": "-"})
        night = Night(Sized(Keys(address, f"{prefix}:bat:*"), client), per_second=50_000)
        while night.sweep.state().last is None:
            night.seconds(1)
        last = night.sweep.state().last
    assert set(night.visited) == set(range(100))
    assert last is not None
    assert last.visited == len(night.visited)


class Sized:
    """What is under keys, as numbers."""

    def __init__(self, keys: Keys, client: redis.Redis) -> None:
        self._keys = keys
        self._client = client

    def page(self, after: str | None, limit: int, /) -> Page[int]:
        """Return the numbers of a page."""
        page = self._keys.page(after, limit)
        return Page([int(str(self._client.get(key), "ascii")) for key in page.items], page.next)  # type: ignore[arg-type]


def test_keys_come_as_they_are() -> None:
    """A key that is no text comes back as the same bytes, and a place that is none is refused."""
    with prefixed() as (address, prefix), closing(redis.Redis.from_url(address)) as client:
        client.set(prefix.encode() + b"\xff", "")
        keys, found, place = Keys(Server(address), f"{prefix}*"), list[str](), None
        while True:
            page = keys.page(place, 1000)
            found += page.items
            place = page.next
            if place is None:
                break
        assert [key.encode(errors="surrogateescape") for key in found] == [prefix.encode() + b"\xff"]
        with pytest.raises(InvalidArgument, match="cursor of an earlier page, got 'x'"):
            keys.page("x")
