"""What one thread of a worker has in hand, and how many jobs it takes at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic

from ..jobs import Claim, Outcome

AT_ONCE = 100
"""The most jobs that a thread takes at a time."""

TOGETHER = 0.01
"""Seconds of work that a thread takes at a time, and after which it says what became of it."""

MEMORY = 20
"""The jobs over which their mean duration is taken."""

LONGEST = 0.1
"""Seconds beyond which it does not matter how long a job takes: it is taken alone."""


class Pace:
    """How long jobs take, as all threads of a worker see it. A guess: two threads at once may forget one's figure.

    Attributes:
        seconds: the mean over about the last twenty jobs.
    """

    def __init__(self) -> None:
        self.seconds = 2 * TOGETHER

    @property
    def limit(self) -> int:
        """How many jobs to take: one of those that take long, a hundred of those that take microseconds."""
        return max(1, min(AT_ONCE, int(TOGETHER / self.seconds)))

    def note(self, jobs: int, seconds: float) -> None:
        """Take in how long some jobs took together."""
        mean = max(min(seconds / jobs, LONGEST), 1e-6)
        self.seconds += (mean - self.seconds) * min(jobs / MEMORY, 1.0)


class Hand:
    """A thread's claims and outcomes. Whoever takes a claim out of it says what becomes of it: the thread, or another.

    Each of these steps is one operation of a deque, which no other thread can interrupt; so a job needs no lock.

    Args:
        run: runs a claim.
        settle: tells the store what became of the claims of this hand.
        pace: learns how long jobs take.

    Attributes:
        unbegun: claims that were not begun.
        running: the claim that runs.
        outcomes: what became of claims, as far as the store has not been told.
        claimed: when the claims were taken, in seconds of `time.monotonic()`.
        began: when the one that runs was begun.
        done: how many jobs were run.
        failed: how many of them did not end well.
        stuck: True if its thread is not waited for any more.
    """

    def __init__(self, run: Callable[[Claim], Outcome], settle: Callable[[Hand], None], pace: Pace) -> None:
        self.unbegun: deque[Claim] = deque()
        self.running: deque[Claim] = deque()
        self.outcomes: deque[Outcome] = deque()
        self.claimed = self.began = 0.0
        self.done = self.failed = 0
        self.stuck = False
        self._run = run
        self._settle = settle
        self._pace = pace

    @property
    def is_busy(self) -> bool:
        """True if there is anything in it."""
        return bool(self.running or self.unbegun or self.outcomes)

    def work(self, claims: Sequence[Claim]) -> None:
        """Run claims one after the other, those that nobody has taken out of this hand."""
        self.claimed = self.began = told = monotonic()
        self.unbegun.extend(claims)
        jobs, seconds = 0, 0.0
        while (claim := self._next()) is not None:
            outcome = self._run(claim)
            jobs, seconds = jobs + 1, seconds + (ended := monotonic()) - self.began
            if not self._finish(outcome):
                break
            if ended - told > TOGETHER and self.unbegun:
                self._settle(self)
                ended = told = monotonic()
            self.began = ended
        if jobs:
            self._pace.note(jobs, seconds)

    def take_back(self) -> None:
        """Let what was not begun be put back."""
        with suppress(IndexError):
            while True:
                self.outcomes.append(Outcome(self.unbegun.pop(), "release"))

    def take_running(self) -> Claim | None:
        """Return the claim that runs, for somebody else to say what becomes of it; None if there is none."""
        try:
            return self.running.popleft()
        except IndexError:
            return None

    def take_outcomes(self) -> list[Outcome]:
        """Return what the store is to be told; whoever takes it tells it, or puts it back."""
        taken: list[Outcome] = []
        with suppress(IndexError):
            while True:
                taken.append(self.outcomes.popleft())
        return taken

    def _next(self) -> Claim | None:
        try:
            claim = self.unbegun.popleft()
        except IndexError:
            return None
        self.running.append(claim)
        return claim

    def _finish(self, outcome: Outcome) -> bool:
        """Note what became of the claim that ran, unless somebody else did."""
        if self.take_running() is None:
            return False
        self.outcomes.append(outcome)
        self.done += 1
        self.failed += outcome.verdict in ("retry", "dead")
        return True
