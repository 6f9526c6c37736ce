"""Many workers behind one address: a thread that takes requests from clients and gives them to workers."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Self

import zmq
from zmq.utils.monitor import recv_monitor_message

from .address import endpoint, keep_alive, listen, notice_silence, prove, real_endpoint
from .dispatcher import Dispatcher
from .guard import WORKERS, Guard
from .running import GRACE, Alarm, Running

MAX_MESSAGE = 16_000_000
"""Bytes of the largest frame that is taken in, unless said otherwise; who sends a larger one is disconnected."""

UNREAD = 10_000
"""Messages that wait for a client which does not read; with more, it counts as gone."""

AT_ONCE = 100
"""Messages taken from one socket before the others have their turn."""

logger = logging.getLogger("mergepoint")


def broker(frontend: str, backend: str, *, key: str | None = None, max_message: int = MAX_MESSAGE) -> Broker:
    """Return a broker; see `Broker` for the arguments."""
    return Broker(frontend, backend, key=key, max_message=max_message)


class Broker(Running):
    """Stands between clients and the workers of other processes.

    Workers come and go: each says that it is there, gets one request at a time, and is dropped when it dies. The
    request that a dead worker had goes to another one if it is a query or an idempotent command of which nothing was
    answered yet; of all others, the caller is told that the service is unavailable.
    """

    def __init__(self, frontend: str, backend: str, *, key: str | None = None, max_message: int = MAX_MESSAGE) -> None:
        """Prepare a broker; nothing happens before `start`.

        Args:
            frontend: where clients connect, such as `tcp://0.0.0.0:5555`.
            backend: where workers connect. Who connects here is given requests, so it must be out of reach of others,
                unless there is a key.
            key: the file of the secret key (`*.key_secret`). Both sides are encrypted then, and only workers with the
                same key are let in.
            max_message: the bytes of the largest frame that is taken in.

        Raises:
            ConfigError: an address or the key cannot be used.
        """
        self._ends = endpoint(frontend), endpoint(backend)
        self._key = key
        self._max_message = max_message
        self._desk: Desk | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None

    @property
    def address(self) -> str:
        """Where it listens for clients, with the port that it really has."""
        return self._ends[0] if self._desk is None else self._desk.address

    @property
    def workers(self) -> str:
        """Where it listens for workers, with the port that it really has."""
        return self._ends[1] if self._desk is None else self._desk.workers

    def start(self) -> Self:
        """Begin to listen.

        Raises:
            ConfigError: an address is in use.
        """
        if self._desk is not None:
            return self
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._desk = Desk(context, *self._ends, key=self._key, max_message=self._max_message)
        except BaseException:
            context.destroy(linger=0)
            raise
        self._context = context
        return self

    def stop(self, grace: float = GRACE) -> None:
        """End: refuse new requests, and give running ones `grace` seconds."""
        if self._desk is not None and self._context is not None:
            self._desk.stop(grace)
            self._context.term()
            self._desk = self._context = None


class Desk:
    """The sockets of a broker and the thread that serves them.

    Args:
        context: of the sockets.
        frontend: the endpoint for clients.
        backend: the endpoint for workers, `inproc://` for those of this process.
        key: the file of the secret key.
        max_message: the bytes of the largest frame.

    Raises:
        ConfigError: an address is in use.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        frontend: str,
        backend: str,
        *,
        key: str | None,
        max_message: int,
    ) -> None:
        local = backend.startswith("inproc:")
        self._guard = None if key is None or local else Guard(context, key)
        try:
            self._backend = _router(context, backend, None if local else key, max_message, zap=WORKERS)
            self._frontend = _router(context, frontend, key, max_message)
        except BaseException:
            if self._guard:
                self._guard.stop()
            raise
        self.address = real_endpoint(self._frontend)
        self.workers = real_endpoint(self._backend)
        self._monitors = [_monitor(socket) for socket in (self._frontend, self._backend)]
        self._dispatcher = Dispatcher(self._frontend, self._backend)
        self._alarm = Alarm()
        self._ends = float("inf")
        self._thread = threading.Thread(target=self._serve, name="mergepoint-zmq", daemon=True)
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Refuse new requests, give running ones so many seconds, and close the sockets."""
        self._ends = monotonic() + grace
        self._alarm.ring()
        self._thread.join()
        self._alarm.close()
        if self._guard:
            self._guard.stop()

    def _serve(self) -> None:
        with self._closing():
            poller = zmq.Poller()
            for readable in (self._backend, self._frontend, *self._monitors, self._alarm.fd):
                poller.register(readable, zmq.POLLIN)
            while not (self._alarm.rung and (self._dispatcher.idle or monotonic() >= self._ends)):
                self._turn(poller)
            self._dispatcher.abandon()

    def _turn(self, poller: zmq.Poller) -> None:
        events = dict(poller.poll(self._dispatcher.pause))
        if self._alarm.fd in events:  # it stays readable, and waiting is up to the clock from now on
            self._dispatcher.closing = True
            poller.unregister(self._alarm.fd)
        for monitor in self._monitors:
            if monitor in events:
                recv_monitor_message(monitor)
                self._dispatcher.suspect()
        for socket, take in ((self._backend, self._dispatcher.reported), (self._frontend, self._dispatcher.requested)):
            if socket in events:
                for frames in _waiting(socket):
                    self._take(take, frames)
        self._dispatcher.tick()

    @staticmethod
    def _take(take: Callable[[list[bytes]], None], frames: list[bytes]) -> None:
        try:
            take(frames)
        except Exception:  # one message must not end the service for everybody else
            logger.exception("A message of %d frames could not be handled", len(frames))

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            logger.exception("The broker at %s ended with an error", self.address)
        finally:
            for socket, monitor in zip((self._frontend, self._backend), self._monitors, strict=True):
                socket.disable_monitor()
                monitor.close(linger=0)
                socket.close(linger=1000)  # milliseconds for the last answers to leave


def _router(
    context: zmq.Context[zmq.Socket[bytes]], at: str, key: str | None, max_message: int, *, zap: str = ""
) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.ROUTER)
    socket.router_mandatory = True  # so that sending to somebody who is gone does not succeed
    socket.maxmsgsize = max_message
    socket.sndhwm = UNREAD
    notice_silence(socket)
    if zap:  # only workers are sure to be programs that answer heartbeats
        keep_alive(socket)
    if key is not None:
        if zap:
            socket.zap_domain = zap.encode()
        prove(socket, key)
    listen(socket, at)
    return socket


def _monitor(socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
    return socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)


def _waiting(socket: zmq.Socket[bytes]) -> Iterator[list[bytes]]:
    """Yield the messages that have come, as many as are taken at once."""
    for _ in range(AT_ONCE):
        yield socket.recv_multipart()
        if not int(socket.events) & zmq.POLLIN:
            return
