"""The threads of a worker. Each takes jobs itself and runs them; nothing is handed from one to another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic

from ..errors import Unavailable
from ..jobs import Claim, Engine, Outcome, Runner
from .exchange import Exchange, Outage
from .hands import AT_ONCE, LONGEST, Hand, Pace
from .lanes import Lanes
from .turns import Turns

logger = logging.getLogger("mergepoint")

RETRIES = (0.05, 2.0)
"""Seconds until a store that does not answer is asked again, at first and at the most."""


class Crew:
    """Runs jobs in threads until it is stopped.

    Args:
        engine: what tells of jobs.
        exchange: gives claims, and takes what became of them.
        runner: runs them.
        lanes: the queues that are served.
        threads: how many jobs run at a time.
        attend: called when somebody should look after the hands soon.
        after: called after each batch.

    Attributes:
        hands: those of the threads that work, by position.
        stuck: those of threads that were replaced and have not ended yet.
        ending: set when no more jobs are taken.
    """

    def __init__(
        self,
        engine: Engine,
        exchange: Exchange,
        runner: Runner,
        lanes: Lanes,
        *,
        threads: int,
        attend: Callable[[], object],
        after: Callable[[], object],
    ) -> None:
        self.ending = threading.Event()
        self.stuck: list[Hand] = []
        self._exchange = exchange
        self._runner = runner
        self._turns = Turns(engine, lanes, threads, self.ending)
        self._attend = attend
        self._after = after
        self._pace = Pace()
        self._outage = Outage()
        self._gone = [0, 0]
        self._threads: dict[Hand, threading.Thread] = {}
        self.hands = [self._hand() for _ in range(threads)]

    # --- for the worker ---

    def start(self) -> None:
        """Begin to take jobs."""
        for thread in self._threads.values():
            thread.start()

    def finish(self) -> None:
        """Take no more jobs, and put back what was not begun."""
        self.ending.set()
        self._turns.end()
        for hand in self.hands:
            hand.take_back()

    def stop(self, ends: float) -> None:
        """Wait for running jobs until a time, by `time.monotonic()`; then put them back, whatever becomes of them."""
        self.finish()
        while any(self._threads[hand].is_alive() for hand in self.hands) and monotonic() < ends:
            for hand in self.hands:
                self._threads[hand].join(max(0.0, min(ends - monotonic(), LONGEST)))
            self._turns.end()  # again: one may have begun to listen just when it was told not to
            self.settle()
        for hand in self.hands:
            if (claim := hand.take_running()) is not None:
                logger.warning("Job %s was put back: it took longer than the grace", claim.message.id)
                hand.outcomes.append(Outcome(claim, "release"))
        while not self.settle() and monotonic() < ends:
            self.ending.wait(RETRIES[0])

    def settle(self, *, patience: float = 0.0) -> bool:
        """Tell the store what hands hold; False if it does not answer.

        Args:
            patience: leave out the hands whose job began less than so many seconds ago: they tell it themselves.
        """
        began = monotonic() - patience
        try:
            for hand in [*self.hands, *self.stuck]:
                if hand.outcomes and hand.began <= began:
                    self._exchange.settle(hand)
        except Unavailable as error:
            self._outage.met(error, began)
            return False
        return True

    @property
    def totals(self) -> tuple[int, int]:
        """How many jobs were run, and how many of them did not end well."""
        known = [*self.hands, *self.stuck]
        return self._gone[0] + sum(hand.done for hand in known), self._gone[1] + sum(hand.failed for hand in known)

    @property
    def size(self) -> int:
        """How many threads there are, those that are stuck left out."""
        return len(self.hands)

    @property
    def is_stuck(self) -> bool:
        """True if half of the threads or more are stuck."""
        return len(self.stuck) * 2 >= len(self.hands)

    @property
    def busy(self) -> int:
        """How many threads run a job."""
        return sum(bool(hand.running) for hand in self.hands)

    # --- for the watch ---

    def relieve(self) -> None:
        """See that somebody listens, though those who would soon do it are held up."""
        self._turns.relieve()

    def replace(self, hand: Hand) -> None:
        """Let another thread take the place of a hand's, which ended or is stuck."""
        hand.stuck = True
        hand.take_back()
        self.stuck.append(hand)
        self.hands[self.hands.index(hand)] = fresh = self._hand()
        self._threads[fresh].start()

    def bury(self) -> None:
        """Forget the hands of threads that were stuck and have ended."""
        for hand in [hand for hand in self.stuck if not (hand.outcomes or self._threads[hand].is_alive())]:
            self.stuck.remove(hand)
            del self._threads[hand]
            self._gone = [self._gone[0] + hand.done, self._gone[1] + hand.failed]

    def lives(self, hand: Hand) -> bool:
        """Tell whether the thread of a hand runs."""
        return self._threads[hand].is_alive()

    # --- in the threads ---

    def _hand(self) -> Hand:
        hand = Hand(self._runner.run, self._exchange.settle, self._pace)
        name = f"mergepoint-jobs-{len(self._threads) + 1}"
        self._threads[hand] = threading.Thread(target=self._live, args=(hand,), name=name, daemon=True)
        return hand

    def _live(self, hand: Hand) -> None:
        pause, longest = RETRIES
        while not (self.ending.is_set() or hand.stuck):
            asked = monotonic()
            try:
                self._take_and_run(hand)
            except Unavailable as error:
                self._outage.met(error, asked)
            except Exception:
                logger.exception("A thread that runs jobs goes on")
            else:
                pause = RETRIES[0]
                continue
            hand.take_back()
            self.ending.wait(pause)
            pause = min(pause * 2, longest)
        hand.take_back()

    def _take_and_run(self, hand: Hand) -> None:
        if self._pace.limit == AT_ONCE and self._turns.are_crowded:
            self._exchange.settle(hand)
            self._turns.step_aside()
        limit = self._pace.limit
        claims = self._exchange.claim(hand, limit)
        self._outage.over()
        if not claims:
            self._turns.rest()
            return
        if len(claims) > 1:
            self._attend()
        self._turns.took(len(claims), limit)
        self._run(hand, claims)

    def _run(self, hand: Hand, claims: list[Claim]) -> None:
        if self.ending.is_set():  # it came while the store was asked
            hand.outcomes.extend(Outcome(claim, "release") for claim in claims)
        else:
            hand.work(claims)
            self._after()
        if self.ending.is_set():
            hand.take_back()
            self._exchange.settle(hand)
