"""Limits: how many jobs of a queue run at a time, and how many begin in a second, over all workers."""

from __future__ import annotations

from functools import partial
from time import monotonic, sleep

from ...jobs import Claim, Lane, Outcome, Verdict
from ..comparison import same, soon
from .case import SHORT, Store, case, ids, together

_RATE = 20.0


@case
def concurrency_over_workers(store: Store) -> None:
    """No more jobs of a queue run at a time than it allows, whoever claims them."""
    lanes, other = [Lane(store.queue, concurrency=3)], store.another()
    store.engine.put([store.message() for _ in range(8)])
    same(len(store.claim(2, lanes=lanes)), 2)
    second = store.claim(engine=other, worker="other", lanes=lanes)
    same((len(second), store.claim(lanes=lanes)), (1, []))
    store.settle(second[0], "done")
    same([len(store.claim(lanes=lanes, engine=engine)) for engine in (other, store.engine)], [1, 0])


@case
def concurrency_is_freed(store: Store) -> None:
    """A job that is settled, whatever the verdict, or whose worker was lost, makes room for another."""
    lanes = [Lane(store.queue, concurrency=1)]
    store.engine.put([store.message() for _ in range(8)])
    verdicts: tuple[Verdict, ...] = ("done", "retry", "dead", "release", "cancelled")
    for verdict in verdicts:
        claim = store.claimed(lanes=lanes)
        same(store.claim(lanes=lanes), [])
        store.settle(claim, verdict, delay=60.0)
    store.claimed(lanes=lanes, lease=SHORT)
    soon(lambda: store.engine.recover() > 0, "the lease is over")
    store.claimed(lanes=lanes)
    same(store.claim(lanes=lanes), [])


@case
def concurrency_in_one_call(store: Store) -> None:
    """A claim that settles a job of a limited queue has its place at once."""
    lanes = [Lane(store.queue, concurrency=1)]
    store.engine.put([store.message() for _ in range(4)])
    claims = store.claim(lanes=lanes)
    for _ in range(3):
        claims = store.claim(lanes=lanes, outcomes=[Outcome(claims[0], "done")])
        same(len(claims), 1)


@case
def concurrency_in_many_threads(store: Store) -> None:
    """Eight threads that claim at once get no more than the queue allows."""
    lanes, engines = [Lane(store.queue, concurrency=5)], [store.engine, store.another()]
    store.engine.put([store.message() for _ in range(40)])
    works = [partial(store.claim, 3, engine=engines[at % 2], lanes=lanes, worker=f"w{at}") for at in range(8)]
    claims = [claim for taken in together(works) for claim in taken]
    claims += store.claim(lanes=lanes)  # a place that two threads wanted may have been left to a later claim
    same((len(claims), len(set(ids(claims)))), (5, 5))


@case
def limits_of_other_queues(store: Store) -> None:
    """The limit of one queue is not that of others in the same claim."""
    limited, free = f"{store.queue}-limited", f"{store.queue}-free"
    lanes = [Lane(limited, concurrency=2), Lane(free)]
    store.engine.put([store.message(queue=queue) for queue in (limited, free) for _ in range(5)])
    queues = [claim.message.queue for claim in store.claim(lanes=lanes)]
    same(queues, [limited] * 2 + [free] * 5)
    same(store.claim(lanes=lanes), [])


@case
def rate_over_workers(store: Store) -> None:
    """No more jobs of a queue begin in a second than it allows, over all workers; but all begin in the end."""
    lanes, engines = [Lane(store.queue, rate=_RATE)], [store.engine, store.another()]
    store.engine.put([store.message() for _ in range(40)])
    began, taken = monotonic(), list[Claim]()

    def work() -> bool:
        for number, engine in enumerate(engines):
            taken.extend(store.claim(15, engine=engine, lanes=lanes, worker=f"worker-{number}"))
        same(len(taken) <= _RATE * (monotonic() - began) + _RATE + 1, True)  # a second's worth may begin at once
        return len(taken) >= 40

    soon(work, "all jobs have begun")
    same(len(set(ids(taken))), 40)


@case
def rate_in_many_threads(store: Store) -> None:
    """Eight threads that claim at once begin no more than a second's worth."""
    lanes = [Lane(store.queue, rate=_RATE)]
    store.engine.put([store.message() for _ in range(200)])
    began = monotonic()
    taken = together([partial(store.claim, 25, lanes=lanes, worker=f"worker-{number}") for number in range(8)])
    claims = [claim for claims in taken for claim in claims]
    same(0 < len(claims) <= _RATE * (monotonic() - began) + _RATE + 1, True)
    same(len(set(ids(claims))), len(claims))


@case
def slow_rates(store: Store) -> None:
    """A rate below one lets a job begin now, and the next when its time has come."""
    lanes = [Lane(store.queue, rate=0.1)]
    store.engine.put([store.message() for _ in range(3)])
    same(len(store.claim(lanes=lanes)), 1)
    same(store.claim(lanes=lanes), [])
    sleep(0.1)
    same(store.claim(lanes=lanes), [])


@case
def idle_claims_use_no_rate(store: Store) -> None:
    """Asking when there is nothing to claim uses up nothing of the rate."""
    lanes = [Lane(store.queue, rate=1.0)]
    for _ in range(5):
        same(store.claim(lanes=lanes), [])
    store.put()
    store.claimed(lanes=lanes)


@case
def a_claim_uses_the_rate_it_needs(store: Store) -> None:
    """A claim that takes less than it might uses up no more of the rate than the jobs that it takes."""
    lanes = [Lane(store.queue, rate=5.0)]
    store.engine.put([store.message() for _ in range(4)])
    for _ in range(4):
        store.next(limit=1, lanes=lanes)
    same(store.claim(lanes=lanes), [])


@case
def rate_and_concurrency(store: Store) -> None:
    """A queue may have both limits; the narrower one holds."""
    lanes = [Lane(store.queue, concurrency=2, rate=1000.0)]
    store.engine.put([store.message() for _ in range(10)])
    same(len(store.claim(lanes=lanes)), 2)
    same(store.claim(lanes=lanes), [])
