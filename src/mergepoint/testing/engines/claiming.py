"""Claiming: what is due, in its order, and each job once."""

from __future__ import annotations

from collections import Counter
from functools import partial

from ...jobs import PRIORITIES, Claim, Engine, Lane, Outcome
from ..comparison import same, soon
from .case import Store, case, ids, together


@case
def a_claim_says_what_to_do(store: Store) -> None:
    """The first claim of a job is its first attempt, and the job runs in the name of the worker."""
    claim = store.begun()
    same((claim.attempts, claim.failures), (1, 0))
    entry = store.entry(claim.message.id)
    same((entry.state, entry.worker, entry.attempts, entry.failures), ("running", "worker", 1, 0))
    same(entry.began is not None and entry.finished is None, True)


@case
def claimed_once(store: Store) -> None:
    """A job that is claimed is nobody else's, not by the same engine and not by another."""
    store.begun()
    same(store.claim(), [])
    same(store.claim(engine=store.another(), worker="other"), [])


@case
def claims_by_priority_then_due(store: Store) -> None:
    """Of what is due, the highest priority comes first, and within a priority what was due first."""
    now = store.now()
    expected = [(priority, now - age) for priority in PRIORITIES for age in (50, 40, 30, 20, 10)]
    messages = [store.message(priority=priority, at=at) for priority, at in expected]
    store.engine.put(messages[1::2] + messages[::-2])
    claims = [claim for limit in (4, 7, 9) for claim in store.claim(limit)]
    same([(claim.message.priority, claim.message.at) for claim in claims], expected)


@case
def claims_by_due_in_any_order_of_ids(store: Store) -> None:
    """It is the due time that decides, and not when a job was put in."""
    now = store.now()
    ages = [3, 9, 1, 7, 5]
    messages = [store.message(at=now - age) for age in ages]
    for message in messages:
        store.engine.put([message])
    expected = [message.id for _, message in sorted(zip(ages, messages, strict=True), reverse=True)]
    same([store.claimed(limit=1).message.id for _ in ages], expected)


@case
def lanes_in_order(store: Store) -> None:
    """Lanes are served in the order given, whatever the priority and due time of their jobs; others not at all."""
    now = store.now()
    queues = [f"{store.queue}-{name}" for name in "cab"]
    for number, queue in enumerate(queues):
        store.put(queue=queue, priority=PRIORITIES[2 - number], at=now - 10 * number)
    store.put()
    lanes = [Lane(queue) for queue in queues]
    same([claim.message.queue for claim in store.claim(2, lanes=lanes)], queues[:2])
    same([claim.message.queue for claim in store.claim(2, lanes=lanes)], queues[2:])
    same(len(store.claim()), 1)


@case
def order_within_lanes(store: Store) -> None:
    """Within a claim over several lanes, each lane has its own order."""
    now = store.now()
    queues = [f"{store.queue}-{name}" for name in "ba"]
    wanted = [(queue, priority) for queue in queues for priority in PRIORITIES]
    store.engine.put([store.message(queue=queue, priority=priority, at=now) for queue, priority in wanted[::-1]])
    claims = store.claim(lanes=[Lane(queue) for queue in queues])
    same([(claim.message.queue, claim.message.priority) for claim in claims], wanted)


@case
def no_more_than_the_limit(store: Store) -> None:
    """No more jobs are claimed than asked for; none for a limit of nothing, and none of no lane."""
    store.engine.put([store.message() for _ in range(10)])
    same([len(store.claim(limit)) for limit in (0, 1, 4, 10, 10)], [0, 1, 4, 5, 0])
    same(store.claim(lanes=[]), [])


@case
def not_before_its_time(store: Store) -> None:
    """A job with a delay, or a time, is not claimed before, and soon after."""
    now = store.now()
    later = {store.put(delay=0.3), store.put(at=now + 0.3)}
    never = [store.put(delay=60.0), store.put(at=now + 60.0)]
    at_once = store.put()
    same(ids(store.claim()), [at_once])
    same({store.next(limit=1).message.id for _ in later}, later)
    same(store.now() >= now + 0.3, True)
    same([store.state(id) for id in never], ["waiting", "waiting"])


@case
def a_job_due_later_than_its_lease_runs_once(store: Store) -> None:
    """A job that is due later than leases last is given out once, and only when it is due."""
    id, got = store.put(delay=0.6), list[Claim]()

    def work() -> bool:
        claims = store.claim(lease=0.2)
        got.extend(claims)
        store.engine.settle([Outcome(claim, "done") for claim in claims])
        store.engine.recover()
        return bool(got)

    soon(work, "the job is claimed")
    same((work(), ids(got), store.state(id)), (True, [id], "done"))


@case
def nothing_is_claimed_twice(store: Store) -> None:
    """Eight threads on two engines claim two thousand jobs, each once, and settle them on the way."""
    messages = [store.message(keep=0.0) for _ in range(2000)]
    store.engine.put(messages)
    engines = [store.engine, store.another()]
    workers = [partial(_drain, store, engines[number % 2], f"worker-{number}") for number in range(8)]
    counted = Counter(id for taken in together(workers) for id in taken)
    same({id: count for id, count in counted.items() if count > 1}, {})
    same(len(counted), 2000)
    same(store.engine.entries(queue=store.queue), [])


def _drain(store: Store, engine: Engine, worker: str) -> list[str]:
    """Claim and settle until there is nothing left; return the ids."""
    taken, claims = list[str](), store.claim(25, engine=engine, worker=worker)
    while claims:
        taken += ids(claims)
        outcomes = [Outcome(claim, "done") for claim in claims]
        claims = store.claim(25, engine=engine, worker=worker, outcomes=outcomes)
    return taken


@case
def the_token_grows(store: Store) -> None:
    """Each claim of a job has a greater token than the one before, also after people put it back."""
    claim = store.begun()
    tokens = [claim.token]
    for verdict in ("retry", "release"):
        store.settle(claim, verdict)
        claim = store.claimed()
        tokens.append(claim.token)
    store.settle(claim, "dead")
    store.engine.retry([claim.message.id])
    tokens.append(store.claimed().token)
    same(tokens, sorted(set(tokens)))


@case
def settle_and_claim_in_one(store: Store) -> None:
    """A claim settles outcomes first: what they put back, or let begin, can be claimed by the same call."""
    last = store.message(needs=1)
    store.engine.put([last, store.message(then=last.id)])
    first = store.claimed()
    again = store.begun()
    claims = store.claim(outcomes=[Outcome(first, "done", result=b"1"), Outcome(again, "retry", attempt=None)])
    same(sorted(ids(claims)), sorted([last.id, again.message.id]))
    same(store.entry(first.message.id).result, b"1")


@case
def settle_and_claim_nothing(store: Store) -> None:
    """A claim that has nothing to take, or takes nothing, settles its outcomes all the same."""
    first, second = store.begun(), store.begun()
    same(store.claim(0, outcomes=[Outcome(first, "done")]), [])
    same(store.claim(lanes=[], outcomes=[Outcome(second, "dead")]), [])
    same([store.state(claim.message.id) for claim in (first, second)], ["done", "dead"])
