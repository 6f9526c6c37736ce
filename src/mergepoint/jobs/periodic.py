"""Declarations of what runs again and again; `mergepoint.schedule` makes ticks of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

Missed: TypeAlias = Literal["once", "skip", "all"]
"""What becomes of the ticks at which no process ran: one job for all of them, none, or a job for each."""

SHORTEST = 0.01
"""The fewest seconds between two ticks."""


class Periodic(msgspec.Struct, frozen=True):
    """A command that runs at certain times.

    Attributes:
        name: names it among the schedules of the app.
        function: the command.
        arguments: what it is called with.
        seconds: the time between two ticks, which are multiples of it since 1970; None if `cron` says.
        cron: minute, hour, day of month, month, day of week; None if `seconds` says.
        timezone: the zone that `cron` means.
        missed: what becomes of ticks at which no process ran.
        overlap: False to let a tick pass without a job while the job of an earlier one is unfinished.
    """

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    seconds: float | None = None
    cron: str | None = None
    timezone: str = "UTC"
    missed: Missed = "once"
    overlap: bool = True
