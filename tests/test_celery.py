"""Celery as the host of workers: real workers on Redis and RabbitMQ, the jobs in SQLite and Redis."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from celery import Celery
from celery.exceptions import OperationalError
from celery.utils.imports import symbol_by_name
from tests.redises import REDIS, prefixed, redis_server
from tests.served import Server, wait_until

from mergepoint import App
from mergepoint.celery import Application, application
from mergepoint.celery.consumer import Consumer
from mergepoint.celery.handover import LARGEST, complete, pack, unpack
from mergepoint.db import Database
from mergepoint.jobs import DEFAULT, Claim, Entry, Job, Lane, Message, Outcome, new_id
from mergepoint.tasks import Queue

RABBITMQ = os.environ.get("MERGEPOINT_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//")
LEASE = 2.0

WORKER = '''
"""The worker module of an application, as `celery -A bats worker` loads it."""

import os
import signal
import time
from pathlib import Path
from typing import Annotated

from mergepoint import App, Progress, Sensitive, celery
from mergepoint.db import Database
from mergepoint.redis import Worklist
from mergepoint.tasks import Queue

NAME = {name!r}
LOG = Path({log!r})


class NoSuchBat(LookupError):
    """No bat has this id."""


app = App(NAME, errors={{NoSuchBat: "not_found"}})
queue = Queue(app, Database({store!r}) if {store!r}.startswith("sqlite") else Worklist({store!r}, prefix={prefix!r}))


def note(text: str) -> None:
    """Note that a job ran."""
    with LOG.open("a") as log:
        log.write(text + "\\n")


@app.command
def census(year: int, label: str = "") -> int:
    """Count the bats."""
    note(f"census {{year}}")
    return year + 1


@app.task(retries=0)
def find(id: int) -> None:
    """Look for a bat that is not there."""
    raise NoSuchBat(f"There is no bat {{id}}.")


@app.task(retries=3)
def flap(marker: str) -> None:
    """Fail at first."""
    note(f"flap {{marker}}")
    if not Path(marker).exists():
        Path(marker).touch()
        raise RuntimeError("its wing is broken")


@app.task
def sleep(name: str, seconds: float, progress: Progress) -> None:
    """Hang upside down for a while."""
    note(f"sleep {{name}}")
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        progress(0.5)
        time.sleep(0.02)


@app.task(retries=0, timeout=0.3)
def oversleep(name: str) -> None:
    """Take longer than the time that there is."""
    note(f"oversleep {{name}}")
    time.sleep(30)


@app.task
def fall(marker: str) -> None:
    """Take the process along, once."""
    note(f"fall {{marker}}")
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)


@app.task
def whisper(word: Annotated[str, Sensitive], much: str = "") -> int:
    """Keep a secret."""
    note(f"whisper {{len(word)}} {{len(much)}}")
    return len(word)


@app.task
def keep(value: dict[str, str]) -> int:
    """Take what Celery's serializer would take for something else."""
    return len(value)


