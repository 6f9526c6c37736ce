"""Claiming: jobs that are due, in their order, within the limits of their queues."""

from __future__ import annotations

from itertools import groupby
from math import floor
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, func, select, update

from .bulk import RUNNING
from .news import AGAIN
from .rows import Taken, claim_of, micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...jobs import Claim, Lane, Outcome
    from .settling import Settling
    from .store import Store


class Room(NamedTuple):
    """How many jobs of a queue may begin now.

    Attributes:
        jobs: so many.
        arrival: when the jobs begun so far are due at the queue's rate, in microseconds of the lease's clock.
        pause: the seconds until another may begin, if these are all that may.
    """

    jobs: int
    arrival: float
    pause: float


class Claiming:
    """Gives jobs to workers."""

    def __init__(self, store: Store, settling: Settling) -> None:
        jobs, lanes = store.tables.jobs, store.tables.lanes
        running = select(func.count()).where(jobs.c.state == RUNNING, jobs.c.queue == bindparam("of"))
        held = select(lanes.c.queue, lanes.c.arrival).where(lanes.c.queue.in_(bindparam("queues", expanding=True)))
        self._store = store
        self._settling = settling
        self._running = store.own.statement(running)
        self._lanes = store.own.statement(held.order_by(lanes.c.queue).with_for_update())
        self._add_lane = store.own.statement(store.dialect.add(lanes))
        self._advance = store.own.statement(update(lanes).where(lanes.c.queue == bindparam("of")))

    def claim(
        self, worker: str, lanes: Sequence[Lane], limit: int, lease: float, outcomes: Sequence[Outcome]
    ) -> list[Claim]:
        """See `Engine.claim`."""

        def work() -> list[Taken]:
            if outcomes:
                self._settling.settle(outcomes)
            return self._take(list({lane.queue: lane for lane in lanes}.values()), limit, worker, lease)

        return [claim_of(row) for row in self._store.run(work)]

    def _take(self, lanes: Sequence[Lane], limit: int, worker: str, lease: float) -> list[Taken]:
        clock = self._store.clock
        now, ticks = clock.now(), clock.ticks()
        claimed = {"worker": worker, "lease": ticks + micros(lease), "renewed": ticks}
        arrivals = self._arrivals([lane.queue for lane in lanes if lane.limited])
        taken: list[Taken] = []
        for limited, group in groupby(lanes, key=lambda lane: lane.limited):
            if limited:
                for lane in group:
                    taken += self._take_limited(lane, arrivals[lane.queue], limit - len(taken), now, claimed)
            elif limit > len(taken):
                taken += self._store.bulk.take([lane.queue for lane in group], limit - len(taken), now, claimed)
        return taken

    def _take_limited(self, lane: Lane, arrival: int, most: int, now: int, claimed: dict[str, Any]) -> list[Taken]:
        if most <= 0:
            return []
        ticks = claimed["renewed"]
        room = self._room(lane, arrival, ticks)
        jobs = min(room.jobs, most)
        taken = self._store.bulk.take([lane.queue], jobs, now, claimed) if jobs > 0 else []
        if lane.rate is not None and taken:
            self._advance.run(of=lane.queue, arrival=round(room.arrival + len(taken) * 1_000_000 / lane.rate))
        if len(taken) == room.jobs:
            self._store.news.hold(lane.queue, room.pause)
        return taken

    def _room(self, lane: Lane, arrival: int, ticks: int) -> Room:
        rate = by_rate(lane.rate, arrival, ticks)
        if lane.concurrency is None:
            return rate
        free = lane.concurrency - self._running.one(of=lane.queue)
        return rate if rate.jobs < free else Room(max(0, free), rate.arrival, AGAIN)

    def _arrivals(self, queues: Sequence[str]) -> dict[str, int]:
        """Hold the rows of limited queues: for each, one worker at a time counts what may begin."""
        if not queues:
            return {}
        arrivals = dict(self._lanes.all(queues=sorted(queues)))
        if len(arrivals) < len(queues):
            self._add_lane.run_many([{"queue": queue, "arrival": 0} for queue in sorted(queues)])
            arrivals = dict(self._lanes.all(queues=sorted(queues)))
        return arrivals


def by_rate(rate: float | None, arrival: int, now: int) -> Room:
    """Return how many jobs may begin at a rate (GCRA): a second's worth at once, but one in any case.

    Args:
        rate: jobs per second; None for any number.
        arrival: when the jobs begun so far are due at that rate, in microseconds.
        now: the time.
    """
    if rate is None:
        return Room(1_000_000_000, arrival, AGAIN)
    interval, burst = 1_000_000 / rate, max(1.0, rate)
    start = float(max(arrival, now))
    if start - now > (burst + 1) * interval:
        start = float(now)  # no such time can have been written: the clock was another before the machine started anew
    jobs = floor(burst - (start - now) / interval + 1e-9)
    return Room(jobs, start, (start + (jobs + 1 - burst) * interval - now) / 1_000_000)
