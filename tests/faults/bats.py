"""The application that the fault suite does its worst to. Its jobs leave marks in a file, which survive any kill.

python bats.py worker|scheduler|unique|transactions …; what keeps the jobs comes from the environment: see `Settings`.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from mergepoint import App, celery, redis, schedule, tasks
from mergepoint.db import Database
from mergepoint.errors import Unavailable
from mergepoint.jobs import Backoff, Engine

ROWS = sa.Table("rows_committed", sa.MetaData(), sa.Column("number", sa.Integer, primary_key=True))

THREADS = 8
"""The jobs that a worker, or Celery's, runs at a time."""

BACKOFF = Backoff(first=0.2, factor=2, most=2)


@dataclass(frozen=True)
class Settings:
    """Where everything is.

    Attributes:
        folder: of the marks, and of the SQLite database.
        store: what keeps the jobs: the URL of a database or of a Redis.
        outbox: the database that transactions are in, where the store is none; its URL.
        broker: of Celery; empty without it.
        lease: seconds after which a dead worker's jobs are given to others.
        version: of the application: 1, or 2 with a further parameter.
        clock: seconds by which this process believes it to be later than it is.
    """

    folder: Path
    store: str
    outbox: str = ""
    broker: str = ""
    lease: float = 2.0
    version: int = 1
    clock: float = 0.0

    @classmethod
    def of_environment(cls) -> Settings:
        """Read them back from the environment that `environment` made."""
        told = {name: os.environ[f"FAULTS_{name.upper()}"] for name in cls.__dataclass_fields__}
        return cls(
            Path(told["folder"]), told["store"], told["outbox"], told["broker"],
            float(told["lease"]), int(told["version"]), float(told["clock"]),
        )  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        """What tells another process of them."""
        return {f"FAULTS_{name.upper()}": str(getattr(self, name)) for name in self.__dataclass_fields__}

    @property
    def database(self) -> str:
        """The URL of the database whose transactions jobs are put in."""
        return self.outbox or self.store


class Bats:
    """The application, put together.

    Attributes:
        app: its operations.
        queue: its jobs.
        db: the database of its transactions.
        work: a job that begins, takes some seconds and ends.
        fail: one that always fails.
        kill: one that kills its worker.
        tick: one that leaves a mark.
        rename: one whose parameters depend on the version.
    """

    def __init__(self, settings: Settings) -> None:
        marks = os.open(settings.folder / "marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

        def mark(event: str, number: int) -> None:
            os.write(marks, f"{event} {number} {os.getpid()} {time.monotonic()}\n".encode())

        self.db = Database(settings.database)
        self.app = App("bats")
        self.queue = tasks.Queue(self.app, _engine(settings, self.db))
        self.work = self.app.task(_work(mark), name="work", retries=3)
        self.fail = self.app.task(_fail(mark), name="fail", retries=3)
        self.kill = self.app.task(_kill(mark), name="kill")
        self.tick = self.app.task(_tick(mark), name="tick")
        self.rename = self.app.task(_rename(mark, settings.version), name="rename")
        self.app.every(self.tick, seconds=0.2, number=0, missed="all")


def _engine(settings: Settings, db: Database) -> Engine:
    if not settings.store.startswith("redis"):
        return tasks.Tables(db)
    return tasks.Outbox(redis.Worklist(settings.store, prefix="{bats}:"), db)


Mark = Callable[[str, int], None]


def _work(mark: Mark) -> Callable[[int, float], None]:
    def work(number: int, seconds: float) -> None:
        mark("begin", number)
        time.sleep(seconds)
        mark("end", number)

    return work


def _fail(mark: Mark) -> Callable[[int], None]:
    def fail(number: int) -> None:
        mark("begin", number)
        raise Unavailable("it fails whenever it is tried")

    return fail


def _kill(mark: Mark) -> Callable[[int], None]:
    def kill(number: int) -> None:
        mark("begin", number)
        os.kill(os.getpid(), signal.SIGKILL)

    return kill


def _tick(mark: Mark) -> Callable[[int], None]:
    def tick(number: int) -> None:
        mark("end", number)

    return tick


def _rename(mark: Mark, version: int) -> Callable[..., None]:
    def rename(number: int) -> None:
        mark("end", number)

    def rename_to(number: int, name: str = "Flap") -> None:
        mark("end", number)

    return rename if version == 1 else rename_to


def worker(bats: Bats, settings: Settings) -> None:
    """Work until told to stop."""
    running = tasks.Worker(bats.queue, threads=THREADS, lease=settings.lease, backoff=BACKOFF)
    print("works", flush=True)
    running.run()


def scheduler(bats: Bats, settings: Settings) -> None:
    """Put jobs in at each tick."""
    print("works", flush=True)
    schedule.Scheduler(bats.queue).run()


def unique(bats: Bats, settings: Settings) -> None:
    """Put in a job of which there may be one only."""
    bats.queue.later(bats.work, unique="the one")(1, 0.0)


def transactions(bats: Bats, settings: Settings) -> None:
    """Put jobs in by transactions, until killed: each writes a row and a job, and every third is rolled back."""
    first = random.randrange(1_000_000) * 1000
    for number in range(first, first + 1000):
        try:
            with bats.db.unit_of_work():
                bats.db.statement(sa.insert(ROWS)).run(number=number)
                bats.queue.later(bats.work)(number, 0.0)
                if number % 3 == 0:
                    raise ArithmeticError
        except ArithmeticError:
            pass


def main(command: str) -> None:
    """Run one of the commands above in this process."""
    settings = Settings.of_environment()
    if settings.clock:
        real = time.time, time.time_ns
        time.time = lambda: real[0]() + settings.clock
        time.time_ns = lambda: real[1]() + int(settings.clock * 1e9)
    commands = {"worker": worker, "scheduler": scheduler, "unique": unique, "transactions": transactions}
    commands[command](Bats(settings), settings)


if __name__ == "__main__":
    main(sys.argv[1])
elif os.environ.get("FAULTS_BROKER"):  # celery -A bats worker
    told = Settings.of_environment()
    app = celery.application(Bats(told).queue, told.broker, lease=told.lease, handover=told.lease + 5, backoff=BACKOFF)
