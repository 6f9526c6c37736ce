"""The engine of jobs that needs nothing but the application's database."""

from __future__ import annotations

import os
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from ...jobs import MOST_CRASHES
from .claiming import Claiming
from .keeping import Keeping
from .leases import Leases
from .news import News
from .people import People
from .putting import Putting
from .settling import Settling
from .store import Store
from .waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ...db import Database
    from ...jobs import Claim, Entry, Lane, Message, Outcome, Standing, State


class Tables:
    """Keeps jobs in tables of the application's database: `mergepoint.jobs.Engine` for SQLite, PostgreSQL and MariaDB.

    `put` is a part of the caller's transaction; all else is not. Where SQLite cannot do two things at once, what is
    asked for inside a unit of work that writes becomes a part of that. The tables are made when they are missing;
    with `job_tables` an application has them in its migrations instead.

    Args:
        db: the application's database.
        name: what health reports call it.
    """

    def __init__(self, db: Database, *, name: str = "jobs") -> None:
        self.name = name
        self._store = Store(db, News())
        self._putting = Putting(self._store)
        self._settling = Settling(self._store)
        self._claiming = Claiming(self._store, self._settling)
        self._leases = Leases(self._store, self._settling)
        self._people = People(self._store, self._settling)
        self._keeping = Keeping(self._store, self._putting)
        self._waiting = Waiting(self._store)
        os.register_at_fork(after_in_child=_forgetting(weakref.ref(self._waiting)))

    def __repr__(self) -> str:
        return f"<jobs in {repr(self._store.db).strip('<>')}>"

    def prepare(self) -> None:
        """Make the tables that are missing; the first use does it too."""
        self._store.prepare()

    def put(self, messages: Sequence[Message]) -> list[str]:
        """See `Engine`."""
        return self._putting.put(messages)

    def claim(
        self, worker: str, lanes: Sequence[Lane], limit: int, lease: float, outcomes: Sequence[Outcome] = ()
    ) -> list[Claim]:
        """See `Engine`."""
        return self._claiming.claim(worker, lanes, limit, lease, outcomes)

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """See `Engine`."""
        if outcomes:
            self._store.run(partial(self._settling.settle, outcomes))

    def extend(self, worker: str, claims: Collection[Claim], lease: float) -> Standing:
        """See `Engine`; it is the token that says whose a claim is."""
        return self._leases.extend(claims, lease)

    def recover(self, most_crashes: int = MOST_CRASHES) -> int:
        """See `Engine`."""
        return self._leases.recover(most_crashes)

    def wait(self, queues: Collection[str], seconds: float) -> None:
        """See `Engine`."""
        self._waiting.wait(queues, seconds)

    def wake(self) -> None:
        """See `Engine`."""
        self._store.news.wake()

    def report(self, claim: Claim, progress: float, note: str) -> bool:
        """See `Engine`."""
        return self._leases.report(claim, progress, note)

    def get(self, id: str) -> Entry | None:
        """See `Engine`."""
        return self._people.get(id)

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
        """See `Engine`."""
        return self._people.entries(states, queue, operation, owner, before, limit)

    def counts(self) -> dict[tuple[str, State], int]:
        """See `Engine`."""
        return self._people.counts()

    def cancel(self, ids: Collection[str]) -> list[str]:
        """See `Engine`."""
        return self._people.cancel(ids)

    def retry(self, ids: Collection[str]) -> list[str]:
        """See `Engine`."""
        return self._people.retry(ids)

    def expedite(self, ids: Collection[str]) -> list[str]:
        """See `Engine`."""
        return self._people.expedite(ids)

    def purge(self, states: Collection[State], before: float | None = None) -> int:
        """See `Engine`."""
        return self._people.purge(states, before)

    def fire(self, schedule: str, tick: float, messages: Sequence[Message]) -> bool:
        """See `Engine`."""
        return self._keeping.fire(schedule, tick, messages)

    def begin(self, schedule: str, tick: float) -> None:
        """See `Engine.begin`."""
        self._keeping.begin(schedule, tick)

    def last_tick(self, schedule: str) -> float | None:
        """See `Engine`."""
        return self._keeping.last_tick(schedule)

    def load(self, name: str) -> bytes | None:
        """See `Engine`."""
        return self._keeping.load(name)

    def save(self, name: str, value: bytes) -> None:
        """See `Engine`."""
        self._keeping.save(name, value)

    def check(self) -> None:
        """See `Engine`."""
        self._store.own.check()
        self._store.prepare()

    def close(self) -> None:
        """See `Engine`."""
        self._waiting.close()
        self._store.close()


def _forgetting(waiting: weakref.ref[Waiting]) -> Any:
    def forget() -> None:
        inherited = waiting()
        if inherited is not None:
            inherited.forget()

    return forget
