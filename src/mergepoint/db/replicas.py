"""Which server a unit of work uses, and how a call is kept from reading a replica that has not seen its own writes.

After a command has committed, its answer carries `mergepoint-wrote`: where the primary stood. A later call that brings
it along, as metadata or as a cookie, reads from the primary until a replica has come that far.
"""

from __future__ import annotations

import itertools
import logging
import re
import time
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import BigInteger, cast, func, literal, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import NullType

from .links import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .links import Link, Links
    from .unit import Caller, Unit

log = logging.getLogger(__name__)

WROTE = "mergepoint-wrote"
"""The name of the token, in a call's metadata, in its reply and as a cookie."""

DOWN = 5.0
"""Seconds a replica that could not be reached is left alone."""

_TOKEN = re.compile(r"[pt]\d{1,19}")
_ORIGIN = literal("0/0", NullType())  # PostgreSQL reads it as a pg_lsn where one is expected
_WRITTEN = select(cast(func.pg_wal_lsn_diff(func.pg_current_wal_insert_lsn(), _ORIGIN), BigInteger))
_REPLAYED = select(cast(func.pg_wal_lsn_diff(func.pg_last_wal_replay_lsn(), _ORIGIN), BigInteger))


class Progress(Protocol):
    """How far the primary has written, and whether a replica has come that far."""

    def token(self, link: Link) -> str:
        """Say where the primary stands, after a commit on `link`."""
        ...

    def reached(self, replica: Replica, token: str) -> bool:
        """Tell whether a replica holds all that was committed at `token`."""
        ...


class Position:
    """PostgreSQL: exact, by position in the write-ahead log."""

    def token(self, link: Link) -> str:
        """See `Progress`."""
        return f"p{link.connection.scalar(_WRITTEN)}"

    def reached(self, replica: Replica, token: str) -> bool:
        """See `Progress`."""
        position = int(token[1:])
        if replica.position < position:
            replayed = replica.links.ask(_REPLAYED)
            replica.position = -1 if replayed is None else replayed  # NULL: that server replays nothing
        return replica.position >= position


class Window:
    """Other databases: by time, on the promise that a replica is never further behind than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def token(self, link: Link) -> str:
        """See `Progress`."""
        return f"t{time.time_ns() // 1_000_000}"

    def reached(self, replica: Replica, token: str) -> bool:
        """See `Progress`."""
        return abs(time.time() - int(token[1:]) / 1000) > self._seconds


class Replica:
    """A server that follows the primary."""

    def __init__(self, links: Links) -> None:
        self.links = links
        self.position = -1
        self.down_until = 0.0


class Servers:
    """A primary and its replicas.

    Args:
        primary: connections to the server that takes writes.
        replicas: connections to those that follow it.
        progress: compares their positions.
    """

    def __init__(self, primary: Links, replicas: list[Links], progress: Progress) -> None:
        self.primary = primary
        self._replicas = [Replica(links) for links in replicas]
        self._turns = itertools.count()
        self._progress = progress

    def all(self) -> list[Links]:
        """List the connections to every server, the primary first."""
        return [self.primary, *(replica.links for replica in self._replicas)]

    def take(self, unit: Unit, timeout: float, *, spare: bool = False) -> Link:
        """Take a connection for a unit of work: a query's from a replica in turn, all others from the primary.

        Args:
            unit: what asks.
            timeout: seconds to wait for a free connection.
            spare: whether the primary may open one beyond its limit.

        Raises:
            DatabaseUnavailable: there is none to be had.
        """
        if self._replicas and unit.call is not None and not unit.writes and not unit.wrote:
            link = self._from_replica(written(unit.call.metadata), timeout)
            if link is not None:
                return link
        return self.primary.take(timeout, spare=spare)

    def sign(self, call: Caller, link: Link) -> None:
        """Put into the call's reply where the primary stands after this commit."""
        if self._replicas:
            call.reply[WROTE] = self._progress.token(link)
            link.connection.rollback()

    def _from_replica(self, token: str | None, timeout: float) -> Link | None:
        turn, now = next(self._turns), time.monotonic()
        for number in range(len(self._replicas)):
            replica = self._replicas[(turn + number) % len(self._replicas)]
            if replica.down_until > now:
                continue
            try:
                if token is None or self._progress.reached(replica, token):
                    return replica.links.take(timeout)
            except (DatabaseUnavailable, SQLAlchemyError) as error:
                log.warning("%s; reading elsewhere for %.0f s", error, DOWN)
                replica.down_until = now + DOWN
        return None


def written(metadata: Mapping[str, str]) -> str | None:
    """Find the token in a call's metadata, by its own name or in the cookies; what is no token is ignored."""
    token = metadata.get(WROTE)
    if token is None and WROTE in metadata.get("cookie", ""):
        pairs = (cookie.strip().partition("=") for cookie in metadata["cookie"].split(";"))
        token = next((value for name, _, value in pairs if name == WROTE), None)
    return token if token is not None and _TOKEN.fullmatch(token) else None
