"""Settling: what becomes of a claim, and that whoever is late is ignored."""

from __future__ import annotations

from functools import partial
from time import sleep

from ...jobs import LONGEST_HISTORY, Outcome, Verdict
from ..comparison import same, soon
from .case import SHORT, Store, case, failed, ids, together

_RESULT = '{"text": "ünï 🦇 \\u0000 \\"", "n": 1.50}'.encode()


@case
def done_keeps_the_result(store: Store) -> None:
    """A job that is done keeps its result, byte for byte, for as long as its message says, and then is forgotten."""
    claim, longer = store.begun(keep=0.3), store.begun(keep=600.0)
    store.settle(claim, "done", result=_RESULT)
    store.settle(longer, "done", result=b"null")
    entry = store.entry(claim.message.id)
    same((entry.state, entry.result, entry.attempts, entry.history), ("done", _RESULT, 1, ()))
    same(entry.finished is not None and entry.began is not None and entry.finished >= entry.began, True)
    soon(lambda: store.swept(claim.message.id) is None, "the job is forgotten")
    same(store.entry(longer.message.id).result, b"null")


@case
def done_without_a_result(store: Store) -> None:
    """A job that gives nothing is done without a result."""
    claim = store.begun()
    store.settle(claim, "done")
    same((store.state(claim.message.id), store.entry(claim.message.id).result), ("done", None))


@case
def done_and_not_kept(store: Store) -> None:
    """A job whose outcome nobody wants to look up is forgotten as soon as it is done."""
    claim = store.begun(keep=0.0)
    store.settle(claim, "done", result=b"1")
    same(store.engine.get(claim.message.id), None)
    same(store.engine.entries(queue=store.queue), [])
    same(store.claim(), [])


@case
def large_results(store: Store) -> None:
    """A result may be as long as a megabyte."""
    claim, result = store.begun(), b'"' + b"x" * 1_000_000 + b'"'
    store.settle(claim, "done", result=result)
    same(store.entry(claim.message.id).result == result, True)


@case
def many_outcomes_at_once(store: Store) -> None:
    """Outcomes of all verdicts may come in one batch."""
    verdicts: tuple[Verdict, ...] = ("done", "retry", "dead", "release", "cancelled")
    store.engine.put([store.message() for _ in range(100)])
    claims = store.claim()
    outcomes = [Outcome(claim, verdicts[at % 5], delay=60.0) for at, claim in enumerate(claims)]
    store.engine.settle(outcomes)
    states = {"done": "done", "retry": "waiting", "dead": "dead", "release": "waiting", "cancelled": "cancelled"}
    same([store.state(outcome.claim.message.id) for outcome in outcomes], [states[each.verdict] for each in outcomes])
    store.engine.settle([])


@case
def retry_comes_back(store: Store) -> None:
    """A job that is to be tried again comes back after its delay, with one more failure and what went wrong."""
    claim = store.begun()
    now = store.now()
    store.settle(claim, "retry", delay=0.3, attempt=failed(claim))
    same(store.claim(), [])
    entry = store.entry(claim.message.id)
    same((entry.state, entry.attempts, entry.failures, entry.history), ("waiting", 1, 1, (failed(claim),)))
    same(abs(entry.due - now - 0.3) < 5.0, True)
    again = store.next()
    same(store.now() >= now + 0.3, True)
    same((again.message.id, again.attempts, again.failures), (claim.message.id, 2, 1))


@case
def retry_at_once(store: Store) -> None:
    """A job that is to be tried again without a delay can be claimed at once; each failure counts."""
    claim = store.begun()
    for failures in (1, 2, 3):
        store.settle(claim, "retry", attempt=failed(claim))
        claim = store.claimed()
        same((claim.attempts, claim.failures), (failures + 1, failures))
    same([attempt.number for attempt in store.entry(claim.message.id).history], [1, 2, 3])


@case
def release_is_no_attempt(store: Store) -> None:
    """A job that is released comes back after its delay as if it had not begun: no attempt counts, and no failure."""
    claim = store.begun()
    store.settle(claim, "retry", attempt=failed(claim))
    claim = store.claimed()
    store.settle(claim, "release", delay=0.2)
    same(store.claim(), [])
    entry = store.entry(claim.message.id)
    same((entry.state, entry.attempts, entry.failures, len(entry.history)), ("waiting", 1, 1, 1))
    again = store.next()
    same((again.message.id, again.attempts, again.failures), (claim.message.id, 2, 1))


