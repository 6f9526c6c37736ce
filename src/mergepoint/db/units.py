"""The units of work of one database: which one the running context is in, and the ways to open another."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING

from .unit import Unit
from .watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from .replicas import Servers
    from .unit import Caller


class Units:
    """Opens units of work, and knows the one that the running context is in.

    Args:
        name: the database's name.
        servers: where connections come from.
    """

    def __init__(self, name: str, servers: Servers) -> None:
        self.context: ContextVar[Unit | None] = ContextVar(f"mergepoint.db.{name}", default=None)
        self.servers = servers
        self.watchdog = Watchdog(name)
        self.current = self.context.get

    def open(self, *, writes: bool, transaction: bool = False, call: Caller | None = None, spare: bool = False) -> Unit:
        """Make a unit of its own, whatever the running context is in; see `Unit`."""
        return Unit(self, writes=writes, transaction=transaction, call=call, spare=spare)

    def join(self, unit: Unit, *, writes: bool) -> AbstractContextManager[Unit]:
        """Run a call that is made inside another call's unit as a part of it."""
        return unit.command() if writes else nullcontext(unit)

    @contextmanager
    def reading(self) -> Iterator[Unit]:
        """Give the running context's unit to one thread, or a short one of its own."""
        unit = self.current()
        if unit is None:
            with self.open(writes=False) as alone:
                yield alone
            return
        with unit.lock:
            yield unit

    @contextmanager
    def apart(self) -> Iterator[Unit]:
        """Open a transaction of its own, that stays whatever becomes of the one around it.

        Where only one connection can write at a time (SQLite), and the unit around is writing, it joins that.
        """
        around = self.current()
        if around is not None and around.holds_the_lock():
            yield around
            return
        with self.open(writes=True, transaction=True, spare=True) as unit:
            yield unit

    @contextmanager
    def streaming(self) -> Iterator[tuple[Connection, bool]]:
        """Give a connection to stream from, and whether the server may keep the cursor.

        In a transaction it is the unit's own; otherwise one for the stream alone, so that other statements can run.
        """
        around = self.current()
        if around is not None and (around.in_transaction() or self.servers.primary.driver.shared):
            link = around.acquire()
            yield link.connection, link.driver.interleaves
            return
        unit = self.open(writes=False, call=None if around is None else around.call)
        error = None
        try:
            unit.acquire().begin(writes=False)  # PostgreSQL's cursors live in a transaction
            yield unit.acquire().connection, True
        except BaseException as reason:
            error = reason
            raise
        finally:
            unit.finish(error)

    def forget(self) -> None:
        """Leave everything open to the parent process: called in a forked child."""
        self.context.set(None)
        self.watchdog.forget()
        for links in self.servers.all():
            links.forget()

    def close(self) -> None:
        """Stop the watchdog and close what is idle."""
        self.watchdog.stop()
        for links in self.servers.all():
            links.close()
