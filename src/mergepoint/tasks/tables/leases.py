"""Leases: signs of life, and what becomes of the jobs of workers that give none."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, or_, select, update

from ...jobs import Standing
from . import transitions
from .bulk import RUNNING
from .rows import Row, micros
from .store import BATCH

if TYPE_CHECKING:
    from collections.abc import Collection

    from ...jobs import Claim
    from .settling import Settling
    from .store import Store

ANEW = 60.0
"""Seconds by which a sign of life is too late to have been given while this transaction waited for another to end."""

LOSSES = 100
"""Jobs that are given back in one transaction."""

SWEEPS = 50
"""Transactions in one sweep at most, so that it ends although there is more all the time."""


class Leases:
    """Keeps claims, and gives back those that nobody keeps."""

    def __init__(self, store: Store, settling: Settling) -> None:
        jobs = store.tables.jobs
        c, own = jobs.c, store.own
        mine = (c.id == bindparam("of")) & (c.token == bindparam("at")) & (c.state == RUNNING)
        ids = c.id.in_(bindparam("ids", expanding=True))
        over = [c.lease <= bindparam("now")]
        if store.dialect.monotonic:
            over.append(c.renewed - micros(ANEW) > bindparam("now"))  # the machine was started anew
        columns = [c[name] for name in Row.__struct_fields__]
        lost = select(*columns).where(c.state == RUNNING, or_(*over)).limit(LOSSES)
        expired = select(c.id).where(c.expires <= bindparam("now")).limit(BATCH)
        self._store = store
        self._settling = settling
        self._held = own.statement(
            select(c.id, c.token, c.cancelling).where(ids, c.state == RUNNING).order_by(c.id).with_for_update()
        )
        self._extend = own.statement(update(jobs).where(ids))
        self._note = own.statement(update(jobs).where(mine, ~c.cancelling))
        self._lost = own.statement(lost.with_for_update(skip_locked=True), Row)
        self._expired = own.statement(expired.with_for_update(skip_locked=True))
        self._forget = own.statement(delete(jobs).where(ids))

    def extend(self, claims: Collection[Claim], lease: float) -> Standing:
        """See `Engine.extend`."""
        if not claims:
            return Standing(frozenset(), frozenset())
        return self._store.run(partial(self._keep, {claim.message.id: claim.token for claim in claims}, lease))

    def _keep(self, tokens: dict[str, int], lease: float) -> Standing:
        held = self._held.all(ids=sorted(tokens))
        mine = {id: cancelling for id, token, cancelling in held if token == tokens[id]}
        if mine:
            ticks = self._store.clock.ticks()
            self._extend.run(ids=list(mine), lease=ticks + micros(lease), renewed=ticks)
        return Standing(frozenset(tokens.keys() - mine), frozenset(id for id, cancelling in mine.items() if cancelling))

    def report(self, claim: Claim, progress: float, note: str) -> bool:
        """See `Engine.report`."""
        of, at = claim.message.id, claim.token
        return self._store.run(lambda: self._note.run(of=of, at=at, progress=progress, note=note)) > 0

    def recover(self, most_crashes: int) -> int:
        """See `Engine.recover`."""
        given = 0
        for _ in range(SWEEPS):
            lost, back = self._store.run(partial(self._give_back, most_crashes))
            given += back
            if lost < LOSSES:
                break
        for _ in range(SWEEPS):
            if self._store.run(self._sweep) < BATCH:
                break
        return given

    def _give_back(self, most_crashes: int) -> tuple[int, int]:
        """Return how many workers were lost, and how many of their jobs wait again."""
        rows = self._lost.all(now=self._store.clock.ticks())
        now = self._store.clock.now()
        for row in rows:
            transitions.lose(row, now, most_crashes)
        self._settling.write(rows, now)
        return len(rows), sum(row.state == "waiting" for row in rows)

    def _sweep(self) -> int:
        ids = self._expired.all(now=self._store.clock.now())
        return self._forget.run(ids=ids) if ids else 0
