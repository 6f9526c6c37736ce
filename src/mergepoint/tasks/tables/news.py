"""What a process knows of new jobs, and how its threads wait for that."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ECHO = 0.01
"""Seconds after news until they are taken to be all: for so long others may leave out news that follow on theirs."""

AGAIN = 0.1
"""Seconds until a queue that runs as many jobs as it may is looked at again: other processes may have ended one."""


class News:
    """Lets threads wait until there may be something to claim."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child, where nobody waits."""
        self._changed = threading.Condition()
        self.changes = 0
        self.wakes = 0
        self._heard = 0.0
        self._ready: dict[str, int] = {}
        self._held: dict[str, float] = {}
        self._waiting: Counter[str] = Counter()

    def tell(self, jobs: Iterable[tuple[str, int]], now: int, *, more: bool = False) -> None:
        """Note that jobs wait.

        Args:
            jobs: the queue and due time of each.
            now: the time.
            more: whether news of others may have been left out.
        """
        with self._changed:
            self.changes += 1
            self._heard = monotonic() if more else self._heard
            for queue, due in jobs:
                self._held.pop(queue, None)
                if due <= now:
                    self._ready[queue] = self.changes
            self._changed.notify_all()

    def stir(self) -> None:
        """Note that something may have changed."""
        with self._changed:
            self.changes += 1
            self._changed.notify_all()

    def free(self, queues: Iterable[str]) -> None:
        """Note that queues may have room for more jobs."""
        with self._changed:
            if [queue for queue in queues if self._held.pop(queue, None) is not None]:
                self.changes += 1
                self._changed.notify_all()

    def wake(self) -> None:
        """End all waits."""
        with self._changed:
            self.wakes += 1
            self._changed.notify_all()

    def hold(self, queue: str, seconds: float) -> None:
        """Note that no job of a queue may begin for a while."""
        self._held[queue] = monotonic() + seconds

    def held(self, queue: str) -> float:
        """Return for how many more seconds no job of a queue may begin."""
        return max(0.0, self._held.get(queue, 0.0) - monotonic())

    def echo(self) -> float:
        """Return after how many seconds to look again because news may have been left out; 0 if none can have been."""
        return max(0.0, self._heard + ECHO - monotonic())

    @contextmanager
    def interest(self, queues: Sequence[str]) -> Iterator[None]:
        """Be one who waits for queues."""
        with self._changed:
            self._waiting.update(queues)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._waiting.subtract(queues)
                self._waiting += Counter()

    def waited_for(self) -> list[str]:
        """Return the queues that somebody waits for, and of which jobs may begin."""
        with self._changed:
            return sorted(queue for queue in self._waiting if not self.held(queue))

    def until_interest(self, seconds: float) -> bool:
        """Wait until somebody waits; return whether somebody does."""
        with self._changed:
            return bool(self._waiting) or (self._changed.wait(seconds) and bool(self._waiting))

    def sleep(self, queues: Sequence[str], changes: int, wakes: int, seconds: float) -> bool:
        """Wait until something changes.

        Args:
            queues: the queues that matter.
            changes: what `changes` was before the caller looked for itself.
            wakes: what `wakes` was when its wait began.
            seconds: how long at most.

        Returns:
            True if it is worth a look, False if the wait is over because there is something or it was woken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.changes != changes or self.wakes != wakes, seconds)
            ready = any(self._ready.get(queue, 0) > changes for queue in queues)
            return self.wakes == wakes and not ready
