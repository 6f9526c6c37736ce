"""What looks after the threads of a worker: jobs that hold up others, or never end, and threads that did."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic, sleep

from ..errors import DeadlineExceeded
from ..jobs import Claim, Engine, Outcome, Runner
from .crew import Crew
from .hands import TOGETHER, Hand

logger = logging.getLogger("mergepoint")

LOOK = 0.01
"""Seconds between two looks while threads have more than one job in hand."""

SELDOM = 1.0
"""Seconds between two looks otherwise."""

HELD_UP = 0.1
"""Seconds after which what a thread has not begun is put back, for others to take."""

OVERDUE = 10.0
"""Seconds that a job may run beyond its time; if it does not end by itself then, it never will."""

ACCOUNT = 60.0
"""Seconds between two lines in the log, if there was anything to do."""


class Watch:
    """A thread beside those that run jobs.

    Args:
        engine: counts what waits, for the log.
        runner: says what becomes of a job that does not end.
        too_many: called when half of the threads or more are stuck.
    """

    def __init__(self, engine: Engine, runner: Runner, too_many: Callable[[], object]) -> None:
        self._engine = engine
        self._runner = runner
        self._too_many = too_many
        self._attending = threading.Event()
        self._over = False
        self._told = (0, 0)
        self._tell_at = monotonic() + ACCOUNT
        self._thread: threading.Thread | None = None

    def start(self, crew: Crew) -> None:
        """Begin to look after a crew."""
        self._thread = threading.Thread(target=self._look, args=(crew,), name="mergepoint-watch", daemon=True)
        self._thread.start()

    def attend(self) -> None:
        """Look often, as long as anybody has anything in hand."""
        if not self._attending.is_set():
            self._attending.set()

    def stop(self) -> None:
        """End the thread."""
        self._over = True
        self._attending.set()
        if self._thread is not None:
            self._thread.join(SELDOM)

    def _look(self, crew: Crew) -> None:
        while not self._over:
            if self._attending.wait(SELDOM):
                sleep(LOOK)
            try:
                self._once(crew)
            except Exception:
                logger.exception("The watch over the threads that run jobs goes on")

    def _once(self, crew: Crew) -> None:
        # Before the look: whoever takes jobs after it, sets it again.
        self._attending.clear()
        now, held_up = monotonic(), False
        for hand in list(crew.hands):
            held_up |= bool(hand.running) and now - hand.began > TOGETHER
            if hand.unbegun and now - hand.claimed > HELD_UP:
                hand.take_back()
            if hand.unbegun or hand.outcomes:
                self._attending.set()
            self._see_to(crew, hand, now)
        if held_up:
            crew.relieve()
        crew.settle(patience=TOGETHER)
        crew.bury()
        if now > self._tell_at:
            self._tell(crew, now)

    def _see_to(self, crew: Crew, hand: Hand, now: float) -> None:
        """Replace the thread of a hand if it ended, or runs a job that does not end."""
        if crew.ending.is_set():
            return
        if not crew.lives(hand):
            crew.replace(hand)
        for claim in hand.running.copy():
            if now - hand.began > claim.message.timeout + OVERDUE:
                self._give_up(crew, hand, claim, now - hand.began)

    def _give_up(self, crew: Crew, hand: Hand, claim: Claim, seconds: float) -> None:
        taken = hand.take_running()
        if taken is None:
            return  # it ended at the last moment
        if taken is not claim:  # and its thread began with another one
            hand.outcomes.append(Outcome(taken, "release"))
            return
        logger.error(
            "Job %s of %s does not end: after %.0f s its thread is given up",
            claim.message.id,
            claim.message.operation,
            seconds,
        )
        hand.outcomes.append(self._runner.failed(claim, DeadlineExceeded(), seconds))
        hand.done, hand.failed = hand.done + 1, hand.failed + 1
        crew.replace(hand)
        if crew.is_stuck:
            self._too_many()

    def _tell(self, crew: Crew, now: float) -> None:
        self._tell_at = now + ACCOUNT
        (done, failed), (done_before, failed_before) = crew.totals, self._told
        if done == done_before:
            return
        self._told = done, failed
        waiting = sum(count for (_, state), count in self._engine.counts().items() if state == "waiting")
        logger.info(
            "%d jobs were run in %.0f s, %d of them failed; %d are waiting",
            done - done_before,
            ACCOUNT,
            failed - failed_before,
            waiting,
        )
