"""Ids: 64-bit integers, ordered by time, made in the application without asking anybody.

An id is 41 bits of milliseconds since 2025, 10 bits of node and 12 bits of sequence. No two processes use a node at
once, and a node never uses a millisecond twice: both are kept in a table, so neither depends on a clock.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import uuid4

from .errors import MergepointError, missing

try:
    from sqlalchemy import (
        DDL,
        BigInteger,
        Column,
        Integer,
        MetaData,
        String,
        Table,
        bindparam,
        func,
        insert,
        select,
        update,
    )
    from sqlalchemy.exc import IntegrityError
except ModuleNotFoundError as error:
    raise missing("mergepoint.ids", error, extra="db") from None

if TYPE_CHECKING:
    from sqlalchemy.sql.functions import FunctionElement

    from .db import Database

EPOCH = 1_735_689_600_000
"""2025-01-01T00:00:00Z in milliseconds of Unix time. Ids last until the year 2094."""

SEQUENCE_BITS = 12
NODE_BITS = 10
NODES = 768
"""Nodes that processes can lease. The numbers above are the database's own (`id_default`)."""

AHEAD = 10_000
"""Milliseconds reserved at a time."""

LEASE = 60_000
"""Milliseconds after which the node of a process that has stopped asking is free again."""

_LOW = (1 << SEQUENCE_BITS) - 1
_SHARED = ((1 << NODE_BITS) - NODES << SEQUENCE_BITS) - 1  # the database's nodes have one sequence


class NoNodeFree(MergepointError):
    """Every node number is leased to a process that still runs."""


class Grant(NamedTuple):
    """Leave to make ids as `node`, with milliseconds from `after` (exclusive) to `until` (inclusive)."""

    node: int
    after: int
    until: int


class Lease(Protocol):
    """Gives out node numbers and stretches of time."""

    def grant(self, owner: str, node: int | None, now: int, void: Callable[[], None]) -> Grant:
        """Reserve the next stretch for a process.

        Args:
            owner: names the process and this generator.
            node: the node it has, or None for a new one. A lease that was lost in between is replaced by another.
            now: milliseconds since `EPOCH`, of which the stretch begins no earlier.
            void: called if the grant does not last, because it was a part of a transaction that was rolled back.

        Raises:
            NoNodeFree: all are taken.
        """
        ...

    def release(self, owner: str, node: int, used: int) -> None:
        """Give a node back, which has used the milliseconds up to `used`."""
        ...


class Ids:
    """Makes ids. One per process is enough for all its threads; `app.add(ids)` gives its node back at the end.

    Args:
        lease: gives out nodes and time.
        clock: tells milliseconds since `EPOCH`; may stand still or step back.
        name: what health reports call it.
    """

    _last: int
    _end: int

    def __init__(self, lease: Lease, clock: Callable[[], int] | None = None, *, name: str = "ids") -> None:
        self.name = name
        self._lease = lease
        self._clock = clock or milliseconds
        self._forget()
        os.register_at_fork(after_in_child=_forgetting(weakref.ref(self)))

    def next(self) -> int:
        """Make an id, greater than every one before it from this generator.

        Returns:
            A positive 63-bit integer.

        Raises:
            NoNodeFree: at the first id, when no node number is free.
        """
        with self._lock:
            tick = self._clock() << SEQUENCE_BITS
            if tick <= self._last:
                tick = self._last + 1
            if tick > self._end:
                tick = self._extend(tick)
            self._last = tick
            return ((tick & ~_LOW) << NODE_BITS) | self._node_bits | (tick & _LOW)

    def check(self) -> None:
        """Make an id, which fails when no node can be leased."""
        self.next()

    def close(self) -> None:
        """Give the node back; the next id takes another."""
        with self._lock:
            if self._node is not None:
                self._lease.release(self._owner, self._node, self._last >> SEQUENCE_BITS)
            self._forget()

    def _forget(self) -> None:
        """Begin without a node: at the start, and in a forked child, which must not go on as its parent."""
        self._lock = threading.RLock()
        self._owner = f"{socket.gethostname()[:64]}:{os.getpid()}:{uuid4().hex}"
        self._node: int | None = None
        self._node_bits = 0
        self._last = self._end = -1

    def _void(self) -> None:
        with self._lock:
            self._node, self._end = None, -1

    def _extend(self, tick: int) -> int:
        grant = self._lease.grant(self._owner, self._node, tick >> SEQUENCE_BITS, self._void)
        self._node = grant.node
        self._node_bits = grant.node << SEQUENCE_BITS
        self._end = (grant.until << SEQUENCE_BITS) | _LOW
        return max(tick, (grant.after + 1) << SEQUENCE_BITS)


def milliseconds() -> int:
    """Return the time in milliseconds since `EPOCH`."""
    return time.time_ns() // 1_000_000 - EPOCH


def time_of(id: int) -> datetime:
    """Return when an id was made, to the millisecond (a little ahead of the clock after a restart)."""
    return datetime.fromtimestamp(EPOCH / 1000, UTC) + timedelta(milliseconds=id >> (NODE_BITS + SEQUENCE_BITS))


def node_table(metadata: MetaData) -> Table:
    """Describe the table of leases as a part of an application's tables, so that a migration makes it."""
    return Table(
        "mergepoint_nodes",
        metadata,
        Column("node", Integer, primary_key=True, autoincrement=False),
        Column("owner", String(128), nullable=False),
        Column("expires", BigInteger, nullable=False, comment="milliseconds; a later lease may take the node"),
        Column("reserved", BigInteger, nullable=False, comment="milliseconds that may have been used, inclusive"),
    )


