"""The threads that answer calls: a queue and no more. A pool of the standard library would take 5 % of a call."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from time import monotonic
from typing import Any

logger = logging.getLogger("mergepoint")


class Workers(ThreadPoolExecutor):
    """Runs what a gRPC server submits. It is asked for nothing else: no results, no cancelling.

    Args:
        count: how many threads there are.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._own = [
            threading.Thread(target=self._work, name=f"mergepoint-grpc-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._own:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function soon; what comes back knows only `add_done_callback`, which is what grpcio asks of it."""
        task = _Task(fn, args)
        self._tasks.put(task)
        return task  # type: ignore[return-value]  # as far as grpcio looks, it is one

    def end(self, seconds: float) -> None:
        """End the threads, but do not wait longer than this for work that does not."""
        until = monotonic() + seconds
        for _ in self._own:
            self._tasks.put(None)
        for thread in self._own:
            thread.join(max(until - monotonic(), 0))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task.run()


class _Task:
    """One function to run, and what to call after it."""

    __slots__ = ("_args", "_callback", "_done", "_function", "_turn")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._function = function
        self._args = args
        self._callback: Callable[[Any], object] | None = None
        self._done = False
        self._turn = [True]  # taken by whoever calls the callback: a list gives it to one thread only

    def run(self) -> None:
        try:
            self._function(*self._args)
        except BaseException:  # a thread that ended here, on SystemExit say, would never work again
            logger.exception("A gRPC call broke off")
        self._done = True
        self._call_back()

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        self._callback = callback
        if self._done:
            self._call_back()

    def _call_back(self) -> None:
        if self._callback is not None:
            try:
                self._turn.pop()
            except IndexError:
                return
            self._callback(self)
