"""A Redis server by URL: connections kept open, commands at nearly the speed of the socket, one kind of failure."""

from __future__ import annotations

import os
from typing import Any, cast

from hiredis import pack_command
from redis import exceptions
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from ..errors import Unavailable

CONNECTING = 2.0
"""Seconds that a server may take to accept a connection, unless the URL says `socket_connect_timeout`."""

ANSWERING = 5.0
"""Seconds that a server may take to answer, unless the URL says `socket_timeout`."""

_UNABLE = (
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
    exceptions.MovedError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.TryAgainError,
)
_UNABLE_WORDS = ("BUSY", "MISCONF", "NOREPLICAS", "UNKILLABLE")  # those without a class


class RedisUnavailable(Unavailable):
    """Report a Redis server that cannot be reached, or that cannot do what it is asked for now.

    `message` is for callers and names no host; `str()` of it is for the log and the terminal: it names the server.
    """

    def __init__(self, detail: str) -> None:
        super().__init__("The store cannot be reached now: try again later.")
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class Link:
    """One connection.

    Attributes:
        fresh: True until its first answer; a failure then is not because it is old.
    """

    __slots__ = ("_connection", "_id", "fresh")

    def __init__(self, connection: Any) -> None:
        connection.connect()
        self._connection = connection
        self._id: int | None = None
        self.fresh = True

    def ask(self, packed: bytes) -> Any:
        """Send a packed command and return its answer."""
        self._connection.send_packed_command((packed,), check_health=False)
        return self._connection.read_response()

    def send(self, *command: Any) -> None:
        """Send a command whose answer is read later."""
        self._connection.send_packed_command((_packed(*command),), check_health=False)

    def read(self) -> Any:
        """Return the answer to a command that was sent."""
        return self._connection.read_response()

    def fileno(self) -> int:
        """Return the file descriptor that can be read when an answer comes."""
        return int(self._connection._sock.fileno())  # noqa: SLF001 - it has no public name

    @property
    def id(self) -> int:
        """How the server names this connection."""
        if self._id is None:
            self._id = int(self.ask(_packed("CLIENT", "ID")))
        return self._id

    def close(self) -> None:
        """Hang up."""
        self._connection.disconnect()


class Server:
    """A Redis server. Everything is safe to call from many threads, and after a fork.

    Args:
        url: `redis://`, `rediss://` or `unix://`, with the options of redis-py such as `?socket_timeout=5`.
        name: names the server in messages.

    Raises:
        ValueError: the URL is none.
    """

    def __init__(self, url: str, *, name: str = "redis") -> None:
        self.name = name
        pool = ConnectionPool.from_url(
            url, socket_connect_timeout=CONNECTING, socket_timeout=ANSWERING, socket_keepalive=True
        )
        self._make = pool.connection_class
        self._options = {**pool.connection_kwargs, "protocol": 2, "retry": Retry(NoBackoff(), 0)}
        self._forget()

    def __repr__(self) -> str:
        return f"<{self.name} at {self.address}>"

    @property
    def address(self) -> str:
        """Where it is, without a password."""
        options = self._options
        if path := options.get("path"):
            return f"unix://{path}"
        return f"redis://{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db', 0)}"

    def call(self, *command: Any) -> Any:
        """Run a command and return its answer: bytes, a number, a list or None.

        A connection that the server has closed meanwhile is replaced, and the command sent again: it must do no harm
        twice.

        Raises:
            RedisUnavailable: the server does not answer.
            redis.ResponseError: it does not like the command.
        """
        packed = _packed(*command)
        while True:
            link = self.take()
            try:
                answer = link.ask(packed)
            except ResponseError as error:
                self.give(link)
                self._must_be_able(error)
                raise
            except (RedisError, OSError) as error:
                self.drop(link, error)
                continue
            self.give(link)
            return answer

    def take(self) -> Link:
        """Get a connection for the calling thread, to `give` back or to `drop`.

        Raises:
            RedisUnavailable: there is none to be had.
        """
        if self._process != os.getpid():
            self._forget()
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def give(self, link: Link) -> None:
        """Put a connection back for the next thread."""
        link.fresh = False
        self._idle.append(link)

    def drop(self, link: Link, error: Exception | None = None) -> None:
        """Close a connection that must not be used again; if the server closed it, its idle neighbours too.

        Raises:
            RedisUnavailable: an error is given, and it is not because the connection was old.
        """
        link.close()
        if error is not None:
            self.close()
            if link.fresh or not isinstance(error, (exceptions.ConnectionError, OSError)):
                raise self.unavailable(error) from error

    def close(self) -> None:
        """Close all connections that nobody uses."""
        if self._process != os.getpid():
            self._forget()
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:  # another thread took the last one
                return

    def unavailable(self, reason: object) -> RedisUnavailable:
        """Make the exception that says which server cannot be used, and why."""
        return RedisUnavailable(f"{self.name} ({self.address}) cannot be used: {reason}")

    def _open(self) -> Link:
        try:
            return Link(self._make(**self._options))
        except (RedisError, OSError) as error:
            raise self.unavailable(error) from error

    def _must_be_able(self, error: ResponseError) -> None:
        if isinstance(error, _UNABLE) or str(error).startswith(_UNABLE_WORDS):
            self.close()  # an address may lead elsewhere after a failover
            raise self.unavailable(error) from error

    def _forget(self) -> None:
        # What is inherited belongs to the parent. Collecting it closes this process's copies, and says nothing.
        self._process = os.getpid()
        self._idle: list[Link] = []


def _packed(*command: Any) -> bytes:
    packed: bytes = pack_command(cast("Any", command))  # its types know tuples of one
    return packed
