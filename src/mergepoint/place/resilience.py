"""When to try again and when to stop trying: a retry budget and a circuit breaker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from random import uniform
from time import monotonic

import msgspec

from ..errors import Unavailable

logger = logging.getLogger("mergepoint")

FAIR = 1.0
"""Seconds that the other side must have had, so that its silence counts as a failure of it."""


class Resilience(msgspec.Struct, frozen=True):
    """How a caller bears a service that fails.

    Attributes:
        attempts: the most tries of one call.
        budget: the retries that each call earns: with 0.2, attempts are never more than 1.2 × the calls.
        backoff: the longest wait before the first retry, in seconds; twice as long before each one after it.
        failures: after so many in a row the breaker opens.
        probe: the seconds after which one call may try whether the service is back.
    """

    attempts: int = 5
    budget: float = 0.2
    backoff: float = 0.025
    failures: int = 5
    probe: float = 30.0

    def waits(self) -> Iterator[float]:
        """Yield the seconds to wait before each retry, with full jitter."""
        for attempt in range(self.attempts - 1):
            yield uniform(0, self.backoff * 2**attempt)  # noqa: S311 - spreads load, hides nothing


class Budget:
    """Counts what calls have earned for retries, so that retries never become a load of their own."""

    MOST = 10.0
    """Retries that can be saved up."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._saved = 0.0
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Count a call."""
        with self._lock:
            self._saved = min(self._saved + self._share, self.MOST)

    def spend(self) -> bool:
        """Pay for a retry; False if there is nothing left."""
        with self._lock:
            if self._saved < 1 - 1e-9:  # ten times a tenth is a little less than one
                return False
            self._saved -= 1
            return True


class Breaker:
    """Stops calls to a service that fails all the time, and lets one through now and then to see whether it is back.

    Args:
        what: how messages call the service.
        failures: after so many in a row it opens.
        probe: the seconds from one probe to the next.
    """

    def __init__(self, what: str, failures: int, probe: float) -> None:
        self._what = what
        self._most = failures
        self._probe = probe
        self._failed = 0
        self._next = 0.0
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """True while calls are stopped."""
        return self._failed >= self._most

    def enter(self) -> None:
        """Ask for one attempt.

        Raises:
            Unavailable: the breaker is open, and it is not yet time for a probe.
        """
        if self._failed < self._most:
            return
        with self._lock:
            now = monotonic()
            if self.is_open and now < self._next:
                raise Unavailable(f"{self._what} is out of reach; calls to it begin again when it answers.")
            self._next = now + self._probe

    def succeeded(self) -> None:
        """Count an attempt that got an answer."""
        if self._failed:
            with self._lock:
                was_open, self._failed = self.is_open, 0
            if was_open:
                logger.info("%s answers again: calls go through.", self._what)

    def failed(self) -> None:
        """Count an attempt that got none."""
        with self._lock:
            self._failed += 1
            self._next = monotonic() + self._probe
            opened = self._failed == self._most
        if opened:
            logger.warning("%s failed %d times in a row: no calls for %g s.", self._what, self._most, self._probe)
