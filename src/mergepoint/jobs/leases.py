"""Signs of life: keep the claims of a process, learn which it has lost, and give back those of the dead."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from time import monotonic

from ..errors import Unavailable
from .engine import LEASE, Engine
from .records import Claim

logger = logging.getLogger("mergepoint")

TICK = 1.0
"""Seconds between two looks for the jobs of dead workers."""

BEATS = 3
"""Signs of life within one lease: two may get lost."""


class Leases:
    """The claims of one process, kept by a thread of their own.

    Args:
        engine: where they come from.
        worker: whose they are.
        seconds: how long a claim is this worker's after each sign of life.
    """

    def __init__(self, engine: Engine, worker: str, seconds: float = LEASE) -> None:
        self.seconds = seconds
        self._engine = engine
        self._worker = worker
        self._held: dict[str, Claim] = {}
        self._unwanted: set[str] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to give signs of life."""
        self._thread = threading.Thread(target=self._beat, name="mergepoint-leases", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; claims that are still held run out."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(TICK)  # no longer: the engine may not answer

    def hold(self, claims: Iterable[Claim]) -> None:
        """Keep claims from now on."""
        with self._lock:
            self._held.update((claim.message.id, claim) for claim in claims)

    def drop(self, claims: Iterable[Claim]) -> None:
        """Keep these claims no longer: their outcome is settled."""
        with self._lock:
            for claim in claims:
                self._held.pop(claim.message.id, None)
                self._unwanted.discard(claim.message.id)

    def unwanted(self, claim: Claim) -> bool:
        """Tell whether a claim was lost, or somebody wants it to stop."""
        return claim.message.id in self._unwanted

    def report(self, claim: Claim, progress: float, note: str) -> bool:
        """Note the progress of a claim; False if it shall stop. For a `Runner`."""
        return self._engine.report(claim, progress, note) and not self.unwanted(claim)

    def _beat(self) -> None:
        given = monotonic()
        silent = False
        while not self._over.wait(min(TICK, self.seconds / BEATS)):
            try:
                if monotonic() >= given + self.seconds / BEATS:
                    self._extend()
                    given, silent = monotonic(), False
                if back := self._engine.recover():
                    logger.warning("%d jobs of dead workers were given back", back)
            except Unavailable as error:  # the next beat tries again
                if not silent and monotonic() > given + self.seconds / 2:
                    silent = True
                    logger.warning("No sign of life could be given, the jobs may go to other workers: %s", error)
            except Exception:  # this thread must live as long as its process, or that loses its jobs to others
                logger.exception("No sign of life could be given")

    def _extend(self) -> None:
        with self._lock:
            held = list(self._held.values())
        if held:
            standing = self._engine.extend(self._worker, held, self.seconds)
            with self._lock:
                self._unwanted = {id for id in standing.lost | standing.cancelled if id in self._held}
