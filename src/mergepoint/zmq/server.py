"""Serve an app: behind an address of its own, or as a worker process behind a broker."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Self

import zmq

from ..app import App
from ..errors import ConfigError
from ..operation import Operation
from .address import Address, address, endpoint, key_pair
from .answering import Answering, Host
from .broker import MAX_MESSAGE, Desk
from .running import GRACE, Alarm, Running
from .worker import Crew

WORKERS = 8
LOCAL = "inproc://mergepoint-workers"

SLACK = 100_000
"""Bytes that a message may have beyond the longest body: so that most bodies which are too long are told so."""

logger = logging.getLogger("mergepoint")


def server(
    app: App,
    address: str = "tcp://127.0.0.1:5555",
    *,
    workers: int = WORKERS,
    key: str | None = None,
    host: Host | None = None,
    connect: str | None = None,
) -> Server:
    """Return what serves the operations of an app over ZeroMQ; it works from `start()` on, or within `with`.

    Args:
        app: whose operations to serve; registration ends here.
        address: where to listen, such as `tcp://0.0.0.0:5555`, `tcp://127.0.0.1:*` or `ipc:///run/roost.sock`.
        workers: the requests that are worked on at once, each in a thread. A stream has one until it ends.
        key: the file of the secret key (`*.key_secret`); what travels is encrypted then.
        host: answers the calls of other services of the application, to those that live in this process.
        connect: the address for workers of a broker to work for, instead of listening at `address`.

    Raises:
        ConfigError: an address or the key cannot be used.
        RegistrationError: an operation does not say whom it allows, though the app knows users.
    """
    return Server(app.operations, address, workers=workers, key=key, host=host, connect=connect)


def serve_host(
    host: Host,
    address: str,
    *,
    workers: int = WORKERS,
    key: str | None = None,
    connect: str | None = None,
) -> Server:
    """Return what serves the services of a host to other processes, and no operation to anybody else.

    Args:
        host: answers the calls of other services of the application.
        address: as for `server`, and so are the other arguments.
        workers: the requests that are worked on at once.
        key: the file of the secret key.
        connect: the address for workers of a broker.

    Raises:
        ConfigError: an address or the key cannot be used.
    """
    return Server({}, address, workers=workers, key=key, host=host, connect=connect)


class Server(Running):
    """Answers requests, with as many worker threads as it is told. `server` and `serve_host` make one."""

    def __init__(
        self,
        operations: Mapping[str, Operation],
        address: str,
        *,
        workers: int,
        key: str | None,
        host: Host | None,
        connect: str | None,
    ) -> None:
        if workers < 1:
            raise ConfigError(f"zmq: expected at least one worker, got workers={workers}.")
        self._answering = Answering(operations, host)
        self._most = SLACK + max((o.policy.max_body for o in operations.values()), default=0)
        self._most = max(self._most, getattr(host, "max_frame", MAX_MESSAGE if host else 0))
        self._endpoint = endpoint(address)
        self._workers = workers
        self._key = key
        self._connect = connect
        self._running: _Listening | _Connected | None = None

    @property
    def address(self) -> str:
        """Where it listens, with the port that it really has; of a worker behind a broker, where it gets its work."""
        return self._running.address if self._running else self._connect or self._endpoint

    def start(self) -> Self:
        """Begin to listen, or to look for the broker.

        Raises:
            ConfigError: the address is in use, or the key cannot be used.
        """
        if self._running is not None:
            return self
        if self._connect is None:
            self._running = _Listening(self._endpoint, self._answering, self._workers, self._key, self._most)
        else:
            self._running = _Connected(self._connect, self._answering, self._workers, self._key)
        return self

    def stop(self, grace: float = GRACE) -> None:
        """End: refuse new requests, and give running ones `grace` seconds."""
        running, self._running = self._running, None
        if running is not None:
            running.stop(grace)


class _Listening:
    """A desk and workers in one process."""

    def __init__(self, at: str, answering: Answering, workers: int, key: str | None, most: int) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._desk = Desk(self._context, at, LOCAL, key=key, max_message=most)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self.address = self._desk.address
        self._alarm = Alarm()
        self._crew = Crew(self._context, Address(LOCAL, None), answering, workers, self._alarm)

    def stop(self, grace: float) -> None:
        self._desk.stop(grace)
        self._alarm.ring()
        _let_go(self._context, self._crew, self._alarm, 0.5)


class _Connected:
    """Workers for a broker somewhere else."""

    def __init__(self, to: str, answering: Answering, workers: int, key: str | None) -> None:
        broker = address(to)
        identity = None
        if key is not None:
            public, secret = key_pair(key)
            if secret is None:
                raise ConfigError(f"zmq: {key} holds a public key; a worker needs the secret one of its broker.")
            identity, broker = (public, secret), Address(broker.endpoint, public)
        self.address = to
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._alarm = Alarm()
        self._crew = Crew(self._context, broker, answering, workers, self._alarm, identity)

    def stop(self, grace: float) -> None:
        self._alarm.ring()
        _let_go(self._context, self._crew, self._alarm, grace)


def _let_go(context: zmq.Context[zmq.Socket[bytes]], crew: Crew, alarm: Alarm, seconds: float) -> None:
    """Close what the workers used, as soon as they let go of it."""
    if left := crew.join(seconds):
        # To close the sockets of a thread that uses them would end the process; they end with it anyway.
        logger.warning("%d operations still run after their time to end", left)
        return
    alarm.close()
    context.term()
