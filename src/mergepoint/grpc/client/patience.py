"""The longest wait for the next message of a stream: gRPC has a time for a whole call only."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any, Protocol

import grpc

from ...errors import DeadlineExceeded

LINGER = 10
"""Looks at the clock without anything to do, after which the thread ends; the next stream starts it again."""


class Answers(Protocol):
    """A stream of messages, as grpcio has it."""

    def __iter__(self) -> Iterator[bytes]: ...
    def __next__(self) -> bytes: ...
    def cancel(self) -> object:
        """End it; the other side is told."""

    def trailing_metadata(self) -> Any:
        """Return what came with its end."""


class Patience:
    """Cancels streams that gave nothing for some seconds. One thread looks after all streams of a client.

    Args:
        what: how messages call the other side.
        seconds: the longest wait, give or take a tenth.
    """

    def __init__(self, what: str, seconds: float) -> None:
        self._what = what
        self._seconds = seconds
        self._waiting: dict[int, tuple[float, Any]] = {}
        self._overdue: set[int] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def next(self, answers: Answers) -> bytes | None:
        """Return the next message, or None at the end.

        Raises:
            DeadlineExceeded: it did not come.
            grpc.RpcError: the stream failed.
        """
        key = id(answers)
        with self._lock:
            self._waiting[key] = (monotonic() + self._seconds, answers)
            if self._thread is None or not self._thread.is_alive():  # ended, or left behind by a fork
                self._thread = threading.Thread(target=self._look, name="mergepoint-grpc-patience", daemon=True)
                self._thread.start()
        try:
            return next(answers, None)
        except grpc.RpcError:
            if key in self._overdue:
                raise DeadlineExceeded(f"{self._what} did not go on in time.") from None
            raise
        finally:
            with self._lock:
                self._waiting.pop(key, None)
                self._overdue.discard(key)

    def _look(self) -> None:
        idle, pause = 0, threading.Event()
        while True:
            pause.wait(self._seconds / 10)
            with self._lock:
                idle = 0 if self._waiting else idle + 1
                if idle > LINGER:
                    self._thread = None
                    return
                overdue = [(key, answers) for key, (until, answers) in self._waiting.items() if until < monotonic()]
                self._overdue.update(key for key, _ in overdue)
            for _, answers in overdue:
                answers.cancel()
