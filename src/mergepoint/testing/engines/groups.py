"""Groups and chains: a job that waits for others begins once, when all of them are done."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from msgspec.structs import replace

from ...jobs import Claim, Engine, Lane, Message, Outcome
from ..comparison import same, soon
from .case import SHORT, Store, case, ids, together


@case
def blocked_until_all_are_done(store: Store) -> None:
    """A job that waits for others is blocked until the last of them is done, and can be claimed then."""
    last, members = _group(store, 3)
    same(store.state(last.id), "blocked")
    claims = store.claim()
    same(sorted(ids(claims)), sorted(member.id for member in members))
    for claim in claims:
        same((store.state(last.id), store.claim()), ("blocked", []))
        store.settle(claim, "done", result=b"1")
    same(store.state(last.id), "waiting")
    same(store.claimed().message.id, last.id)


@case
def the_last_may_stand_anywhere(store: Store) -> None:
    """The job that waits may be put in before, between or after those it waits for, with other groups."""
    groups = [_messages(store, 2) for _ in range(3)]
    (first, (a, b)), (second, (c, d)), (third, (e, f)) = groups
    same(len(store.engine.put([first, a, b, c, second, d, e, f, third])), 9)
    _finish(store, store.claim(6))
    same(sorted(ids(store.claim())), sorted([first.id, second.id, third.id]))


@case
def members_that_are_not_kept(store: Store) -> None:
    """A group ends just as well when the outcomes of its members are not kept."""
    last, members = _messages(store, 3, keep=0.0)
    store.engine.put([last, *members])
    _finish(store, store.claim())
    same(store.claimed().message.id, last.id)


@case
def members_done_in_one_batch(store: Store) -> None:
    """Members that are done in one batch let the last begin once."""
    last, _ = _group(store, 25)
    claims = store.claim()
    store.engine.settle([Outcome(claim, "done") for claim in claims])
    same(store.claimed().message.id, last.id)
    same(store.claim(), [])


@case
def members_done_in_many_threads(store: Store) -> None:
    """Members that are done in eight threads at once let the last begin, and once."""
    for _ in range(3):
        last, _ = _group(store, 40)
        claims, engines = store.claim(), [store.engine, store.another()]
        shares = [[Outcome(claim, "done") for claim in claims[at::8]] for at in range(8)]
        together([partial(_one_by_one, engines[at % 2], share) for at, share in enumerate(shares)])
        claim = store.claimed()
        same((claim.message.id, claim.attempts), (last.id, 1))
        store.settle(claim, "done")


@case
def a_member_counts_once(store: Store) -> None:
    """A member whose outcome is told twice, or by a worker that lost it, counts once."""
    last, _ = _group(store, 3)
    claim = store.claim(1, lease=SHORT)[0]
    soon(lambda: store.engine.recover() > 0, "the lease is over")
    claims = store.claim()
    for _ in range(2):
        store.settle(claim, "done")
        store.settle(claims[0], "done")
    store.settle(claims[1], "done")
    same((len(claims), store.state(last.id)), (3, "blocked"))
    store.settle(claims[2], "done")
    same(store.claimed().message.id, last.id)


@case
def chains(store: Store) -> None:
    """Jobs in a chain run one after the other, each when the one before is done."""
    messages = [store.message(needs=1 if number else 0) for number in range(4)]
    linked = [replace(message, then=following.id) for message, following in pairwise(messages)]
    store.engine.put([*linked, messages[-1]])
    for message in messages:
        claim = store.claimed()
        same((claim.message.id, store.claim()), (message.id, []))
        store.settle(claim, "done")


@case
def groups_of_groups(store: Store) -> None:
    """The last job of a group may be a member of another."""
    end = store.message(needs=2)
    store.engine.put([end])
    lasts = []
    for _ in range(2):
        last, members = _messages(store, 2, then=end.id)
        store.engine.put([last, *members])
        lasts.append(last.id)
    _finish(store, store.claim())
    _finish(store, claims := store.claim())
    same(sorted(ids(claims)), sorted(lasts))
    same(store.claimed().message.id, end.id)


@case
def groups_over_queues(store: Store) -> None:
    """The last job of a group may wait in another queue than its members."""
    last = store.message(needs=1, queue=f"{store.queue}-last")
    store.engine.put([store.message(then=last.id), last])
    lanes = [Lane(last.queue)]
    same(store.claim(lanes=lanes), [])
    store.settle(store.claimed(), "done")
    same(store.claimed(lanes=lanes).message.id, last.id)


@case
def the_time_of_a_blocked_job(store: Store) -> None:
    """A job that waits for others and for its time waits for both."""
    last = store.message(needs=1, at=store.now() + 600.0)
    store.engine.put([last, store.message(then=last.id)])
    same(store.engine.expedite([last.id]), [])
    store.settle(store.claimed(), "done")
    same((store.state(last.id), store.claim()), ("waiting", []))
    store.engine.expedite([last.id])
    same(store.claimed().message.id, last.id)


@case
def nobody_waits(store: Store) -> None:
    """A job that names one that is not there, or not any more, is done like any other."""
    gone = store.message(needs=1)
    store.engine.put([gone])
    store.engine.purge(["blocked"])
    for then in (store.message().id, gone.id):
        claim = store.begun(then=then)
        store.settle(claim, "done")
        same(store.state(claim.message.id), "done")
    same(store.claim(), [])


@case
def a_failed_member_may_be_tried_again(store: Store) -> None:
    """A member that is tried again, released or lost leaves the last blocked until it is done."""
    last, _ = _group(store, 1)
    store.settle(store.claimed(), "retry")
    store.settle(store.claimed(), "release")
    store.claimed(lease=0.02)
    soon(lambda: store.engine.recover() > 0, "the lease is over")
    claim = store.claimed()
    same(store.state(last.id), "blocked")
    store.settle(claim, "done")
    same(store.claimed().message.id, last.id)


@case
def a_dead_member(store: Store) -> None:
    """A dead member leaves the last blocked; when a person puts it back and it is done, the last begins."""
    last, _ = _group(store, 2)
    good, bad = store.claim()
    store.settle(bad, "dead")
    store.settle(good, "done")
    same((store.state(last.id), store.claim()), ("blocked", []))
    same(store.engine.retry([bad.message.id]), [bad.message.id])
    same(store.state(last.id), "blocked")
    store.settle(store.claimed(), "done")
    same(store.claimed().message.id, last.id)


@case
def a_cancelled_member(store: Store) -> None:
    """A member that is cancelled while it waits cancels what waits for it, and what waits for that; others go on."""
    end = store.message(needs=1)
    last, members = _messages(store, 2, then=end.id)
    store.engine.put([end, last, *members])
    same(store.engine.cancel([members[0].id]), [members[0].id])
    same([store.state(message.id) for message in (members[0], last, end)], ["cancelled"] * 3)
    claim = store.claimed()
    same(claim.message.id, members[1].id)
    store.settle(claim, "done")
    same((store.state(last.id), store.claim()), ("cancelled", []))


@case
def a_running_member_that_is_cancelled(store: Store) -> None:
    """A member that is cancelled while it runs cancels what waits for it when its worker has stopped it."""
    end = store.message(needs=1)
    last, (member,) = _messages(store, 1, then=end.id)
    store.engine.put([end, last, member])
    claim = store.claimed()
    same(store.engine.cancel([member.id]), [member.id])
    same([store.state(message.id) for message in (member, last, end)], ["running", "blocked", "blocked"])
    store.settle(claim, "cancelled")
    same([store.state(message.id) for message in (member, last, end)], ["cancelled"] * 3)


@case
def a_member_done_in_spite_of_being_cancelled(store: Store) -> None:
    """A member that is done though it was asked to stop lets the last begin."""
    last, (member,) = _group(store, 1)
    claim = store.claimed()
    store.engine.cancel([member.id])
    store.settle(claim, "done")
    same(store.claimed().message.id, last.id)


@case
def a_member_that_stops_itself(store: Store) -> None:
    """A job that ends as cancelled without being asked cancels what waits for it, too."""
    last, _ = _group(store, 1)
    store.settle(store.claimed(), "cancelled")
    same(store.state(last.id), "cancelled")


@case
def a_cancelled_last(store: Store) -> None:
    """A job that is cancelled while it waits for others does not cancel them, and does not begin after them."""
    last, members = _group(store, 2)
    same(store.engine.cancel([last.id]), [last.id])
    same([store.state(member.id) for member in members], ["waiting", "waiting"])
    _finish(store, store.claim())
    same((store.state(last.id), store.claim()), ("cancelled", []))


@case
def a_cancelled_group_put_back(store: Store) -> None:
    """A cancelled job that is put back while it still waits for others is blocked again until they are done."""
    last, (member,) = _group(store, 1)
    store.engine.cancel([member.id])
    same(sorted(store.engine.retry([last.id, member.id])), sorted([last.id, member.id]))
    claim = store.claimed()
    same((claim.message.id, store.state(last.id)), (member.id, "blocked"))
    store.settle(claim, "done")
    same(store.claimed().message.id, last.id)


@case
def put_back_after_its_members(store: Store) -> None:
    """A cancelled job whose members were done meanwhile can begin as soon as it is put back."""
    last, _ = _group(store, 2)
    store.engine.cancel([last.id])
    _finish(store, store.claim())
    same(store.engine.retry([last.id]), [last.id])
    same(store.claimed().message.id, last.id)


def _messages(
    store: Store, members: int, *, then: str | None = None, **fields: object
) -> tuple[Message, list[Message]]:
    """Return a job that waits for others, and those."""
    last = store.message(needs=members, then=then)
    return last, [store.message(then=last.id, **fields) for _ in range(members)]


def _group(store: Store, members: int) -> tuple[Message, list[Message]]:
    """Put a group in."""
    last, others = _messages(store, members)
    store.engine.put([*others, last])
    return last, others


def _finish(store: Store, claims: list[Claim]) -> None:
    store.engine.settle([Outcome(claim, "done") for claim in claims])


def _one_by_one(engine: Engine, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        engine.settle([outcome])
