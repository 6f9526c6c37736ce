"""Leases: a lost worker's jobs come back, a living one keeps its own, and a job that kills its workers is found out."""

from __future__ import annotations

from functools import partial
from random import Random
from time import monotonic, sleep

from ...jobs import MOST_CRASHES, Claim, Entry, Outcome, Verdict, new_id
from ..comparison import PATIENCE, same, soon
from .case import LONG, SHORT, Store, case, failed, ids, together

_SOME = 0.5
"""A lease that is over while a case waits for it, and not before the case has extended it."""

_FATES: tuple[Verdict | None, ...] = ("done", "done", "done", "retry", "release", None)
"""What becomes of a claim where workers die; None is said by a dead one."""


@case
def a_lost_worker(store: Store) -> None:
    """The job of a worker that gives no sign of life comes back when its lease is over, due now."""
    claim = store.begun(lease=SHORT)
    entry = _lost(store, claim)
    same((entry.state, entry.worker), ("waiting", None))
    again = store.claimed(worker="other")
    same((again.message.id, again.attempts, again.token > claim.token), (claim.message.id, 2, True))
    same(store.entry(claim.message.id).worker, "other")


@case
def a_lost_worker_in_the_history(store: Store) -> None:
    """Each loss is in the job's history, with the worker that was lost; it is no failure of the job."""
    claim = store.begun(lease=SHORT)
    entry = _lost(store, claim)
    same(entry.failures, 0)
    same(len(entry.history), 1)
    attempt = entry.history[0]
    same((attempt.number, attempt.worker, attempt.seconds), (1, "worker", None))
    same((attempt.outcome, attempt.code, bool(attempt.message)), ("lost", "worker_lost", True))
    same(attempt.began.tzinfo is not None, True)


@case
def leases_that_last(store: Store) -> None:
    """A job whose lease is not over is not given back."""
    claim = store.begun()
    store.engine.recover()
    same((store.state(claim.message.id), store.claim()), ("running", []))


@case
def recover_counts(store: Store) -> None:
    """Recovering says how many jobs were given back to the queues, and none the second time."""
    store.engine.recover()
    store.engine.put([store.message() for _ in range(5)])
    store.claim(3, lease=SHORT)
    store.claim(2)
    sleep(SHORT + 0.1)
    given = [engine.recover() for engine in (store.engine, store.another(), store.engine)]
    same((given, len(store.claim())), ([3, 0, 0], 3))


@case
def recover_in_many_threads(store: Store) -> None:
    """Jobs come back once when eight threads recover at once."""
    store.engine.put([store.message() for _ in range(40)])
    claims = store.claim(lease=SHORT)
    sleep(SHORT + 0.1)
    together([store.another().recover for _ in range(8)])
    entries = [store.entry(claim.message.id) for claim in claims]
    same([(entry.state, len(entry.history)) for entry in entries], [("waiting", 1)] * 40)


@case
def a_job_that_kills_its_workers(store: Store) -> None:
    """A job that loses as many workers as it may is dead with the last of them, and its history tells of each."""
    id = store.put(unique=f"{store.queue}-key")
    for losses in (1, 2, 3):
        claim = store.claimed(lease=0.05, worker=f"worker-{losses}")
        entry = _lost(store, claim, most=3)
        same(entry.state, "dead" if losses == 3 else "waiting")
    same([attempt.worker for attempt in entry.history], ["worker-1", "worker-2", "worker-3"])
    same({attempt.code for attempt in entry.history}, {"worker_lost"})
    same((entry.finished is not None, entry.result, store.claim()), (True, None, []))
    same(ids(store.engine.entries(states=["dead"], queue=store.queue)), [id])
    same(store.begun(unique=f"{store.queue}-key").message.id != id, True)


@case
def most_crashes_unless_said(store: Store) -> None:
    """A job may lose `MOST_CRASHES` workers unless recovering is told another number."""
    id = store.put()
    states = [_lost(store, store.claimed(lease=0.02)).state for _ in range(MOST_CRASHES)]
    same(states, ["waiting"] * (MOST_CRASHES - 1) + ["dead"])
    same(len(store.entry(id).history), MOST_CRASHES)


@case
def failures_are_no_crashes(store: Store) -> None:
    """A job that failed many times has not lost a worker by that; nor has one that was released."""
    claim = store.begun(lease=0.05)
    for _ in range(4):
        store.settle(claim, "retry", attempt=failed(claim))
        store.settle(store.claimed(), "release")
        claim = store.claimed(lease=0.05)
    entry = _lost(store, claim, most=2)
    same((entry.state, entry.failures, len(entry.history)), ("waiting", 4, 5))


@case
def put_back_after_crashes(store: Store) -> None:
    """A job that lost its workers and is put back by a person may lose as many again."""
    id = store.put()
    for losses in (1, 2):
        same(_lost(store, store.claimed(lease=0.02), most=2).state, "dead" if losses == 2 else "waiting")
    same(store.engine.retry([id]), [id])
    same(_lost(store, store.claimed(lease=0.02), most=2).state, "waiting")
    same(len(store.entry(id).history), 3)


@case
def extended_leases(store: Store) -> None:
    """A worker that gives a sign of life keeps its jobs, for as long as it says from then on."""
    claim = store.begun(lease=_SOME)
    same(tuple(store.engine.extend("worker", [claim], LONG)), (frozenset(), frozenset()))
    sleep(_SOME + 0.1)
    store.engine.recover()
    same((store.state(claim.message.id), store.claim()), ("running", []))
    store.engine.extend("worker", [claim], 0.05)
    same(_lost(store, claim).state, "waiting")


