"""Calls to the store from threads of a process that forks: never one in the middle of a fork."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from ..jobs import Engine

PATIENCE = 5.0
"""Seconds for which a fork waits; a store that is silent for longer must not keep a pool from growing."""


class Forks:
    """An engine for the threads of a Celery worker's main process, which forks whenever it replaces a process.

    A child inherits what other threads held at that moment, and nobody there lets go of it: with SQLite that is the
    right to write, so that a child forked in the middle of a transaction finds the database locked for ever.

    Args:
        engine: the engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._begin()
        this = weakref.ref(self)
        os.register_at_fork(
            before=_calling(this, Forks._hold),
            after_in_parent=_calling(this, Forks._release),
            after_in_child=_calling(this, Forks._begin),
        )

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._engine, name)
        if name == "wake":
            return method

        def call(*values: Any, **named: Any) -> Any:
            with self._between_forks():
                return method(*values, **named)

        return call

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._calls = 0
        self._forking = False

    @contextmanager
    def _between_forks(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._forking)
            self._calls += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    def _hold(self) -> None:
        with self._changed:
            self._forking = True
        self._engine.wake()
        self._changed.acquire()  # until the fork is over, so that the child finds it held by the thread it has
        self._changed.wait_for(lambda: self._calls == 0, PATIENCE)

    def _release(self) -> None:
        self._forking = False
        self._changed.notify_all()
        self._changed.release()


def between_forks(engine: Engine) -> Engine:
    """Return an engine whose calls do not overlap with forks of this process."""
    return cast("Engine", Forks(engine))


def _calling(this: weakref.ref[Forks], method: Callable[[Forks], None]) -> Callable[[], None]:
    def call() -> None:
        forks = this()
        if forks is not None:
            method(forks)

    return call
