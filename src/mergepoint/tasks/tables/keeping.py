"""What schedules and sweeps keep: the last tick of each schedule, and notes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...jobs import Message
    from .putting import Putting
    from .store import Store

NEVER = -1.0e300
"""The tick before all others; it is never seen, as one follows in the same transaction."""


class Keeping:
    """Keeps ticks and notes."""

    def __init__(self, store: Store, putting: Putting) -> None:
        ticks, notes, own = store.tables.ticks, store.tables.notes, store.own
        this, name = ticks.c.schedule == bindparam("of"), notes.c.name == bindparam("of")
        self._store = store
        self._putting = putting
        self._add_tick = own.statement(store.dialect.add(ticks))
        self._advance = own.statement(update(ticks).where(this, ticks.c.tick < bindparam("next")))
        self._last = own.statement(select(ticks.c.tick).where(this))
        self._add_note = own.statement(store.dialect.add(notes))
        self._change_note = own.statement(update(notes).where(name))
        self._note = own.statement(select(notes.c.value).where(name))

    def fire(self, schedule: str, tick: float, messages: Sequence[Message]) -> bool:
        """See `Engine.fire`."""
        return self._store.run(partial(self._fire, schedule, tick, messages))

    def begin(self, schedule: str, tick: float) -> None:
        """See `Engine.begin`."""
        self._store.run(partial(self._add_tick.run, schedule=schedule, tick=tick))

    def last_tick(self, schedule: str) -> float | None:
        """See `Engine.last_tick`."""
        self._store.prepare()
        return self._last.one_or_none(of=schedule)

    def save(self, name: str, value: bytes) -> None:
        """See `Engine.save`."""
        self._store.run(partial(self._save, name, value))

    def load(self, name: str) -> bytes | None:
        """See `Engine.load`."""
        self._store.prepare()
        return self._note.one_or_none(of=name)

    def _fire(self, schedule: str, tick: float, messages: Sequence[Message]) -> bool:
        if not self._advance.run(of=schedule, next=tick, tick=tick):
            self._add_tick.run(schedule=schedule, tick=NEVER)
            if not self._advance.run(of=schedule, next=tick, tick=tick):
                return False
        self._putting.add(messages, self._store.clock.now())
        return True

    def _save(self, name: str, value: bytes) -> None:
        if not self._change_note.run(of=name, value=value):
            self._add_note.run(name=name, value=value)
            self._change_note.run(of=name, value=value)
