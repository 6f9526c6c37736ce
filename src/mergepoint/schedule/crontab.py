"""Crontab lines, as every crontab means them: triggers of APScheduler, which counts days of the week from Monday."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FORMAT = (
    "Expected minute (0-59), hour (0-23), day of month (1-31), month (1-12 or jan-dec) and day of week (0-7 or sun-sat,"
    " 0 and 7 are Sunday); each of them `*`, numbers and ranges with commas, and steps such as `*/15`."
)

_DAY = rf"[0-7]|{'|'.join(DAYS)}"
_ITEM = re.compile(rf"(?:\*|(?P<first>{_DAY})(?:-(?P<last>{_DAY}))?)(?:/(?P<step>[1-9]))?", re.IGNORECASE)


def crontab(line: str, zone: ZoneInfo) -> BaseTrigger:
    """Return the trigger of a crontab line.

    Where both the day of the month and the day of the week are given, either of them is enough, as crontab(5) says.

    Args:
        line: minute, hour, day of month, month, day of week.
        zone: the zone it means.

    Raises:
        ValueError: it is no such line.
    """
    minute, hour, day, month, weekday = line.split()
    often = {"minute": minute, "hour": hour, "month": month, "timezone": zone}
    days = {"day": day, "day_of_week": _weekdays(weekday)}
    if day.startswith("*") or weekday.startswith("*"):
        return CronTrigger(**often, **days)
    return OrTrigger([CronTrigger(**often, **{name: value}) for name, value in days.items()])


def names_hours(line: str) -> bool:
    """Tell whether a line names the hours it means, so that it shall not run twice in one that comes twice."""
    return "*" not in line.split()[1]


def _weekdays(field: str) -> str:
    """Return days of the week by name: APScheduler means Monday by 0."""
    if field == "*":
        return field
    return ",".join(DAYS[day] for day in sorted({day for item in field.split(",") for day in _span(item)}))


def _span(item: str) -> Iterator[int]:
    found = _ITEM.fullmatch(item)
    if found is None:
        raise ValueError(f"{item!r} is no day of the week")
    first = _number(found["first"] or "0")
    last = _number(found["last"] or ("6" if found["step"] or not found["first"] else found["first"]))
    if last == 0 < first:  # a week that ends with Sunday: fri-sun
        last = 7
    if last < first:
        raise ValueError(f"{item!r} ends before it begins")
    return (day % 7 for day in range(first, last + 1, int(found["step"] or 1)))


def _number(day: str) -> int:
    return int(day) if day.isdigit() else DAYS.index(day.lower())
