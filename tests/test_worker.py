"""Workers: slow jobs hold up nobody, nothing is lost at the end, and a store that comes back is used again."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.clusters import own_postgresql
from tests.databases import database_url
from tests.redises import redis_server
from tests.served import wait_until

from mergepoint import App, Progress
from mergepoint.db import Database
from mergepoint.errors import ConfigError, MergepointError, Unavailable
from mergepoint.jobs import Backoff, Claim, Engine, Job, Lane, Outcome, State
from mergepoint.observe import Metrics
from mergepoint.redis import Worklist
from mergepoint.tasks import Queue, Tables, Worker, watch
from mergepoint.tasks.hands import Pace
from mergepoint.tasks.lanes import Lanes

ENGINES = ("sqlite", "memory", "postgresql", "redis")
QUICK = Backoff(first=0.05, most=0.2)


class Shed(App):
    """An app whose jobs tell what they do, and wait where a test wants them to."""

    def __init__(self) -> None:
        super().__init__("shed")
        self.ran: list[int] = []
        self.begun: list[int] = []
        self.gate = threading.Event()
        self.task(self.note)
        self.task(self.hold, timeout=60.0)
        self.task(self.hang, timeout=0.05, retries=0)
        self.task(self.fail, retries=2)
        self.task(self.mail, queue="mail")
        self.task(self.single, concurrency=1)
        self.task(self.say)

    def note(self, number: int) -> None:
        """Be quick."""
        self.ran.append(number)

    def mail(self, number: int) -> None:
        """Be quick in another queue."""
        self.ran.append(number)

    def hold(self, number: int) -> int:
        """Wait until the test opens the gate."""
        self.begun.append(number)
        assert self.gate.wait(20)
        self.ran.append(number)
        return number

    def single(self, number: int) -> int:
        """Wait, and let no other do so."""
        return self.hold(number)

    def hang(self) -> None:
        """Never end by itself, whatever the time."""
        self.begun.append(0)
        self.gate.wait(20)

    def fail(self) -> None:
        """Have a bug."""
        raise KeyError("bat")

    def say(self, text: str, progress: Progress) -> str:
        """Report, and return what it was given."""
        progress(0.5, text)
        return text


class Place:
    """An app with a queue in an engine of some kind, and workers that end with the test."""

    def __init__(self, engine: Engine | Database, stack: ExitStack) -> None:
        self.app = Shed()
        self.queue = Queue(self.app, engine)
        self.stack = stack
        stack.callback(self.app.gate.set)

    @property
    def engine(self) -> Engine:
        return self.queue.engine

    def worker(self, **how: Any) -> Worker:
        """Start a worker."""
        worker = Worker(self.queue, **{"backoff": QUICK, **how})
        worker.start()
        self.stack.callback(worker.stop, 1.0)
        return worker

    def put(self, function: Callable[..., Any], numbers: Sequence[int]) -> list[Job]:
        """Put in jobs with these numbers."""
        message = self.queue.message(function)
        return self.queue.put([message(number) for number in numbers])

    def states(self) -> dict[State, int]:
        """Return how many jobs are in each state."""
        totals: Counter[State] = Counter()
        for (_, state), count in self.engine.counts().items():
            totals[state] += count
        return {state: count for state, count in totals.items() if count}

    def warm_up(self) -> None:
        """Let the workers learn that jobs are quick."""
        self.put(self.app.note, range(400))
        wait_until(lambda: self.states() == {"done": 400})
        self.app.ran.clear()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Redis of these tests' own, and give its URL."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@contextmanager
def engine_of(kind: str, folder: Path, redis: str = "") -> Iterator[Engine]:
    """Make an engine of a kind, with a store of its own."""
    with ExitStack() as stack:
        engine: Engine
        if kind == "redis":
            engine = Worklist(redis, prefix=folder.name)
        else:
            db = Database(stack.enter_context(database_url(kind, folder)))
            stack.callback(db.close)
            engine = Tables(db)
        stack.callback(engine.close)
        yield engine


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path, redis: str) -> Iterator[Place]:
    """Give an app with a queue in each kind of engine."""
    with engine_of(request.param, tmp_path, redis) as engine, ExitStack() as stack:
        yield Place(engine, stack)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    """Give an app with a queue in SQLite."""
    with engine_of("sqlite", tmp_path) as engine, ExitStack() as stack:
        yield Place(engine, stack)


# --- running -------------------------------------------------------------------------------------------------------


def test_every_job_runs_once(place: Place, record_property: Callable[[str, object], None]) -> None:
    """Jobs that were put in before the worker began, and while it works, all run, each once."""
    place.put(place.app.note, range(2000))
    began = time.monotonic()
    place.worker()
    place.put(place.app.note, range(2000, 2100))
    wait_until(lambda: len(place.app.ran) == 2100)
    record_property(f"no-op jobs/s, {place.engine.name}, {type(place.engine).__name__}", _rate(2100, began))
    wait_until(lambda: place.states() == {"done": 2100})
    assert sorted(place.app.ran) == list(range(2100))


def _rate(jobs: int, began: float) -> int:
    return int(jobs / (time.monotonic() - began))


def test_a_result_is_kept(place: Place) -> None:
    """What the command returns can be looked up; its progress was seen on the way."""
    place.worker()
    job = place.queue.later(place.app.say)("Flap")  # type: ignore[call-arg]  # the context gives the progress
    assert place.queue.result(job.id) == "Flap"


def test_a_job_that_fails_is_tried_again_and_then_dead(place: Place) -> None:
    """Two retries make three attempts; the history has them all."""
    worker = place.worker(name="bat-1")
    job = place.queue.wait(place.queue.later(place.app.fail)().id)
    assert (job.state, job.attempts) == ("dead", 3)
    assert [(attempt.worker, attempt.code) for attempt in job.history] == [(worker.name, "internal")] * 3


def test_an_idle_worker_begins_at_once(place: Place, record_property: Callable[[str, object], None]) -> None:
    """From the moment a job is put in until it is run, on a worker that has nothing to do."""
    place.worker()
    place.warm_up()
    delays = []
    for number in range(20):
        time.sleep(0.03)
        began = time.monotonic()
        place.put(place.app.note, [number])
        while number not in place.app.ran:
            time.sleep(0.0005)
        delays.append(time.monotonic() - began)
    record_property(f"ms from put to run, {type(place.engine).__name__}, worst of 20", round(max(delays) * 1000, 1))


def test_an_idle_worker_costs_little(place: Place, record_property: Callable[[str, object], None]) -> None:
    """The share of a core that eight threads with nothing to do take."""
    place.worker()
    place.warm_up()
    time.sleep(0.3)
    began, cpu = time.monotonic(), time.process_time()
    time.sleep(1.5)
    share = (time.process_time() - cpu) / (time.monotonic() - began)
    record_property(f"% of a core when idle, {type(place.engine).__name__}", round(share * 100, 2))


# --- batches -------------------------------------------------------------------------------------------------------


def test_quick_jobs_are_taken_together_and_slow_ones_alone() -> None:
    """Jobs of microseconds are taken a hundred at a time; one that takes long makes threads careful."""
    pace = Pace()
    assert pace.limit == 1
    for _ in range(40):
        pace.note(pace.limit, pace.limit * 10e-6)
    assert pace.limit == 100
    pace.note(20, 20 * 0.005)
    assert pace.limit in (1, 2)
    pace.note(1, 3600.0)
    assert pace.limit == 1


def test_a_slow_job_holds_up_nobody(place: Place) -> None:
    """What was taken together with a job that turns out slow is put back, and run by other threads meanwhile."""
    place.worker()
    place.warm_up()
    place.put(place.app.note, range(30))
    place.put(place.app.hold, [99])
    place.put(place.app.note, range(30, 90))
    wait_until(lambda: place.states() == {"done": 490, "running": 1})
    assert sorted(place.app.ran) == list(range(90))
    place.app.gate.set()
    wait_until(lambda: place.states() == {"done": 491})


def test_slow_jobs_run_beside_each_other(place: Place) -> None:
    """As many jobs run at a time as there are threads, also when all come at once."""
    place.worker(threads=4)
    place.warm_up()
    place.put(place.app.hold, range(6))
    wait_until(lambda: len(place.app.begun) == 4)
    time.sleep(0.3)
    assert len(place.app.begun) == 4
    place.app.gate.set()
    wait_until(lambda: place.states() == {"done": 406})
    assert sorted(place.app.begun) == list(range(6))


# --- queues --------------------------------------------------------------------------------------------------------


def test_no_queue_starves(here: Place) -> None:
    """Of two queues that are never empty, the heavier one is served more often, and the other one as well."""
    here.put(here.app.note, range(300))
    here.put(here.app.mail, range(1000, 1300))
    here.worker(threads=1, lanes={"mail": 4, "default": 1})
    wait_until(lambda: len(here.app.ran) >= 300)
    first = [number >= 1000 for number in here.app.ran]
    wait_until(lambda: here.states() == {"done": 600})
    assert first.index(True) < 300
    assert first.index(False) < 300


def test_the_order_of_queues_follows_their_weights() -> None:
    """A lane comes first as often as its weight says."""
    lanes = Lanes([Lane("default"), Lane("mail"), Lane("slow")], {"default": 6, "mail": 3, "slow": 1})
    first = Counter(lanes.order()[0].queue for _ in range(5000))
    assert 0.55 < first["default"] / 5000 < 0.65
    assert 0.25 < first["mail"] / 5000 < 0.35
    assert {lane.queue for lane in lanes.order()} == {"default", "mail", "slow"}


def test_a_worker_may_serve_some_queues(here: Place) -> None:
    """Jobs of other queues are left to others."""
    here.put(here.app.note, range(5))
    here.put(here.app.mail, range(100, 105))
    here.worker(lanes={"mail": 1})
    wait_until(lambda: len(here.app.ran) == 5)
    wait_until(lambda: here.states() == {"done": 5, "waiting": 5})
    assert sorted(here.app.ran) == list(range(100, 105))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"lanes": {"mial": 1}}, "There is no queue 'mial'; did you mean 'mail'?"),
        ({"lanes": {"x": 1}}, "There is no queue 'x'; the app has 'default', 'mail', 'single'."),
        ({"lanes": {"mail": 0}}, "Expected a weight of queue 'mail' that is more than 0, got 0."),
        ({"threads": 0}, "Expected a worker with one thread or more, got 0."),
    ],
)
def test_what_cannot_be_served_is_refused(how: dict[str, Any], message: str, here: Place) -> None:
    """A worker for no queue of the app would wait for ever."""
    with pytest.raises(ConfigError) as refused:
        Worker(here.queue, **how)
    assert str(refused.value) == message


class Counting(Tables):
    """An engine that counts what it is asked."""

    claims = 0

    def claim(self, *arguments: Any, **named: Any) -> list[Claim]:
        self.claims += 1
        return super().claim(*arguments, **named)


def test_jobs_that_may_not_begin_cost_little(tmp_path: Path) -> None:
    """While a limited queue is full the worker does not ask again and again, and begins other jobs at once."""
    with database_url("sqlite", tmp_path) as url, ExitStack() as stack:
        engine = Counting(Database(url))
        place = Place(engine, stack)
        stack.callback(engine.close)
        place.worker()
        place.put(place.app.single, range(3))
        wait_until(lambda: place.app.begun == [0])
        before = engine.claims
        time.sleep(0.6)
        assert engine.claims - before < 60
        place.put(place.app.note, [7])
        wait_until(lambda: place.app.ran == [7])
        place.app.gate.set()
        wait_until(lambda: place.states() == {"done": 4})
        assert place.app.begun == [0, 1, 2]


# --- leases --------------------------------------------------------------------------------------------------------


def test_a_job_longer_than_its_lease_is_not_given_to_others(place: Place) -> None:
    """A worker that lives keeps its job, however long that takes."""
    place.worker(lease=1.5, name="first")
    place.put(place.app.hold, [1])
    wait_until(lambda: place.app.begun == [1])
    place.worker(lease=1.5, name="second")
    time.sleep(3.0)
    assert place.app.begun == [1]
    place.app.gate.set()
    wait_until(lambda: place.states() == {"done": 1})


def test_the_jobs_of_a_lost_worker_are_taken_over(place: Place) -> None:
    """Claims that nobody keeps go to a worker that lives, though its queue is idle otherwise."""
    place.put(place.app.note, range(5))
    assert len(place.engine.claim("dead", place.app.lanes, 5, 0.3)) == 5
    place.worker()
    wait_until(lambda: place.states() == {"done": 5})
    assert sorted(place.app.ran) == list(range(5))


# --- jobs that do not end, and other trouble -----------------------------------------------------------------------


def test_a_job_that_does_not_end_has_failed(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is settled without its thread, which is replaced; what the thread says at last is ignored."""
    monkeypatch.setattr(watch, "OVERDUE", 0.2)
    monkeypatch.setattr(watch, "SELDOM", 0.1)
    worker = place.worker(threads=3)
    job = place.queue.wait(place.queue.later(place.app.hang)().id)
    assert (job.state, [attempt.code for attempt in job.history]) == ("dead", ["deadline_exceeded"])
    assert "its thread is given up" in caplog.text
    place.put(place.app.hold, range(3))
    wait_until(lambda: sorted(place.app.begun) == [0, 0, 1, 2])
    assert _threads(worker) == {"busy": 3, "idle": 0, "stuck": 1}
    place.app.gate.set()
    wait_until(lambda: place.states() == {"done": 3, "dead": 1})
    wait_until(lambda: _threads(worker) == {"busy": 0, "idle": 3, "stuck": 0})


