"""What schedules and sweeps keep: each tick is fired once, and what was saved is loaded again."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

from ...jobs import new_id
from ..comparison import same
from .case import Store, case, ids, together


@case
def a_tick_is_fired_once(store: Store) -> None:
    """A tick puts its jobs in when it is fired first; firing it again does nothing."""
    tick = 1_790_000_000.5
    messages = [store.message() for _ in range(3)]
    same(store.engine.fire(store.queue, tick, messages), True)
    same(store.engine.fire(store.queue, tick, [store.message()]), False)
    same(store.another().fire(store.queue, tick, [store.message()]), False)
    same(sorted(ids(store.claim())), sorted(message.id for message in messages))


@case
def ticks_in_many_threads(store: Store) -> None:
    """Eight threads on two engines that fire the same hundred ticks fire each once, and its job is there."""
    engines = [store.engine, store.another()]
    ticks = [1_790_000_000.0 + number for number in range(25)]

    def fire_all(number: int) -> int:
        return sum(engines[number % 2].fire(store.queue, tick, [store.message()]) for tick in ticks)

    fired = sum(together([partial(fire_all, number) for number in range(8)]))
    same((fired, len(store.claim()), store.engine.last_tick(store.queue)), (25, 25, ticks[-1]))


@case
def older_ticks(store: Store) -> None:
    """A tick older than the last one is not fired, a later one is."""
    same(store.engine.fire(store.queue, 200.0, []), True)
    same(store.engine.fire(store.queue, 199.999, [store.message()]), False)
    same(store.engine.fire(store.queue, 200.001, [store.message()]), True)
    same((len(store.claim()), store.engine.last_tick(store.queue)), (1, 200.001))


@case
def beginnings(store: Store) -> None:
    """A schedule begins once: what comes later, or after a tick was fired, moves nothing."""
    store.engine.begin(store.queue, 100.0)
    store.another().begin(store.queue, 300.0)
    same(store.engine.last_tick(store.queue), 100.0)
    same(store.engine.fire(store.queue, 100.0, [store.message()]), False)
    same(store.engine.fire(store.queue, 200.0, [store.message()]), True)
    store.engine.begin(store.queue, 300.0)
    same((len(store.claim()), store.engine.last_tick(store.queue)), (1, 200.0))


@case
def skipped_ticks(store: Store) -> None:
    """A tick without jobs counts as fired."""
    same(store.engine.fire(store.queue, 100.0, []), True)
    same(store.engine.fire(store.queue, 100.0, [store.message()]), False)
    same((store.engine.last_tick(store.queue), store.claim()), (100.0, []))


@case
def the_last_tick(store: Store) -> None:
    """The last tick of a schedule is exactly the one that was fired, and None before; each schedule has its own."""
    names = [f"{store.queue} every “{name}”" for name in ("day", "hour")]
    tick = 1_790_000_000.123456
    same(store.engine.last_tick(names[0]), None)
    store.engine.fire(names[0], tick, [])
    same([store.another().last_tick(name) for name in names], [tick, None])
    same(store.engine.fire(names[1], tick, [store.message()]), True)
    same(len(store.claim()), 1)


@case
def ticks_with_a_unique_key(store: Store) -> None:
    """A tick whose job's unique key is taken is fired without another job."""
    key = uuid4().hex
    same(store.engine.fire(store.queue, 1.0, [store.message(unique=key)]), True)
    same(store.engine.fire(store.queue, 2.0, [store.message(unique=key)]), True)
    same((len(store.claim()), store.engine.last_tick(store.queue)), (1, 2.0))


@case
def saved_values(store: Store) -> None:
    """What was saved under a name is loaded, by every engine, until something else is saved; None before."""
    names = [f"sweep {store.queue} ünï", f"sweep {store.queue}"]
    same(store.engine.load(names[0]), None)
    for value in (b"\x00\xff\x80'\"", b"", b"x" * 5000, b"null"):
        store.engine.save(names[0], value)
        same(store.another().load(names[0]), value)
    same(store.engine.load(names[1]), None)


@case
def it_works(store: Store) -> None:
    """An engine that works says so, has a name, and may be checked before anything else and after it was used."""
    other = store.another()
    other.check()
    store.put(id=new_id())
    store.engine.check()
    same(bool(other.name), True)
