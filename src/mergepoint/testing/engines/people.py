"""What people do with jobs: cancel, put back, expedite, purge."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import uuid4

from ...jobs import PRIORITIES, Claim, new_id
from ..comparison import same, soon
from .case import SHORT, Store, case, failed, ids, together


@case
def cancel_what_waits(store: Store) -> None:
    """A job that waits, for its time or for others, is cancelled at once, and is never claimed."""
    jobs = [store.put(), store.put(delay=60.0), store.put(needs=1)]
    same(sorted(store.engine.cancel(jobs)), sorted(jobs))
    same([store.state(id) for id in jobs], ["cancelled"] * 3)
    same([store.entry(id).finished is not None for id in jobs], [True] * 3)
    same(store.claim(), [])


@case
def cancel_what_runs(store: Store) -> None:
    """A job that runs is asked to stop, and is cancelled when its worker says so."""
    claim = store.begun()
    same(store.engine.cancel([claim.message.id]), [claim.message.id])
    entry = store.entry(claim.message.id)
    same((entry.state, entry.cancelling), ("running", True))
    store.settle(claim, "cancelled", attempt=failed(claim, "cancelled"))
    entry = store.entry(claim.message.id)
    same((entry.state, len(entry.history), store.claim()), ("cancelled", 1, []))


@case
def cancelled_too_late(store: Store) -> None:
    """A job that is done in spite of having been asked to stop is done, and a dead one dead."""
    claims = [store.begun(), store.begun()]
    store.engine.cancel(ids(claims))
    store.settle(claims[0], "done", result=b"1")
    store.settle(claims[1], "dead")
    same([store.state(claim.message.id) for claim in claims], ["done", "dead"])


@case
def a_cancelled_job_does_not_begin_again(store: Store) -> None:
    """A running job that was asked to stop is cancelled when it would be tried again, released or lost."""
    claims = [store.begun(), store.begun(), store.begun(lease=SHORT)]
    last = store.message(needs=1)
    store.engine.put([last])
    store.engine.cancel(ids(claims))
    store.settle(claims[0], "retry", attempt=failed(claims[0]))
    store.settle(claims[1], "release")
    lost = claims[2].message.id
    soon(lambda: store.swept(lost) != "running", "the lease is over")
    same([store.state(claim.message.id) for claim in claims], ["cancelled"] * 3)
    same(store.claim(), [])


@case
def cancel_what_is_final(store: Store) -> None:
    """A job that is final, or not known, is not cancelled."""
    claims = [store.begun(), store.begun(), store.begun()]
    for claim, verdict in zip(claims, ("done", "dead", "cancelled"), strict=True):
        store.settle(claim, verdict)  # type: ignore[arg-type]  # they are verdicts
    same(store.engine.cancel([*ids(claims), new_id()]), [])
    same([store.state(claim.message.id) for claim in claims], ["done", "dead", "cancelled"])
    same(store.engine.cancel([]), [])


@case
def cancel_while_others_claim(store: Store) -> None:
    """A job that is cancelled while others claim is either never begun, or asked to stop."""
    jobs = [store.message() for _ in range(60)]
    store.engine.put(jobs)
    engines = [store.engine, store.another()]
    claims = [partial(store.claim, 20, engine=engines[number % 2], worker=f"w{number}") for number in range(4)]
    cancels = [partial(engines[at % 2].cancel, [job.id for job in jobs[at::4]]) for at in range(4)]
    begun: set[str] = set()
    together([*(partial(_noting, begun, claim) for claim in claims), *cancels])
    for job in jobs:
        entry = store.entry(job.id)
        same((entry.state, entry.cancelling), ("running", True) if job.id in begun else ("cancelled", False))


@case
def cancelled_jobs_are_forgotten(store: Store) -> None:
    """A cancelled job is known for as long as its message says."""
    short, long = store.put(keep=0.2), store.put()
    store.engine.cancel([short, long])
    soon(lambda: store.swept(short) is None, "the job is forgotten")
    same(store.state(long), "cancelled")


@case
def retry_dead_and_cancelled(store: Store) -> None:
    """Dead and cancelled jobs are put back, due now, as if they had never failed; their history stays."""
    claim = store.begun()
    store.settle(claim, "retry", attempt=failed(claim))
    claim = store.claimed()
    store.settle(claim, "dead", attempt=failed(claim))
    cancelled = store.put(delay=600.0)
    store.engine.cancel([cancelled])
    jobs = sorted([claim.message.id, cancelled])
    same(sorted(store.engine.retry(jobs)), jobs)
    entry = store.entry(claim.message.id)
    same((entry.state, entry.failures, len(entry.history), entry.finished), ("waiting", 0, 2, None))
    claims = store.claim()
    same(sorted(ids(claims)), jobs)
    same([again.failures for again in claims], [0, 0])
    same(all(again.token > claim.token for again in claims if again.message.id == claim.message.id), True)


@case
def retry_what_was_asked_to_stop(store: Store) -> None:
    """A job that was cancelled while it ran, and is put back, runs again and is not asked to stop."""
    claim = store.begun()
    store.engine.cancel([claim.message.id])
    store.settle(claim, "cancelled")
    store.engine.retry([claim.message.id])
    same(store.entry(claim.message.id).cancelling, False)
    again = store.claimed()
    same(store.engine.report(again, 0.5, ""), True)
    store.settle(again, "retry")
    same(store.state(claim.message.id), "waiting")


@case
def retry_what_is_not_dead(store: Store) -> None:
    """A job that waits, runs, is done or not known is not put back."""
    claim, running = store.begun(), store.begun()
    store.settle(claim, "done")
    delayed, blocked = store.put(delay=60.0), store.put(needs=1)
    same(store.engine.retry([claim.message.id, running.message.id, delayed, blocked, new_id()]), [])
    same(store.engine.retry([]), [])
    same(store.claim(), [])


@case
def retry_takes_its_key_again(store: Store) -> None:
    """A job with a unique key that is put back has its key again."""
    key = uuid4().hex
    claim = store.begun(unique=key)
    store.settle(claim, "dead")
    same(store.engine.retry([claim.message.id]), [claim.message.id])
    same(store.engine.put([store.message(unique=key)]), [claim.message.id])


@case
def retry_when_its_key_is_taken(store: Store) -> None:
    """A job whose unique key has a new job is not put back, until that one is finished; others of the call are."""
    key = uuid4().hex
    dead, other = store.begun(unique=key), store.begun()
    store.settle(dead, "dead")
    store.settle(other, "dead")
    new = store.begun(unique=key)
    same(store.engine.retry([dead.message.id, other.message.id]), [other.message.id])
    same((store.state(dead.message.id), ids(store.claim())), ("dead", [other.message.id]))
    store.settle(new, "done")
    same(store.engine.retry([dead.message.id]), [dead.message.id])


@case
def retry_two_with_one_key(store: Store) -> None:
    """Of two dead jobs with one unique key, one is put back."""
    key = uuid4().hex
    claims: list[Claim] = []
    for _ in range(2):
        claims.append(store.begun(unique=key))
        store.settle(claims[-1], "dead")
    put_back = store.engine.retry(ids(claims))
    same((len(put_back), ids(store.claim())), (1, put_back))


@case
def retry_in_many_threads(store: Store) -> None:
    """A dead job that eight people put back at once is put back once."""
    claim = store.begun()
    store.settle(claim, "dead")
    answers = together([partial(store.engine.retry, [claim.message.id]) for _ in range(8)])
    same(sorted(map(len, answers)), [0] * 7 + [1])
    same(ids(store.claim()), [claim.message.id])


@case
def expedited_jobs_go_first(store: Store) -> None:
    """A job that waits for its time, or behind others, goes before all of its queue, whatever their priority."""
    now = store.now()
    for priority in PRIORITIES:
        store.put(priority=priority, at=now - 1000.0)
    delayed, low = store.put(delay=600.0), store.put(priority="low")
    same(sorted(store.engine.expedite([delayed, low])), sorted([delayed, low]))
    same(sorted(ids(store.claim(2))), sorted([delayed, low]))
    same(len(store.claim()), 3)


@case
def expedite_between_attempts(store: Store) -> None:
    """A job that waits for its next attempt can be expedited."""
    claim = store.begun()
    store.settle(claim, "retry", delay=600.0)
    same(store.engine.expedite([claim.message.id]), [claim.message.id])
    again = store.claimed()
    same((again.attempts, again.failures), (2, 1))


@case
def expedite_what_does_not_wait(store: Store) -> None:
    """A job that runs, is blocked, final or not known is not expedited."""
    claim, running = store.begun(), store.begun()
    store.settle(claim, "done")
    blocked = store.put(needs=1)
    same(store.engine.expedite([claim.message.id, running.message.id, blocked, new_id()]), [])
    same(store.engine.expedite([]), [])
    same(store.claim(), [])


@case
def purge_by_state(store: Store) -> None:
    """Jobs in the states named are forgotten, those in others are not."""
    store.engine.purge(["waiting", "blocked", "done", "dead", "cancelled"])
    done, dead, cancelled = store.begun(), store.begun(), store.put(delay=60.0)
    store.settle(done, "done", result=b"1")
    store.settle(dead, "dead")
    store.engine.cancel([cancelled])
    waiting, blocked = store.put(), store.put(needs=1)
    same(store.engine.purge(["done", "dead"]), 2)
    same(store.engine.purge(["done", "dead"]), 0)
    jobs = [done.message.id, dead.message.id, cancelled, waiting, blocked]
    same([store.state(id) for id in jobs], [None, None, "cancelled", "waiting", "blocked"])
    same(store.engine.purge(["cancelled", "blocked"]), 2)
    same([store.state(id) for id in jobs], [None, None, None, "waiting", None])
    same(ids(store.claim()), [waiting])


@case
def purge_never_takes_what_runs(store: Store) -> None:
    """A job that runs is not forgotten, and can be settled."""
    claim = store.begun()
    store.engine.purge(["waiting", "running", "blocked", "done", "dead", "cancelled"])
    same(store.engine.purge(["running"]), 0)
    same(store.engine.purge([]), 0)
    same(store.state(claim.message.id), "running")
    store.settle(claim, "done", result=b"1")
    same(store.entry(claim.message.id).result, b"1")


@case
def purge_by_age(store: Store) -> None:
    """Only jobs that last changed before a time are forgotten, if one is given."""
    store.engine.purge(["waiting", "dead"])
    claim, waiting = store.begun(), store.put(delay=60.0)
    store.settle(claim, "dead")
    now = store.now()
    store.engine.purge(["waiting", "dead"], now - 600.0)
    same([store.state(claim.message.id), store.state(waiting)], ["dead", "waiting"])
    same(store.engine.purge(["dead"], now + 600.0), 1)
    same([store.state(claim.message.id), store.state(waiting)], [None, "waiting"])


@case
def purged_jobs_leave_nothing(store: Store) -> None:
    """A job that was purged is not claimed, frees its unique key, and its message may be put in again."""
    message = store.message(unique=uuid4().hex)
    store.engine.put([message])
    store.engine.purge(["waiting"])
    same((store.claim(), store.engine.get(message.id)), ([], None))
    same(store.engine.entries(queue=store.queue), [])
    other = store.message(unique=message.unique)
    same(store.engine.put([other]), [other.id])
    store.engine.purge(["waiting"])
    same(store.engine.put([message]), [message.id])
    same(ids(store.claim()), [message.id])


def _noting(begun: set[str], claim: Callable[[], list[Claim]]) -> list[str]:
    """Claim, and note the ids of what was claimed."""
    taken = ids(claim())
    begun.update(taken)
    return taken
