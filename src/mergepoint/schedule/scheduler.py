"""Put in the jobs of schedules when it is time. Any number of processes may: the engine lets each tick through once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from typing import Protocol

import msgspec

from ..app import App
from ..errors import InvalidArgument, RegistrationError, Unavailable
from ..jobs import Engine, Message
from ..jobs.periodic import Periodic
from .timetable import Timetable

logger = logging.getLogger("mergepoint")

LONGEST = 5.0
"""Seconds until the next look at the clock, however far the next tick is: the clock may be set in the meantime."""

PAUSE = 1.0
"""Seconds until a tick is tried again that could not be fired."""

LATE = 30.0
"""Seconds after which a tick that no process fired is missed, where missed ones are skipped."""

MOST = 1000
"""Missed ticks that get a job each; older ones get none."""


class Queue(Protocol):
    """What a scheduler needs of a queue; `mergepoint.tasks.Queue` is one."""

    @property
    def app(self) -> App:
        """The app with the schedules."""

    @property
    def engine(self) -> Engine:
        """What keeps the jobs, and the last tick of each schedule."""

    def message(self, callee: Callable[..., object], /) -> Callable[..., Message]:
        """Return what makes the message of a job of a command from its arguments."""


class Scheduler:
    """Fires the schedules of an app, beside any number of others that do the same.

    Args:
        queue: where the jobs go.
        clock: tells the time, in seconds since 1970.

    Raises:
        RegistrationError: a schedule cannot work as it is declared; the message names it.
    """

    def __init__(self, queue: Queue, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._schedules = [_Schedule(each, queue) for each in queue.app.schedules.values()]
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._in_trouble = False

    def start(self) -> None:
        """Fire in a thread of its own, until `stop`."""
        self._over.clear()
        self._thread = threading.Thread(target=self._loop, name="mergepoint-schedule", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Fire in this thread, until another one calls `stop`."""
        self._over.clear()
        self._loop()

    def stop(self) -> None:
        """End it; a tick that is being fired is fired."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def fire(self) -> float:
        """Fire every tick that is due, once.

        Returns:
            The seconds until there is something to do again; never more than `LONGEST`, as the clock may be set.
        """
        for schedule in self._schedules:
            now = self._clock()
            try:
                if schedule.due <= now:
                    schedule.fire(now)
                    self._in_trouble = False
            except Unavailable as error:  # the others would not get through either
                self._complain(error)
                return PAUSE
            except Exception:  # the others must not suffer, and it may well pass
                logger.exception("The schedule %s could not be fired; it is tried again", schedule.name)
                schedule.due = now + PAUSE
        soonest = min((schedule.due for schedule in self._schedules), default=inf)
        return min(max(soonest - self._clock(), 0.0), LONGEST)

    def _loop(self) -> None:
        while not self._over.wait(self.fire()):
            pass

    def _complain(self, error: Unavailable) -> None:
        if not self._in_trouble:
            logger.warning("Schedules cannot be fired; they are tried again: %s", error)
        self._in_trouble = True


class _Schedule:
    """One schedule, and when this process looks at it again."""

    def __init__(self, periodic: Periodic, queue: Queue) -> None:
        self.name = periodic.name
        self.due = -inf
        self._periodic = periodic
        self._engine = queue.engine
        self._timetable = Timetable(periodic)
        self._make = queue.message(periodic.function)
        self._must_have_its_arguments(queue.app)

    def fire(self, now: float) -> None:
        """Fire the ticks until now that nobody has fired yet."""
        last = self._seen(now)
        if last - now > LATE:
            logger.warning("The schedule %s was fired for %s: a clock is wrong, here or there", self.name, _told(last))
        ticks, remark = self._overdue(last, now)
        fired = [self._engine.fire(self.name, tick, messages) for tick, messages in ticks]
        if remark and any(fired):
            logger.warning("The schedule %s missed ticks: %s", self.name, remark)
        self.due = self._timetable.after(max(now, last))

    def _seen(self, now: float) -> float:
        """Return the tick that was last fired; a schedule that is seen first begins now."""
        last = self._engine.last_tick(self.name)
        if last is None:
            self._engine.begin(self.name, now)
            last = self._engine.last_tick(self.name)
        return now if last is None else last

    def _overdue(self, last: float, now: float) -> tuple[list[tuple[float, list[Message]]], str]:
        """Return the ticks to fire with their jobs, and what is to be said of those that get none."""
        match self._periodic.missed:
            case "all":
                ticks = self._timetable.between(last, now, MOST + 1)
                remark = f"there is a job for the last {MOST:,} of them only" if len(ticks) > MOST else ""
                return [(tick, [self._message(tick)]) for tick in ticks[-MOST:]], remark
            case "once":
                ticks = self._timetable.between(last, now, 2)
                remark = f"one job, that of {_told(ticks[-1])}, stands for all" if len(ticks) > 1 else ""
                return [(tick, [self._message(tick)]) for tick in ticks[-1:]], remark
            case "skip":
                ticks = self._timetable.between(last, now, 1)
                over = bool(ticks) and now - ticks[-1] > LATE
                remark = f"they are skipped, the last one is that of {_told(ticks[-1])}" if over else ""
                return [(tick, [] if over else [self._message(tick)]) for tick in ticks], remark

    def _message(self, tick: float) -> Message:
        message = self._make(**self._periodic.arguments)
        along = {**message.metadata, "schedule": self.name, "tick": _told(tick)}
        unique = None if self._periodic.overlap else f"schedule:{self.name}"
        return msgspec.structs.replace(message, metadata=along, unique=unique)

    def _must_have_its_arguments(self, app: App) -> None:
        """Find out at the start what would fail at every tick."""
        try:
            message = self._message(0.0)
            app.jobs[message.operation].contract.arguments.decode_json(bytes(message.arguments))
        except (InvalidArgument, RegistrationError, TypeError) as error:
            raise RegistrationError(f"The schedule {self.name!r} cannot be fired: {error}") from error


def _told(tick: float) -> str:
    return datetime.fromtimestamp(tick, UTC).isoformat()
