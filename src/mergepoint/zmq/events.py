"""Events as they travel: a topic, a header that counts them, and the record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import RegistrationError
from ..shape import CannotTravel
from ..wire import Wire
from .messages import VERSION

Events = type | Mapping[str, type]
"""Classes of events, or the topic of each: a class alone has its name in snake case for a topic."""


class EventHead(msgspec.Struct, omit_defaults=True, frozen=True):
    """The header of an event.

    Attributes:
        v: the version of the format.
        publisher: names who published it, anew each time it starts.
        number: counts what it published of this topic, from 1: who misses a number has lost an event.
        metadata: the trace that the event belongs to.
        request_id: the name of the call that caused it.
    """

    v: int
    publisher: str
    number: int
    metadata: dict[str, str] = {}
    request_id: str | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(EventHead).decode


def write_head(head: EventHead) -> bytes:
    """Return the header of an event as bytes."""
    return _encode(head)


def read_head(data: bytes) -> EventHead:
    """Read the header of an event.

    Raises:
        ValueError: it is none, or has another version.
    """
    head = _decode(data)
    if head.v != VERSION:
        raise ValueError(f"the event has version {head.v} of the format; known here is {VERSION}")
    return head


def wires(events: tuple[Events, ...]) -> dict[str, Wire[Any]]:
    """Return how the events of each topic are read and written.

    Raises:
        RegistrationError: a class cannot travel, or two have the same topic.
    """
    found: dict[str, Wire[Any]] = {}
    for topic, cls in _pairs(events):
        if topic in found:
            raise RegistrationError(
                f"events: two classes have the topic {topic!r}; give one another: {{topic: class}}."
            )
        try:
            found[topic] = Wire(cls)
        except CannotTravel as reason:
            raise RegistrationError(f"events: {getattr(cls, '__name__', cls)} cannot travel: {reason}.") from None
    if not found:
        raise RegistrationError("events: none are named; give their classes, such as publisher(address, Adopted).")
    return found


def _pairs(events: tuple[Events, ...]) -> list[tuple[str, type]]:
    pairs: list[tuple[str, type]] = []
    for given in events:
        pairs += given.items() if isinstance(given, Mapping) else [(_topic(given), given)]
    return pairs


def _topic(cls: type) -> str:
    if not isinstance(cls, type):
        raise RegistrationError(f"events: expected the class of an event, or {{topic: class}}, got {cls!r}.")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
