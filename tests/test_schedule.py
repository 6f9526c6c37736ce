"""Schedules: when they tick, that each tick is fired once however many processes run, what becomes of missed ones."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from tests.databases import database_url
from tests.memory import Memory, Shelf
from tests.redises import prefixed
from tests.served import wait_until

from mergepoint import App
from mergepoint.__main__ import main
from mergepoint.db import Database
from mergepoint.errors import RegistrationError, Unavailable
from mergepoint.jobs import Engine, Entry, Message
from mergepoint.jobs.periodic import Missed, Periodic
from mergepoint.redis import Worklist
from mergepoint.schedule import Scheduler, Timetable
from mergepoint.schedule.scheduler import LONGEST, MOST
from mergepoint.tasks import Queue, Tables

ROOT = Path(__file__).parent.parent
ROUND = 1_790_000_000.0
"""A tick of a schedule that ticks every 100 s."""

BEGIN = ROUND + 50
"""When tests with a clock of their own begin."""


class Watch:
    """A clock that stands still until somebody sets it."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now


def census(roost: str = "north") -> str:
    """Count the bats."""
    return f"counted {roost}"


def census_of(app: str) -> Callable[[], str]:
    """Return a command of an app, which no other app has."""

    def count() -> str:
        return census(app)

    return count


def scheduled(engine: Engine, **when: object) -> Queue:
    """Return the queue of an app that counts bats every 100 s, unless said otherwise."""
    app = App("bats")
    queue = Queue(app, engine)
    app.task(census)
    app.every(census, **{"seconds": 100, **when})  # type: ignore[arg-type]
    return queue


def jobs(engine: Engine) -> list[Entry]:
    """Return the jobs there are, the oldest first."""
    return sorted(engine.entries(limit=10_000), key=lambda entry: entry.message.metadata["tick"])


def ticks(engine: Engine) -> list[float]:
    """Return the ticks that the jobs are for."""
    return [datetime.fromisoformat(entry.message.metadata["tick"]).timestamp() for entry in jobs(engine)]


# --- when they tick ---


