"""What runs the jobs of a queue, in threads of this process."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Collection, Mapping
from secrets import token_hex
from time import monotonic
from typing import Any

from ..app import App
from ..errors import ConfigError, MergepointError
from ..jobs import LEASE, Backoff, Leases, Runner
from .crew import Crew
from .exchange import Exchange
from .gauges import Gauge, threads
from .lanes import Lanes
from .queue import Queue
from .signals import Signals
from .watch import Watch

logger = logging.getLogger("mergepoint")

THREADS = 8
"""The jobs that a worker runs at a time unless said: most of them wait for a database or for others."""

GRACE = 30.0
"""Seconds that running jobs have at the end unless said."""


class Worker:
    """Runs the jobs of a queue.

    A job that fails is tried again as its message says. One whose worker dies is given to another when its lease is
    over. One that goes on for long after its time counts as failed, and its thread is replaced; where that happened to
    half of the threads the worker ends, so that whoever supervises it starts another.

    Args:
        queue: whose jobs to run.
        threads: how many jobs run at a time.
        lanes: the queues to serve, each with a weight: of two that are never empty, one of weight 3 comes first three
            times as often as one of weight 1. All queues of the app, with the same weight, unless given.
        lease: the seconds without a sign of life after which its jobs are given to others.
        recycle: the jobs after which it ends; None for no such number.
        grace: the seconds that running jobs have at the end.
        backoff: how long jobs that failed wait.
        name: names it in the history of jobs; unlike that of any other worker.

    Attributes:
        name: the same, and what health reports call it.
        queues: the names of the queues it serves.

    Raises:
        ConfigError: there is no such queue, or a figure cannot be used.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        threads: int = THREADS,
        lanes: Mapping[str, float] | None = None,
        lease: float = LEASE,
        recycle: int | None = None,
        grace: float = GRACE,
        backoff: Backoff | None = None,
        name: str | None = None,
    ) -> None:
        if threads < 1:
            raise ConfigError(f"Expected a worker with one thread or more, got {threads}.")
        chosen = Lanes(queue.app.lanes, lanes)
        self.name = name or f"{socket.gethostname()[:40]}-{os.getpid()}-{token_hex(3)}"
        self.queues = chosen.queues
        self._grace = grace
        self._recycle = recycle
        self._asked = threading.Event()
        self._state = threading.Lock()
        self._runs = False
        self._ended: Callable[[], object] | None = None
        self._leases = Leases(queue.engine, self.name, lease)
        runner = Runner(queue.app, self.name, self._leases.report, backoff=backoff)
        exchange = Exchange(queue.engine, self.name, chosen, self._leases, runner)
        self._watch = Watch(queue.engine, runner, self._too_many)
        self._crew = Crew(
            queue.engine,
            exchange,
            runner,
            chosen,
            threads=threads,
            attend=self._watch.attend,
            after=self._count,
        )

    def __str__(self) -> str:
        return f"{self._crew.size} threads for jobs of {', '.join(self.queues)}"

    def run(self, *, signals: Collection[int] = (signal.SIGTERM, signal.SIGINT)) -> None:
        """Run jobs until one of the signals comes, `stop` or `ask` is called, or its jobs are run.

        Running jobs are finished within the grace, the others are put back. A second signal ends the process at once.

        Args:
            signals: which ones end it, if this is the main thread, where Python lets a program listen to signals.
        """
        with Signals(self.ask, signals):
            self.start(self._asked.set)
            try:
                self._asked.wait()
            finally:
                self.stop()

    def start(self, ended: Callable[[], object] | None = None) -> None:
        """Begin to run jobs, in threads that end with the process.

        Args:
            ended: called when it takes no more jobs, as it has run its number or half of its threads are stuck; without
                it goes on in both cases.

        Raises:
            MergepointError: it was stopped before.
        """
        with self._state:
            if self._asked.is_set():
                raise MergepointError("A worker that was stopped does not begin again; make another one.")
            if not self._runs:
                self._runs, self._ended = True, ended
                self._leases.start()
                self._crew.start()
                self._watch.start(self._crew)

    def ask(self) -> None:
        """Take no more jobs, and put back those that were not begun; do not wait for the others."""
        self._crew.finish()
        self._asked.set()

    def stop(self, seconds: float | None = None) -> None:
        """Take no more jobs, wait for those that run, and put back those that take too long.

        Args:
            seconds: how long to wait; the grace unless given.
        """
        self.ask()
        with self._state:  # a second caller waits for the first one
            if self._runs:
                self._crew.stop(monotonic() + (self._grace if seconds is None else seconds))
                self._watch.stop()
                self._leases.stop()
                self._runs = False

    # --- as a resource of the app ---

    def check(self) -> None:
        """Raise what keeps it from working.

        Raises:
            MergepointError: it was stopped, or half of its threads are stuck.
        """
        if not self._runs or self._asked.is_set():
            raise MergepointError("The worker does not take jobs.")
        if self._crew.is_stuck:
            raise MergepointError("Half of the worker's threads or more run jobs that do not end.")

    def close(self) -> None:
        """Put back what it has."""
        self.stop(0.0)

    def gauges(self) -> list[Gauge]:
        """Return what its threads do, for metrics."""
        busy = self._crew.busy
        return threads(busy, self._crew.size - busy, len(self._crew.stuck))

    # --- inside ---

    def _count(self) -> None:
        if self._recycle is not None and self._crew.totals[0] >= self._recycle:
            self._end(f"it has run {self._crew.totals[0]} jobs")

    def _too_many(self) -> None:
        self._end("half of its threads run jobs that do not end")

    def _end(self, why: str) -> None:
        if self._ended is not None and not self._asked.is_set():
            logger.info("The worker ends, as %s", why)
            self.ask()
            self._ended()


def workers(app: App, *, lanes: Mapping[str, float] | None = None, **options: Any) -> list[Worker]:
    """Return a worker for each queue that an app and those it includes have; most have one.

    Args:
        app: the app.
        lanes: see `Worker`; each of them serves those of its own.
        options: what else the workers are to be like.

    Raises:
        ConfigError: there is no such queue, or a figure cannot be used.
    """
    made: list[Worker] = []
    queues = [resource for resource in app.resources if isinstance(resource, Queue)]
    known = {lane.queue for queue in queues for lane in queue.app.lanes}
    for queue in queues:
        own = {lane.queue for lane in queue.app.lanes}
        mine = {name: weight for name, weight in (lanes or {}).items() if name in own or name not in known}
        if mine or not lanes:
            made.append(Worker(queue, lanes=mine, **options))
    return made
