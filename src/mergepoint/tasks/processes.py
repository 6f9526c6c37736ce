"""A parent that keeps worker processes running. It never loads the app: each of them does, so a new one has it anew."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from time import monotonic, sleep
from typing import Any

from .signals import ECHO

Announce = Callable[[str], object]
"""Tells the parent that a process works, and what it does."""

UNUSABLE = 2
"""The exit code of a process that cannot work: another one could not do it either."""

SHORT = 2.0
"""Seconds: whoever lives shorter than this died at once."""

PAUSES = (0.25, 30.0)
"""Seconds until the next process after one that died at once, at first and at the most."""

SLACK = 3.0
"""Seconds beyond the grace in which a process may end before it is killed."""

PARENT = 1.0
"""Seconds between two looks of a process whether its parent lives."""

_CONTEXT: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


class _Place:
    """The place of one process, and of those that come after it."""

    def __init__(self) -> None:
        self.process: BaseProcess | None = None
        self.ear: Connection | None = None
        self.begins_at = 0.0
        self.began = 0.0
        self.pause = PAUSES[0]

    def replace(self, code: int | None, number: int | None) -> None:
        """Say when another process begins in the place of one that ended by itself."""
        fell = code != 0 and monotonic() - self.began < SHORT
        pause, self.pause = (self.pause, min(self.pause * 2, PAUSES[1])) if fell else (0.0, PAUSES[0])
        self.begins_at = monotonic() + pause
        if code:
            again = f" in {pause:.1f} s" if pause else ""
            text = f"Worker process {number} ended with exit code {code}; another one begins{again}."
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - the parent has no log


class Supervisor:
    """Runs processes until it is told to stop.

    SIGTERM and SIGINT are handed on; a process that ends in between is replaced, after pauses that grow if they die at
    once. A second signal kills them all.

    Args:
        work: what each process does, given what announces that it works; it ends at SIGTERM. `UNUSABLE` is its exit
            code if it never could.
        processes: how many.
        grace: the seconds that each has to end.
    """

    def __init__(self, work: Callable[[Announce], None], *, processes: int, grace: float) -> None:
        self._work = work
        self._grace = grace
        self._places = [_Place() for _ in range(processes)]
        self._announced = False
        self._code = 0
        self._asked: float | None = None

    def run(self) -> int:
        """Supervise, and return the exit code: 0 after a stop, 1 if it was forced, 2 if no process could work."""
        with _signals() as told:
            while self._asked is None or any(place.process for place in self._places):
                self._fill()
                self._hear(told)
                self._end_late()
        return self._code

    def _fill(self) -> None:
        """Begin the processes that are missing and whose time has come; one alone until it works."""
        for place in self._places:
            alone = self._announced or not any(place.process for place in self._places)
            if place.process is None and self._asked is None and alone and monotonic() >= place.begins_at:
                self._begin(place)

    def _begin(self, place: _Place) -> None:
        place.ear, mouth = _CONTEXT.Pipe(duplex=False)
        place.process = _CONTEXT.Process(target=_run, args=(self._work, mouth, os.getpid()), name="mergepoint-worker")
        # No signal between the fork and the first lines of the child: it would answer like its parent.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)
        try:
            place.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            mouth.close()
        place.began = monotonic()

    def _hear(self, told: int) -> None:
        """Wait until something happens, and act on it."""
        lives = {place.process.sentinel: place for place in self._places if place.process}
        ears = {place.ear: place for place in self._places if place.ear}
        for ready in wait([told, *lives, *ears], self._patience()):
            if ready == told:
                self._signalled(os.read(told, 1)[0])
            elif ready in ears:
                self._told(ears[ready])
            elif isinstance(ready, int):
                self._ended(lives[ready])

    def _patience(self) -> float | None:
        begins = [place.begins_at for place in self._places if place.process is None and self._asked is None]
        ends = [] if self._asked is None else [self._asked + self._grace + SLACK]
        return max(0.0, min(begins + ends) - monotonic()) if begins or ends else None

    def _told(self, place: _Place) -> None:
        assert place.ear is not None  # noqa: S101 - for the type checker: it was just heard
        try:
            announcement = place.ear.recv()
        except EOFError:
            place.ear.close()
            place.ear = None
            return
        if not self._announced:
            self._announced = True
            print(announcement, flush=True)  # noqa: T201 - what the user waits for

    def _ended(self, place: _Place) -> None:
        assert place.process is not None  # noqa: S101 - for the type checker: it just ended
        place.process.join()
        code, number = place.process.exitcode, place.process.pid
        place.process.close()
        place.process = None
        if self._asked is None and code == UNUSABLE and not self._announced:
            self._stop(UNUSABLE)
        elif self._asked is None:
            place.replace(code, number)

    def _signalled(self, number: int) -> None:
        if number not in _NUMBERS:
            return
        if self._asked is None:
            self._stop(0)
        elif monotonic() - self._asked > ECHO:
            self._kill()

    def _stop(self, code: int) -> None:
        self._asked, self._code = monotonic(), code
        for place in self._places:
            if place.process is not None:
                place.process.terminate()

    def _end_late(self) -> None:
        if self._asked is not None and monotonic() > self._asked + self._grace + SLACK:
            self._kill()

    def _kill(self) -> None:
        self._code = self._code or 1
        for place in self._places:
            if place.process is not None:
                place.process.kill()


_NUMBERS = frozenset({signal.SIGTERM, signal.SIGINT})


@contextmanager
def _signals() -> Iterator[int]:
    """Let signals be read from a file while a block runs."""
    told, teller = os.pipe()
    os.set_blocking(teller, False)
    handlers = {number: signal.signal(number, _ignore) for number in _NUMBERS}
    before = signal.set_wakeup_fd(teller, warn_on_full_buffer=False)
    try:
        yield told
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(told)
        os.close(teller)


def _ignore(number: int, frame: object) -> None:
    """Do nothing: the file says it."""


# --- in a process --------------------------------------------------------------------------------------------------


def _run(work: Callable[[Announce], None], mouth: Connection, parent: int) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, _ignore)  # from the terminal it reaches the parent too, which says what is to be done
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _NUMBERS)
    threading.Thread(target=_end_with_parent, args=(parent,), name="mergepoint-parent", daemon=True).start()
    work(mouth.send)


def _end_with_parent(parent: int) -> None:
    """End, as SIGTERM does it, when the parent is gone: a process without one could never be stopped."""
    while os.getppid() == parent:
        sleep(PARENT)
    os.kill(os.getpid(), signal.SIGTERM)
