"""Looking at jobs: one by one, in lists with filters, and counted."""

from __future__ import annotations

from ...jobs import Entry, State
from ..comparison import same
from .case import Store, case, failed, ids


@case
def the_newest_first(store: Store) -> None:
    """Jobs are listed the newest first, in whatever order they were put in."""
    messages = [store.message() for _ in range(12)]
    store.engine.put(messages[6:])
    store.engine.put(messages[:6])
    expected = sorted((message.id for message in messages), reverse=True)
    same(ids(store.engine.entries(queue=store.queue)), expected)
    same([entry for entry in ids(store.engine.entries(limit=1000)) if entry in expected], expected)


@case
def pages(store: Store) -> None:
    """A list is as long as the limit at most, and goes on before an id."""
    messages = [store.message() for _ in range(7)]
    store.engine.put(messages)
    expected = sorted((message.id for message in messages), reverse=True)
    got: list[str] = []
    for length in (3, 3, 1, 0):
        page = store.engine.entries(queue=store.queue, limit=3, before=got[-1] if got else None)
        same(len(page), length)
        got += ids(page)
    same(got, expected)


@case
def pages_of_all(store: Store) -> None:
    """Pages without a filter go on before an id, too."""
    messages = [store.message() for _ in range(4)]
    store.engine.put(messages)
    expected = sorted((message.id for message in messages), reverse=True)
    same(ids(store.engine.entries(before=expected[0], limit=2)), expected[1:3])


@case
def filters_by_state(store: Store) -> None:
    """Lists hold jobs in the states named, in all states if none is."""
    jobs = _one_of_each(store)
    for state, id in jobs.items():
        same(_listed(store, states=[state]), [id])
    same(_listed(store), sorted(jobs.values(), reverse=True))
    wanted: list[State] = ["dead", "running", "waiting"]
    same(_listed(store, states=wanted), sorted((jobs[state] for state in wanted), reverse=True))
    same(_listed(store, states=frozenset({"done", "blocked"}), limit=1), [max(jobs["done"], jobs["blocked"])])


@case
def filters_by_what_it_is(store: Store) -> None:
    """Lists hold the jobs of an operation, of an owner, of a queue, or of all of these."""
    for operation in ("publish", "import"):
        for owner in ("", "user:7", "user:8"):
            store.put(operation=operation, owner=owner)
    other = store.put(queue=f"{store.queue}-2", owner="user:7")
    same(len(_listed(store)), 6)
    same(len(_listed(store, operation="import")), 3)
    same(len(_listed(store, owner="user:7")), 2)
    same(len(_listed(store, owner="user:7", operation="publish", states=["waiting"])), 1)
    same(len(_listed(store, owner="user:7", operation="publish", states=["done"])), 0)
    same(_listed(store, owner="user:9"), [])
    same(ids(store.engine.entries(queue=f"{store.queue}-2", owner="user:7")), [other])


@case
def pages_with_filters(store: Store) -> None:
    """Pages of a filtered list hold what belongs to it, without gaps."""
    messages = [store.message(owner=f"user:{number % 3}") for number in range(12)]
    store.engine.put(messages)
    expected = sorted((message.id for message in messages if message.owner == "user:1"), reverse=True)
    first = _listed(store, owner="user:1", limit=2)
    same(first + _listed(store, owner="user:1", limit=2, before=first[-1]), expected)


@case
def entries_are_whole(store: Store) -> None:
    """What a list says of a job is what is said of the job alone."""
    jobs = _one_of_each(store)
    entries = store.engine.entries(queue=store.queue)
    same(len(entries), len(jobs))
    for entry in entries:
        same(_comparable(entry), _comparable(store.entry(entry.message.id)))


@case
def counted_by_queue_and_state(store: Store) -> None:
    """Jobs are counted by queue and state."""
    jobs = _one_of_each(store)
    store.engine.put([store.message(queue=f"{store.queue}-2") for _ in range(3)])
    counts = store.engine.counts()
    same({state: counts.get((store.queue, state), 0) for state in jobs}, dict.fromkeys(jobs, 1))
    same(counts.get((f"{store.queue}-2", "waiting")), 3)
    store.engine.purge(["waiting", "dead"])
    counts = store.engine.counts()
    same(
        [counts.get((store.queue, state), 0) for state in jobs],
        [int(state not in {"waiting", "dead"}) for state in jobs],
    )


def _one_of_each(store: Store) -> dict[State, str]:
    """Put in one job for each state."""
    done, dead = store.begun(owner="user:7"), store.begun()
    store.settle(done, "done", result=b'{"a":1}')
    store.settle(dead, "dead", attempt=failed(dead))
    cancelled = store.put(delay=60.0)
    store.engine.cancel([cancelled])
    running = store.begun()
    store.engine.report(running, 0.5, "half")
    jobs: dict[State, str] = {"done": done.message.id, "dead": dead.message.id, "cancelled": cancelled}
    return jobs | {"running": running.message.id, "waiting": store.put(delay=60.0), "blocked": store.put(needs=1)}


def _listed(store: Store, **filters: object) -> list[str]:
    return ids(store.engine.entries(queue=store.queue, **filters))  # type: ignore[arg-type]  # they are its own


def _comparable(entry: Entry) -> tuple[object, ...]:
    """Return an entry as values that can be compared; raw JSON can not."""
    values = [getattr(entry, name) for name in entry.__struct_fields__]
    return (bytes(entry.message.arguments), entry.message.id, *values[1:])
