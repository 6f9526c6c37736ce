"""Putting jobs in: once by id, once by unique key, and exactly as they were given."""

from __future__ import annotations

from functools import partial
from itertools import cycle, islice
from uuid import uuid4

import msgspec

from ...jobs import Message, Outcome, State, Verdict, new_id
from ..comparison import same
from .case import Store, case, ids, together

_AWKWARD = (
    r'{"text": "ünï – 蝙蝠 🦇 \u0000 \" \\ %s %(a)s :b ? $1", "big": 18446744073709551616, "x": 1.50, "b":1,"a" : null}'
)


@case
def put_returns_ids(store: Store) -> None:
    """Each message is answered with the id of its job, in order; nothing is put in for none."""
    messages = [store.message() for _ in range(5)]
    same(store.engine.put(messages), [message.id for message in messages])
    same(store.engine.put([]), [])
    same(len(store.claim()), 5)


@case
def put_is_seen_by_others(store: Store) -> None:
    """What one engine puts in, another one on the same store knows and can claim."""
    id, other = store.put(), store.another()
    same(getattr(other.get(id), "state", None), "waiting")
    same(ids(store.claim(engine=other)), [id])
    same(store.state(id), "running")


@case
def put_many_at_once(store: Store) -> None:
    """A batch of thousands is put in whole."""
    messages = [store.message() for _ in range(3000)]
    same(store.engine.put(messages), [message.id for message in messages])
    same(store.engine.counts().get((store.queue, "waiting")), 3000)


@case
def put_again_while_waiting(store: Store) -> None:
    """A message that was put in before changes nothing while its job waits."""
    message = store.message()
    for _ in range(2):
        same(store.engine.put([message]), [message.id])
    same(store.engine.put([message, message]), [message.id, message.id])
    same(store.engine.put([msgspec.structs.replace(message, operation="other", delay=60.0)]), [message.id])
    same([claim.message.operation for claim in store.claim()], ["publish"])


@case
def put_again_while_running(store: Store) -> None:
    """A message that was put in before changes nothing while its job runs."""
    claim = store.begun()
    same(store.engine.put([claim.message]), [claim.message.id])
    same(store.claim(), [])
    same(store.state(claim.message.id), "running")


@case
def put_again_when_final(store: Store) -> None:
    """A message that was put in before changes nothing while the outcome of its job is kept."""
    verdicts: tuple[Verdict, ...] = ("done", "dead", "cancelled")
    for verdict in verdicts:
        claim = store.begun()
        store.settle(claim, verdict)
        same(store.engine.put([claim.message]), [claim.message.id])
        same(store.claim(), [])
        same(store.state(claim.message.id), verdict)


@case
def messages_come_back_exactly(store: Store) -> None:
    """A worker is given the message that was put in, each field as it was and the arguments byte for byte."""
    message = store.message(
        operation="pictures.thumbnail",
        arguments=msgspec.Raw(_AWKWARD.encode()),
        version="3f9a",
        created=1_790_000_000.123456,
        priority="low",
        at=1_700_000_000.25,
        unique=f"ключ {uuid4().hex} %_'",
        retries=9,
        timeout=0.5,
        keep=77.25,
        owner="user:7 “Bät”",
        metadata={"traceparent": "00-ab-cd-01", "leer": ""},
        then=new_id(),
    )
    same(store.engine.put([message]), [message.id])
    for got in (store.entry(message.id).message, store.claimed().message, store.entry(message.id).message):
        _same_message(got, message)


@case
def users_come_back_exactly(store: Store) -> None:
    """The user in whose name a job runs is the one that was put in, byte for byte, whatever JSON it is."""
    for text in ('{"id": "7", "name": "Bät", "roles": []}', '"7"', "7", "[1.50]"):
        message = store.message(user=msgspec.Raw(text.encode()))
        same(store.engine.put([message]), [message.id])
        for got in (store.entry(message.id).message, store.claimed().message):
            _same_message(got, message)


@case
def plain_messages_come_back_exactly(store: Store) -> None:
    """A message that says nothing but what to run comes back with the defaults."""
    message = store.message()
    store.engine.put([message])
    _same_message(store.claimed().message, message)


@case
def large_arguments(store: Store) -> None:
    """Arguments may be as long as a megabyte, and come back byte for byte."""
    arguments = msgspec.Raw(msgspec.json.encode({"text": "bät🦇" * 125_000, "at": "end"}))
    message = store.message(arguments=arguments)
    store.engine.put([message])
    same(bytes(store.claimed().message.arguments) == bytes(arguments), True)


@case
def one_job_for_a_unique_key(store: Store) -> None:
    """While a job with a unique key is not finished, whatever its state, another message with the key is that job."""
    key = uuid4().hex
    first = store.message(unique=key, delay=60.0)
    same(store.engine.put([first]), [first.id])
    other = store.message(unique=key)
    same(store.engine.put([other]), [first.id])  # while it waits for its time
    same(store.engine.get(other.id), None)
    same(store.engine.expedite([first.id]), [first.id])
    claim = store.claimed()
    same(store.engine.put([store.message(unique=key, queue=f"{store.queue}-2")]), [first.id])  # while it runs
    store.settle(claim, "retry", delay=60.0)
    same(store.engine.put([store.message(unique=key)]), [first.id])  # while it waits for its next attempt
    same(store.claim(), [])