@case
def extend_many(store: Store) -> None:
    """Many claims are kept by one call, and none by a call for none."""
    store.engine.put([store.message() for _ in range(50)])
    claims = store.claim(lease=_SOME)
    same(tuple(store.engine.extend("worker", claims, LONG)), (frozenset(), frozenset()))
    same(tuple(store.engine.extend("worker", [], LONG)), (frozenset(), frozenset()))
    sleep(_SOME + 0.1)
    store.engine.recover()
    same({store.state(claim.message.id) for claim in claims}, {"running"})


@case
def extend_tells_what_is_lost(store: Store) -> None:
    """Who extends is told which jobs are not its own any more: taken over, given back, settled, or not known."""
    taken = store.begun(lease=SHORT)
    _lost(store, taken)
    again = store.claimed(worker="other")
    given, settled, forgotten = store.begun(lease=SHORT), store.begun(), store.begun(keep=0.0)
    _lost(store, given)
    store.settle(settled, "done")
    store.settle(forgotten, "done")
    unknown = Claim(store.message(id=new_id()), 1)
    kept = store.claimed()
    same(kept.message.id, given.message.id)
    mine = [taken, given, settled, forgotten, unknown, kept]
    standing = store.engine.extend("worker", mine[:-1], LONG)
    same(standing.lost, frozenset(ids(mine[:-1])))
    same(tuple(store.engine.extend("worker", [kept], LONG)), (frozenset(), frozenset()))
    same(store.engine.extend("other", [again], LONG).lost, frozenset())


@case
def a_late_extension_changes_nothing(store: Store) -> None:
    """Who lost a job to another worker does not lengthen, or shorten, the other's lease."""
    late = store.begun(lease=SHORT)
    _lost(store, late)
    claim = store.claimed(worker="other")
    same(store.engine.extend("worker", [late], 0.01).lost, frozenset([claim.message.id]))
    sleep(0.1)
    store.engine.recover()
    same(store.entry(claim.message.id).worker, "other")


@case
def extend_tells_what_is_cancelled(store: Store) -> None:
    """Who extends is told which jobs somebody wants to stop; it keeps them until it has settled them."""
    claim, other = store.begun(lease=_SOME), store.begun()
    store.engine.cancel([claim.message.id])
    standing = store.engine.extend("worker", [claim, other], LONG)
    same(tuple(standing), (frozenset(), frozenset([claim.message.id])))
    sleep(_SOME + 0.1)
    store.engine.recover()
    same(store.state(claim.message.id), "running")
    store.settle(claim, "cancelled")
    same(store.state(claim.message.id), "cancelled")


@case
def an_expired_lease_before_recovery(store: Store) -> None:
    """A worker that comes late, but before anybody took its job, keeps the job or is told that it is lost."""
    claim = store.begun(lease=0.05)
    sleep(0.1)
    lost = store.engine.extend("worker", [claim], LONG).lost
    store.engine.recover()
    same(store.state(claim.message.id), "waiting" if lost else "running")


@case
def reports(store: Store) -> None:
    """A running job says how far it is, and people see it."""
    claim = store.begun()
    for progress, note in ((0.25, "page 1 of 4 – ünï"), (0.5, ""), (1.0, "x" * 200)):
        same(store.engine.report(claim, progress, note), True)
        entry = store.another().get(claim.message.id)
        same(entry and (entry.progress, entry.note, entry.state), (progress, note, "running"))


@case
def reports_tell_to_stop(store: Store) -> None:
    """Who reports on a job that somebody wants to stop is told so."""
    claim = store.begun()
    store.engine.cancel([claim.message.id])
    same(store.engine.report(claim, 0.5, "half"), False)
    same(store.entry(claim.message.id).cancelling, True)


@case
def late_reports(store: Store) -> None:
    """Who reports on a job that is not its own any more is told so, and changes nothing."""
    late = store.begun(lease=SHORT)
    _lost(store, late)
    same(store.engine.report(late, 0.9, "late"), False)
    claim = store.claimed(worker="other")
    store.engine.report(claim, 0.25, "mine")
    same(store.engine.report(late, 0.9, "late"), False)
    entry = store.entry(claim.message.id)
    same((entry.progress, entry.note), (0.25, "mine"))
    store.settle(claim, "done", result=b"1")
    same(store.engine.report(claim, 0.1, "over"), False)
    same(store.engine.report(Claim(store.message(), 1), 0.1, "unknown"), False)


@case
def nothing_is_lost(store: Store) -> None:
    """Workers that die, fail and give jobs back, all at once, lose no job: in the end each is done."""
    store.engine.put([store.message() for _ in range(160)])
    engines = [store.engine, store.another()]
    end = monotonic() + 3 * PATIENCE

    def work(number: int) -> None:
        chance, engine = Random(number), engines[number % 2]  # noqa: S311 - which worker dies needs no secrecy
        while monotonic() < end and not _all_done(store):
            claims = store.claim(5, engine=engine, worker=f"worker-{number}", lease=SHORT)
            told = [Outcome(claim, verdict) for claim in claims if (verdict := chance.choice(_FATES))]
            engine.settle(told)
            engine.recover(1000)

    together([partial(work, number) for number in range(4)])
    same(
        {state: count for (queue, state), count in store.engine.counts().items() if queue == store.queue and count},
        {"done": 160},
    )


def _all_done(store: Store) -> bool:
    return store.engine.counts().get((store.queue, "done")) == 160


def _lost(store: Store, claim: Claim, most: int = MOST_CRASHES) -> Entry:
    """Recover until a claim's lease is over, and return what is known of its job then."""
    losses = len(store.entry(claim.message.id).history)

    def given_back() -> bool:
        store.engine.recover(most)
        return len(store.entry(claim.message.id).history) > losses

    soon(given_back, "the lease is over")
    return store.entry(claim.message.id)
