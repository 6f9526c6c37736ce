"""`mergepoint schedule`: what runs again and again, when it did last and when it does next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice
from typing import Any

import click
import msgspec

from .. import target as targets
from ..cli.table import table
from ..jobs import moment
from ..jobs.periodic import Periodic
from ..schedule import Timetable
from ..tasks import Queue
from .check_schedules import queues
from .examples import Command

HEADINGS = ("NAME", "COMMAND", "WHEN", "LAST", "NEXT", "IN")
SPANS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


@click.command(
    cls=Command,
    examples=[
        "mergepoint schedule bats.app:create",
        "mergepoint schedule --count 10 bats.app:create",
    ],
)
@click.argument("target", type=click.Path())
@click.option(
    "--count", type=click.IntRange(1, 1000), default=3, show_default=True, help="How many times to list of each."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
def schedule(target: str, count: int, as_json: bool) -> None:
    """List the schedules of the app: what runs when, the tick that was last fired, and the next ones in local time."""
    with closing(targets.load(target)) as app:
        facts = [_facts(each, queue, count) for queue in queues(app) for each in queue.app.schedules.values()]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2))
    elif not facts:
        click.echo(f"{app.name} has no schedules: app.every(function, minutes=5) and app.cron(...) declare them.")
    else:
        now = time.time()
        click.echo(table([HEADINGS, *(row for fact in facts for row in _rows(fact, now))]))


def _facts(periodic: Periodic, queue: Queue, count: int) -> dict[str, Any]:
    timetable = Timetable(periodic)
    last = queue.engine.last_tick(periodic.name)
    return {
        "name": periodic.name,
        "command": queue.app.job_name(periodic.function),
        "when": timetable.words,
        "seconds": periodic.seconds,
        "cron": periodic.cron,
        "timezone": periodic.timezone if periodic.cron else None,
        "missed": periodic.missed,
        "overlap": periodic.overlap,
        "last": None if last is None or not timetable.has(last) else moment(last),
        "next": [moment(tick) for tick in islice(timetable.ticks(time.time()), count)],
    }


def _rows(fact: dict[str, Any], now: float) -> Iterator[list[str]]:
    """Yield a row for the next tick with all there is to say, and one for each further tick."""
    about = [fact["name"], fact["command"], fact["when"], _local(fact["last"], now) if fact["last"] else "-"]
    for tick in fact["next"]:
        yield [*about, _local(tick, now), _span(tick.timestamp() - now)]
        about = [""] * len(about)


def _local(tick: datetime, now: float) -> str:
    """Return a local time, with the day if that is another one than today."""
    local = tick.astimezone()
    if local.date() != moment(now).astimezone().date():
        return f"{local:%Y-%m-%d %H:%M}"
    return f"{local:%H:%M:%S}".removesuffix(":00")


def _span(seconds: float) -> str:
    """Return a time span in its two largest units."""
    left = max(round(seconds), 0)
    parts = []
    for unit, length in SPANS:
        count, left = divmod(left, length)
        parts.append(f"{count} {unit}" if count else "")
    first = next((number for number, part in enumerate(parts) if part), len(parts) - 1)
    return " ".join(filter(None, parts[first : first + 2])) or "0 s"
