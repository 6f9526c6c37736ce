"""The ticks of a schedule: the same for every process, and for one that starts anew."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from math import inf
from zoneinfo import ZoneInfo, available_timezones

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from ..errors import RegistrationError
from ..jobs.periodic import Periodic
from .crontab import FORMAT, crontab, names_hours

EPOCH = datetime.fromtimestamp(0, UTC)

INSTANT = timedelta(microseconds=1)
"""The shortest time there is between two ticks, as far as `datetime` can tell."""

SPANS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


class Timetable:
    """The ticks of one schedule, in seconds since 1970.

    Args:
        periodic: the schedule as the app declares it.

    Attributes:
        words: when it ticks, for people.

    Raises:
        RegistrationError: its crontab line or time zone cannot be used, or it never ticks.
    """

    def __init__(self, periodic: Periodic) -> None:
        self._zone = _zone(periodic)
        self._trigger = _trigger(periodic, self._zone)
        self._once_a_day = periodic.cron is not None and names_hours(periodic.cron)
        self.words = _words(periodic)
        if self.after(time.time()) == inf:
            raise RegistrationError(f"The schedule {periodic.name!r} never comes: no day is like `{periodic.cron}`.")

    def after(self, moment: float) -> float:
        """Return the first tick after a moment; infinity if there is none.

        A local time that a day leaves out, when clocks are put forward, ticks as much later as they are put. In an
        hour that comes twice, a crontab line ticks once if it names its hours, and both times if it does not.
        """
        tick = self._next(datetime.fromtimestamp(moment, UTC))
        while tick is not None and self._once_a_day and tick.astimezone(self._zone).fold:
            tick = self._next(tick)
        return inf if tick is None else tick.timestamp()

    def ticks(self, since: float) -> Iterator[float]:
        """Yield the ticks after a moment, one after the other."""
        while (since := self.after(since)) < inf:
            yield since

    def between(self, since: float, until: float, most: int) -> list[float]:
        """Return the ticks after a moment and not after another: the last of them, `most` at most, the oldest first.

        However many there are, it looks at few more than it returns.
        """
        span = 1.0
        while True:
            begin = max(since, until - span)
            found = list(takewhile(lambda tick: tick <= until, self.ticks(begin)))
            if begin == since or len(found) >= most:
                return found[-most:]
            span *= 2

    def has(self, moment: float) -> bool:
        """Tell whether a moment is a tick, and not when a schedule was seen first."""
        return abs(self.after(moment - 1e-5) - moment) < 1e-6

    def _next(self, moment: datetime) -> datetime | None:
        tick: datetime | None = self._trigger.get_next_fire_time(None, (moment + INSTANT).astimezone(self._zone))
        return None if tick is None else tick.astimezone(UTC)


def _zone(periodic: Periodic) -> ZoneInfo:
    try:
        return ZoneInfo(periodic.timezone)
    except (KeyError, ValueError, OSError):  # a name that is a folder is an OSError
        near = difflib.get_close_matches(periodic.timezone, available_timezones(), 1)
        meant = f"did you mean {near[0]!r}?" if near else "expected a name such as 'Europe/Berlin'."
        raise RegistrationError(
            f"The schedule {periodic.name!r} is in no time zone that is known here: timezone={periodic.timezone!r};"
            f" {meant}"
        ) from None


def _trigger(periodic: Periodic, zone: ZoneInfo) -> BaseTrigger:
    if periodic.cron is None:
        return IntervalTrigger(seconds=periodic.seconds, start_date=EPOCH, timezone=UTC)
    try:
        return crontab(periodic.cron, zone)
    except ValueError as error:
        raise RegistrationError(
            f"The schedule {periodic.name!r}: `{periodic.cron}` is no crontab line: {error}. {FORMAT}"
        ) from None


def _words(periodic: Periodic) -> str:
    if periodic.cron is not None:
        return f"{periodic.cron} {periodic.timezone}"
    seconds = periodic.seconds or 0.0
    for span, length in SPANS:
        if seconds % length == 0:
            return f"every {span}" if seconds == length else f"every {seconds / length:g} {span}s"
    return f"every {seconds:g} seconds"
