"""The outbox: an engine beside the database keeps the promise of one inside it, that jobs come with the commit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic

import msgspec
from sqlalchemy import (
    Column,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import OperationalError

from ..db import Database
from ..errors import Unavailable
from ..jobs import MOST_CRASHES, Claim, Engine, Entry, Lane, Message, Outcome, Standing, State, new_id
from .tables.dialect import dialect_of
from .tables.making import make

logger = logging.getLogger("mergepoint")

HOLD = 5.0
"""Seconds in which who wrote or took a row of the outbox relays it alone."""

PAUSE = 1.0
"""Seconds in which an engine that did not answer is not asked again after a commit."""

BATCH = 100
"""Rows that are relayed at once."""

REMEMBERED = 300.0
"""Seconds that a job from the outbox is known at least, so that a second relay finds that it was there."""

_MESSAGES = msgspec.json.Decoder(list[Message])


def outbox_table(metadata: MetaData) -> Table:
    """Describe the outbox as a part of an application's tables, so that a migration makes it.

    Without that it is made when it is first needed. A row is what was put in at once, which is relayed at once.
    """
    return Table(
        "mergepoint_outbox",
        metadata,
        Column("id", String(24), primary_key=True),
        Column("held", Double, nullable=False, comment="until when another process leaves it alone"),
        Column("messages", LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb"), nullable=False),
    )


class Outbox(Engine):
    """An engine whose jobs are put in with the transactions of a database, although it is another service.

    Inside a transaction of the database, `put` writes the messages into its table `mergepoint_outbox`. After the commit
    they are relayed to the engine at once; what a dead process or a silent engine left there is relayed by `recover`,
    which workers call every second. Rolled back, there is no job; committed, there is exactly one, as an engine ignores
    a message whose id it knows. Outside of transactions `put` goes to the engine directly.

    Inside a transaction `put` returns the messages' own ids, for unique ones too: only after the commit it is known
    whether there is an unfinished job with the same key. If there is, the message is dropped then, and `get` of its id
    finds nothing.

    All the rest is as the engine does it.

    Args:
        engine: keeps the jobs.
        db: the database whose transactions decide.

    Attributes:
        name: what health reports call it.
    """

    def __init__(self, engine: Engine, db: Database) -> None:
        self.name = engine.name
        self._engine = engine
        self._db = db
        self._table = table = outbox_table(MetaData())
        ids = table.c.id.in_(bindparam("ids", expanding=True))
        left = select(table.c.id, table.c.messages).where(table.c.held < bindparam("now")).order_by(table.c.id)
        self._add = db.statement(insert(table))
        self._is_left = db.statement(select(literal(1, Integer)).where(table.c.held < bindparam("now")).limit(1))
        self._left = db.statement(left.limit(BATCH).with_for_update(skip_locked=True))
        self._take = db.statement(update(table).where(ids))
        self._remove = db.statement(delete(table).where(ids))
        self._all = db.statement(select(table.c.messages).order_by(table.c.id).limit(1000))
        self._prepared = False
        self._preparing = threading.Lock()
        self._ask_again = 0.0

    def __repr__(self) -> str:
        return f"<outbox in {self._db!r} for {self._engine!r}>"

    # --- what it does itself ---

    def put(self, messages: Sequence[Message]) -> list[str]:
        """Put jobs in: with the commit of the transaction around, or now if there is none."""
        if not messages or not self._in_transaction():
            return self._engine.put(messages)
        self._prepare()
        kept = [msgspec.structs.replace(message, keep=max(message.keep, REMEMBERED)) for message in messages]
        row = new_id()
        self._add.run(id=row, held=time.time() + HOLD, messages=msgspec.json.encode(kept))
        self._db.on_commit(partial(self._committed, row, kept))
        return [message.id for message in messages]

    def recover(self, most_crashes: int = MOST_CRASHES) -> int:
        """Give back the jobs of lost workers, and relay what was left in the outbox."""
        given_back = self._engine.recover(most_crashes)
        self._prepare()
        while self._is_left.all(now=time.time()) and self._relay_left() == BATCH:
            pass
        return given_back

    def get(self, id: str) -> Entry | None:
        """Return what is known of a job; one that is in the outbox waits."""
        return self._engine.get(id) or self._entry(id)

    def _in_transaction(self) -> bool:
        with self._db.unit_of_work(kind="query") as unit:
            return unit.in_transaction()

    def _committed(self, row: str, messages: Sequence[Message]) -> None:
        """Relay what was just committed. The caller's work is done: whatever fails here is made good later."""
        if monotonic() < self._ask_again:
            return
        try:
            self._engine.put(messages)
            self._remove.run(ids=[row])
        except Unavailable as error:
            self._ask_again = monotonic() + PAUSE
            logger.warning("%d jobs stay in the outbox for now: %s", len(messages), error)
        except Exception:
            logger.exception("%d jobs stay in the outbox for now", len(messages))

    def _relay_left(self) -> int:
        with self._db.apart():
            rows = self._left.all(now=time.time())
            if rows:
                self._take.run(ids=[id for id, _ in rows], held=time.time() + HOLD)
        if rows:
            self._hand_over(rows)
        return len(rows)

    def _hand_over(self, rows: Sequence[tuple[str, bytes]]) -> None:
        try:
            # What was put in at once goes at once: a job that follows others is known before they can be done.
            self._engine.put([message for _, messages in rows for message in _MESSAGES.decode(messages)])
        except Unavailable:
            raise
        except Exception:
            if len(rows) == 1:
                logger.exception("The row %s of the outbox cannot be relayed; it is tried again", rows[0][0])
                return
            for row in rows:  # one that the engine refuses must not hold up the others
                self._hand_over([row])
            return
        with suppress(OperationalError):  # a deadlock with who relays them too; what is left is relayed again
            self._remove.run(ids=[id for id, _ in rows])

    def _entry(self, id: str) -> Entry | None:
        self._prepare()
        mark = id.encode()
        rows = [_MESSAGES.decode(messages) for messages in self._all.all() if mark in messages]
        for message in (message for messages in rows for message in messages if message.id == id):
            due = message.created + message.delay if message.at is None else message.at
            return Entry(message=message, state="blocked" if message.needs else "waiting", due=due)
        return None

    def _prepare(self) -> None:
        if self._prepared:
            return
        with self._preparing:
            if not self._prepared:
                with self._db.apart() as unit:
                    if make(unit.plain(), [self._table], dialect_of(self._db.url)):
                        unit.on_rollback(self._unprepared)
                self._prepared = True

    def _unprepared(self) -> None:
        self._prepared = False

    # --- what the engine does ---

    def claim(
        self, worker: str, lanes: Sequence[Lane], limit: int, lease: float, outcomes: Sequence[Outcome] = ()
    ) -> list[Claim]:
        """See `Engine.claim`."""
        return self._engine.claim(worker, lanes, limit, lease, outcomes)

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """See `Engine.settle`."""
        self._engine.settle(outcomes)

    def extend(self, worker: str, claims: Collection[Claim], lease: float) -> Standing:
        """See `Engine.extend`."""
        return self._engine.extend(worker, claims, lease)

    def wait(self, queues: Collection[str], seconds: float) -> None:
        """See `Engine.wait`."""
        self._engine.wait(queues, seconds)

    def wake(self) -> None:
        """See `Engine.wake`."""
        self._engine.wake()

    def report(self, claim: Claim, progress: float, note: str) -> bool:
        """See `Engine.report`."""
        return self._engine.report(claim, progress, note)

    def entries(
        self,
        *,
        states: Collection[State] = (),
        queue: str | None = None,
        operation: str | None = None,
        owner: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Entry]:
        """See `Engine.entries`."""
        return self._engine.entries(
            states=states, queue=queue, operation=operation, owner=owner, before=before, limit=limit
        )

    def counts(self) -> dict[tuple[str, State], int]:
        """See `Engine.counts`."""
        return self._engine.counts()

    def cancel(self, ids: Collection[str]) -> list[str]:
        """See `Engine.cancel`."""
        return self._engine.cancel(ids)

    def retry(self, ids: Collection[str]) -> list[str]:
        """See `Engine.retry`."""
        return self._engine.retry(ids)

    def expedite(self, ids: Collection[str]) -> list[str]:
        """See `Engine.expedite`."""
        return self._engine.expedite(ids)

    def purge(self, states: Collection[State], before: float | None = None) -> int:
        """See `Engine.purge`."""
        return self._engine.purge(states, before)

    def fire(self, schedule: str, tick: float, messages: Sequence[Message]) -> bool:
        """See `Engine.fire`."""
        return self._engine.fire(schedule, tick, messages)

    def begin(self, schedule: str, tick: float) -> None:
        """See `Engine.begin`."""
        self._engine.begin(schedule, tick)

    def last_tick(self, schedule: str) -> float | None:
        """See `Engine.last_tick`."""
        return self._engine.last_tick(schedule)

    def load(self, name: str) -> bytes | None:
        """See `Engine.load`."""
        return self._engine.load(name)

    def save(self, name: str, value: bytes) -> None:
        """See `Engine.save`."""
        self._engine.save(name, value)

    def check(self) -> None:
        """See `Engine.check`."""
        self._engine.check()

    def close(self) -> None:
        """See `Engine.close`."""
        self._engine.close()
