"""The process's one event loop, for operations that are `async def`."""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from .errors import DeadlineExceeded

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class EventLoop:
    """An event loop on a thread of its own, begun with the first coroutine, and again after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        os.register_at_fork(after_in_child=self._forget)

    def run(self, coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run a coroutine in the caller's context and wait for its result.

        Args:
            coroutine: what to run.
            seconds: the longest time to wait; then it is cancelled.

        Raises:
            DeadlineExceeded: the time ran out.
        """
        loop, context = self._running(), contextvars.copy_context()
        future: Future[T] = Future()
        loop.call_soon_threadsafe(_start, loop, coroutine, context, future)
        try:
            return future.result(seconds)
        except FutureTimeout:
            if future.done():
                raise  # the coroutine's own TimeoutError
            future.cancel()
            raise DeadlineExceeded from None

    def iterate(self, items: AsyncIterator[T], seconds: float) -> Iterator[T]:
        """Yield what an asynchronous iterator yields; each item may take so many seconds."""
        try:
            while True:
                yield self.run(_next(items), seconds)
        except StopAsyncIteration:
            return
        finally:
            if close := getattr(items, "aclose", None):
                self.run(close(), seconds)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                # Here, because asyncio doubles the time to import and most applications have no coroutine.
                import asyncio  # noqa: PLC0415

                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=[self._loop], name="mergepoint-loop", daemon=True).start()
            return self._loop

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._loop = None


def _serve(loop: asyncio.AbstractEventLoop) -> NoReturn:
    """Keep the loop running: a coroutine that wants to end the process ends nothing but itself."""
    while True:
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)


def _start(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, T],
    context: contextvars.Context,
    future: Future[T],
) -> None:
    if future.cancelled():
        coroutine.close()
        return
    task = loop.create_task(coroutine, context=context)
    task.add_done_callback(lambda done: _settle(done, future))
    future.add_done_callback(lambda done: done.cancelled() and loop.call_soon_threadsafe(task.cancel))


def _settle(task: asyncio.Task[T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return  # nobody waits any more
    if task.cancelled():
        future.set_exception(RuntimeError("the coroutine was cancelled from within"))
    elif error := task.exception():
        future.set_exception(error)
    else:
        future.set_result(task.result())