def local(text: str, zone: str = "Europe/Berlin") -> float:
    """Return a local time in seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def timetable(cron: str, zone: str = "Europe/Berlin") -> Timetable:
    """Return the ticks of a crontab line."""
    return Timetable(Periodic("census", census, {}, cron=cron, timezone=zone))


def following(cron: str, since: str, count: int, zone: str = "Europe/Berlin") -> list[str]:
    """Return the ticks of a crontab line after a local time, as local times."""
    found = islice(timetable(cron, zone).ticks(local(since, zone)), count)
    return [f"{datetime.fromtimestamp(tick, ZoneInfo(zone)):%a %d %H:%M %Z}" for tick in found]


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("0 3 * * 0", ["Sun 01", "Sun 08", "Sun 15"]),
        ("0 3 * * 7", ["Sun 01", "Sun 08", "Sun 15"]),
        ("0 3 * * sun", ["Sun 01", "Sun 08", "Sun 15"]),
        ("0 3 * * 1-5", ["Mon 02", "Tue 03", "Wed 04", "Thu 05", "Fri 06", "Mon 09"]),
        ("0 3 * * fri-sun", ["Sun 01", "Fri 06", "Sat 07", "Sun 08"]),
        ("0 3 * * */2", ["Sun 01", "Tue 03", "Thu 05", "Sat 07", "Sun 08"]),
        ("0 3 * * 1-5/2", ["Mon 02", "Wed 04", "Fri 06", "Mon 09"]),
        ("0 3 * * SAT,0", ["Sun 01", "Sat 07", "Sun 08"]),
        ("0 3 13 * 5", ["Fri 06", "Fri 13", "Fri 20", "Fri 27"]),  # a Friday, or the 13th, as crontab(5) says
        ("0 3 1-7 * *", ["Sun 01", "Mon 02", "Tue 03"]),
        ("0 3 last * *", ["Mon 30", "Thu 31"]),
        ("0 3 29 feb *", ["Tue 29"]),
    ],
)
def test_a_crontab_line_means_what_every_crontab_means(cron: str, days: list[str]) -> None:
    """0 and 7 are Sunday, ranges and steps count from there, and either of both kinds of days is enough."""
    found = following(cron, "2026-11-01T00:00", len(days))
    assert [day[:6] for day in found] == days


def test_a_time_that_is_left_out_ticks_later() -> None:
    """When clocks are put forward at 02:00, 02:30 is at 03:30 that day; nothing is left out, nothing comes twice."""
    night = following("30 2 * * *", "2026-03-28T00:00", 3)
    assert night == ["Sat 28 02:30 CET", "Sun 29 03:30 CEST", "Mon 30 02:30 CEST"]
    assert following("30 2,3 * * *", "2026-03-29T00:00", 2) == ["Sun 29 03:30 CEST", "Mon 30 02:30 CEST"]


def test_a_line_that_names_its_hours_ticks_once_in_an_hour_that_comes_twice() -> None:
    """When clocks are put back at 03:00, 02:30 is the first of both."""
    night = following("30 2 * * *", "2026-10-24T00:00", 3)
    assert night == ["Sat 24 02:30 CEST", "Sun 25 02:30 CEST", "Mon 26 02:30 CET"]


def test_a_line_for_every_hour_ticks_in_both() -> None:
    """What runs every half hour does so in an hour that comes twice, and in one that does not come."""
    autumn = following("*/30 * * * *", "2026-10-25T01:45", 5)
    assert autumn == [
        "Sun 25 02:00 CEST",
        "Sun 25 02:30 CEST",
        "Sun 25 02:00 CET",
        "Sun 25 02:30 CET",
        "Sun 25 03:00 CET",
    ]
    spring = following("*/30 * * * *", "2026-03-29T01:15", 3)
    assert spring == ["Sun 29 01:30 CET", "Sun 29 03:00 CEST", "Sun 29 03:30 CEST"]


def test_a_zone_is_that_of_the_schedule() -> None:
    """The same line is another moment in another zone; without a zone it is UTC."""
    assert timetable("0 3 * * *", "Asia/Tokyo").after(BEGIN) != timetable("0 3 * * *").after(BEGIN)
    assert Timetable(Periodic("x", census, {}, cron="0 3 * * *")).after(BEGIN) % 86_400 == 3 * 3_600


@pytest.mark.parametrize("seconds", [0.01, 0.1, 1 / 3, 1.0, 2.5, 60.0, 5400.0, 86_400.0, 604_800.0, 1_000_003.0])
def test_all_processes_agree_on_the_ticks_of_an_interval(seconds: float) -> None:
    """Ticks are multiples of the interval since 1970, the same wherever a process begins to count."""
    table = Timetable(Periodic("census", census, {}, seconds=seconds))
    found = list(islice(table.ticks(BEGIN), 30))
    apart = round(seconds, 6)
    assert all(abs(later - earlier - apart) < 1e-5 for earlier, later in pairwise(found))
    assert all(abs(tick / apart - round(tick / apart)) < 1e-3 for tick in found)
    for earlier, later in pairwise(found):
        assert table.after(earlier) == table.after((earlier + later) / 2) == later
        assert table.has(later)
        assert not table.has((earlier + later) / 2)


@pytest.mark.parametrize("cron", ["*/5 * * * *", "30 2 * * *", "0 0 1 1 *"])
def test_the_last_ticks_are_found_without_looking_at_all(cron: str) -> None:
    """However long ago the first one was: the newest, in order."""
    table = timetable(cron)
    newest = table.between(BEGIN - 3e8, BEGIN, 5)
    assert newest == sorted(newest)
    assert len(newest) == 5
    assert newest[-1] <= BEGIN < table.after(newest[-1])
    assert newest == list(islice(table.ticks(newest[0] - 1), 5))


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"seconds": 1.0}, "every second"),
        ({"seconds": 0.25}, "every 0.25 seconds"),
        ({"seconds": 90.0}, "every 90 seconds"),
        ({"seconds": 300.0}, "every 5 minutes"),
        ({"seconds": 3_600.0}, "every hour"),
        ({"seconds": 172_800.0}, "every 2 days"),
        ({"seconds": 604_800.0}, "every week"),
        ({"cron": "0 3 * * *", "timezone": "Europe/Berlin"}, "0 3 * * * Europe/Berlin"),
    ],
)
def test_a_schedule_is_told_in_words(when: dict[str, object], words: str) -> None:
    """An interval in the largest unit that fits, a crontab line as it is, with its zone."""
    assert Timetable(Periodic("census", census, {}, **when)).words == words  # type: ignore[arg-type]


# --- what is refused ---


@pytest.mark.parametrize(
    ("cron", "zone", "complaint"),
    [
        (
            "61 3 * * *",
            "UTC",
            "The schedule 'census': `61 3 * * *` is no crontab line: Error validating",
        ),
        ("61 3 * * *", "UTC", "(59). Expected minute (0-59), hour (0-23)"),
        ("0 3 * * 8", "UTC", "'8' is no day of the week. Expected minute"),
        ("0 3 * * 5-2", "UTC", "'5-2' ends before it begins"),
        ("0 3 * foo *", "UTC", "Invalid month name"),
        ("0 3 30 2 *", "UTC", "The schedule 'census' never comes: no day is like `0 3 30 2 *`"),
        ("0 3 * * *", "Europe/Berlinn", "timezone='Europe/Berlinn'; did you mean 'Europe/Berlin'?"),
        ("0 3 * * *", "Europe", "The schedule 'census' is in no time zone that is known here: timezone='Europe'"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(cron: str, zone: str, complaint: str) -> None:
    """Its name, what is wrong, and what was expected are in the message, when the scheduler is made."""
    app = App("bats")
    queue = Queue(app, Memory(Shelf()))
    app.cron(cron, app.task(census), timezone=zone)
    with pytest.raises(RegistrationError) as caught:
        Scheduler(queue)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("arguments", [{"cave": "east"}, {"roost": 7}])
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, object]) -> None:
    """What would fail at every tick fails when the scheduler is made."""
    with pytest.raises(RegistrationError, match=rf"'census' cannot be fired: .*{next(iter(arguments))}"):
        Scheduler(scheduled(Memory(Shelf()), **arguments))


def test_a_schedule_of_nothing_that_jobs_run_is_refused() -> None:
    """A function that was not registered cannot be scheduled."""
    app = App("bats")
    queue = Queue(app, Memory(Shelf()))
    app.every(census, minutes=5)
    with pytest.raises(RegistrationError, match=r"'census' cannot be fired: .*app\.task"):
        Scheduler(queue)


def test_declarations_that_make_no_sense_are_refused() -> None:
    """No time between ticks, too short a time, too few fields, no such policy, a name that is taken."""
    app = App("bats")
    for seconds in (0, -1, 0.001, float("inf"), float("nan")):
        with pytest.raises(RegistrationError, match="needs a time between ticks"):
            app.every(census, seconds=seconds)
    with pytest.raises(RegistrationError, match="expected five fields"):
        app.cron("0 3 * *", census)
    with pytest.raises(RegistrationError, match="schedule 'census': missed='never': expected 'once', 'skip', 'all'"):
        app.every(census, minutes=5, missed="never")  # type: ignore[arg-type]
    app.every(census, minutes=5)
    with pytest.raises(RegistrationError, match="two schedules are called 'census'"):
        app.cron("0 3 * * *", census)
    app.cron("0 3 * * *", census, name="nightly")
    assert list(app.schedules) == ["census", "nightly"]


def test_the_schedules_of_included_apps_carry_their_names() -> None:
    """Two apps may have a schedule of the same name; one that has its own queue keeps its schedules to that."""
    app, bats, owls = App("zoo"), App("bats"), App("owls")
    queue, _ = Queue(app, Memory(Shelf())), Queue(owls, Memory(Shelf()))
    for each in (app, bats, owls):
        each.every(each.task(census_of(each.name), name="census"), seconds=100, name="census")
    app.include(bats)
    app.include(owls)
    assert {name: each.name for name, each in app.schedules.items()} == {
        "census": "census",
        "bats.census": "bats.census",
    }
    watch = Watch()
    scheduler = Scheduler(queue, clock=watch)
    scheduler.fire()
    watch.now += 100
    scheduler.fire()
    assert {entry.message.operation for entry in jobs(queue.engine)} == {"census", "bats.census"}


# --- each tick once ---


def test_a_schedule_begins_with_its_next_tick() -> None:
    """When it is first seen nothing is fired, as nothing was missed; then each tick is, at its time."""
    watch, engine = Watch(), Memory(Shelf())
    scheduler = Scheduler(scheduled(engine), clock=watch)
    for seconds, fired in [(50, []), (99.9, []), (100, [100]), (199, [100]), (230, [100, 200])]:
        watch.now = ROUND + seconds
        scheduler.fire()
        assert ticks(engine) == [ROUND + tick for tick in fired]


def test_a_tick_is_fired_once_by_many_schedulers() -> None:
    """Whoever comes later finds that it is done, and goes on with the next one."""
    shelf, watch = Shelf(), Watch()
    schedulers = [Scheduler(scheduled(Memory(shelf)), clock=watch) for _ in range(8)]
    for _ in range(11):
        for scheduler in schedulers:
            scheduler.fire()
        watch.now += 100
    found = ticks(Memory(shelf))
    assert len(found) == len(set(found)) == 10
    assert all(later - earlier == 100 for earlier, later in pairwise(found))


def test_a_job_says_which_tick_it_is_for() -> None:
    """It has the schedule's arguments, its command's policy, and the tick in its metadata."""
    watch, engine = Watch(), Memory(Shelf())
    app = App("bats")
    queue = Queue(app, engine)
    app.task(census, retries=2, queue="slow")
    app.cron("0 3 * * *", census, name="nightly", timezone="Europe/Berlin", roost="south")
    scheduler = Scheduler(queue, clock=watch)
    scheduler.fire()
    watch.now = local("2026-12-24T03:00:01")
    scheduler.fire()
    (message,) = [entry.message for entry in jobs(engine)]
    assert (message.operation, message.queue, message.retries, message.unique) == ("census", "slow", 2, None)
    assert json.loads(bytes(message.arguments)) == {"roost": "south"}
    assert message.metadata == {"schedule": "nightly", "tick": "2026-12-24T02:00:00+00:00"}


def test_a_schedule_may_wait_for_its_own_job() -> None:
    """With overlap=False a tick whose job before is unfinished passes without one."""
    watch, engine = Watch(), Memory(Shelf())
    scheduler = Scheduler(scheduled(engine, overlap=False), clock=watch)
    for _ in range(4):
        scheduler.fire()
        watch.now += 100
    (first,) = jobs(engine)
    engine.cancel([first.message.id])
    scheduler.fire()
    assert [entry.state for entry in jobs(engine)] == ["cancelled", "waiting"]


# --- what was missed ---


@pytest.mark.parametrize(
    ("missed", "late", "fired"),
    [("once", 50.0, [1000]), ("all", 50.0, list(range(100, 1001, 100))), ("skip", 50.0, []), ("skip", 5.0, [1000])],
)
def test_missed_ticks_are_dealt_with_as_declared(
    missed: Missed, late: float, fired: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """One job for all of them, a job for each, or none; a tick that is just late is not missed."""
    watch, engine = Watch(), Memory(Shelf())
    Scheduler(scheduled(engine, missed=missed), clock=watch).fire()
    watch.now = ROUND + 1000 + late
    with caplog.at_level(logging.WARNING, "mergepoint"):
        Scheduler(scheduled(engine, missed=missed), clock=watch).fire()
        Scheduler(scheduled(engine, missed=missed), clock=watch).fire()
    assert ticks(engine) == [ROUND + tick for tick in fired]
    assert engine.last_tick("census") == ROUND + 1000
    assert ("missed ticks" in caplog.text) == (missed == "once" or fired == [])


def test_what_is_fired_for_all_that_was_missed_has_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    """After a very long time there are jobs for the newest ticks, and a warning."""
    watch, engine = Watch(), Memory(Shelf())
    Scheduler(scheduled(engine, missed="all"), clock=watch).fire()
    watch.now += 100 * (MOST + 500)
    Scheduler(scheduled(engine, missed="all"), clock=watch).fire()
    found = ticks(engine)
    assert (len(found), found[-1]) == (MOST, engine.last_tick("census"))
    assert "there is a job for the last 1,000 of them only" in caplog.text


# --- clocks and engines that fail ---


def test_a_clock_that_is_put_back_fires_nothing_twice() -> None:
    """The ticks that were fired stay fired; the next one is that after them, and nobody sleeps until then."""
    watch, engine = Watch(), Memory(Shelf())
    scheduler = Scheduler(scheduled(engine), clock=watch)
    scheduler.fire()
    watch.now += 100
    scheduler.fire()
    before = ticks(engine)
    watch.now -= 3600
    for _ in range(30):
        assert scheduler.fire() <= LONGEST
        assert Scheduler(scheduled(engine), clock=watch).fire() <= LONGEST
        watch.now += 100
    assert ticks(engine) == before
    watch.now += 3600
    scheduler.fire()
    assert ticks(engine)[0] == before[0]
    assert len(ticks(engine)) == 2


def test_a_clock_that_is_put_forward_is_noticed_within_seconds() -> None:
    """However far the next tick is, the clock is looked at every few seconds."""
    watch, engine = Watch(), Memory(Shelf())
    scheduler = Scheduler(scheduled(engine, seconds=0, hours=6), clock=watch)
    assert scheduler.fire() <= LONGEST
    watch.now += 7 * 3600
    scheduler.fire()
    assert len(jobs(engine)) == 1


def test_an_engine_that_was_fired_ahead_of_time_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """If the last tick lies in the future, some clock is wrong, and the log says so."""
    watch, engine = Watch(), Memory(Shelf())
    engine.fire("census", BEGIN + 86_400, [])
    Scheduler(scheduled(engine), clock=watch).fire()
    assert "a clock is wrong, here or there" in caplog.text


class Flaky(Memory):
    """An engine that cannot be reached for a while."""

    down = False

    def last_tick(self, schedule: str) -> float | None:
        if self.down:
            raise Unavailable("The store cannot be reached now.")
        return super().last_tick(schedule)


def test_an_engine_that_is_away_delays_ticks_and_loses_none(caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again and again, the log says so once, and afterwards everything is fired."""
    watch, engine = Watch(), Flaky(Shelf())
    scheduler = Scheduler(scheduled(engine, missed="all"), clock=watch)
    scheduler.fire()
    engine.down = True
    for _ in range(10):
        watch.now += 50
        assert 0 < scheduler.fire() <= LONGEST
    engine.down = False
    scheduler.fire()
    assert len(ticks(engine)) == 5
    assert caplog.text.count("cannot be fired") == 1


