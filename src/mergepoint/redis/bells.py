"""Wait until a list has something, a time has come, or this process wants its waits to end."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Sequence
from contextlib import suppress

from redis.exceptions import RedisError, ResponseError

from .connection import Link, Server

LONGEST = 3.0
"""Seconds after which a wait ends in any case, so that a lost ring or a dead server is no matter."""

AGAIN = 0.05
"""Seconds between two attempts to end a wait of the server."""


class Bells:
    """Lists on which something is put when somebody may wait for it.

    Args:
        server: where they are.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._sleepers: set[tuple[int, socket.socket]] = set()  # with their process: a child must not wake its parent

    def wait(self, keys: Sequence[str], seconds: float) -> None:
        """Return when one of the lists had something, which is taken, or after some seconds; or early.

        Raises:
            RedisUnavailable: the server does not answer.
        """
        ear, mouth = socket.socketpair()
        sleeper = (os.getpid(), mouth)
        link = self._server.take()
        try:
            self._sleepers.add(sleeper)
            self._listen(link, ear, keys, min(seconds, LONGEST))
        except (RedisError, OSError) as error:
            self._server.drop(link, error)
        except BaseException:
            self._server.drop(link)
            raise
        finally:
            self._sleepers.discard(sleeper)
            ear.close()
            mouth.close()

    def wake(self) -> None:
        """End every wait of this process."""
        for process, mouth in self._sleepers.copy():
            if process == os.getpid():
                with suppress(OSError):  # it woke by itself
                    mouth.send(b"!")

    def _listen(self, link: Link, ear: socket.socket, keys: Sequence[str], seconds: float) -> None:
        name = link.id
        link.send("BLPOP", *keys, LONGEST + 1)  # this side ends it: the server's own clock for this ticks at 10 Hz
        ends = (link.fileno(), ear.fileno())
        heard = _readable(ends, seconds)
        while not heard and self._unblocked(name):  # again if the server had not begun to wait
            heard = _readable(ends, AGAIN)
        if link.fileno() in heard:
            link.read()
            self._server.give(link)
        else:
            self._server.drop(link)

    def _unblocked(self, name: int) -> bool:
        """End the wait of a connection, so that its answer comes; False if this user may not do that."""
        try:
            self._server.call("CLIENT", "UNBLOCK", name)
        except ResponseError:
            return False
        return True


def _readable(descriptors: Sequence[int], seconds: float) -> set[int]:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(seconds * 1000)}
