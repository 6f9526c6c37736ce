"""Carries calls to a service over HTTP/1.1, on connections that are kept open."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import httptools

from ..errors import ConfigError, DeadlineExceeded, Failure, Unavailable
from .server import ASK, FRAMES, STREAM

PATH = "/place"
"""Where a service takes calls, below the path of its address."""

CHUNK = 65_536
KEPT = 64
"""Connections kept open for further calls."""


class Address(NamedTuple):
    """Where the other side is: `https://host:8443/below?ca=FILE&certificate=FILE&key=FILE`."""

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str) -> Address:
        """Read an address.

        Raises:
            ConfigError: it has no host, or its certificates cannot be read.
        """
        parts = urlsplit(url)
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise ConfigError(f"places: {url}: {error}") from None
        if not parts.hostname:
            raise ConfigError(f"places: expected an address such as http://127.0.0.1:8001, got {url!r}.")
        tls = _tls({name: values[-1] for name, values in parse_qs(parts.query).items()}, url)
        return cls(parts.hostname, port, parts.path.rstrip("/") + PATH, tls if parts.scheme == "https" else None)

    def connect(self, seconds: float) -> socket.socket:
        """Open a connection."""
        plain = socket.create_connection((self.host, self.port), seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain if self.tls is None else self.tls.wrap_socket(plain, server_hostname=self.host)

    def head(self, path: str) -> bytes:
        """Return the head of a request but for the length of its body."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return (
            f"POST {self.path}{path} HTTP/1.1\r\nHost: {name}:{self.port}\r\nContent-Type: {FRAMES}\r\nContent-Length: "
        ).encode()


def _tls(files: dict[str, str], url: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        if "ca" in files:
            context.load_verify_locations(files["ca"])
        if "certificate" in files:
            context.load_cert_chain(files["certificate"], files.get("key"))
    except OSError as error:
        raise ConfigError(f"places: a certificate of {url} cannot be read: {error.strerror or error}") from None
    return context


class Link:
    """Carries frames over HTTP; see `mergepoint.remote.Link`.

    Args:
        url: the address of the other side, such as `http://127.0.0.1:8001`.
    """

    def __init__(self, url: str) -> None:
        self._address = Address.of(url)
        self._ask = self._address.head(ASK)
        self._stream = self._address.head(STREAM)
        self._pool = _Pool(self._address)

    def ask(self, frame: bytes, seconds: float) -> bytes:
        """Send a frame and return its answer."""
        expires = monotonic() + seconds
        try:
            connection = self._pool.take(expires)
            try:
                answer = connection.send(b"%b%d\r\n\r\n%b" % (self._ask, len(frame), frame), expires)
                body = b"".join(connection.body(answer, expires))
            except BaseException:
                connection.close()
                raise
        except _TROUBLE as error:
            raise self._told(error) from error
        self._pool.give_back(connection, answer)
        return _must_be_fine(answer, body)

    def stream(self, frame: bytes, seconds: float) -> Iterator[bytes]:
        """Send a frame and yield its answers as they come."""
        expires = monotonic() + seconds
        done = False
        try:
            connection = self._pool.take(expires)
            try:
                answer = connection.send(b"%b%d\r\n\r\n%b" % (self._stream, len(frame), frame), expires)
                parts = connection.body(answer, expires)
                if answer.status != 200:
                    _must_be_fine(answer, b"".join(parts))
                yield from _frames(parts)
                done = True
            finally:  # a stream that nobody reads to its end is ended by closing the connection
                if done:
                    self._pool.give_back(connection, answer)
                else:
                    connection.close()
        except _TROUBLE as error:
            raise self._told(error) from error

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _told(self, error: Exception) -> Failure:
        """Return the failure for what went wrong on the way; only a note for the log says where."""
        failure: Failure = Unavailable("The other service cannot be reached, or hung up.")
        if isinstance(error, TimeoutError):
            failure = DeadlineExceeded("The other service did not answer in time.")
        failure.add_note(f"{self._address.host}:{self._address.port}: {type(error).__name__}: {error}")
        return failure


_TROUBLE = (OSError, httptools.HttpParserError, EOFError)


class _Answer:
    """What the parser has found so far; its methods are named as the parser calls them."""

    def __init__(self) -> None:
        self.status = 0
        self.parts: list[bytes] = []
        self.complete = False
        self.kept = True
        self.parser = httptools.HttpResponseParser(self)

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()
        self.kept = self.parser.should_keep_alive()

    def on_message_complete(self) -> None:
        self.complete = True

    def take(self) -> bytes:
        part = b"".join(self.parts)
        self.parts.clear()
        return part


class _Connection:
    """One connection; one call at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def is_alive(self) -> bool:
        """Tell whether the other side has not closed it: nothing is to be read from it between two calls."""
        return not self._poll.poll(0)

    def send(self, request: bytes, expires: float) -> _Answer:
        """Send a request and wait for the head of its answer."""
        self._sock.settimeout(_left(expires))
        self._sock.sendall(request)
        answer = _Answer()
        while not answer.status:
            self._receive(answer, expires)
        return answer

    def body(self, answer: _Answer, expires: float) -> Iterator[bytes]:
        """Yield the body of an answer as it comes."""
        yield answer.take()
        while not answer.complete:
            self._receive(answer, expires)
            yield answer.take()

    def _receive(self, answer: _Answer, expires: float) -> None:
        self._sock.settimeout(_left(expires))
        data = self._sock.recv(CHUNK)
        if not data:
            raise EOFError("the connection was closed")
        answer.parser.feed_data(data)

    def close(self) -> None:
        self._sock.close()


class _Pool:
    """Connections that wait for their next call; those of another process are left alone."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._process = os.getpid()
        self._waiting: deque[_Connection] = deque()

    def take(self, expires: float) -> _Connection:
        """Return the connection that was used last, as it is the least likely to be closed, or a new one."""
        if self._process != os.getpid():
            self._process, self._waiting = os.getpid(), deque()
        while self._waiting:
            with contextlib.suppress(IndexError):  # another thread was faster
                connection = self._waiting.pop()
                if connection.is_alive():
                    return connection
                connection.close()
        return _Connection(self._address.connect(_left(expires)))

    def give_back(self, connection: _Connection, answer: _Answer) -> None:
        if answer.kept and len(self._waiting) < KEPT:
            self._waiting.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        while self._waiting:
            self._waiting.pop().close()


def _left(expires: float) -> float:
    seconds = expires - monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _must_be_fine(answer: _Answer, body: bytes) -> bytes:
    """Return the body of an answer that is one.

    Raises:
        Unavailable: a proxy says that the service is away, or something else answers at its address.
    """
    if answer.status == 200:
        return body
    if answer.status == 413:
        raise Failure("The call is larger than the other service takes.", kind="resource_exhausted", code="too_large")
    failure = Unavailable("The other service cannot be reached, or it is another one that answers at its address.")
    failure.add_note(f"HTTP {answer.status}: {body[:200]!r}")
    raise failure


def _frames(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Cut the body of a stream into frames."""
    rest = b""
    for part in parts:
        rest += part
        while len(rest) >= 4 and len(rest) >= (end := 4 + int.from_bytes(rest[:4], "big")):
            yield rest[4:end]
            rest = rest[end:]
    if rest:
        raise EOFError("the answer was cut off")