def test_a_schedule_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """A failure that is nobody's fault but one schedule's is logged, and tried again."""

    class Broken(Memory):
        broken = True

        def fire(self, schedule: str, tick: float, messages: Sequence[Message]) -> bool:
            if self.broken and schedule == "census" and messages:
                raise RuntimeError("out of paper")
            return super().fire(schedule, tick, messages)

    watch, engine = Watch(), Broken(Shelf())
    queue = scheduled(engine)
    queue.app.every(census, seconds=100, name="other")
    scheduler = Scheduler(queue, clock=watch)
    scheduler.fire()
    watch.now += 100
    scheduler.fire()
    assert [entry.message.metadata["schedule"] for entry in jobs(engine)] == ["other"]
    assert "census could not be fired" in caplog.text
    engine.broken = False
    watch.now += 2
    scheduler.fire()
    assert len(jobs(engine)) == 2


# --- as a thread, and in many processes ---


def test_a_scheduler_runs_beside_the_program(record_property: Callable[[str, object], None]) -> None:
    """It starts, fires, stops, and may be started again; a tick that is due is fired within milliseconds."""
    engine = Memory(Shelf())
    queue = scheduled(engine, seconds=0.05, missed="all")
    scheduler = Scheduler(queue)
    for count in (3, 6):
        scheduler.start()
        wait_until(partial(has, engine, count))
        scheduler.stop()
    late = sorted(entry.message.created - tick for entry, tick in zip(jobs(engine), ticks(engine), strict=True))
    record_property("schedule: a tick is fired after", f"{late[len(late) // 2] * 1000:.1f} ms")
    after = len(jobs(engine))
    time.sleep(0.12)
    assert len(jobs(engine)) == after


