"""HTTP requests for the client: pooled, bounded in time, and their failures in Mergepoint's words."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from time import monotonic
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as HttpTimeout

from ...errors import DeadlineExceeded, Failure, Unavailable

CHUNK = 65_536
"""Bytes read at a time."""
CONNECTIONS = 32
"""Connections kept open to one server; more are opened when more threads call, and closed after use."""

Body = bytes | Iterable[bytes] | None


class Transport:
    """Sends requests over connections that are kept open; threads may share it, and so may processes after a fork.

    Args:
        what: how messages call the other side, such as `Roost`. They never show its address: they may travel on.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._pools: tuple[int, urllib3.PoolManager] | None = None

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: Body, expires: float, wait: float
    ) -> Answer:
        """Send a request and return the answer as soon as its headers are there.

        Args:
            method: such as `GET`.
            url: the whole address.
            headers: of the request.
            body: of the request.
            expires: when the time for all of it is over, in seconds of `time.monotonic()`.
            wait: the longest to wait for the next bytes, in seconds.

        Raises:
            Unavailable: the server cannot be reached, or hung up.
            DeadlineExceeded: the time is over.
        """
        with self.failing(f"{method} {url}"):
            answer = self._pool().request(
                method, url, headers=headers, body=body, timeout=urllib3.Timeout(_left(expires, wait)),
                retries=False, redirect=False, preload_content=False,
            )  # fmt: skip
            return Answer(self, answer, f"{method} {url}", expires, wait)

    @contextlib.contextmanager
    def failing(self, request: str) -> Iterator[None]:
        """Turn what goes wrong with a request into a failure; a note for the log says which request it was."""
        try:
            yield
        except NewConnectionError as error:
            raise _noted(Unavailable(f"{self.what} cannot be reached."), request, error) from error
        except HttpTimeout as error:
            raise _noted(DeadlineExceeded(f"{self.what} did not answer in time."), request, error) from error
        except (HTTPError, OSError) as error:
            raise _noted(Unavailable(f"{self.what} hung up."), request, error) from error

    def _pool(self) -> urllib3.PoolManager:
        # A connection that two processes write to would mix their requests.
        if self._pools is None or self._pools[0] != os.getpid():
            self._pools = (os.getpid(), urllib3.PoolManager(maxsize=CONNECTIONS))
        return self._pools[1]


def _left(expires: float, wait: float) -> float:
    """Return how long the next step may take."""
    seconds = min(expires - monotonic(), wait)
    if seconds <= 0:
        raise DeadlineExceeded
    return seconds


def _noted(failure: Failure, request: str, error: Exception) -> Failure:
    failure.add_note(f"{request}: {error}")
    return failure


class Answer:
    """An answer whose body is still to be read. Close it when nobody wants the rest.

    Attributes:
        status: the HTTP status.
        headers: by name, in any case.
    """

    def __init__(
        self, transport: Transport, answer: urllib3.BaseHTTPResponse, request: str, expires: float, wait: float
    ) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self._transport = transport
        self._answer: Any = answer
        self._request = request
        self._expires = expires
        self._wait = wait

    @property
    def media_type(self) -> str:
        """What the body is, such as `application/json`."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def read(self) -> bytes:
        """Return the whole body, or what is left of it."""
        return b"".join(self.chunks())

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes.

        Raises:
            Unavailable: the server hung up in the midst of it.
            DeadlineExceeded: the time is over.
        """
        try:
            while chunk := self._next():
                yield chunk
        finally:
            self.close()

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the body as they come, without their ends; raises as `chunks` does."""
        rest = b""
        with contextlib.closing(self.chunks()) as chunks:  # type: ignore[type-var]  # a generator has close()
            for chunk in chunks:
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
        if rest:
            yield rest

    def close(self) -> None:
        """Let the connection go: back to the pool after the last byte, else closed."""
        if self._answer.isclosed():
            self._answer.release_conn()
        else:
            self._answer.close()

    def _next(self) -> bytes:
        with self._transport.failing(self._request):
            # The timeout of a socket begins anew with every packet; the deadline does not.
            seconds = _left(self._expires, self._wait)
            connection = self._answer.connection
            if connection is not None and connection.sock is not None:
                connection.sock.settimeout(seconds)
            return self._answer.read1(CHUNK)  # type: ignore[no-any-return]
