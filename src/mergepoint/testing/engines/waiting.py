"""Waiting: a worker that has nothing to do is told when there may be something, and costs little until then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from time import monotonic, sleep

from ...jobs import Claim, Engine, Lane
from ..comparison import PATIENCE, same, soon
from .case import Store, case, ids

_LONG = PATIENCE * 3
"""Seconds that a wait in these cases may last if nothing ends it: longer than anybody is patient."""


@case
def wait_ends_by_itself(store: Store) -> None:
    """Where nothing happens a wait ends after its seconds, and there are few of them."""
    began, waits = monotonic(), 0
    while monotonic() - began < 0.3:
        store.engine.wait([store.queue], 0.3)
        waits += 1
    store.engine.wait([store.queue], 0.0)
    same((monotonic() - began < PATIENCE, waits < 30), (True, True))


@case
def wait_when_there_is_something(store: Store) -> None:
    """A wait ends at once when there is a job already."""
    store.put()
    for engine in (store.engine, store.another()):
        began = monotonic()
        engine.wait([f"{store.queue}-other", store.queue], _LONG)
        same(monotonic() - began < PATIENCE, True)


@case
def wait_ends_with_a_put(store: Store) -> None:
    """A wait ends soon after a job was put in by another thread."""
    with _worker(store, store.engine) as claims:
        id = store.put()
    same(ids(claims), [id])


@case
def wait_ends_with_a_put_elsewhere(store: Store) -> None:
    """A wait ends soon after a job was put in by another engine, as another process has it."""
    for _ in range(3):
        with _worker(store, store.another()) as claims:
            id = store.put()
        same(ids(claims), [id])


@case
def wait_for_several_queues(store: Store) -> None:
    """A wait for several queues ends with a job in any of them."""
    queues = [f"{store.queue}-{name}" for name in "abc"]
    for queue in (queues[0], queues[2]):
        with _worker(store, store.another(), queues) as claims:
            store.put(queue=queue)
        same([claim.message.queue for claim in claims], [queue])


@case
def several_wait(store: Store) -> None:
    """Of several that wait for one job, one gets it, and the others the next."""
    with _worker(store, store.another()) as first, _worker(store, store.engine) as second:
        jobs = [store.put()]
        sleep(0.1)
        jobs.append(store.put())
    same(sorted(ids(first) + ids(second)), sorted(jobs))


@case
def wait_ends_at_a_due_time(store: Store) -> None:
    """A wait ends soon after a job is due that was there before, or came meanwhile."""
    id = store.put(delay=0.4)
    with _worker(store, store.engine) as claims:
        pass
    same(ids(claims), [id])
    with _worker(store, store.another()) as claims:
        id = store.put(delay=0.4)
    same(ids(claims), [id])


@case
def wait_ends_when_jobs_come_back(store: Store) -> None:
    """A wait ends soon after a job was expedited, is due for another attempt, was released, or put back by a person."""
    id = store.put(delay=600.0)
    with _worker(store, store.another()) as claims:
        store.engine.expedite([id])
    with _worker(store, store.another()) as again:
        store.settle(claims[0], "retry", delay=0.3)
    with _worker(store, store.another()) as released:
        store.settle(again[0], "release")
    store.settle(released[0], "dead")
    with _worker(store, store.another()) as last:
        store.engine.retry([id])
    same(ids(last), [id])


@case
def wait_ends_with_the_others(store: Store) -> None:
    """A wait ends soon after the jobs are done that a blocked one waits for."""
    last = store.message(needs=1)
    store.engine.put([last, store.message(then=last.id)])
    claim = store.claimed()
    with _worker(store, store.another()) as claims:
        store.settle(claim, "done")
    same(ids(claims), [last.id])


@case
def wait_ends_with_a_schedule(store: Store) -> None:
    """A wait ends soon after a schedule put a job in."""
    message = store.message()
    with _worker(store, store.another()) as claims:
        store.engine.fire(store.queue, 1.0, [message])
    same(ids(claims), [message.id])


@case
def wait_ends_with_recovery(store: Store) -> None:
    """A wait ends soon after the job of a lost worker was given back."""
    claim = store.begun(lease=0.05)
    with _worker(store, store.another()) as claims:
        soon(lambda: store.engine.recover() > 0, "the lease is over")
    same(ids(claims), [claim.message.id])


@case
def wake_ends_all_waits(store: Store) -> None:
    """All threads that wait with an engine are woken, and may wait again."""
    for _ in range(2):
        stopping = Event()
        threads = [Thread(target=_wait_until, args=[store, stopping], daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        sleep(0.05)
        stopping.set()
        soon(partial(_woken, store, threads), "all waits are over")


def _wait_until(store: Store, stopping: Event) -> None:
    while not stopping.is_set():
        store.engine.wait([store.queue], _LONG)


def _woken(store: Store, threads: list[Thread]) -> bool:
    store.engine.wake()  # again and again, because a thread may have been about to wait
    return not any(thread.is_alive() for thread in threads)


@contextmanager
def _worker(store: Store, engine: Engine, queues: Sequence[str] = ()) -> Iterator[list[Claim]]:
    """Wait in another thread and claim one job; it is to get it soon after what happens in the block.

    Yields:
        What it claims, known at the end of the block.
    """
    claims: list[Claim] = []
    lanes, given_up = [Lane(queue) for queue in queues or [store.queue]], Event()

    def work() -> None:
        while not given_up.is_set() and not claims:
            claims.extend(store.claim(1, engine=engine, lanes=lanes))
            if not claims:
                engine.wait([lane.queue for lane in lanes], _LONG)

    thread = Thread(target=work, daemon=True)
    thread.start()
    sleep(0.05)  # so that it waits, and does not find the job before
    try:
        yield claims
        thread.join(PATIENCE)
        same(len(claims), 1)
    finally:
        given_up.set()
        engine.wake()
        thread.join(PATIENCE)