def test_a_scheduler_that_has_nothing_to_do_costs_nothing(record_property: Callable[[str, object], None]) -> None:
    """A look at a hundred schedules that are not due takes microseconds, and there is one every five seconds."""
    app = App("bats")
    queue = Queue(app, Memory(Shelf()))
    app.task(census)
    for number in range(100):
        app.every(census, weeks=1, name=f"census_{number}")
    scheduler = Scheduler(queue)
    scheduler.fire()
    begun = time.process_time()
    for _ in range(100):
        assert scheduler.fire() == LONGEST
    seconds = (time.process_time() - begun) / 100
    record_property("schedule: 100 idle schedules", f"{seconds / LONGEST:.4%} of a core")


FIRING = """\
import sys

from mergepoint import App
from mergepoint.db import Database
from mergepoint.redis import Worklist
from mergepoint.schedule import Scheduler
from mergepoint.tasks import Queue, Tables

url, *prefix = sys.argv[1:]
app = App("bats")
queue = Queue(app, Worklist(url, prefix=prefix[0]) if prefix else Tables(Database(url)))


@app.task
def census() -> None:
    pass


app.every(census, seconds=0.05, missed="all")
print("ready", flush=True)
Scheduler(queue).run()
"""


@contextmanager
def firing(arguments: Sequence[str], count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Start processes that fire the same schedule."""
    command = [sys.executable, "-c", FIRING, *arguments]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@contextmanager
def shared(kind: str, folder: Path) -> Iterator[tuple[Engine, Sequence[str]]]:
    """Give an engine of a kind, and what a process is told to open it too."""
    if kind == "redis":
        with prefixed() as (url, prefix), closing(Worklist(url, prefix=prefix)) as worklist:
            yield worklist, (url, prefix)
    else:
        with database_url(kind, folder) as url, closing(Database(url)) as db:
            yield Tables(db), (url,)


def has(engine: Engine, count: int) -> bool:
    """Tell whether there are so many jobs."""
    return sum(engine.counts().values()) >= count


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "redis"])
def test_eight_processes_fire_a_hundred_ticks_a_hundred_times(
    kind: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Each tick has one job, and none is left out, though three of the processes are killed on the way."""
    with shared(kind, tmp_path) as (engine, arguments):
        with firing(arguments, 8) as processes:
            for process, count in zip(processes, (20, 40, 60, 100), strict=False):
                wait_until(partial(has, engine, count))
                if count < 100:
                    process.send_signal(signal.SIGKILL)
        found = ticks(engine)
    hundred = found[:100]
    missing = round((hundred[-1] - hundred[0]) * 20) + 1 - len(set(hundred))
    record_property(
        f"schedule: 8 processes, 3 killed, {kind}", f"100 ticks, {missing} missed, {100 - len(set(hundred))} double"
    )
    assert len(set(found)) == len(found)
    assert all(abs(later - earlier - 0.05) < 0.001 for earlier, later in pairwise(found))


# --- the command ---

APP = """\
from mergepoint import App
from mergepoint.db import Database
from mergepoint.tasks import Queue

app = App("bats")
queue = Queue(app, Database("sqlite:///bats.db"))


@app.task
def census(roost: str = "north") -> None:
    pass


app.every(census, minutes=5)
app.cron("30 2 * * 0", census, timezone="Europe/Berlin", name="weekly", missed="all", roost="south")
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of an app with schedules, in the current folder, as nobody has imported it yet."""
    path = tmp_path / "bats_of_schedules.py"
    path.write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, path.stem, sys)
    del sys.modules[path.stem]
    return path


