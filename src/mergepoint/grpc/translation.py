"""The functions that generated translations call: times, text, and what stands for a value that is not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400


class nothing:  # in lower case for the message: Expected `str`, got `nothing`
    """What stands where a message says that there is a value, and has none that is known here."""


NOTHING = nothing()


def plain(value: Any) -> Any:
    """Return a value as it is in JSON."""
    return msgspec.to_builtins(value)


def timestamp(moment: datetime) -> dict[str, int]:
    """Return a moment as google.protobuf.Timestamp.

    Raises:
        TypeError: it has no zone, so it would be another moment on every machine.
    """
    return duration(moment - EPOCH)


def duration(length: timedelta) -> dict[str, int]:
    """Return a length of time as google.protobuf.Duration, whose parts have one sign."""
    seconds, micros = length.days * DAY + length.seconds, length.microseconds
    if seconds < 0 < micros:
        return {"seconds": seconds + 1, "nanos": (micros - 1_000_000) * 1000}
    return {"seconds": seconds, "nanos": micros * 1000}


def from_timestamp(message: Any) -> datetime | str:
    """Read google.protobuf.Timestamp; one that Python has no date for comes back as text, which fits nowhere."""
    try:
        return EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    except OverflowError:
        return f"{message.seconds} s"


def from_duration(message: Any) -> timedelta | str:
    """Read google.protobuf.Duration; as `from_timestamp` if it is too long."""
    try:
        return timedelta(seconds=message.seconds, microseconds=int(message.nanos / 1000))
    except OverflowError:
        return f"{message.seconds} s"


def choose(table: Mapping[type, tuple[str, Callable[[Any], Any]]], value: Any) -> dict[str, Any]:
    """Write a value of a union into the field of its class.

    Raises:
        TypeError: it is of none of them.
    """
    for cls in type(value).__mro__:
        if found := table.get(cls):
            return {found[0]: found[1](value)}
    raise TypeError(f"expected one of {', '.join(sorted(cls.__name__ for cls in table))}, got {type(value).__name__}")