def _threads(worker: Worker) -> dict[str, int]:
    return {labels["state"]: int(value) for _, _, labels, value in worker.gauges()}


def test_a_worker_with_too_many_stuck_threads_ends(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where half of the threads hang, another process is better; beside a web server health tells of it."""
    monkeypatch.setattr(watch, "OVERDUE", 0.1)
    monkeypatch.setattr(watch, "SELDOM", 0.1)
    beside = here.worker(threads=2)
    beside.check()
    here.queue.wait(here.queue.later(here.app.hang)().id)
    with pytest.raises(MergepointError, match="Half of the worker's threads"):
        beside.check()
    beside.stop(0)
    alone = Worker(here.queue, threads=2, grace=1.0)
    here.queue.later(here.app.hang)()
    alone.run()
    assert here.states() == {"dead": 2}


class Unlucky(Tables):
    """An engine with bugs: some claims fail, and one result cannot be kept."""

    misfortunes = 3

    def claim(
        self, worker: str, lanes: Sequence[Lane], limit: int, lease: float, outcomes: Sequence[Outcome] = ()
    ) -> list[Claim]:
        if self.misfortunes:
            self.misfortunes -= 1
            raise ZeroDivisionError("a bug")
        self._refuse(outcomes)
        return super().claim(worker, lanes, limit, lease, outcomes)

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        self._refuse(outcomes)
        super().settle(outcomes)

    def _refuse(self, outcomes: Sequence[Outcome]) -> None:
        if any(outcome.result == b'"poison"' for outcome in outcomes):
            raise ValueError("too strange a result")


def test_bugs_of_the_store_do_not_end_the_worker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A call that fails is made again; a result that cannot be kept fails its own job and no other."""
    with database_url("sqlite", tmp_path) as url, ExitStack() as stack:
        place = Place(Unlucky(Database(url)), stack)
        stack.callback(place.queue.close)
        place.worker()
        message = place.queue.message(place.app.say, retries=1)
        texts = ["a", "poison", *"bcd"]
        jobs = place.queue.put([message(text) for text in texts])  # type: ignore[call-arg]  # as above
        wait_until(lambda: place.states() == {"done": 4, "dead": 1})
        assert place.queue.job(jobs[1].id).history[-1].code == "internal"
        assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("kind", ["redis", "postgresql"])
def test_a_store_that_comes_back_is_used_again(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, record_property: Callable[[str, object], None]
) -> None:
    """Nothing is lost while it is gone, jobs run again within seconds of its return, and the log has two lines."""
    caplog.set_level(logging.INFO, "mergepoint")
    with ExitStack() as stack:
        server: Any = stack.enter_context(redis_server(tmp_path) if kind == "redis" else own_postgresql())
        engine: Engine | Database = Worklist(server.url, prefix="t") if kind == "redis" else Database(server.url)
        stack.callback(engine.close)
        place = Place(engine, stack)
        stack.callback(place.queue.close)
        place.worker()
        place.put(place.app.hold, range(3))
        place.put(place.app.note, range(10, 110))
        wait_until(lambda: place.states() == {"done": 100, "running": 3})
        (server.kill if kind == "redis" else server.stop)()
        place.app.gate.set()
        wait_until(lambda: "No jobs for now" in caplog.text)
        time.sleep(1.0)
        server.start()
        began = time.monotonic()
        wait_until(lambda: place.states() == {"done": 103})
        record_property(f"s from the return of {kind} until all is settled", round(time.monotonic() - began, 2))
        place.put(place.app.note, [200])
        wait_until(lambda: place.states() == {"done": 104})
        assert sorted(place.app.ran) == [*range(3), *range(10, 110), 200]
        told = [record.message for record in caplog.records if "store" in record.message]
        assert [text.partition(",")[0] for text in told] == ["No jobs for now", "The store of jobs answers again"]


# --- the end -------------------------------------------------------------------------------------------------------


def test_the_end_waits_for_running_jobs_and_puts_back_the_rest(place: Place) -> None:
    """What runs is finished; what was taken and not begun is put back at once, as if it had never been taken."""
    worker = place.worker(threads=2)
    place.put(place.app.hold, range(2))
    wait_until(lambda: len(place.app.begun) == 2)
    place.put(place.app.note, range(10, 60))
    ending = threading.Thread(target=worker.stop, args=(15.0,))
    ending.start()
    wait_until(lambda: place.states() == {"running": 2, "waiting": 50})
    time.sleep(0.2)
    assert ending.is_alive()
    place.app.gate.set()
    ending.join(10)
    assert place.states() == {"done": 2, "waiting": 50}
    assert {entry.attempts for entry in place.engine.entries(states=["waiting"])} == {0}
    with pytest.raises(MergepointError, match="does not take jobs"):
        worker.check()


def test_a_job_longer_than_the_grace_is_put_back(place: Place) -> None:
    """It waits for another worker without an attempt counted, and what its thread says later is ignored."""
    worker = place.worker()
    place.put(place.app.hold, [1])
    wait_until(lambda: place.app.begun == [1])
    worker.stop(0.2)
    entry = place.engine.entries()[0]
    assert (entry.state, entry.attempts) == ("waiting", 0)
    place.app.gate.set()
    wait_until(lambda: place.app.ran == [1])
    time.sleep(0.1)
    assert place.states() == {"waiting": 1}
    place.worker()
    wait_until(lambda: place.states() == {"done": 1})


def test_a_worker_ends_in_the_middle_of_a_batch(here: Place) -> None:
    """Jobs that were taken together with the one that runs are put back when the worker ends."""
    worker = here.worker(threads=1)
    here.warm_up()
    here.put(here.app.hold, [0])
    here.put(here.app.note, range(1, 51))
    wait_until(lambda: here.app.begun == [0])
    worker.ask()
    here.app.gate.set()
    worker.stop(10.0)
    assert here.states() == {"done": 401, "waiting": 50}


def test_a_worker_ends_after_so_many_jobs(here: Place) -> None:
    """It finishes what it runs and leaves the rest; `run` returns."""
    here.put(here.app.note, range(500))
    worker = Worker(here.queue, recycle=50, threads=2)
    worker.run()
    states = here.states()
    assert 50 <= states["done"] < 500
    assert states == {"done": len(here.app.ran), "waiting": 500 - len(here.app.ran)}


def test_a_worker_that_never_began_can_be_stopped(here: Place) -> None:
    """Whoever stops it need not know whether it was started."""
    Worker(here.queue).stop()


# --- figures -------------------------------------------------------------------------------------------------------


def test_metrics_have_the_jobs_and_the_threads(place: Place) -> None:
    """How many jobs there are by queue and state, and what the threads do, is asked when metrics are."""
    worker = place.worker(threads=4)
    place.put(place.app.hold, range(2))
    place.queue.later(place.app.mail, delay=60)(1)
    wait_until(lambda: len(place.app.begun) == 2)
    sample = Metrics(resources=lambda: [place.queue, worker, object()]).registry.get_sample_value
    wait_until(lambda: sample("mergepoint_jobs", {"queue": "default", "state": "running"}) == 2.0)
    assert sample("mergepoint_jobs", {"queue": "mail", "state": "waiting"}) == 1.0
    assert sample("mergepoint_job_threads", {"state": "busy"}) == 2.0
    assert sample("mergepoint_job_threads", {"state": "idle"}) == 2.0


def test_metrics_are_told_without_a_store() -> None:
    """Where it does not answer, its figures are missing and the others are there."""

    class Gone:
        def gauges(self) -> list[Any]:
            raise Unavailable("gone")

    registry = Metrics(resources=lambda: [Gone()]).registry
    assert [family.name for family in registry.collect()] == ["mergepoint_calls", "mergepoint_call_seconds"]


def test_a_worker_accounts_for_what_it_did(
    here: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Now and then the log says how many jobs were run, if any were."""
    monkeypatch.setattr(watch, "ACCOUNT", 0.5)
    monkeypatch.setattr(watch, "SELDOM", 0.1)
    caplog.set_level(logging.INFO, "mergepoint")
    here.queue.later(here.app.note, delay=60)(0)
    here.worker()
    here.put(here.app.note, range(20))
    here.queue.later(here.app.fail, retries=0)()
    wait_until(lambda: "jobs were run" in caplog.text)
    time.sleep(1.2)
    told = [record.message for record in caplog.records if "jobs were run" in record.message]
    assert told == ["21 jobs were run in 0 s, 1 of them failed; 1 are waiting"]
