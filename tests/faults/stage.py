"""What the fault suite plays on: stores that can be stopped, workers that can be killed, and marks to read."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest
from tests.clusters import free_port, own_postgresql
from tests.faults.bats import ROWS, THREADS, Bats, Settings

from mergepoint.jobs import FINAL
from mergepoint.testing.processes import Running

ENGINES = ("sqlite", "postgresql", "redis", "celery")
PATIENCE = 120.0
"""Seconds in which anything that is waited for happens."""

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


class Service(Protocol):
    """A server that can be stopped and started again."""

    def start(self) -> None:
        """Start it, on the data it had."""

    def stop(self) -> None:
        """Stop it at once."""


class Mark(NamedTuple):
    """What a job wrote."""

    event: str
    number: int
    process: int
    moment: float


class OwnRedis:
    """A Redis that writes each change to disk before it answers."""

    def __init__(self, folder: Path) -> None:
        self.program = shutil.which("redis-server")
        if self.program is None:
            pytest.skip("redis-server is not installed: nothing to stop and start")
        self.port, self.folder = free_port(), folder
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """See `Service`."""
        options = {"port": self.port, "dir": self.folder, "appendonly": "yes", "appendfsync": "always", "save": ""}
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen([str(self.program), *words], stdout=subprocess.DEVNULL)
        wait_until(lambda: _pings(self.port), "its Redis answers")

    def stop(self) -> None:
        """See `Service`."""
        self.process.kill()
        self.process.wait()


class Stage:
    """One engine, with a store of its own.

    Attributes:
        engine: its name.
        service: the server behind it; None for SQLite, which has none.
        settings: what the application is told.
        bats: the application, in this process.
    """

    def __init__(self, engine: str, settings: Settings, service: Service | None) -> None:
        self.engine, self.settings, self.service = engine, settings, service
        self.bats = Bats(replace(settings, broker=""))
        self._outputs = 0
        with self.bats.db.session() as link:
            ROWS.metadata.create_all(link.connection)

    @property
    def through_celery(self) -> bool:
        """True if Celery runs the jobs."""
        return bool(self.settings.broker)

    def run(self, command: str, **changes: Any) -> Running:
        """Run a command of the application in a process group of its own."""
        settings = replace(self.settings, **changes)
        words = [sys.executable, str(HERE / "bats.py"), command]
        self._outputs += 1
        if command == "worker" and settings.broker:
            celery = [sys.executable, "-m", "celery", "-A", "tests.faults.bats", "worker"]
            words = [*celery, "-n", f"{self._outputs}@%h", "-c", str(THREADS), "-l", "WARNING"]
        output = settings.folder / f"{self._outputs} {command}"
        return Running(words, {**settings.environment, "PYTHONPATH": f"{ROOT}"}, output)

    @contextmanager
    def running(self, command: str, **changes: Any) -> Iterator[Running]:
        """Run a command until the end of the block."""
        process = self.run(command, **changes)
        try:
            yield process
        finally:
            process.kill()

    def marks(self, event: str | None = None) -> list[Mark]:
        """Return what jobs have written."""
        lines = (self.settings.folder / "marks").read_text().splitlines()
        found = [Mark(e, int(n), int(p), float(t)) for e, n, p, t in map(str.split, lines)]
        return [mark for mark in found if event in (None, mark.event)]

    def count(self, event: str) -> Counter[int]:
        """Return how often each job has left a mark."""
        return Counter(mark.number for mark in self.marks(event))

    def unfinished(self) -> int:
        """Return how many jobs are not over."""
        return sum(count for (_, state), count in self.bats.queue.engine.counts().items() if state not in FINAL)

    def wait_until_all_is_over(self, seconds: float = PATIENCE) -> None:
        """Wait until no job is unfinished."""
        wait_until(lambda: self.unfinished() == 0, "every job is over", seconds)

    def close(self) -> None:
        """Let go of everything in this process."""
        self.bats.app.close()
        self.bats.db.close()


@contextmanager
def stage(engine: str) -> Iterator[Stage]:
    """Set the stage for an engine: `sqlite`, `postgresql`, `redis`, or `celery` on Redis with jobs in PostgreSQL."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mergepoint-faults-")))
        settings, service = _settings(engine, folder, stack)
        set_up = Stage(engine, settings, service)
        stack.callback(set_up.close)
        yield set_up


def _settings(engine: str, folder: Path, stack: ExitStack) -> tuple[Settings, Service | None]:
    if engine == "sqlite":
        return Settings(folder, f"sqlite:///{folder}/bats.db"), None
    if engine == "postgresql":
        cluster = stack.enter_context(own_postgresql())
        return Settings(folder, cluster.url), cluster
    own = OwnRedis(folder)
    own.start()
    stack.callback(own.stop)
    if engine == "redis":
        return Settings(folder, own.url, outbox=f"sqlite:///{folder}/bats.db"), own
    cluster = stack.enter_context(own_postgresql())
    return Settings(folder, cluster.url, broker=own.url), own


def wait_until(true: Callable[[], object], what: str, seconds: float = PATIENCE) -> float:
    """Wait until something is so, and return the seconds that took.

    Raises:
        TimeoutError: it is not so in time.
    """
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"waited {seconds:.0f} s until {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def _pings(port: int) -> bool:
    asked = subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True, check=False)
    return asked.stdout.strip() == b"PONG"
