"""What tells a process of the jobs that others put in: a thread, while anybody waits."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import contextmanager
from functools import cache
from select import POLLIN, poll
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.exc import SQLAlchemyError

from ...db.drivers import driver_of
from ...errors import Unavailable
from .bulk import WAITING, named
from .dialect import CHANNEL
from .schema import TIERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement

    from ...db import Statement
    from ...db.links import Link
    from .store import Store

log = logging.getLogger(__name__)

GLANCE = 0.04
"""Seconds between two looks at SQLite's counter of changes, each of which takes some microseconds."""

POLL = 0.05
"""Seconds between two looks for due jobs in a database that tells of no changes."""

LIVELY = 3.0
"""Seconds without jobs after which such looks are a quarter as many: each costs half a millisecond with PyMySQL."""

SOUND = 30.0
"""Seconds of silence after which a connection is asked whether it still lives."""

AWAY = 0.5
"""Seconds until a server that did not answer is tried again."""

IDLE = 60.0
"""Seconds that a thread looks for nothing when nobody waits, before it looks whether it was told to stop."""


class Stop:
    """Ends a thread, also while it waits for a socket."""

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self._poll = poll()
        self._poll.register(self._here, POLLIN)
        self.asked = False

    def ask(self) -> None:
        """Tell the thread to stop."""
        self.asked = True
        self._there.send(b".")

    def pause(self, seconds: float, *others: int) -> bool:
        """Wait, at most until there is something to read from others; return whether there is."""
        for each in others:
            self._poll.register(each, POLLIN)
        ready = [each for each, _ in self._poll.poll(seconds * 1000)]
        for each in others:
            self._poll.unregister(each)  # its number may be another's when it is closed
        return any(each in others for each in ready)

    def close(self) -> None:
        """Close its sockets."""
        self._here.close()
        self._there.close()


class Ear(Protocol):
    """Hears of jobs that other processes put in."""

    def hear(self, stop: Stop) -> None:
        """Tell the news until it is to stop."""
        ...


@contextmanager
def _connected(store: Store) -> Iterator[Link]:
    """Give a connection that is kept for long, and make what its driver raises SQLAlchemy's exceptions."""
    with store.aside.session() as link:
        try:
            yield link
        except link.error as error:
            raise link.translated(error) from error


class Listening:
    """PostgreSQL's LISTEN, on a connection of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def hear(self, stop: Stop) -> None:
        """See `Ear`."""
        with _connected(self._store) as link:
            link.dbapi.execute(f"LISTEN {CHANNEL}")  # Core has no word for it
            self._store.news.stir()  # what was told before is not told again
            while not stop.asked:
                self._hear(link, stop)

    def _hear(self, link: Link, stop: Stop) -> None:
        if not stop.pause(SOUND, link.dbapi.pgconn.socket) and not stop.asked:
            link.dbapi.execute("SELECT 1")
        told = [note.payload.partition(" ") for note in link.dbapi.notifies(timeout=0)]
        if told:
            jobs = [(queue, int(due)) for due, _, queue in told]
            self._store.news.tell(jobs, self._store.clock.now(), more=True)


class Glancing:
    """SQLite's `data_version`: another number after each change by another connection."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def hear(self, stop: Stop) -> None:
        """See `Ear`."""
        news = self._store.news
        with _connected(self._store) as link:
            version = None
            while not stop.asked:
                if not news.until_interest(IDLE):
                    continue
                before, version = version, link.cursor.execute("PRAGMA data_version").fetchone()
                if version != before:
                    news.stir()
                stop.pause(GLANCE)


class Polling:
    """For MariaDB and databases in memory, which tell nobody: a look for due jobs now and then."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ready = cache(self._statement)

    def _statement(self, queues: int) -> Statement[str]:
        c = self._store.tables.jobs.c
        mine = (c.state == WAITING) & c.queue.in_([bindparam(f"queue{place}") for place in range(queues)])
        tiers: list[ColumnElement[int]] = [literal_column(str(tier)) for tier in TIERS.values()]
        ready = select(c.queue).where(mine, c.priority.in_(tiers), c.due <= bindparam("now"))
        return self._store.own.statement(ready.limit(literal_column("1")))

    def hear(self, stop: Stop) -> None:
        """See `Ear`."""
        news, last = self._store.news, monotonic()
        while not stop.asked:
            if not news.until_interest(IDLE):
                continue
            queues = news.waited_for()
            if queues and self._ready(len(queues)).all(**named(queues), now=self._store.clock.now()):
                last = monotonic()
                news.stir()
            stop.pause(POLL if monotonic() < last + LIVELY else 4 * POLL)


class Ears:
    """Keeps one thread listening, whatever happens to its connection."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ear = _ear(store)
        self.forget()

    def forget(self) -> None:
        """Begin without a thread: at first, and in a forked child."""
        self._opening = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop: Stop | None = None

    def open(self) -> None:
        """Begin to listen, if nobody does."""
        if self._thread is not None:
            return
        with self._opening:
            if self._thread is None:
                self._stop = Stop()
                name = f"{self._store.db.name} jobs"
                self._thread = threading.Thread(target=self._run, args=[self._ear, self._stop], name=name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        with self._opening:
            thread, stop = self._thread, self._stop
            self._thread = self._stop = None
        if thread is None or stop is None:
            return
        stop.ask()
        self._store.news.wake()
        thread.join()
        stop.close()

    def _run(self, ear: Ear, stop: Stop) -> None:
        while not stop.asked:
            try:
                ear.hear(stop)
            except (Unavailable, SQLAlchemyError) as error:
                if not stop.asked:
                    log.warning("%s: no news of jobs for a while: %s", self._store.db.name, error)
                    stop.pause(AWAY)


def _ear(store: Store) -> Ear:
    if store.dialect.notify is not None:
        return Listening(store)
    if store.dialect.monotonic and not driver_of(store.db.url).shared:
        return Glancing(store)
    return Polling(store)
