"""What listens: begun, ended and waited for in the same way, whatever it is."""

from __future__ import annotations

import os
import signal
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

GRACE = 10.0
"""Seconds that running requests get to end, unless said otherwise."""


class Running(ABC):
    """Something with threads of its own. It works from `start` to `stop`, and may be started again."""

    @abstractmethod
    def start(self) -> Self:
        """Begin to listen, and return at once."""

    @abstractmethod
    def stop(self, grace: float = GRACE) -> None:
        """End: take nothing new, let what runs come to its end, and let go of the address.

        Args:
            grace: the seconds that it may take; what still runs then is told to its callers as unavailable.
        """

    def run(self, grace: float = GRACE) -> None:
        """Work until the process is asked to end (SIGTERM, or SIGINT as by Ctrl-C); asked again, it ends at once.

        For the main thread only, as Python has it with signals.

        Args:
            grace: as for `stop`.
        """
        asked = threading.Event()
        before = {end: signal.signal(end, lambda *_: asked.set()) for end in (signal.SIGTERM, signal.SIGINT)}
        try:
            self.start()
            asked.wait()
        finally:
            for end, handler in before.items():
                signal.signal(end, handler)
        self.stop(grace)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Alarm:
    """Wakes threads that wait for sockets: what they poll besides, readable from the moment it rings."""

    def __init__(self) -> None:
        self.fd, self._bell = os.pipe()
        self._rung = threading.Event()
        self._lock = threading.Lock()  # it is not closed while somebody rings: its number may be another file's then

    def ring(self) -> None:
        """Wake everybody, now and from now on."""
        with self._lock:
            if not self._rung.is_set():
                self._rung.set()
                os.write(self._bell, b"!")

    @property
    def rung(self) -> bool:
        """True from the moment it rang."""
        return self._rung.is_set()

    def close(self) -> None:
        """Let go of it, when nobody polls it any more."""
        with self._lock:
            os.close(self.fd)
            os.close(self._bell)
