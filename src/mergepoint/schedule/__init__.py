"""Schedules: what `app.every` and `app.cron` declare becomes jobs, each tick once, however many processes run."""

from mergepoint.errors import missing

try:
    from mergepoint.schedule.scheduler import Queue, Scheduler
    from mergepoint.schedule.timetable import Timetable
except ModuleNotFoundError as error:
    raise missing("mergepoint.schedule", error, extra="schedule") from None

__all__ = ["Queue", "Scheduler", "Timetable"]
