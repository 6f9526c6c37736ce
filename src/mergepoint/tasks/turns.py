"""Which of a worker's threads work, which one listens for jobs, and which sleep."""

from __future__ import annotations

import threading
from time import monotonic

from ..jobs import Engine
from .hands import AT_ONCE
from .lanes import Lanes

WAIT = 5.0
"""Seconds after which an idle worker looks for jobs though nobody told it of any."""

FEW = 3
"""The threads that work on jobs of microseconds: one computes while the others wait for the store. More would only
take turns with it."""

IN_VAIN = 3
"""Waits that may end for nothing, one after the other, before the worker takes its time."""

PAUSES = (0.01, 0.25)
"""Seconds that it takes then, at first and at the most: a queue may have jobs that its limits do not let begin."""

PROBE = 4
"""Each so many times it listens to all queues again nevertheless."""

BRIEF = 0.05
"""Seconds: a wait that was longer was not for nothing, as it spared the store questions."""


class Turns:
    """Of the threads that find nothing to do, one listens to the engine, and the others sleep.

    Whoever takes all it asked for calls one of them, as there may be more.

    Args:
        engine: what to listen to.
        lanes: the queues to listen to.
        threads: how many threads there are.
        ending: set when there is nothing to do any more.
    """

    def __init__(self, engine: Engine, lanes: Lanes, threads: int, ending: threading.Event) -> None:
        self._engine = engine
        self._lanes = lanes
        self._threads = threads
        self._ending = ending
        self._turn = threading.Condition()
        self._listening = False
        self._asleep = 0
        self._called = 0
        self._in_vain = 0

    def end(self) -> None:
        """Let nobody sleep or listen any more."""
        with self._turn:
            self._turn.notify_all()
        self._engine.wake()

    def took(self, taken: int, limit: int) -> None:
        """Call another thread if there may be more to do, or if nobody listens while this one works.

        Args:
            taken: how many jobs this thread has taken.
            limit: how many it had asked for.
        """
        self._in_vain = 0
        with self._turn:
            if self._asleep:
                more = taken == limit and not (limit == AT_ONCE and self._awake >= FEW)
                self._called += more
                if more or (taken < limit and not self._listening):
                    self._turn.notify()

    def relieve(self) -> None:
        """See that somebody listens, though those who would soon do it are held up."""
        with self._turn:
            if self._asleep and not self._listening:
                self._turn.notify()

    @property
    def are_crowded(self) -> bool:
        """True if more threads work than is good for jobs of microseconds."""
        return self._awake > FEW + self._listening

    def step_aside(self) -> None:
        """Leave the work to others, if they are enough, until called."""
        with self._turn:
            if self.are_crowded and not self._ending.is_set():
                self._sleep()
                self._called = max(0, self._called - 1)

    def rest(self) -> None:
        """Return when there may be something to take: listen for it if nobody does, else sleep until called."""
        with self._turn:
            while self._listening and not (self._called or self._ending.is_set()):
                self._sleep()
            if self._called or self._ending.is_set():
                self._called = max(0, self._called - 1)
                return
            self._listening = True
        try:
            self._listen()
        finally:
            self._listening = False

    @property
    def _awake(self) -> int:
        return self._threads - self._asleep

    def _sleep(self) -> None:
        self._asleep += 1
        self._turn.wait()
        self._asleep -= 1

    def _listen(self) -> None:
        began, patient = monotonic(), self._in_vain >= IN_VAIN and self._in_vain % PROBE != 0
        if patient:
            self._pause()
        else:
            self._engine.wait(self._lanes.queues, WAIT)
        self._in_vain = self._in_vain + 1 if patient or monotonic() - began < BRIEF else 0

    def _pause(self) -> None:
        """Wait for the jobs of queues without limits; those of the others may be there already, and may not begin."""
        first, longest = PAUSES
        seconds = min(longest, first * 2.0 ** min(self._in_vain - IN_VAIN, 10))
        if len(self._lanes.free) in (0, len(self._lanes.queues)):
            self._ending.wait(seconds)
        else:
            self._engine.wait(self._lanes.free, seconds)
