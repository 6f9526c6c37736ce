"""The relay: claims due jobs from the store, a few at a time, and sends each to its own worker as a task of Celery."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from time import monotonic

from celery.exceptions import OperationalError

from ..errors import Unavailable
from ..jobs import Attempt, Backoff, Claim, Engine, Lane, Leases, Outcome
from .forks import between_forks
from .handover import Handover

logger = logging.getLogger("mergepoint")

PAUSE = 1.0
"""Seconds between two looks when there is nothing to do, and after something failed."""

PATIENCE = 5.0
"""Seconds to wait for the thread at the end."""

MEMORY = 8
"""The jobs over which their usual duration is taken."""

LONG = 1.0
"""Seconds from which a job is long: no other one waits in this worker until such jobs are over."""

Send = Callable[[Claim], Outcome | None]
"""Sends a claim to the worker; what became of it if it cannot run here at all."""


class Relay:
    """Hands jobs over to one Celery worker, never more than it will soon begin.

    The backlog stays in the store: sorted, visible and cancellable. What was sent and has not begun is kept alive here;
    what has begun is kept alive by the process that runs it. The worker has a queue of its own, so each message comes
    back to where it was sent: that is how the relay knows what became of it, without asking the store.

    Args:
        engine: where jobs come from.
        send: sends a claim to the worker.
        lanes: returns the queues to take from.
        processes: returns how many jobs the worker's pool can run at a time.
        outstanding: the most jobs that were sent and are not over; 4 for each process unless given. Where jobs are long
            it is one for each process.
        handover: seconds after which a job that was sent and has not begun is put back.
        lease: seconds after its last sign of life until a worker's jobs are given to others.
        backoff: how long a job that was stopped at its time limit waits.

    Attributes:
        worker: what the store calls it.
    """

    def __init__(
        self,
        engine: Engine,
        send: Send,
        lanes: Callable[[], Sequence[Lane]],
        processes: Callable[[], int],
        *,
        outstanding: int | None,
        handover: float,
        lease: float,
        backoff: Backoff,
    ) -> None:
        self.worker = f"celery:{platform.node()}:{os.getpid()}"
        self._engine = between_forks(engine)
        self._send = send
        self._lanes = lanes
        self._processes = processes
        self._outstanding = outstanding
        self._handover = handover
        self._lease = lease
        self._backoff = backoff
        self._sent: dict[tuple[str, int], tuple[Claim, float]] = {}
        self._begun: dict[tuple[str, int], float] = {}
        self._usual = 0.0
        self._strangers = False
        self._outcomes: deque[Outcome] = deque()
        self._changed = threading.Condition()
        self._shift: _Shift | None = None
        self._turn = 0

    # --- the worker's connection comes and goes ---

    def start(self) -> None:
        """Begin to hand jobs over."""
        self._shift = _Shift(Leases(self._engine, self.worker, self._lease))
        self._shift.leases.start()
        self._shift.thread = threading.Thread(
            target=self._run, args=(self._shift,), name="mergepoint-relay", daemon=True
        )
        self._shift.thread.start()

    def stop(self) -> None:
        """Hand nothing over any more, and put back what has not begun."""
        shift, self._shift = self._shift, None
        if shift is None:
            return
        shift.over.set()
        self._engine.wake()
        with self._changed:
            self._changed.notify_all()
        if shift.thread is not None:
            shift.thread.join(PATIENCE)
        shift.leases.stop()
        self._put_back(claim for claim, _ in list(self._sent.values()))
        self._settle_all()

    # --- what the worker tells of the jobs that were sent ---

    def awaits(self, handover: Handover) -> bool:
        """Tell whether a message may run: not if it was put back, or comes a second time.

        What another relay sent, one that died, is looked at by the process that is to run it.
        """
        if handover.worker == self.worker:
            return handover.key in self._sent
        if not self._strangers:
            self._strangers = True
            logger.warning(
                "Jobs come here that %s sent to itself. If it is still there, both workers have the same name, and jobs"
                " for one wait for the other: give each a name of its own with `-n`.",
                handover.worker,
            )
        return True

    def begun(self, handover: Handover) -> None:
        """Note that a process of the pool has a job, and keeps it alive from now on."""
        with self._changed:
            self._begun[handover.key] = monotonic()
            self._sent.pop(handover.key, None)
        if (shift := self._shift) is not None:
            shift.leases.drop([handover.claim])

    def over(self, handover: Handover) -> None:
        """Note that a job does not run any more."""
        with self._changed:
            if (began := self._begun.pop(handover.key, None)) is not None:
                self._usual += (monotonic() - began - self._usual) / MEMORY
            self._changed.notify_all()

    def revoked(self, handover: Handover) -> None:
        """Cancel a job that somebody revoked with a tool of Celery."""
        self._end(handover, Outcome(handover.claim, "cancelled"))

    def stopped(self, handover: Handover, seconds: float) -> None:
        """Note the failure of a job whose process was ended at its time limit."""
        claim = handover.claim
        began = datetime.fromtimestamp(time.time() - seconds, UTC)
        why = f"It took longer than {claim.message.timeout:g} s, and its process was ended."
        attempt = Attempt(claim.attempts, self.worker, began, seconds, "failed", "deadline_exceeded", why)
        if claim.failures >= claim.message.retries:
            self._end(handover, Outcome(claim, "dead", attempt=attempt))
        else:
            self._end(handover, Outcome(claim, "retry", delay=self._backoff.delay(claim.failures + 1), attempt=attempt))

    def _end(self, handover: Handover, outcome: Outcome) -> None:
        # Told in the loop of Celery's main process, which must not wait for the store.
        with self._changed:
            self._outcomes.append(outcome)
            self._sent.pop(handover.key, None)
            self._begun.pop(handover.key, None)
            self._changed.notify_all()
        if (shift := self._shift) is not None:
            shift.leases.drop([handover.claim])
        self._engine.wake()

    # --- the thread ---

    def _run(self, shift: _Shift) -> None:
        while not shift.over.is_set():
            try:
                self._round(shift)
                shift.recovered()
            except Exception as error:  # noqa: BLE001 - the relay lives as long as its worker
                shift.fails(error)
                shift.over.wait(PAUSE)

    def _round(self, shift: _Shift) -> None:
        self._take_back(shift)
        room = self._room()
        if room <= 0:
            self._settle_all()
            with self._changed:
                self._changed.wait(PAUSE)
            return
        lanes = self._lanes()
        claims = self._claim(lanes, room)
        if not claims:
            self._engine.wait([lane.queue for lane in lanes], PAUSE)
        elif shift.over.is_set():
            self._engine.settle([Outcome(claim, "release") for claim in claims])
        else:
            self._hand_over(shift, claims)

    def _claim(self, lanes: Sequence[Lane], room: int) -> list[Claim]:
        self._turn = (self._turn + 1) % max(len(lanes), 1)  # each queue is first in turn, so that none starves
        turned = [*lanes[self._turn :], *lanes[: self._turn]]
        outcomes = list(self._outcomes)
        claims = self._engine.claim(self.worker, turned, room, self._lease, outcomes)
        self._forget(outcomes)
        return claims

    def _settle_all(self) -> None:
        if outcomes := list(self._outcomes):
            try:
                self._engine.settle(outcomes)
            except Unavailable as error:
                logger.warning("What became of %d jobs could not be told to the store: %s", len(outcomes), error)
                return
            self._forget(outcomes)

    def _forget(self, outcomes: Iterable[Outcome]) -> None:
        for _ in outcomes:
            self._outcomes.popleft()

    def _hand_over(self, shift: _Shift, claims: Sequence[Claim]) -> None:
        shift.leases.hold(claims)
        now = monotonic()
        with self._changed:  # before they are sent: the first may begin before the last is gone
            self._sent.update(((claim.message.id, claim.token), (claim, now)) for claim in claims)
        for position, claim in enumerate(claims):
            try:
                outcome = self._send(claim)
            except BaseException:
                self._put_back(claims[position:])
                shift.leases.drop(claims[position:])
                raise
            if outcome is not None:
                self._end(Handover(self.worker, claim), outcome)

    def _take_back(self, shift: _Shift) -> None:
        """Put back what waits too long in the broker, or was lost there, and end what somebody cancelled."""
        now = monotonic()
        with self._changed:
            sent = list(self._sent.values())
        if back := [claim for claim, since in sent if since < now - self._handover]:
            logger.warning("%d jobs were sent and did not begin within %g s: put back", len(back), self._handover)
        if self._is_held_up(now):
            back = [claim for claim, _ in sent]
        if back:
            self._put_back(back)
            shift.leases.drop(back)
        for claim in [claim for claim, _ in sent if shift.leases.unwanted(claim)]:
            self._end(Handover(self.worker, claim), Outcome(claim, "cancelled"))  # one that was lost is not affected

    def _put_back(self, claims: Iterable[Claim]) -> None:
        with self._changed:
            for claim in claims:
                if self._sent.pop((claim.message.id, claim.token), None):
                    self._outcomes.append(Outcome(claim, "release"))

    def _room(self) -> int:
        """Return how many jobs to claim: some at once, but before the pool runs out of them."""
        processes = self._pool_size
        most = processes if self._usual > LONG else self._outstanding or 4 * processes
        with self._changed:
            room = most - len(self._sent) - len(self._begun)
            enough = room >= most // 4 or len(self._sent) < processes
        return room if enough and not self._is_held_up(monotonic()) else 0

    def _is_held_up(self, now: float) -> bool:
        """Tell whether every process has a long job: what waits behind them is for other workers."""
        with self._changed:
            return len(self._begun) >= self._pool_size and all(since < now - LONG for since in self._begun.values())

    @property
    def _pool_size(self) -> int:
        return max(self._processes(), 1)


class _Shift:
    """The time from one connection to the broker to the next."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.over = threading.Event()
        self.thread: threading.Thread | None = None
        self._trouble = False

    def fails(self, error: Exception) -> None:
        """Say once that jobs cannot be handed over."""
        if not self._trouble:
            bug = None if isinstance(error, Unavailable | OperationalError | OSError) else error
            logger.warning("No job can be handed over to Celery; trying again: %s", error, exc_info=bug)
        self._trouble = True

    def recovered(self) -> None:
        """Say once that it works again."""
        if self._trouble:
            logger.warning("Jobs are handed over to Celery again")
        self._trouble = False
