"""What works in the background of a process: workers and schedulers, as far as the app has queues and schedules."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import msgspec

from .app import App
from .errors import ConfigError, MissingExtra

WORKER, SCHEDULE = "mergepoint.tasks.worker", "mergepoint.schedule"
"""Not imported here, as an app does without them where their libraries are missing."""

THREADS = 8
"""The jobs that a process runs at a time unless said: most of them wait for a database or for others."""


class Wishes(msgspec.Struct, frozen=True):
    """What to run.

    Attributes:
        worker: True for workers, where there is a queue.
        scheduler: True for schedulers, where there are schedules.
        asked: True if its user named them, and not just wants what there is.
        threads: the jobs that run at a time.
        queues: the queues to serve, each with its weight; all of them if empty.
        recycle: the jobs after which a worker ends; None for no such number.
        grace: the seconds that running jobs have at the end.
    """

    worker: bool = True
    scheduler: bool = True
    asked: bool = False
    threads: int = THREADS
    queues: dict[str, float] = {}
    recycle: int | None = None
    grace: float = 30.0


class Background:
    """The workers and schedulers of an app in this process.

    Args:
        app: the app.
        wishes: what to run.

    Attributes:
        rows: the name of each that runs, and what it does, for people.
        notes: why others do not.

    Raises:
        ConfigError: there is no queue for what its user asked for, or none of a name.
        MissingExtra: the library of what its user asked for is not installed.
        RegistrationError: a schedule cannot work as it is declared.
    """

    def __init__(self, app: App, wishes: Wishes) -> None:
        self.rows: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self._app = app
        self._wishes = wishes
        # An app that has a queue has imported this.
        self._module: Any = sys.modules.get(WORKER)
        self._queues = [r for r in app.resources if self._module and isinstance(r, self._module.Queue)]
        if wishes.asked and not self._queues:
            raise ConfigError(
                f"There is no queue in {app.name}, so there are no jobs: write"
                " `queue = mergepoint.tasks.Queue(app, db)` right after App(...)."
            )
        self._workers = self._made_workers() if wishes.worker and self._queues else []
        self._schedulers = self._made_schedulers() if wishes.scheduler else []

    def start(self, ended: Callable[[], object] | None = None) -> None:
        """Begin, in threads; health and metrics of the app tell of the workers from now on.

        Args:
            ended: called when a worker ends by itself; without it, none does.
        """
        with ExitStack() as undo:
            for worker in self._workers:
                worker.start(ended)
                undo.callback(worker.stop, 0.0)
            for scheduler in self._schedulers:
                scheduler.start()
                undo.callback(scheduler.stop)
            undo.pop_all()
        for worker in self._workers:
            self._app.add(worker)

    def stop(self, seconds: float) -> None:
        """End all of it: jobs that run for longer are put back."""
        for worker in self._workers:
            worker.ask()
        for scheduler in self._schedulers:
            scheduler.stop()
        for worker in self._workers:
            worker.stop(seconds)

    def run(self, ready: Callable[[], object], signals: frozenset[int]) -> None:
        """Work until one of the signals comes, or a worker has run its jobs.

        Args:
            ready: called when it works.
            signals: which ones.
        """
        over = threading.Event()
        with self._module.Signals(over.set, signals):
            self.start(over.set)
            try:
                ready()
                over.wait()
            finally:
                self.stop(self._wishes.grace)

    def _made_workers(self) -> list[Any]:
        wishes = self._wishes
        made: list[Any] = self._module.workers(
            self._app, lanes=wishes.queues, threads=wishes.threads, recycle=wishes.recycle, grace=wishes.grace
        )
        self.rows += [("worker", str(worker)) for worker in made]
        return made

    def _made_schedulers(self) -> list[Any]:
        queues = [queue for queue in self._queues if queue.app.schedules]
        if self._app.schedules and self._app not in [queue.app for queue in queues]:
            self.notes.append("Its schedules do not run: there is no queue to put their jobs in.")
        if not queues:
            return []
        try:
            schedule: Any = importlib.import_module(SCHEDULE)
        except MissingExtra as error:
            if self._wishes.asked:
                raise
            self.notes.append(f"Its schedules do not run: {error}")
            return []
        self.rows += [("scheduler", _told_of(queue.app)) for queue in queues]
        return [schedule.Scheduler(queue) for queue in queues]


def _told_of(app: App) -> str:
    return f"puts in the jobs of {', '.join(app.schedules)}"
