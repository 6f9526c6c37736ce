"""The signals that ask a process to end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from time import monotonic
from types import TracebackType
from typing import Any, Self

ECHO = 0.1
"""Seconds in which one wish to stop may arrive several times: from the terminal and its shell, or from systemd."""


class Signals(AbstractContextManager["Signals"]):
    """Listens to signals while a block runs in the main thread: the first one asks for an end, a second one is the end.

    In any other thread, where Python lets nobody listen, it does nothing.

    Args:
        ask: called at the first signal, in a thread of its own.
        numbers: the signals.
    """

    def __init__(self, ask: Callable[[], object], numbers: Collection[int] = (signal.SIGTERM, signal.SIGINT)) -> None:
        self._ask = ask
        self._numbers = numbers
        self._before: dict[int, Any] = {}
        self._asked: float | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ignore) for number in self._numbers}
            told, self._teller = os.pipe()
            os.set_blocking(self._teller, False)
            # A handler of Python's would run between any two steps of the main thread, which may hold any lock.
            self._wakeup = signal.set_wakeup_fd(self._teller, warn_on_full_buffer=False)
            threading.Thread(target=self._listen, args=(told,), name="mergepoint-signals", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before:
            signal.set_wakeup_fd(self._wakeup)
            os.close(self._teller)
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _ignore(self, number: int, frame: object) -> None:
        """Do nothing: the thread is told by the pipe."""

    def _listen(self, told: int) -> None:
        while number := os.read(told, 1):
            if number[0] in self._numbers:
                self._heard(monotonic())
        os.close(told)

    def _heard(self, now: float) -> None:
        if self._asked is None:
            self._asked = now
            self._ask()
        elif now - self._asked > ECHO:
            os._exit(1)
