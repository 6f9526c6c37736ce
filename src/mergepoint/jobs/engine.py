"""What keeps jobs: the one interface that SQL databases and Redis have for everybody above them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from .records import Claim, Entry, Lane, Message, Outcome, State

LEASE = 25.0
"""Seconds after its last sign of life until a worker's jobs are given to others."""

MOST_CRASHES = 5
"""Workers that a job may lose before it is taken for their killer, and goes to the dead letters."""


class Standing(NamedTuple):
    """What an engine says of the claims that a worker wants to keep.

    Attributes:
        lost: the ids of those that it has no more: another worker may have them.
        cancelled: the ids of those that somebody wants to stop.
    """

    lost: frozenset[str]
    cancelled: frozenset[str]


class Engine(Protocol):
    """Keeps jobs, gives each to one worker at a time, and loses none.

    Everything is safe to call from many threads and processes. A service that does not answer is an `Unavailable`;
    the call may be made again, as every change is either complete or has not happened, and repeating it does no harm.
    Leases are measured by one clock for all workers, which no worker can set.
    """

    name: str
    """What health reports call it."""

    def put(self, messages: Sequence[Message]) -> list[str]:
        """Keep jobs, all or none; in the caller's transaction where the engine has a part in it.

        Returns:
            For each, the id of its job: its own, or that of the unfinished job, in whatever queue, that has its unique
            key. A message whose id is known already changes nothing and is answered with its own id.
        """
        ...

    def claim(
        self, worker: str, lanes: Sequence[Lane], limit: int, lease: float, outcomes: Sequence[Outcome] = ()
    ) -> list[Claim]:
        """Settle outcomes, then take jobs that are due: from the first lane on, high priority first, then by due time.

        Args:
            worker: who takes them.
            lanes: the queues to take from, in this order.
            limit: the most jobs to take; none for 0.
            lease: the seconds that they are this worker's without a further word.
            outcomes: what became of others; see `settle`. What they put back, or let begin, may be taken at once.
        """
        ...

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Say what became of claims. One whose token is not the newest any more, or that was settled, is ignored.

        `done` keeps the result for `message.keep` seconds (0 forgets the job at once), and lets `message.then` begin if
        that waits for no other, at its own time. `dead` keeps the job until it is purged. `cancelled` cancels what
        waits for it, too, and keeps the job for `message.keep` seconds. Whatever is final frees the unique key. `retry`
        counts as a failure, `release` takes back the attempt; a job that was asked to stop is cancelled instead.
        """
        ...

    def extend(self, worker: str, claims: Collection[Claim], lease: float) -> Standing:
        """Keep claims for `lease` more seconds from now.

        Returns:
            Which of them are lost (taken over, given back, settled or not known), and which somebody wants to stop;
            the latter are kept as well.
        """
        ...

    def recover(self, most_crashes: int = MOST_CRASHES) -> int:
        """Give back the jobs whose lease is over, those that lost too many workers to the dead letters.

        It also forgets what was kept long enough. Each loss is in the job's history, with the code `worker_lost`; it is
        no failure of the job. One that was asked to stop is cancelled.

        Args:
            most_crashes: the loss with which a job is dead, counted since it was put in or put back by a person.

        Returns:
            How many jobs were given back to their queues.
        """
        ...

    def wait(self, queues: Collection[str], seconds: float) -> None:
        """Return when there may be something to claim, at the latest after some seconds; cheap while nothing happens.

        It may return early for no reason. A job whose due time comes while this waits ends the wait.
        """
        ...

    def wake(self) -> None:
        """End every `wait` of this process now."""
        ...

    def report(self, claim: Claim, progress: float, note: str) -> bool:
        """Note how far a running job is.

        Returns:
            False if its worker shall stop it: somebody cancelled it, or it is another worker's.
        """
        ...

    # --- for people ---

    def get(self, id: str) -> Entry | None:
        """Return what is known of a job, or None."""
        ...

    def entries(
        self,
        *,
        states: Collection[State] = (),
        queue: str | None = None,
        operation: str | None = None,
        owner: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Entry]:
        """Return jobs, the newest first (the greatest id); `before` an id, for the next page."""
        ...

    def counts(self) -> dict[tuple[str, State], int]:
        """Return how many jobs there are, by queue and state."""
        ...

    def cancel(self, ids: Collection[str]) -> list[str]:
        """Cancel jobs, and what waits for them; one that runs is asked to stop.

        What waits for one that runs is cancelled when that is, and begins after all if it is done in spite of it.

        Returns:
            Those of the ids that it has an effect on.
        """
        ...

    def retry(self, ids: Collection[str]) -> list[str]:
        """Put dead and cancelled jobs back, due now, as if they had never failed; their history stays.

        One that still waits for others is blocked again. Of those, the ones that were done meanwhile count.

        Returns:
            Those that were put back; one whose unique key has a new job is not.
        """
        ...

    def expedite(self, ids: Collection[str]) -> list[str]:
        """Make waiting jobs due now, before all others of their queue. Return those it has an effect on."""
        ...

    def purge(self, states: Collection[State], before: float | None = None) -> int:
        """Forget jobs in these states (`running` ones never) that reached them before a time; return how many."""
        ...

    # --- for schedules and sweeps ---

    def fire(self, schedule: str, tick: float, messages: Sequence[Message]) -> bool:
        """Put jobs in for a tick, unless this tick or a later one of the schedule was fired; both or nothing.

        Args:
            schedule: its name.
            tick: in seconds since 1970.
            messages: the jobs; none to skip the tick.

        Returns:
            True if this call fired it.
        """
        ...

    def begin(self, schedule: str, tick: float) -> None:
        """Let a schedule begin after a tick, as if that had been fired, unless one was fired or begun from before."""
        ...

    def last_tick(self, schedule: str) -> float | None:
        """Return the tick that was last fired, or None."""
        ...

    def load(self, name: str) -> bytes | None:
        """Return what was last saved under a name."""
        ...

    def save(self, name: str, value: bytes) -> None:
        """Keep a few bytes under a name."""
        ...

    # --- as a resource of an app ---

    def check(self) -> None:
        """Raise what keeps it from working."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
