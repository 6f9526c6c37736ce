"""What the threads of a worker say to the store of jobs, and hear from it: outcomes for claims, in one round trip."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from time import monotonic

from ..errors import Unavailable
from ..faults import incident
from ..jobs import Claim, Engine, Leases, Outcome, Runner
from .hands import Hand
from .lanes import Lanes

logger = logging.getLogger("mergepoint")


class Exchange:
    """Settles what hands hold, and claims for them.

    An outcome leaves its hand while the store is told, and comes back if that does not answer. To tell it twice does no
    harm.

    Args:
        engine: the store.
        worker: who claims.
        lanes: where to claim from.
        leases: keep the claims while they are in hands.
        runner: says what becomes of a job whose outcome the store does not take.
    """

    def __init__(self, engine: Engine, worker: str, lanes: Lanes, leases: Leases, runner: Runner) -> None:
        self._engine = engine
        self._worker = worker
        self._lanes = lanes
        self._leases = leases
        self._runner = runner

    def claim(self, hand: Hand, limit: int) -> list[Claim]:
        """Settle what a hand holds, and take claims for it.

        Raises:
            Unavailable: the store does not answer; the outcomes are still in the hand.
        """
        lanes, lease = self._lanes.order(), self._leases.seconds
        claims = self._tell(hand, lambda told: self._engine.claim(self._worker, lanes, limit, lease, told))
        self._leases.hold(claims)
        return claims

    def settle(self, hand: Hand) -> None:
        """Settle what a hand holds.

        Raises:
            Unavailable: the store does not answer; the outcomes are still in the hand.
        """
        if hand.outcomes:
            self._tell(hand, self._settled)

    def _settled(self, outcomes: Sequence[Outcome]) -> list[Claim]:
        self._engine.settle(outcomes)
        return []

    def _tell(self, hand: Hand, ask: Callable[[list[Outcome]], list[Claim]]) -> list[Claim]:
        outcomes = hand.take_outcomes()
        try:
            claims = ask(outcomes)
        except Unavailable:
            hand.outcomes.extendleft(reversed(outcomes))
            raise
        except Exception:
            if not outcomes:
                raise
            logger.exception("%d outcomes of jobs could not be settled together: each is told alone", len(outcomes))
            hand.outcomes.extendleft(reversed(outcomes))
            self._tell_each(hand)
            return []
        if outcomes:
            self._leases.drop(outcome.claim for outcome in outcomes)
        return claims

    def _tell_each(self, hand: Hand) -> None:
        """Settle outcomes one by one, so that one that the store does not take keeps back no other."""
        for outcome in hand.take_outcomes():
            try:
                self._tell_one(outcome)
            except Unavailable:
                hand.outcomes.append(outcome)
                continue
            except Exception:
                logger.exception("Job %s is left to the end of its lease", outcome.claim.message.id)
            self._leases.drop([outcome.claim])

    def _tell_one(self, outcome: Outcome) -> None:
        try:
            self._engine.settle([outcome])
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a result, say, that its column cannot hold
            bug = incident(f"what became of job {outcome.claim.message.id}", error)
            self._engine.settle([self._runner.failed(outcome.claim, bug)])


class Outage:
    """Whether the store answers, as the log hears of it: a line when it stops, and one when it is back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._over = 0.0

    def met(self, error: Unavailable, asked: float) -> None:
        """Note that the store did not answer what it was asked at a time, by `time.monotonic()`."""
        with self._lock:
            if self._since is None and asked >= self._over:  # else it answered others since then
                self._since = asked
                logger.warning("No jobs for now, the store does not answer: %s", error)

    def over(self) -> None:
        """Note that it answers."""
        if self._since is not None:
            with self._lock:
                if self._since is not None:
                    self._over = monotonic()
                    logger.warning("The store of jobs answers again, after %.1f s", self._over - self._since)
                    self._since = None