celery_app = celery.application(queue, {broker!r}, lease={lease!r}, **{settings!r})
'''


class Colony:
    """An application in a folder, its workers on a broker, and its queue in this process."""

    def __init__(self, folder: Path, store: str, broker: str, prefix: str) -> None:
        self.name = f"bats{uuid4().hex[:8]}"
        self.prefix = f"{prefix}_{self.name}"
        self.folder = folder
        self.broker = broker
        self.log = folder / "runs.txt"
        self.log.touch()
        where = f"sqlite:///{folder / 'jobs.db'}" if store == "sqlite" else store
        settings: dict[str, Any] = {"event_exchange": f"{self.name}.ev", "control_exchange": f"{self.name}.control"}
        if broker.startswith("redis"):
            settings = {"broker_transport_options": {"global_keyprefix": f"{self.prefix}:"}}
        facts = {"name": self.name, "log": str(self.log), "store": where, "prefix": self.prefix, "broker": broker}
        source = WORKER.format(**facts, lease=LEASE, settings=settings)
        (folder / f"{self.name}.py").write_text(source.replace("celery_app =", "celery ="))
        self.module = self._load()
        self.queue: Queue = self.module.queue
        self.celery: Application = self.module.celery

    def _load(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location(self.name, self.folder / f"{self.name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = module
        spec.loader.exec_module(module)
        return module

    def command(self, *words: str) -> list[str]:
        """Return a command line of Celery's for this application."""
        return [sys.executable, "-m", "celery", "-A", f"{self.name}:celery", *words]

    @contextmanager
    def worker(self, *words: str, pool: str = "prefork", concurrency: int = 2) -> Iterator[Server]:
        """Run a Celery worker."""
        options = ["--pool", pool, "-c", str(concurrency), "-n", self.node, "-l", "INFO", *words]
        server = Server(self.command("worker", *options), self.folder, 0)
        try:
            server.wait_for(" ready.")
            yield server
        finally:
            kill(server)

    @property
    def node(self) -> str:
        """How the worker is called among Celery's nodes."""
        return f"{self.name}@here"

    def runs(self) -> Counter[str]:
        """Return what ran, and how often."""
        return Counter(self.log.read_text().splitlines())

    def done(self, *jobs: Job, within: float = 20.0) -> list[Entry]:
        """Wait until jobs are over, and return them."""
        for job in jobs:
            self.queue.wait(job.id, within)
        return [self.queue.entry(job.id) for job in jobs]

    def close(self) -> None:
        """Leave nothing behind."""
        self.queue.close()
        self.celery.close()
        del sys.modules[self.name]
        if self.broker.startswith("amqp"):
            sweep_rabbitmq(self)


def kill(server: Server) -> None:
    """End a worker with all its processes at once."""
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.end()
    assert server.process.stdout is not None
    server.process.stdout.close()


def sweep_rabbitmq(colony: Colony) -> None:
    """Delete the queues and exchanges of a run."""
    queues = [*colony.celery.amqp.queues, f"{colony.name}.{colony.node}", f"{colony.node}.{colony.name}.control.pidbox"]
    queues.append(f"{colony.name}.elsewhere")
    exchanges = [f"{colony.name}.{end}" for end in ("default", "elsewhere", "ev", "control", "control.pidbox")]
    with colony.celery.connection_for_write() as connection:
        for queue in queues:
            connection.channel().queue_delete(queue)
        for exchange in (*exchanges, f"reply.{colony.name}.control.pidbox"):
            connection.channel().exchange_delete(exchange)


def answering(url: str) -> str:
    """Return the URL of a service that answers; skip if it does not."""
    try:
        with Celery(broker=url, set_as_current=False).connection_for_read(connect_timeout=3) as connection:
            connection.ensure_connection(max_retries=1)
    except (OperationalError, OSError) as error:
        pytest.skip(
            f"{url.partition(':')[0]} does not answer; start it, or set MERGEPOINT_TEST_REDIS/RABBITMQ: {error}"
        )
    return url


PAIRS = {"sqlite-redis": ("sqlite", REDIS), "redis-rabbitmq": (REDIS, RABBITMQ)}
OTHER_PAIRS = {"sqlite-rabbitmq": ("sqlite", RABBITMQ), "redis-redis": (REDIS, REDIS)}


@contextmanager
def colony_of(folder: Path, store: str, broker: str, prefix: str) -> Iterator[Colony]:
    """Make an application; at the end nothing is left of it."""
    for url in {store, broker} - {"sqlite"}:
        answering(url)
    colony = Colony(folder, store, broker, prefix)
    try:
        yield colony
    finally:
        colony.close()


@pytest.fixture(scope="module")
def prefix() -> Iterator[str]:
    """Return how the Redis keys of these tests begin."""
    with prefixed() as (_, prefix):
        yield prefix


@pytest.fixture(scope="module", params=PAIRS)
def colony(request: pytest.FixtureRequest, prefix: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colony]:
    """Return an application with a running worker of two processes."""
    store, broker = PAIRS[request.param]
    with colony_of(tmp_path_factory.mktemp("colony"), store, broker, prefix) as colony, colony.worker():
        yield colony


@pytest.fixture(params=PAIRS)
def idle(request: pytest.FixtureRequest, prefix: str, tmp_path: Path) -> Iterator[Colony]:
    """Return an application without a worker."""
    with colony_of(tmp_path, *PAIRS[request.param], prefix) as colony:
        yield colony


@contextmanager
def watched(colony: Colony) -> Iterator[list[dict[str, Any]]]:
    """Collect the events that Flower would see."""
    events: list[dict[str, Any]] = []
    ready, over = threading.Event(), threading.Event()

    def listen() -> None:
        with colony.celery.connection_for_read() as connection:
            receiver = colony.celery.events.Receiver(connection, handlers={"*": events.append})
            with receiver.consumer_context() as (own, _, _):
                ready.set()
                while not over.is_set():
                    with suppress(TimeoutError):
                        own.drain_events(timeout=0.1)

    thread = threading.Thread(target=listen)
    thread.start()
    assert ready.wait(10)
    time.sleep(0.2)  # until the broker has the subscription
    try:
        yield events
    finally:
        over.set()
        thread.join()


def of(events: list[dict[str, Any]], id: str) -> dict[str, dict[str, Any]]:
    """Return the events of a task, by type."""
    return {event["type"]: event for event in list(events) if event.get("uuid") == id}


# --- what runs ---


def test_jobs_run_as_tasks_that_celerys_tools_see(colony: Colony) -> None:
    """A job is a task of its command's name, with its arguments and its id; its result is in the store."""
    with watched(colony) as events:
        job = colony.queue.later(colony.module.census)(2026, label="spring")
        assert colony.queue.result(job.id) == 2027
        wait_until(lambda: "task-succeeded" in of(events, job.id))
    seen = of(events, job.id)
    assert seen["task-received"]["name"] == "census"
    assert seen["task-received"]["kwargs"] == "{'year': 2026, 'label': 'spring'}"
    assert {"task-received", "task-started", "task-succeeded"} <= seen.keys()
    assert colony.runs()["census 2026"] == 1


def test_many_jobs_run_once_each(colony: Colony, record_property: Callable[[str, object], None]) -> None:
    """A backlog many times longer than what is handed over at once is worked off, each job once."""
    later = colony.queue.message(colony.module.census)
    began = time.monotonic()
    jobs = colony.queue.put([later(3000 + number) for number in range(200)])
    colony.done(*jobs)
    record_property("jobs_per_second", round(200 / (time.monotonic() - began)))
    runs = colony.runs()
    assert [runs[f"census {3000 + number}"] for number in range(200)] == [1] * 200


def test_inspect_knows_the_tasks(colony: Colony) -> None:
    """`celery inspect registered` lists every command."""
    answer = colony.celery.control.inspect(destination=[colony.node], timeout=5).registered()
    assert answer is not None
    assert {"census", "find", "sleep"} <= {line.split()[0] for line in answer[colony.node]}


def test_a_failure_is_retried_by_the_store_and_shown_as_retry(colony: Colony) -> None:
    """A job that fails waits in the store, not in the broker; Celery's tools see a retry, then the success."""
    with watched(colony) as events:
        job = colony.queue.later(colony.module.flap)(str(colony.folder / "flapped"))
        (entry,) = colony.done(job)
        wait_until(lambda: "task-succeeded" in of(events, job.id))
    assert (entry.state, entry.attempts, [attempt.outcome for attempt in entry.history]) == ("done", 2, ["failed"])
    assert "internal" in of(events, job.id)["task-retried"]["exception"]


def test_a_dead_job_is_shown_as_failure(colony: Colony) -> None:
    """A job that cannot succeed is in the dead letters at once, and fails for Celery's tools, with the reason."""
    with watched(colony) as events:
        job = colony.queue.later(colony.module.find)(7)
        (entry,) = colony.done(job)
        wait_until(lambda: "task-failed" in of(events, job.id))
    assert (entry.state, entry.history[0].code) == ("dead", "no_such_bat")
    assert "There is no bat 7." in of(events, job.id)["task-failed"]["exception"]


def test_a_job_over_its_time_is_stopped(colony: Colony) -> None:
    """A job that sleeps through its timeout is woken by Celery's soft limit, and fails for that reason."""
    job = colony.queue.later(colony.module.oversleep)("late")
    (entry,) = colony.done(job)
    assert (entry.state, entry.history[0].code) == ("dead", "deadline_exceeded")
    assert (entry.history[0].seconds or 99) < 10


def test_a_killed_process_loses_no_job(colony: Colony) -> None:
    """A process of the pool that dies takes no job along: when the lease is over, it runs again."""
    job = colony.queue.later(colony.module.fall)(str(colony.folder / "fallen"))
    (entry,) = colony.done(job)
    assert (entry.state, entry.attempts, [attempt.code for attempt in entry.history]) == ("done", 2, ["worker_lost"])


def test_secrets_stay_in_the_store(colony: Colony) -> None:
    """Sensitive arguments are neither sent to the broker nor shown; the job gets them from the store."""
    with watched(colony) as events:
        job = colony.queue.later(colony.module.whisper)("hunter2")
        assert colony.queue.result(job.id) == 7
        wait_until(lambda: "task-received" in of(events, job.id))
    assert "hunter2" not in repr(of(events, job.id))
    assert "***" in of(events, job.id)["task-received"]["kwargs"]


@pytest.mark.parametrize("value", [{"__type__": "x", "__value__": "y"}, {"a": "x" * LARGEST}])
def test_arguments_that_celery_cannot_carry_are_read_from_the_store(colony: Colony, value: dict[str, str]) -> None:
    """What the serializer would refuse, or a broker is not made for, arrives all the same."""
    assert colony.queue.result(colony.queue.later(colony.module.keep)(value).id) == len(value)


# --- called by others ---


def test_a_plain_celery_call_puts_a_job_in(colony: Colony) -> None:
    """`celery call census --kwargs …` makes a job of the store."""
    before = {job.id for job in colony.queue.jobs(operation="census", limit=1000)}
    subprocess.run(
        colony.command("call", "census", "--kwargs", json.dumps({"year": 1815})), cwd=colony.folder, check=True
    )
    wait_until(lambda: colony.runs()["census 1815"] == 1)
    new = [job for job in colony.queue.jobs(operation="census", limit=1000) if job.id not in before]
    assert len(new) == 1
    assert colony.queue.result(new[0].id) == 1816


def test_a_call_with_wrong_arguments_fails(colony: Colony) -> None:
    """A call by Celery's means is checked by the contract, and says what is wrong."""
    with watched(colony) as events:
        task = colony.celery.send_task("census", args=["nineteen"])
        wait_until(lambda: "task-failed" in of(events, task.id))
    assert "Expected" in of(events, task.id)["task-failed"]["exception"]


# --- tokens ---


def test_a_stale_token_is_skipped(idle: Colony) -> None:
    """A message of a claim that is not the newest any more, such as one that a broker kept for long, does not run."""
    engine, lanes = idle.queue.engine, [Lane(DEFAULT)]
    job = idle.queue.later(idle.module.census)(1900)
    old = engine.claim("celery:gone:1", lanes, 1, 60)[0]
    engine.settle([Outcome(old, "release")])
    new = engine.claim("celery:gone:2", lanes, 1, 60)[0]
    with idle.worker() as worker:
        idle.celery.amqp.queues.add(f"{idle.name}.{idle.node}", queue_arguments={"x-expires": 86_400_000})
        idle.celery.send(old, "celery:gone:1", f"{idle.name}.{idle.node}")
        worker.wait_for("is another worker's by now")
        assert (idle.queue.entry(job.id).state, idle.runs()["census 1900"]) == ("running", 0)
        engine.settle([Outcome(new, "release")])
        idle.done(job)
    assert idle.runs()["census 1900"] == 1


def test_revoking_a_task_cancels_its_job(colony: Colony) -> None:
    """`revoke` of Celery's tools, with and without `terminate`, cancels the job in the store."""
    jobs = [colony.queue.later(colony.module.sleep)(f"revoked {number}", 20) for number in range(3)]
    wait_until(lambda: sum(colony.runs()[f"sleep revoked {number}"] for number in range(3)) == 2)
    time.sleep(0.5)  # the third was sent to the worker meanwhile, and waits there
    for job in jobs:
        colony.celery.control.revoke(job.id, terminate=True)
    assert [entry.state for entry in colony.done(*jobs)] == ["cancelled"] * 3


def test_cancelling_a_job_stops_its_task(colony: Colony) -> None:
    """A job that is cancelled in the store stops at its next word of progress."""
    job = colony.queue.later(colony.module.sleep)("cancelled", 20)
    wait_until(lambda: colony.runs()["sleep cancelled"] == 1)
    colony.queue.cancel(job.id)
    assert colony.done(job)[0].state == "cancelled"


# --- the ends of workers ---


def test_a_killed_worker_group_loses_nothing(idle: Colony, record_property: Callable[[str, object], None]) -> None:
    """Killed with SIGKILL twice in the middle of 60 jobs, workers have done all of them in the end."""
    later = idle.queue.message(idle.module.sleep)
    jobs = idle.queue.put([later(f"job {number}", 0.05) for number in range(60)])
    for share in (10, 30):
        with idle.worker() as worker:
            wait_until(lambda share=share: len(idle.runs()) >= share)  # type: ignore[misc]
            kill(worker)
    with idle.worker():
        entries = idle.done(*jobs)
    assert {entry.state for entry in entries} == {"done"}
    runs = idle.runs()
    assert set(runs) == {f"sleep job {number}" for number in range(60)}
    record_property("duplicates", sum(runs.values()) - 60)
    assert sum(runs.values()) - 60 <= 2 * 2  # those in flight at each kill


def test_stopping_puts_back_what_has_not_begun(idle: Colony) -> None:
    """SIGTERM: what runs is finished, the rest is back in the store at once, as if it had never been taken."""
    jobs = [idle.queue.later(idle.module.sleep)(f"job {number}", 1.5) for number in range(6)]
    with idle.worker(concurrency=1) as worker:
        wait_until(lambda: len(idle.runs()) == 1)
        time.sleep(0.3)
        assert worker.stop() == 0
    entries = [idle.queue.entry(job.id) for job in jobs]
    assert Counter(entry.state for entry in entries) == {"done": 1, "waiting": 5}
    assert {entry.attempts for entry in entries if entry.state == "waiting"} == {0}


def test_processes_that_are_replaced(idle: Colony) -> None:
    """A pool that forks a new process for each job runs all of them: none inherits a lock that nobody lets go of."""
    with idle.worker("--max-tasks-per-child", "1"):
        jobs = [idle.queue.later(idle.module.census)(year) for year in range(30)]
        assert {entry.state for entry in idle.done(*jobs)} == {"done"}
    assert set(idle.runs().values()) == {1}


@pytest.mark.parametrize(("pool", "pair"), [("threads", "sqlite-rabbitmq"), ("solo", "redis-redis")])
def test_other_pools(pool: str, pair: str, prefix: str, tmp_path: Path) -> None:
    """Threads and the solo pool run jobs as processes do."""
    with colony_of(tmp_path, *OTHER_PAIRS[pair], prefix) as colony, colony.worker(pool=pool) as worker:
        jobs = [colony.queue.later(colony.module.census)(year) for year in range(20)]
        assert {entry.state for entry in colony.done(*jobs)} == {"done"}
        assert worker.stop() == 0
    assert set(colony.runs().values()) == {1}


def test_a_worker_takes_the_queues_it_is_told(idle: Colony) -> None:
    """With `-Q` a worker takes jobs from those queues alone."""
    job = idle.queue.later(idle.module.census)(1)
    with idle.worker("-Q", f"{idle.name}.elsewhere"):
        time.sleep(1)
        assert idle.queue.job(job.id).state == "waiting"
    with idle.worker("-Q", f"{idle.name}.default"):
        idle.done(job)


# --- outages ---


@pytest.mark.parametrize("down", ["broker", "store"])
def test_an_outage_delays_jobs_and_loses_none(down: str, prefix: str, tmp_path: Path) -> None:
    """With its broker or its store away for a while, a worker waits, says so once, and goes on."""
    with ExitStack() as stack:
        server = stack.enter_context(redis_server(tmp_path))
        pair = ("sqlite", server.url) if down == "broker" else (server.url, REDIS)
        colony = stack.enter_context(colony_of(tmp_path, *pair, prefix))
        worker = stack.enter_context(colony.worker())
        first = [colony.queue.later(colony.module.sleep)(f"first {number}", 0.2) for number in range(12)]
        wait_until(lambda: len(colony.runs()) >= 3)
        server.kill()
        time.sleep(2)
        server.start()
        second = [colony.queue.later(colony.module.census)(year) for year in range(10)]
        assert {entry.state for entry in colony.done(*first, *second)} == {"done"}
        assert worker.output.count("No job can be handed over") <= 1
        assert worker.stop() == 0


# --- parcels ---


def a_claim(arguments: bytes) -> Claim:
    """Return a claim with these arguments."""
    return Claim(Message(id=new_id(), operation="census", arguments=msgspec.Raw(arguments)), 3, attempts=2)


def test_a_parcel_brings_the_claim() -> None:
    """What is packed in one process is the same claim in the other."""
    claim = a_claim(b'{"year": 2026, "label": "\\u00fcber"}')
    parcel = pack("celery:here:1", claim, [])
    assert parcel.kwargs == {"year": 2026, "label": "über"}
    handover = unpack(parcel.header)
    back = complete(handover, parcel.kwargs, None)  # type: ignore[arg-type]  # the store is not asked
    assert back is not None
    assert (back.token, back.attempts, back.message.id) == (3, 2, claim.message.id)
    assert json.loads(bytes(back.message.arguments)) == parcel.kwargs


def test_a_parcel_shows_no_secrets() -> None:
    """Arguments that are secret by their mark or their name are not shown, and those marked do not travel."""
    claim = a_claim(b'{"word": "hunter2", "options": {"password": "x"}}')
    marked, named = pack("w", claim, ["word"]), pack("w", claim, [])
    assert (marked.kwargs, "hunter2" in marked.shown + marked.header) == ({}, False)
    assert named.shown == "{'word': 'hunter2', 'options': {'password': '***'}}"


class Lost:
    """A connection of kombu's to Redis that broke while a message of it was not acknowledged yet."""

    connection_errors = channel_errors = (OSError,)

    def collect(self, socket_timeout: float) -> None:
        """Fail, as the socket is gone."""
        raise OSError

    def close(self) -> None:
        """Fail as kombu 5.7 does, which asks a closed connection where it led."""
        raise AttributeError("'NoneType' object has no attribute 'hostname'")


def test_a_connection_that_cannot_be_closed_does_not_end_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    """The consumer that the settings name connects again, where Celery's own would leave with the exception."""
    app = App("bats")
    made = application(Queue(app, Database("sqlite://")), "memory://")
    consumer = Consumer.__new__(symbol_by_name(made.conf.worker_consumer))
    consumer.app, consumer.connection = made, Lost()
    consumer.on_connection_error_after_connected(OSError("gone"))
    assert consumer.connection is None
    assert "could not be closed in order" in caplog.text
    app.close()