class Row(NamedTuple):
    """A row of the table of leases."""

    node: int
    owner: str
    expires: int
    reserved: int


class NodeLease:
    """Leases nodes from a table of the application's database (`node_table`).

    Every change names the state it was decided on, so that two processes cannot both have made it; no lock is held.
    """

    def __init__(self, db: Database) -> None:
        table = node_table(MetaData())
        mine = (table.c.node == bindparam("of_node")) & (table.c.owner == bindparam("of_owner"))
        self._db = db
        self._rows = db.statement(select(table).order_by(table.c.node), Row)
        self._row = db.statement(select(table).where(mine), Row)
        self._add = db.statement(insert(table))
        self._take = db.statement(update(table).where(mine, table.c.expires == bindparam("was")))
        self._keep = db.statement(update(table).where(mine))

    def grant(self, owner: str, node: int | None, now: int, void: Callable[[], None]) -> Grant:
        """See `Lease`."""
        kept = None if node is None else self._extended(owner, node, now, void)
        return kept or self._new(owner, now, void)

    def release(self, owner: str, node: int, used: int) -> None:
        """See `Lease`."""
        with self._db.apart():
            self._keep.run(of_node=node, of_owner=owner, expires=0, reserved=used)

    def _extended(self, owner: str, node: int, now: int, void: Callable[[], None]) -> Grant | None:
        with self._db.apart() as unit:
            row = self._row.one_or_none(of_node=node, of_owner=owner)
            if row is None:
                return None
            until = max(now, row.reserved) + AHEAD
            kept = self._keep.run(of_node=node, of_owner=owner, expires=now + LEASE, reserved=until)
            unit.on_rollback(void)
        return Grant(node, row.reserved, until) if kept else None

    def _new(self, owner: str, now: int, void: Callable[[], None]) -> Grant:
        for _ in range(NODES):
            with self._db.apart() as unit:
                grant = self._claimed(owner, now)
                unit.on_rollback(void)
            if grant is not None:
                return grant
        raise NoNodeFree("No node number could be leased: too many processes start at once. Try again.")

    def _claimed(self, owner: str, now: int) -> Grant | None:
        """Try to take the free node whose time is the furthest back, or else an unused number."""
        rows = self._rows.all()
        free = [row for row in rows if row.expires < now]
        if free:
            return self._taken(owner, now, min(free, key=lambda row: (row.reserved, row.node)))
        used = {row.node for row in rows}
        unused = next((node for node in range(NODES) if node not in used), None)
        if unused is None:
            raise NoNodeFree(
                f"All {NODES} node numbers are leased. A process that ended without giving its number back keeps it "
                f"for {LEASE // 1000} s: wait, or run fewer processes that make ids."
            )
        return self._added(owner, now, unused)

    def _taken(self, owner: str, now: int, row: Row) -> Grant | None:
        until = max(now, row.reserved) + AHEAD
        state: dict[str, Any] = {"of_node": row.node, "of_owner": row.owner, "was": row.expires}
        taken = self._take.run(**state, owner=owner, expires=now + LEASE, reserved=until)
        return Grant(row.node, row.reserved, until) if taken else None

    def _added(self, owner: str, now: int, node: int) -> Grant | None:
        try:
            with self._db.transaction():
                self._add.run(node=node, owner=owner, expires=now + LEASE, reserved=now + AHEAD)
        except IntegrityError:
            return None
        return Grant(node, now - 1, now + AHEAD)


def id_default() -> FunctionElement[int]:
    """Make the default of an id column in PostgreSQL: `Column("id", BigInteger, server_default=id_default())`.

    Such ids are apart from those of `Ids`: they have node numbers of their own. They are unique as long as fewer than
    1,048,576 are made within the time that the server's clock steps back.
    """
    return func.mergepoint_id()


def create_id_default() -> list[DDL]:
    """Give the statements that make the function behind `id_default`: `for ddl in ...: op.execute(ddl)`."""
    bits = NODE_BITS + SEQUENCE_BITS
    milliseconds = f"(extract(epoch FROM clock_timestamp()) * 1000)::bigint - {EPOCH}"
    number = f"(({milliseconds}) << {bits}) | {NODES << SEQUENCE_BITS} | nextval('mergepoint_id_sequence')"
    return _ddl(
        f"CREATE SEQUENCE mergepoint_id_sequence MINVALUE 0 MAXVALUE {_SHARED} CYCLE",
        f"CREATE FUNCTION mergepoint_id() RETURNS bigint LANGUAGE sql VOLATILE RETURN {number}",
    )


def drop_id_default() -> list[DDL]:
    """Give the statements that take the function behind `id_default` away."""
    return _ddl("DROP FUNCTION mergepoint_id()", "DROP SEQUENCE mergepoint_id_sequence")


def _ddl(*statements: str) -> list[DDL]:
    return [DDL(statement) for statement in statements]  # type: ignore[no-untyped-call]


def _forgetting(ids: weakref.ref[Ids]) -> Callable[[], None]:
    def forget() -> None:
        inherited = ids()
        if inherited is not None:
            inherited._forget()  # noqa: SLF001 - its own module

    return forget
