"""One thread that cancels what runs past its deadline. It sleeps until the nearest deadline, and costs nothing idle."""

from __future__ import annotations

import logging
import threading
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .links import Link
    from .unit import Unit

log = logging.getLogger(__name__)


class Watchdog:
    """Cancels overdue work on connections. One per database, started at the first deadline."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.forget()

    def forget(self) -> None:
        """Start over with nothing to watch: called in a forked child, whose threads are gone."""
        self._watched: dict[Link, Unit] = {}
        self._thread: threading.Thread | None = None
        self._wakes_at = inf
        self._stopped = False
        self._changed = threading.Condition()
        self._cancelling = threading.Lock()

    def watch(self, link: Link, unit: Unit) -> None:
        """Cancel what runs on `link` once the unit's deadline passes, unless it is released before."""
        self._watched[link] = unit
        if unit.expires < self._wakes_at:
            self._hurry()

    def release(self, link: Link) -> bool:
        """Stop watching a connection.

        Returns:
            Whether it may be used again: False once its work was cancelled.
        """
        if self._watched.pop(link, None) is not None:
            return True
        with self._cancelling:  # the request to cancel is out: let it land on this work, not on the next
            return False

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopped = True
            thread, self._thread = self._thread, None
            self._changed.notify()
        if thread is not None:
            thread.join()

    def _hurry(self) -> None:
        with self._changed:
            if self._thread is None:
                self._stopped = False
                self._thread = threading.Thread(target=self._run, name=f"{self._name} deadlines", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while not self._stopped:
            for link, unit in list(self._watched.items()):
                if unit.expires <= monotonic():
                    self._cancel(link)
            self._sleep()

    def _sleep(self) -> None:
        with self._changed:
            # While the nearest is looked for, every newcomer must knock; the lock keeps the knock until the wait.
            self._wakes_at = inf
            nearest = min((unit.expires for unit in list(self._watched.values())), default=inf)
            self._wakes_at = nearest
            if not self._stopped:
                self._changed.wait(None if nearest == inf else max(0.0, nearest - monotonic()))

    def _cancel(self, link: Link) -> None:
        with self._cancelling:
            unit = self._watched.pop(link, None)
            if unit is None:
                return
            unit.overdue = True
            try:
                link.driver.cancel(link)
            except Exception:
                log.warning("%s: a statement past its deadline could not be cancelled", self._name, exc_info=True)