def mergepoint(*arguments: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it printed."""
    answer = CliRunner(env={"TZ": "UTC", "COLUMNS": "80"}).invoke(main, arguments, prog_name="mergepoint")
    return answer.exit_code, answer.output


def test_the_command_lists_what_comes_next(target: Path) -> None:
    """Each schedule has its name, command, when, last tick and the next ones, in a table that fits a terminal."""
    code, output = mergepoint("schedule", "--count", "2", str(target))
    lines = output.splitlines()
    assert (code, len(lines)) == (0, 5), output
    assert lines[0].split() == ["NAME", "COMMAND", "WHEN", "LAST", "NEXT", "IN"]
    assert "every 5 minutes" in output
    assert max(map(len, lines)) <= 80


def test_the_command_tells_programs_the_same(target: Path) -> None:
    """JSON has times with their zone; the last tick is there when it was fired."""
    engine = scheduled(Memory(Shelf())).engine
    assert engine.last_tick("census") is None
    code, output = mergepoint("schedule", "--json", str(target))
    every, cron = json.loads(output)
    assert code == 0
    assert {name: every[name] for name in ("name", "command", "when", "last", "missed")} == {
        "name": "census",
        "command": "census",
        "when": "every 5 minutes",
        "last": None,
        "missed": "once",
    }
    assert [datetime.fromisoformat(tick).timestamp() % 300 for tick in every["next"]] == [0, 0, 0]
    assert (cron["cron"], cron["timezone"], cron["missed"]) == ("30 2 * * 0", "Europe/Berlin", "all")


def test_the_command_tells_the_last_tick(target: Path) -> None:
    """A schedule that was fired says when; one that was only seen does not."""
    db = Database("sqlite:///bats.db")
    engine = Tables(db)
    engine.fire("census", ROUND - 200, [])
    engine.fire("weekly", ROUND - 200, [])
    db.close()
    every, cron = json.loads(mergepoint("schedule", "--json", str(target))[1])
    assert (every["last"], cron["last"]) == ("2026-09-21T14:10:00Z", None)


def test_an_app_without_schedules_is_told_how_to_make_one(target: Path) -> None:
    """There is nothing to list, and a line that says what to write."""
    target.write_text(APP.partition("app.every")[0])
    assert mergepoint("schedule", str(target)) == (
        0,
        "bats has no schedules: app.every(function, minutes=5) and app.cron(...) declare them.\n",
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("30 2 * * 0", "30 2 * * 9"), "FAIL  schedules: The schedule 'weekly': `30 2 * * 9` is no crontab line"),
        (("Europe/Berlin", "Europe/Bern"), "FAIL  schedules: The schedule 'weekly' is in no time zone"),
        (("queue = Queue", "# queue ="), "FAIL  schedules: bats: its schedules have nothing to put their jobs in"),
        (('"south"', "7"), "FAIL  schedules: The schedule 'weekly' cannot be fired"),
    ],
)
def test_check_refuses_what_cannot_be(
    target: Path, change: tuple[str, str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mergepoint check` finds what a scheduler would refuse."""
    # Python takes a cached module for current if size and second of its source are the same.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    code, output = mergepoint("check", "--offline", str(target))
    assert (code, "ok    schedules: census, weekly" in output) == (0, True), output
    sys.modules.pop(target.stem, None)
    target.write_text(APP.replace(*change))
    code, output = mergepoint("check", "--offline", str(target))
    assert (code, complaint in output) == (1, True), output