@case
def unique_keys_of_blocked_jobs(store: Store) -> None:
    """A job that waits for others has its unique key already."""
    blocked = store.message(unique=uuid4().hex, needs=1)
    store.engine.put([blocked, store.message(then=blocked.id)])
    same(store.engine.put([store.message(unique=blocked.unique)]), [blocked.id])


@case
def a_final_job_frees_its_key(store: Store) -> None:
    """Once a job is done, dead or cancelled, its unique key is free for another."""
    verdicts: tuple[Verdict, ...] = ("done", "dead", "cancelled")
    for verdict in verdicts:
        key = uuid4().hex
        claim = store.begun(unique=key)
        store.settle(claim, verdict)
        again = store.begun(unique=key)
        same(again.message.id != claim.message.id, True)
        store.settle(again, "done")


@case
def a_cancelled_job_frees_its_key(store: Store) -> None:
    """A job that is cancelled while it waits frees its unique key."""
    key = uuid4().hex
    first = store.put(unique=key)
    same(store.engine.cancel([first]), [first])
    same(store.begun(unique=key).message.id != first, True)


@case
def keys_of_jobs_that_are_not_kept(store: Store) -> None:
    """A job whose outcome is not kept frees its unique key as well."""
    key = uuid4().hex
    for _ in range(3):
        store.settle(store.begun(unique=key, keep=0.0), "done")


@case
def unique_keys_within_a_batch(store: Store) -> None:
    """Messages of one batch with the same unique key are one job; those before, between and after are put in."""
    keys = [uuid4().hex, uuid4().hex, None]
    messages = [store.message(unique=key) for key in islice(cycle(keys), 9)]
    expected = [messages[at % 3].id if at % 3 < 2 else message.id for at, message in enumerate(messages)]
    same(store.engine.put(messages), expected)
    same(sorted(ids(store.claim())), sorted(set(expected)))


@case
def unique_keys_in_many_threads(store: Store) -> None:
    """Twenty threads that put in a message with the same unique key make one job, and all are told its id."""
    engines = [store.engine, store.another()]
    messages = [store.message(unique=f"{store.queue}-key") for _ in range(20)]
    works = [partial(engines[at % 2].put, [message]) for at, message in enumerate(messages)]
    answers = together(works)
    same(answers, [answers[0]] * 20)
    same([claim.message.id for claim in store.claim()], answers[0])


@case
def unique_keys_of_known_messages(store: Store) -> None:
    """A message that was put in before is answered with its own id, though another job has its unique key by now."""
    first = store.begun(unique=uuid4().hex)
    store.settle(first, "dead")
    second = store.put(unique=first.message.unique)
    same(store.engine.put([first.message]), [first.message.id])
    same(ids(store.claim()), [second])


@case
def a_batch_in_many_threads(store: Store) -> None:
    """The same batch put in by eight threads at once is there once."""
    messages: list[Message] = [store.message() for _ in range(50)]
    expected = [message.id for message in messages]
    for answer in together([partial(store.engine.put, messages) for _ in range(8)]):
        same(answer, expected)
    same(sorted(ids(store.claim())), sorted(expected))


@case
def overlapping_batches_in_many_threads(store: Store) -> None:
    """Batches with some messages and keys in common may be put in at once, in any order."""
    messages = [store.message(unique=f"{store.queue}-{number % 10}") for number in range(40)]
    batches = [messages[at:] + messages[:at] for at in range(0, 40, 5)]
    for batch, answer in zip(batches, together([partial(store.engine.put, batch) for batch in batches]), strict=True):
        same(len(answer), len(batch))
    same(len(store.claim()), 10)


@case
def what_a_new_job_is(store: Store) -> None:
    """A job that was put in waits, was never begun, and is due at its time."""
    now = store.now()
    states: dict[str, State] = {}
    for fields in ({}, {"delay": 60.0}, {"at": now + 90.0}):
        entry = store.entry(store.put(**fields))
        states[entry.message.id] = entry.state
        same((entry.attempts, entry.failures, entry.history, entry.began, entry.finished), (0, 0, (), None, None))
        same((entry.result, entry.worker, entry.cancelling, entry.note), (None, None, False, ""))
        expected = now + float(fields.get("delay", 0.0)) if "at" not in fields else now + 90.0
        same(abs(entry.due - expected) < 5.0, True)
    same(set(states.values()), {"waiting"})


@case
def outcomes_of_jobs_nobody_knows(store: Store) -> None:
    """A job that the engine does not know is None, and its outcome is ignored."""
    claim = store.begun(keep=0.0)
    store.engine.settle([Outcome(claim, "done"), Outcome(claim, "done")])
    same(store.engine.get(claim.message.id), None)
    same(store.engine.get(new_id()), None)


def _same_message(got: Message, expected: Message) -> None:
    """Check that a message is another one, its JSON byte for byte."""
    same(bytes(got.arguments), bytes(expected.arguments))
    same(got.user and bytes(got.user), expected.user and bytes(expected.user))
    plain = {"arguments": expected.arguments, "user": expected.user}  # raw JSON does not equal its own copy
    same(msgspec.structs.replace(got, **plain), msgspec.structs.replace(expected, **plain))
