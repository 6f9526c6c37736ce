"""A case of the suite, and what it works with: a store that several engines share, and a queue of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from threading import Barrier
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

import msgspec

from ...jobs import Attempt, Claim, Engine, Entry, Lane, Message, Outcome, State, Verdict, moment, new_id
from ..comparison import same, soon

T = TypeVar("T")

Workshop: TypeAlias = Callable[[], AbstractContextManager[Engine]]
"""Makes a further engine on the same store, as another process would have it; the context closes it."""

LONG = 600.0
"""A lease that does not end while the suite runs."""

SHORT = 0.2
"""A lease that ends while a case waits for it."""


class Store:
    """A store of jobs, as a case sees it.

    Args:
        workshop: makes engines on it.
        opened: closes the engines.

    Attributes:
        engine: the engine that the case asks first.
        queue: a queue that no other case uses.
    """

    def __init__(self, workshop: Workshop, opened: ExitStack) -> None:
        self._workshop = workshop
        self._opened = opened
        self.engine = self.another()
        self.queue = f"cases-{uuid4().hex[:12]}"

    def another(self) -> Engine:
        """Return a further engine on the same store."""
        return self._opened.enter_context(self._workshop())

    def message(self, **fields: Any) -> Message:
        """Return a message for the case's queue that is not put in yet."""
        given = {"id": new_id(), "operation": "publish", "queue": self.queue, **fields}
        given.setdefault("created", 1_790_000_000.0)
        return Message(**given)

    def put(self, **fields: Any) -> str:
        """Put a job in, and return its id."""
        message = self.message(**fields)
        same(self.engine.put([message]), [message.id])
        return message.id

    def claim(
        self,
        limit: int = 100,
        *,
        engine: Engine | None = None,
        worker: str = "worker",
        lanes: Sequence[Lane] | None = None,
        lease: float = LONG,
        outcomes: Sequence[Outcome] = (),
    ) -> list[Claim]:
        """Claim jobs; those of the case's queue unless lanes are given."""
        taken = [Lane(self.queue)] if lanes is None else lanes
        return (engine or self.engine).claim(worker, taken, limit, lease, outcomes)

    def next(self, **how: Any) -> Claim:
        """Wait until a job can be claimed, and claim it; there is exactly one."""
        claims: list[Claim] = []

        def found() -> bool:
            claims.extend(self.claim(**how))
            return bool(claims)

        soon(found, "a job can be claimed")
        same(len(claims), 1)
        return claims[0]

    def claimed(self, **how: Any) -> Claim:
        """Claim a job; there is exactly one that can be claimed."""
        claims = self.claim(**how)
        same(len(claims), 1)
        return claims[0]

    def begun(self, lease: float = LONG, **fields: Any) -> Claim:
        """Put a job in, and claim it."""
        id = self.put(**fields)
        claim = self.claimed(lease=lease)
        same(claim.message.id, id)
        return claim

    def settle(self, claim: Claim, verdict: Verdict, **fields: Any) -> None:
        """Say what became of a claim."""
        self.engine.settle([Outcome(claim, verdict, **fields)])

    def entry(self, id: str) -> Entry:
        """Return what is known of a job; there is something."""
        entry = self.engine.get(id)
        if entry is None:
            raise AssertionError(f"the engine does not know job {id} any more")
        return entry

    def state(self, id: str) -> State | None:
        """Return the state of a job, or None if it is not known."""
        entry = self.engine.get(id)
        return None if entry is None else entry.state

    def swept(self, id: str) -> State | None:
        """Return the state of a job after recovering what is lost and forgetting what was kept long enough."""
        self.engine.recover()
        return self.state(id)

    def now(self) -> float:
        """Return the time by the engine's clock: that at which a job is due that is put in now."""
        return self.entry(self.put(queue=f"{self.queue}-clock")).due


class Case(msgspec.Struct, frozen=True):
    """One thing that holds of every engine.

    Attributes:
        name: names it in a test's id.
        says: what holds, as a sentence.
        check: asks engines and raises AssertionError where they do something else than was promised.
    """

    name: str
    says: str
    check: Callable[[Store], None]

    def __str__(self) -> str:
        return self.name

    def run(self, workshop: Workshop) -> None:
        """Check that this holds of the engines that a workshop makes.

        Args:
            workshop: gives, each time it is called, another engine on the same store, as a context manager.

        Raises:
            AssertionError: it does not hold.
        """
        with ExitStack() as opened:
            self.check(Store(workshop, opened))


def case(check: Callable[[Store], None]) -> Case:
    """Make a case of a function that takes a store; its name is the case's, its docstring what holds."""
    says = " ".join((inspect.getdoc(check) or "").split())
    return Case(check.__name__.replace("_", "-"), says, check)


def together(works: Sequence[Callable[[], T]]) -> list[T]:
    """Run functions in threads that begin at the same moment, and return what they gave, in order."""
    barrier = Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


def failed(claim: Claim, code: str = "internal") -> Attempt:
    """Return what a worker says of a run that failed."""
    return Attempt(claim.attempts, "worker", moment(1_790_000_000.0), 0.25, "failed", code, "No such file: “a”.")


def ids(claims: Sequence[Claim | Entry]) -> list[str]:
    """Return the ids of jobs, in order."""
    return [claim.message.id for claim in claims]
