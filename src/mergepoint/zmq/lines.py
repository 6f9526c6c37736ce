"""Connections to a server, for clients: each serves one request at a time, and knows when the other side is gone."""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections.abc import Mapping
from time import monotonic
from typing import Any

import msgspec
import zmq
from zmq.utils.monitor import recv_monitor_message

from ..errors import DeadlineExceeded, Failure, Unavailable
from .address import Address, address, connect, keep_alive
from .messages import VERSION, WINDOW, Message, Request, read_reply, request_frames

IDLE = 32
"""Connections kept open to one server; more are opened when more threads call, and closed after use."""

NEVER = 86_400_000
"""Milliseconds before ZeroMQ connects again by itself; a broken connection is thrown away long before."""

CONNECT = 5.0
"""Seconds to wait for a connection at most."""

LONGEST = 86_400.0
"""Seconds of the longest wait for an answer."""

SOCKETS = 8192
"""Sockets that one client may have; each connection needs two."""

_EVENTS = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CLOSED
)

_numbers = itertools.count(1)


class Broken(Exception):
    """The other side is gone."""


class Line:
    """One connection. Only one thread may use it at a time.

    Args:
        context: of its sockets.
        to: the other side.
        what: how messages call it.

    Raises:
        Unavailable: the connection cannot be made.
        DeadlineExceeded: not until `expires`.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], to: Address, what: str, expires: float) -> None:
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.rcvhwm = 0  # what comes was asked for: a stream sends no more than it is allowed to
        # A new connection is made when it is needed, and its failure is known at once. Neither `immediate` nor
        # `reconnect_ivl=-1` is for that: with them ZeroMQ throws away what has come and is not yet read when the other
        # side hangs up, and so the last answers of a server that ends.
        self._socket.reconnect_ivl = NEVER
        keep_alive(self._socket)
        try:
            self._monitor = self._socket.get_monitor_socket(_EVENTS)
        except zmq.ZMQError:
            self._socket.close()
            raise
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        try:
            connect(self._socket, to)
            self._establish(what, expires)
        except BaseException:
            self.close()
            raise

    @property
    def usable(self) -> bool:
        """False if the other side hung up meanwhile."""
        return not self._monitor.poll(0)

    def send(self, frames: list[bytes]) -> None:
        """Send a message.

        Raises:
            Broken: the other side is gone.
        """
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            raise Broken from None

    def receive(self, seconds: float) -> list[bytes]:
        """Return the next message.

        Raises:
            Broken: the other side is gone, and all that it sent has been received.
            DeadlineExceeded: nothing came for so many seconds.
        """
        ready = dict(self._poller.poll(max(int(min(seconds, LONGEST) * 1000) + 1, 0)))
        # Once more after the monitor was seen: the last answer comes before the end of the connection.
        if self._socket in ready or (ready and self._socket.poll(0)):
            return self._socket.recv_multipart()
        if ready:  # after the handshake the monitor has only one thing to tell
            raise Broken
        raise DeadlineExceeded

    def close(self) -> None:
        """Hang up."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=0)

    def _establish(self, what: str, expires: float) -> None:
        seconds = min(expires - monotonic(), CONNECT)
        if seconds > 0 and self._monitor.poll(int(seconds * 1000) + 1):
            event = recv_monitor_message(self._monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                return
            failure = Unavailable(f"{what} cannot be reached.")
            failure.add_note(f"{self._socket.last_endpoint!r}: {zmq.Event(event).name}")
            raise failure
        raise (
            DeadlineExceeded(f"{what} did not answer in time.")
            if seconds < CONNECT
            else Unavailable(f"{what} cannot be reached.")
        )


class _Lines:
    """The connections of one process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, SOCKETS)
        self._lock = threading.RLock()  # an exchange may be thrown away while it is held
        self._free: list[Line] = []
        self._used = 0
        self._over = False

    def take(self, to: Address, what: str, expires: float) -> Line:
        """Return a connection that is free and works, or a new one."""
        with self._lock:
            self._used += 1
            while self._free:
                line = self._free.pop()
                if line.usable:
                    return line
                line.close()
        try:
            return Line(self._context, to, what, expires)
        except BaseException:
            self._less()
            raise

    def give(self, line: Line, *, whole: bool) -> None:
        """Take a connection back; close it if it is broken, or one too many."""
        with self._lock:
            if whole and len(self._free) < IDLE and not self._over:
                self._free.append(line)
            else:
                line.close()
        self._less()

    def close(self) -> None:
        """Close all connections; those in use when they are given back."""
        if self.process != os.getpid():  # they are those of the parent
            return
        with self._lock:
            self._over = True
            while self._free:
                self._free.pop().close()
            self._end()

    def _less(self) -> None:
        with self._lock:
            self._used -= 1
            self._end()

    def _end(self) -> None:
        if self._over and not self._used and not self._context.closed:
            self._context.term()


class Pool:
    """Sends requests to one server. Threads may share it, and a process that was forked may go on with it.

    Args:
        url: the address, `zmq+tcp://host:port` or `zmq+ipc://path`.
        what: how messages call the other side. They never show its address: they may travel on.

    Raises:
        ConfigError: the address has another form.
    """

    def __init__(self, url: str, what: str) -> None:
        self.what = what
        self._to = address(url)
        self._lines: dict[int, _Lines] = {}  # by process: after a fork, those of the parent are left alone

    def begin(self, request: Request, body: bytes, *, expires: float, wait: float) -> Exchange:
        """Send a request.

        Args:
            request: its header; the number and the time left are filled in.
            body: its body.
            expires: when the time for all of it is over, in seconds of `time.monotonic()`.
            wait: the longest to wait for the next answer, in seconds.

        Raises:
            Unavailable: the server cannot be reached.
            DeadlineExceeded: the time is over.
        """
        lines = self._current()
        try:
            line = lines.take(self._to, self.what, min(expires, monotonic() + wait))
        except zmq.ZMQError as error:  # too many files or sockets are open
            failure = Unavailable(f"{self.what} cannot be reached now.")
            failure.add_note(str(error))
            raise failure from error
        seconds = None if expires == float("inf") else max(expires - monotonic(), 0.0)
        request = msgspec.structs.replace(request, id=next(_numbers), seconds=seconds)
        exchange = Exchange(lines, line, request, self.what, expires, wait)
        exchange.say(request_frames(request, body))
        return exchange

    def ask(self, request: Request, body: bytes, *, expires: float) -> Message:
        """Send a request and return its only answer; raises as `begin` and `Exchange.next` do."""
        exchange = self.begin(request, body, expires=expires, wait=float("inf"))
        try:
            return exchange.next()
        finally:
            exchange.close()

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        if lines := self._lines.pop(os.getpid(), None):
            lines.close()

    def _current(self) -> _Lines:
        process = os.getpid()
        lines = self._lines.get(process)
        if lines is None:
            # Without a lock, which another thread may have held when the process was forked.
            made = _Lines()
            lines = self._lines.setdefault(process, made)
            if lines is made:
                weakref.finalize(self, made.close)
            else:
                made.close()
        return lines


class Exchange:
    """A request that was sent, and its answers. Close it when nobody wants more of them."""

    def __init__(self, lines: _Lines, line: Line, request: Request, what: str, expires: float, wait: float) -> None:
        self._lines = lines
        self._line: Line | None = line
        self._request = request
        self._what = what
        self._expires = expires
        self._wait = wait
        self._over = False
        self._taken = 0

    def next(self) -> Message:
        """Return the next answer.

        Raises:
            Unavailable: the server hung up.
            DeadlineExceeded: the time is over.
            Failure: what came is no answer.
        """
        until = min(self._expires, monotonic() + self._wait)
        while True:
            reply, body = self._received(until)
            if reply.id == self._request.id:
                break  # all else is a ping, or belongs to a request that was given up
        self._over = reply.kind not in ("item", "file", "chunk")
        if self._over:
            self._let_go(whole=True)
        elif (taken := self._taken + 1) >= WINDOW // 2:
            self._taken = 0
            self.say(request_frames(Request(VERSION, "more", self._request.id, credit=taken)))
        else:
            self._taken = taken
        return reply, body

    def say(self, frames: list[bytes]) -> None:
        """Send a message that belongs to the request.

        Raises:
            Unavailable: the server hung up.
        """
        assert self._line is not None  # noqa: S101 - an exchange that is over has nothing to say
        try:
            self._line.send(frames)
        except Broken:
            raise self._gone() from None

    def close(self) -> None:
        """End the request at the server too, unless it is over."""
        if self._line is not None and self._lines.process == os.getpid():
            whole = True
            try:
                self._line.send(request_frames(Request(VERSION, "cancel", self._request.id)))
            except Broken:
                whole = False
            self._let_go(whole=whole)

    def __del__(self) -> None:
        self.close()

    def _received(self, until: float) -> Message:
        if self._line is None or self._lines.process != os.getpid():
            raise Unavailable(f"{self._what}: the answer is over, or belongs to the process that asked for it.")
        try:
            return read_reply(self._line.receive(until - monotonic()))
        except Broken:
            raise self._gone() from None
        except DeadlineExceeded:
            raise DeadlineExceeded(f"{self._what} did not answer in time.") from None
        except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors
            self._let_go(whole=False)
            failure = Failure(
                f"{self._what}: what answers there is no such service.", kind="internal", code="bad_answer"
            )
            failure.add_note(str(error))
            raise failure from error

    def _gone(self) -> Unavailable:
        self._let_go(whole=False)
        return Unavailable(f"{self._what} hung up.")

    def _let_go(self, *, whole: bool) -> None:
        line, self._line = self._line, None
        if line is not None:
            self._lines.give(line, whole=whole)


def header(
    kind: Any, operation: str = "", metadata: Mapping[str, str] | None = None, request_id: str | None = None
) -> Request:
    """Return the header of a request, without what only its connection knows."""
    return Request(VERSION, kind, 0, operation, metadata=dict(metadata or {}), request_id=request_id)