@case
def dead_stays(store: Store) -> None:
    """A dead job is in the dead letters with its history, is never claimed, and stays whatever its message says."""
    claim = store.begun(keep=0.1)
    store.settle(claim, "dead", attempt=failed(claim, "no_such_file"))
    sleep(0.2)
    store.engine.recover()
    same(store.claim(), [])
    same(ids(store.engine.entries(states=["dead"], queue=store.queue)), [claim.message.id])
    entry = store.entry(claim.message.id)
    same((entry.state, entry.result, entry.history), ("dead", None, (failed(claim, "no_such_file"),)))
    same(entry.finished is not None, True)


@case
def not_kept_and_dead(store: Store) -> None:
    """A job whose outcome is not kept stays in the dead letters all the same."""
    claim = store.begun(keep=0.0)
    store.settle(claim, "dead")
    store.engine.recover()
    same(store.state(claim.message.id), "dead")


@case
def the_latest_history_is_kept(store: Store) -> None:
    """Of a job that failed often the latest attempts are known, the oldest first."""
    claim = store.begun()
    for _ in range(LONGEST_HISTORY + 3):
        store.settle(claim, "retry", attempt=failed(claim))
        claim = store.claimed()
    numbers = [attempt.number for attempt in store.entry(claim.message.id).history]
    same(numbers, list(range(4, LONGEST_HISTORY + 4)))
    same(claim.attempts, LONGEST_HISTORY + 4)


@case
def an_outcome_counts_once(store: Store) -> None:
    """An outcome that is told twice, as after a lost connection, changes nothing the second time."""
    claim = store.begun()
    verdicts: tuple[Verdict, ...] = ("retry", "release", "done", "dead", "cancelled")
    for _ in range(2):
        store.settle(claim, "retry", delay=60.0, attempt=failed(claim))
    entry = store.entry(claim.message.id)
    same((entry.attempts, entry.failures, len(entry.history)), (1, 1, 1))
    for verdict in verdicts:
        store.settle(claim, verdict, attempt=failed(claim))
    same(store.entry(claim.message.id), entry)


@case
def a_release_counts_once(store: Store) -> None:
    """A job that is released twice loses one attempt, and not two."""
    claim = store.begun()
    store.settle(claim, "retry")
    claim = store.claimed()
    for _ in range(2):
        store.settle(claim, "release")
    same(store.claimed().attempts, 2)


@case
def late_outcomes_are_ignored(store: Store) -> None:
    """Who lost a job to another worker can not say what became of it, whatever the verdict."""
    late = store.begun(lease=SHORT)
    soon(lambda: store.engine.recover() > 0, "the lease is over")
    claim = store.claimed(worker="other")
    same((claim.message.id, claim.token > late.token), (late.message.id, True))
    verdicts: tuple[Verdict, ...] = ("done", "retry", "dead", "release", "cancelled")
    before = store.entry(claim.message.id)
    for verdict in verdicts:
        store.settle(late, verdict, result=b"1", attempt=failed(late))
        same(store.claim(outcomes=[Outcome(late, verdict)]), [])
    same(store.entry(claim.message.id), before)
    store.settle(claim, "done", result=b"2")
    same(store.entry(claim.message.id).result, b"2")
    store.settle(late, "dead")
    same(store.state(claim.message.id), "done")


@case
def outcomes_of_a_final_job(store: Store) -> None:
    """A job that is final stays as it is when another outcome of the same claim comes."""
    claim = store.begun()
    store.settle(claim, "done", result=b"1")
    store.settle(claim, "retry", attempt=failed(claim))
    store.settle(claim, "dead", attempt=failed(claim))
    entry = store.entry(claim.message.id)
    same((entry.state, entry.result, entry.history), ("done", b"1", ()))


@case
def one_of_many_outcomes_counts(store: Store) -> None:
    """Of several outcomes of one claim, told by threads at once, one counts."""
    claim = store.begun()
    told = [Outcome(claim, "retry", delay=60.0, attempt=failed(claim)) for _ in range(8)]
    together([partial(store.engine.settle, [outcome]) for outcome in told])
    entry = store.entry(claim.message.id)
    same((entry.failures, len(entry.history)), (1, 1))
