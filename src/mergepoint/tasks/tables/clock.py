"""One clock for all workers: the server's, or the machine's where all are on one machine."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FRESH = 10.0
"""Seconds in which the server is not asked again: as long as this machine's clock cannot go wrong by much."""


class Clock:
    """Tells the time in microseconds.

    The server's time is asked for now and then; in between this machine's monotonic clock goes on, which nobody sets.

    Args:
        ask: asks the server; None for the machine's own time.
        monotonic: whether leases are measured by the machine's monotonic clock.
    """

    def __init__(self, ask: Callable[[], int] | None, *, monotonic: bool) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._ahead = 0
        self._until = 0.0
        self._asking = threading.Lock()

    def now(self) -> int:
        """Return the time since 1970, for due times and for people."""
        if self._ask is None:
            return time.time_ns() // 1000
        if time.monotonic() >= self._until:
            self._refresh(self._ask)
        return time.monotonic_ns() // 1000 + self._ahead

    def ticks(self) -> int:
        """Return the time by which leases are measured."""
        return time.monotonic_ns() // 1000 if self._monotonic else self.now()

    def _refresh(self, ask: Callable[[], int]) -> None:
        with self._asking:
            before = time.monotonic()
            if before < self._until:
                return
            self._ahead = ask() - int((before + time.monotonic()) * 500_000)
            self._until = time.monotonic() + FRESH
