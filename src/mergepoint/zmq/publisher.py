"""Publish events to whoever listens."""

from __future__ import annotations

import os
import threading
from collections import Counter
from secrets import token_hex
from time import monotonic
from types import TracebackType
from typing import Any, Self

import zmq

from .. import call as calls
from ..errors import Unavailable
from ..wire import Wire
from .address import address as read_address
from .address import connect as connect_socket
from .address import endpoint, keep_alive, listen, notice_silence, prove, real_endpoint
from .events import EventHead, Events, wires, write_head
from .messages import VERSION

UNREAD = 1000
"""Events kept for a subscriber that is slow; further ones are lost to it."""


def publisher(
    address: str, *events: Events, connect: bool = False, key: str | None = None, unread: int = UNREAD
) -> Publisher:
    """Return what publishes events; see `Publisher` for the arguments."""
    return Publisher(address, *events, connect=connect, key=key, unread=unread)


class Publisher:
    """Publishes events. Threads may share it.

    Nobody waits for anybody: an event that is published while nobody listens is gone, and a subscriber that is too slow
    loses events. Each carries a number, so that subscribers know what they lost.

    Attributes:
        name: as a resource of an app, which closes it: `app.add(publisher)`.
    """

    name = "events"

    def __init__(
        self, address: str, *events: Events, connect: bool = False, key: str | None = None, unread: int = UNREAD
    ) -> None:
        """Begin to publish.

        Args:
            address: where subscribers connect, such as `tcp://0.0.0.0:5556`; with `connect`, that of a proxy.
            events: their classes, or `{"bat.adopted": Adopted}`. The topic of a class alone is its name: `adopted`.
            connect: True to publish through a proxy, one of many publishers.
            key: the file of the secret key, if what is published shall be encrypted; through a proxy, its address has
                the key (`?key=`).
            unread: events kept for a subscriber that is slow.

        Raises:
            ConfigError: the address or the key cannot be used, or the address is in use.
            RegistrationError: an event cannot travel.
        """
        self._topics = {wire.type: (topic, wire) for topic, wire in wires(events).items()}
        self._target = read_address(address) if connect else None
        self._endpoint = endpoint(address) if not connect else ""
        self._key = key
        self._unread = unread
        self._outlets = {os.getpid(): self._open()}

    @property
    def address(self) -> str:
        """Where it listens, with the port that it really has; with `connect`, where it is connected."""
        return real_endpoint(self._outlet().socket)

    def publish(self, event: Any) -> None:
        """Send an event to whoever listens; its class decides the topic. It never waits.

        Raises:
            TypeError: this class of events is not published here.
            Unavailable: the process was forked from the one that listens.
        """
        topic, wire = self._topic(type(event))
        outlet = self._outlet()
        body = wire.encode_msgpack(event)
        with outlet.lock:
            outlet.send(topic, body)

    def has_listener(self, event: type, seconds: float) -> bool:
        """Wait until somebody listens for a class of events, and return False if nobody came in time."""
        topic, _ = self._topic(event)
        outlet, ends = self._outlet(), monotonic() + seconds
        while not outlet.heard(topic):
            if monotonic() >= ends:
                return False
        return True

    def check(self) -> None:
        """Raise Unavailable if nothing can be published in this process."""
        self._outlet()

    def close(self) -> None:
        """Send what is still to be sent, for a second at most, and let go of the address."""
        if outlet := self._outlets.pop(os.getpid(), None):
            outlet.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _topic(self, cls: type) -> tuple[str, Wire[Any]]:
        try:
            return self._topics[cls]
        except KeyError:
            known = ", ".join(sorted(known.__name__ for known in self._topics))
            raise TypeError(f"{cls.__name__} is not published here; there are: {known}.") from None

    def _outlet(self) -> _Outlet:
        if outlet := self._outlets.get(os.getpid()):
            return outlet
        if self._target is None or not self._outlets:
            raise Unavailable(
                "Only the process that made this publisher listens at its address, until it is closed. To publish from"
                " several, let each connect to a proxy: connect=True."
            )
        return self._outlets.setdefault(os.getpid(), self._open())

    def _open(self) -> _Outlet:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = context.socket(zmq.XPUB)  # which is told of subscriptions, as PUB is not
        try:
            socket.linger, socket.sndhwm = 1000, self._unread
            if self._target is not None:
                keep_alive(socket)
                connect_socket(socket, self._target)
            else:
                notice_silence(socket)
                if self._key is not None:
                    prove(socket, self._key)
                listen(socket, self._endpoint)
        except BaseException:
            context.destroy(linger=0)
            raise
        return _Outlet(context, socket)


class _Outlet:
    """The socket of one process, and what was sent through it."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], socket: zmq.Socket[bytes]) -> None:
        self.socket = socket
        self.lock = threading.Lock()
        self._context = context
        self._name = token_hex(8)
        self._sent: Counter[str] = Counter()
        self._topics: set[bytes] = set()

    def send(self, topic: str, body: bytes) -> None:
        self._sent[topic] += 1
        call = calls.current()
        caused = ({}, None) if call is None else (call.onward, call.request_id)
        head = EventHead(VERSION, self._name, self._sent[topic], *caused)
        self.socket.send_multipart([topic.encode(), write_head(head), body])

    def heard(self, topic: str) -> bool:
        """Tell whether somebody listens for a topic, after a moment for them to say so."""
        with self.lock:
            while self.socket.poll(0 if topic.encode() in self._topics else 20):
                message = self.socket.recv()  # 1 or 0, and the topic
                (self._topics.add if message[:1] == b"\1" else self._topics.discard)(message[1:])
            return any(topic.encode().startswith(prefix) for prefix in self._topics)

    def close(self) -> None:
        with self.lock:
            self.socket.close()
            self._context.term()
