"""Receive events, as the records that they are."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

import zmq

from ..call import Call, new_request_id
from ..errors import DeadlineExceeded, RegistrationError
from ..operation import Operation
from .address import address as read_address
from .address import connect, keep_alive
from .events import EventHead, read_head, wires
from .running import Alarm

E = TypeVar("E")

Lost = Callable[[str, int], None]
"""Told of lost events: their topic, and how many they are."""

UNREAD = 1000
"""Events kept while the reader is busy; further ones are lost."""

PUBLISHERS = 1000
"""Publishers whose numbers are remembered; those not heard of for the longest are forgotten."""

logger = logging.getLogger("mergepoint")


def subscriber(
    address: str, *events: type[E] | Mapping[str, type[E]], on_lost: Lost | None = None, unread: int = UNREAD
) -> Subscriber[E]:
    """Return what receives events; see `Subscriber` for the arguments."""
    return Subscriber(address, *events, on_lost=on_lost, unread=unread)


class _Event(NamedTuple):
    head: EventHead
    record: Any


class Subscriber(Generic[E]):
    """Receives events, from the moment it is connected: what was published before is gone.

    Iterate over it, or give `listen` a function. Events that are no such records are logged and left out.

    Attributes:
        lost: the events that were published since it first heard of their publisher, and did not arrive.
    """

    def __init__(
        self,
        address: str,
        *events: type[E] | Mapping[str, type[E]],
        on_lost: Lost | None = None,
        unread: int = UNREAD,
    ) -> None:
        """Begin to listen.

        Args:
            address: of the publisher, or of a proxy; `?key=roost.key` after it names its public key, if it has one.
            events: their classes, or `{"bat.adopted": Adopted}`, as the publisher has them.
            on_lost: told of lost events as soon as it is known, in the thread that receives.
            unread: events kept while the reader is busy.

        Raises:
            ConfigError: the address or its key cannot be used.
            RegistrationError: an event cannot travel.
        """
        self.lost = 0
        self._wires = wires(events)
        self._on_lost = on_lost
        self._numbers: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        target = read_address(address)
        self._alarm = Alarm()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.rcvhwm = unread
        keep_alive(self._socket)
        for topic in self._wires:
            self._socket.subscribe(topic)
        connect(self._socket, target)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._alarm.fd, zmq.POLLIN)

    def __iter__(self) -> Iterator[E]:
        """Yield events as they come, until `close` is called by another thread."""
        while event := self._next(float("inf")):
            yield event.record

    def receive(self, seconds: float) -> E:
        """Return the next event.

        Raises:
            DeadlineExceeded: none came for so many seconds, or it was closed.
        """
        event = self._next(monotonic() + seconds)
        if event is None:
            raise DeadlineExceeded("No event came in time.")
        record: E = event.record
        return record

    def listen(self, handler: Callable[[E], object] | Operation) -> None:
        """Call a function with each event, until `close` is called by another thread.

        What the function raises is logged, and the next event has its turn.

        Args:
            handler: takes the event; or an operation with one parameter, which runs with its whole policy: then
                `allow` is asked about a call without a user.

        Raises:
            RegistrationError: the operation gives a stream or a download, which nobody would read.
        """
        handle = _running(handler) if isinstance(handler, Operation) else lambda event: handler(event.record)
        while event := self._next(float("inf")):
            try:
                handle(event)
            except Exception:
                logger.exception("An event was not handled: %s", type(event.record).__name__)

    def close(self) -> None:
        """End, in whatever thread it is waited for."""
        self._alarm.ring()
        with self._lock:
            if not self._socket.closed:
                self._socket.close(linger=0)
                self._context.term()
                self._alarm.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self, ends: float) -> _Event | None:
        with self._lock:
            while not self._alarm.rung and (seconds := ends - monotonic()) >= 0:
                pause = None if seconds == float("inf") else int(seconds * 1000) + 1
                if self._socket in dict(self._poller.poll(pause)) and (event := self._read()):
                    return event
        return None

    def _read(self) -> _Event | None:
        frames = self._socket.recv_multipart()
        topic = frames[0].decode(errors="replace")
        wire = self._wires.get(topic)
        if wire is None:
            return None  # its topic only begins with one of ours
        try:
            _, head, body = frames
            event = _Event(read_head(head), None)
            self._count(topic, event.head)
            return event._replace(record=wire.tolerate_msgpack(body))
        except Exception as error:  # noqa: BLE001 - whatever it is, other events must come through
            logger.warning("An event of topic %s is not what was expected, and left out: %s", topic, error)
            return None

    def _count(self, topic: str, head: EventHead) -> None:
        """Notice what is missing between this event and the one before."""
        before = self._numbers.pop((head.publisher, topic), head.number - 1)
        self._numbers[head.publisher, topic] = max(head.number, before)
        if len(self._numbers) > PUBLISHERS:
            del self._numbers[next(iter(self._numbers))]
        if (missing := head.number - before - 1) > 0:
            self.lost += missing
            if self._on_lost is not None:
                self._on_lost(topic, missing)


def _running(operation: Operation) -> Callable[[_Event], object]:
    """Return what runs an operation with an event."""
    if operation.contract.gives in ("stream", "download"):
        raise RegistrationError(f"{operation.name} gives a {operation.contract.gives}, and nobody would read it.")
    return lambda event: operation(
        Call(operation, "zmq", event.head.metadata, event.head.request_id or new_request_id()), event.record
    )
