"""The promises of background work, each put to the test on one engine. The numbers are those of docs/guarantees.md."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import cast

import sqlalchemy as sa
from tests.faults.bats import ROWS, THREADS, Bats
from tests.faults.stage import Mark, Stage, wait_until

from mergepoint.errors import Unavailable
from mergepoint.jobs import LEASE, MOST_CRASHES, State

POLL = 2.0
"""Seconds between two looks for the jobs of dead workers, with what a busy machine adds to one."""

RUNNING: tuple[State, ...] = ("running",)

START = 10.0
"""Seconds in which a worker, or Celery's, loads the application and begins."""


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        jobs: that run while workers are killed.
        kills: of the worker and all its processes.
        lease: seconds; the one that workers have by default, or a shorter one.
        long: seconds of a job that nobody may steal.
        restarts: of the store.
        apart: the least and the most seconds between two of them.
        processes: that put in the same job at once, or kill themselves in transactions.
        ticks: of a schedule.
    """

    jobs: int
    kills: int
    lease: float
    long: float
    restarts: int
    apart: tuple[float, float]
    processes: int
    ticks: int


SHORT = Scale(jobs=400, kills=4, lease=2.0, long=5.0, restarts=1, apart=(1, 2), processes=12, ticks=25)
FULL = Scale(jobs=10_000, kills=100, lease=LEASE, long=600.0, restarts=6, apart=(5, 40), processes=50, ticks=100)


@dataclass
class Finding:
    """What came of one promise on one engine.

    Attributes:
        figures: what was counted and measured, by name.
        broken: what should not be so.
    """

    figures: dict[str, object] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def must(self, holds: bool, otherwise: str) -> None:
        """Note what is wrong unless something holds."""
        if not holds:
            self.broken.append(otherwise)


def kills(stage: Stage, scale: Scale) -> Finding:
    """Kill -9 loses no job, runs none twice that was not in flight, and all come back within a lease and a poll."""
    finding = Finding()
    _put(stage, scale.jobs, 0.02)
    in_flight: Counted = set()
    worker = stage.run("worker", lease=scale.lease)
    for _ in range(scale.kills):
        enough = len(stage.marks("begin")) + random.randint(1, scale.jobs // scale.kills)
        wait_until(partial(_has_begun, stage, enough), "some jobs begin")
        worker.kill()
        killed = datetime.now(UTC)
        in_flight |= _in_flight(stage.marks())
        worker = stage.run("worker", lease=scale.lease)
    wait_until(partial(_none_runs_since_before, stage, killed), "all jobs of dead workers are given back")
    back = (datetime.now(UTC) - killed).total_seconds()
    stage.wait_until_all_is_over()
    worker.stop()
    begins, ends = stage.count("begin"), stage.count("end")
    again, twice = sum(begins.values()) - len(begins), sum(ends.values()) - len(ends)
    finding.figures |= {"jobs": scale.jobs, "kills": scale.kills, "lost": scale.jobs - len(ends), "ended twice": twice}
    finding.figures |= {"begun again": again, "in flight at kills": len(in_flight)}
    finding.figures["all given back after, s"] = round(back, 1)
    finding.must(len(ends) == scale.jobs, "jobs were lost")
    finding.must(again <= THREADS * scale.kills, "more jobs began again than a worker has in flight")
    finding.must(back <= scale.lease + POLL + START, "jobs came back late")
    return finding


def leases(stage: Stage, scale: Scale) -> Finding:
    """A dead worker's job is taken over within the lease, a live long one is never stolen, and nobody waits behind."""
    finding = Finding()
    later = stage.bats.queue.later
    with stage.running("worker", lease=scale.lease), stage.running("worker", lease=scale.lease):
        later(stage.bats.work)(1, scale.long)
        _wait_for(stage, "end", 1, scale.long + START + 10)
    finding.figures["a live job of, s"] = scale.long
    finding.figures["ran"] = stage.count("begin")[1]
    finding.must(stage.count("begin")[1] == 1, "a live job was stolen")
    doomed = stage.run("worker", lease=scale.lease)
    message = stage.bats.queue.message(stage.bats.work)
    stage.bats.queue.put(message(number, 600.0) for number in range(2, 2 + THREADS))
    _wait_for(stage, "begin", 2)
    with stage.running("worker", lease=scale.lease):
        wait_until(lambda: len(stage.marks("begin")) > THREADS, "all its threads have long jobs")
        stage.bats.queue.put(message(number, 0.0) for number in range(100, 120))
        behind = wait_until(lambda: all(stage.count("end")[n] for n in range(100, 120)), "those behind them have run")
        doomed.kill()
        died = time.monotonic()
        wait_until(lambda: stage.count("begin")[2] == 2, "the dead worker's job is taken over")
        over = [mark.moment for mark in stage.marks("begin") if mark.number == 2][-1] - died
    finding.figures |= {"taken over after, s": round(over, 1), "those behind it after, s": round(behind, 1)}
    finding.must(behind <= START, "jobs waited behind a busy worker")
    finding.must(over <= scale.lease + POLL + START, "the job was taken over late")
    finding.must(over <= 30 or scale.lease != LEASE, "by default that takes longer than 30 s")
    return finding


def restarts(stage: Stage, scale: Scale) -> Finding:
    """The store goes and comes back: nothing is lost, and jobs run again within five seconds."""
    finding = Finding()
    if stage.service is None:
        finding.figures["there is no server"] = "SQLite is a file"
        return finding
    resumed, put = [], 0
    with stage.running("worker", lease=scale.lease):
        for _ in range(scale.restarts):
            put = _put_steadily(stage, put, random.uniform(*scale.apart))
            stage.service.stop()
            time.sleep(1.0)
            stage.service.start()
            back = time.monotonic()
            put = _put_steadily(stage, put, 1.0)
            wait_until(partial(_ended_since, stage, back), "a job runs again")
            resumed.append(_ended_since(stage, back)[0].moment - back)
        stage.wait_until_all_is_over()
    lost = put - len(stage.count("end"))
    finding.figures |= {
        "restarts": scale.restarts,
        "jobs": put,
        "lost": lost,
        "resumed after, s": round(max(resumed), 2),
    }
    finding.must(lost == 0, "jobs were lost")
    finding.must(max(resumed) <= 5, "it took long to resume")
    return finding


def stopping(stage: Stage, scale: Scale) -> Finding:
    """SIGTERM: nothing begins any more, what runs is finished, the rest goes back, exit 0; a second ends it at once."""
    finding = Finding()
    worker = stage.run("worker", lease=600.0)
    _put(stage, 40, 2.0)
    wait_until(lambda: len(stage.marks("begin")) >= 8, "the threads have jobs")
    worker.process.terminate()
    told = time.monotonic()
    code = worker.process.wait(60)
    finding.figures["ended after, s"] = round(time.monotonic() - told, 1)
    late = [mark for mark in stage.marks("begin") if mark.moment > told + 1]
    unfinished = set(stage.count("begin")) - set(stage.count("end"))
    running = stage.bats.queue.jobs(states=RUNNING)
    finding.figures |= {
        "begun after 1 s": len(late),
        "cut off": len(unfinished),
        "kept back": len(running),
        "exit": code,
    }
    finding.must(not late, "jobs began after a second")
    finding.must(not unfinished, "jobs were cut off")
    finding.must(not running, "jobs were not put back")
    finding.must(code == 0, "the exit code is not 0")
    again = stage.run("worker", lease=scale.lease)
    begun = len(stage.marks("begin"))
    wait_until(lambda: len(stage.marks("begin")) >= begun + 8, "the threads have jobs")
    again.process.terminate()
    time.sleep(0.5)
    again.process.send_signal(signal.SIGQUIT if stage.through_celery else signal.SIGTERM)
    twice = time.monotonic()
    again.process.wait(60)
    finding.figures["a second signal ends it after, s"] = round(time.monotonic() - twice, 2)
    # Celery's cold shutdown, SIGQUIT, takes its own time.
    finding.must(time.monotonic() - twice < 1.5 or stage.through_celery, "a second signal did not end it at once")
    again.kill()
    return finding


def unique(stage: Stage, scale: Scale) -> Finding:
    """Many processes put in the same unique job at the same time: there is one."""
    finding = Finding()
    runs = [stage.run("unique") for _ in range(scale.processes)]
    codes = {run.process.wait(120) for run in runs}
    jobs = len(stage.bats.queue.jobs())
    finding.figures |= {"processes": scale.processes, "jobs": jobs}
    finding.must(jobs == 1, "there is not exactly one job")
    finding.must(codes == {0}, "a process failed")
    return finding


def retries(stage: Stage, scale: Scale) -> Finding:
    """Failures are tried again, later and later; what kills its workers goes to the dead letters, until put back."""
    finding = Finding()
    queue = stage.bats.queue
    failing = queue.later(stage.bats.fail)(1)
    worker = stage.run("worker", lease=min(scale.lease, 2.0))
    wait_until(lambda: queue.job(failing.id).is_final, "it has failed often enough")
    killing = queue.later(stage.bats.kill)(2)
    ends = time.monotonic() + 120 + MOST_CRASHES * START
    while not queue.job(killing.id).is_final and time.monotonic() < ends:
        time.sleep(0.1)
        if worker.process.poll() is not None:
            worker = stage.run("worker", lease=min(scale.lease, 2.0))
    times = [mark.moment for mark in stage.marks("begin") if mark.number == 1]
    apart = [round(after - before, 1) for before, after in pairwise(times)]
    dead = queue.job(killing.id)
    codes = [attempt.code for attempt in dead.history]
    finding.figures |= {"tried": len(times), "seconds apart": apart, "workers it killed": codes.count("worker_lost")}
    finding.figures["ended as"] = dead.state
    finding.must(len(times) == 4, "it was not tried four times")
    finding.must((dead.state, set(codes)) == ("dead", {"worker_lost"}), f"the killer is {dead.state}, {codes}")
    finding.must(codes.count("worker_lost") == MOST_CRASHES, "it killed another number of workers")
    worker.kill()
    finding.must(queue.retry(killing.id) == [killing.id], "nobody could put it back")
    finding.must(len(queue.job(killing.id).history) == len(codes), "putting it back lost its history")
    return finding


def transactions(stage: Stage, scale: Scale) -> Finding:
    """A job is there if its transaction was committed, whenever the process that put it in is killed."""
    finding = Finding()
    for _ in range(scale.processes):
        process = stage.run("transactions")
        rows = _rows(stage)
        wait_until(partial(_has_more_rows, stage, rows), "a row")
        time.sleep(random.uniform(0, 0.05))
        process.kill()
    with stage.running("worker", lease=scale.lease):
        wait_until(lambda: len(stage.count("end")) >= _rows(stage), "every committed job has run")
        stage.wait_until_all_is_over()
    with stage.bats.db.unit_of_work(kind="query"):
        committed = set(stage.bats.db.statement(sa.select(ROWS.c.number)).all())
    ran = stage.count("end")
    finding.figures |= {"processes killed": scale.processes, "committed": len(committed)}
    finding.figures |= {"lost": len(committed - ran.keys()), "not committed, but run": len(ran.keys() - committed)}
    finding.figures["run twice"] = sum(ran.values()) - len(ran)
    finding.must(ran.keys() == committed, "jobs and rows differ")
    finding.must(sum(ran.values()) == len(ran), "jobs ran twice")
    return finding


def clocks(stage: Stage, scale: Scale) -> Finding:
    """A job due later than the lease runs once; workers whose clock is an hour off neither steal nor hurry."""
    finding = Finding()
    lease = min(scale.lease, 3.0)
    with ExitStack() as stack:
        for clock in (-3600.0, 0.0, 3600.0):
            stack.enter_context(stage.running("worker", lease=lease, clock=clock))
        put = time.monotonic()
        stage.bats.queue.later(stage.bats.work, delay=lease * 2)(1, lease * 2)
        stage.bats.queue.later(stage.bats.work)(2, lease * 2)
        stage.wait_until_all_is_over()
    begun = next(mark.moment for mark in stage.marks("begin") if mark.number == 1) - put
    finding.figures |= {"lease, s": lease, "due after, s": lease * 2, "begun after, s": round(begun, 2)}
    finding.figures["ran"] = [stage.count("begin")[number] for number in (1, 2)]
    finding.must(begun >= lease * 2 - 0.1 or stage.engine == "sqlite", "it began early")
    finding.must(stage.count("begin")[1] == stage.count("begin")[2] == 1, "a job ran twice")
    return finding


def ticks(stage: Stage, scale: Scale) -> Finding:
    """Eight processes keep one schedule: each tick is fired once, whoever is killed."""
    finding = Finding()
    processes = [stage.run("scheduler") for _ in range(8)]
    with stage.running("worker", lease=scale.lease):
        engine = stage.bats.queue.engine
        wait_until(lambda: engine.last_tick("tick") is not None, "the first tick")
        first = engine.last_tick("tick") or 0.0
        while ((engine.last_tick("tick") or 0.0) - first) / 0.2 < scale.ticks - 0.5:
            victim = random.randrange(8)
            processes[victim].kill()
            processes[victim] = stage.run("scheduler")
            time.sleep(0.7)
        for process in processes:
            process.kill()
        last = engine.last_tick("tick") or 0.0
        stage.wait_until_all_is_over()
    expected, fired = round(last / 0.2) - int(first / 0.2), len(stage.marks("end"))
    finding.figures |= {"ticks": expected, "fired": fired, "processes": 8}
    finding.must(0 <= fired - expected <= 2, "ticks were missed or fired twice")  # some may precede the first look
    return finding


def payloads(stage: Stage, scale: Scale) -> Finding:
    """An old worker leaves newer messages to newer ones; a newer one runs old messages."""
    finding = Finding()
    newer = Bats(replace(stage.settings, broker="", version=2))
    old = stage.bats.queue.later(cast("Callable[[int], None]", stage.bats.rename))(1)
    new = newer.queue.later(cast("Callable[[int, str], None]", newer.rename))(2, "Wing")
    with stage.running("worker", version=1):
        _wait_for(stage, "end", 1)
        time.sleep(1.5)
    finding.figures["run by the old worker"] = sorted(stage.count("end"))
    finding.must(stage.bats.queue.job(new.id).state in ("waiting", "running"), "the newer message was not left alone")
    finding.must(not stage.bats.queue.job(new.id).history, "leaving it counts as a failure")
    stage.bats.queue.expedite(new.id)
    with stage.running("worker", version=2):
        _wait_for(stage, "end", 2)
        stage.wait_until_all_is_over()
    states = [stage.bats.queue.job(job.id).state for job in (old, new)]
    finding.figures["states"] = states
    finding.must(states == ["done", "done"], "a job is not done")
    newer.app.close()
    return finding


Promise = Callable[[Stage, Scale], Finding]

PROMISES: dict[int, Promise] = {
    1: kills,
    2: leases,
    3: restarts,
    4: stopping,
    5: unique,
    6: retries,
    7: transactions,
    8: clocks,
    9: ticks,
    10: payloads,
}
"""By the number of the promise."""


Counted = set[tuple[int, int]]
"""Jobs by number and process."""


def _put(stage: Stage, jobs: int, seconds: float) -> None:
    message = stage.bats.queue.message(stage.bats.work)
    for first in range(0, jobs, 500):
        stage.bats.queue.put(message(number, seconds) for number in range(first, min(first + 500, jobs)))


def _put_steadily(stage: Stage, number: int, seconds: float) -> int:
    """Put jobs in for some time, as often as needed where the store does not answer; return the next number."""
    later = stage.bats.queue.later(stage.bats.work)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            later(number, 0.005)
        except Unavailable:
            time.sleep(0.05)
            continue
        number += 1
        time.sleep(0.01)
    return number


def _in_flight(marks: list[Mark]) -> Counted:
    begun = {(mark.number, mark.process) for mark in marks if mark.event == "begin"}
    return begun - {(mark.number, mark.process) for mark in marks if mark.event == "end"}


def _wait_for(stage: Stage, event: str, number: int, seconds: float = 60) -> None:
    wait_until(lambda: stage.count(event)[number], f"the {event} of job {number}", seconds)


def _has_begun(stage: Stage, jobs: int) -> bool:
    return len(stage.marks("begin")) >= jobs


def _none_runs_since_before(stage: Stage, moment: datetime) -> bool:
    running = stage.bats.queue.jobs(states=RUNNING, limit=1000)
    return all(job.began is not None and job.began > moment for job in running)


def _ended_since(stage: Stage, moment: float) -> list[Mark]:
    return [mark for mark in stage.marks("end") if mark.moment > moment]


def _has_more_rows(stage: Stage, rows: int) -> bool:
    return _rows(stage) > rows


def _rows(stage: Stage) -> int:
    with stage.bats.db.unit_of_work(kind="query"):
        return int(stage.bats.db.statement(sa.select(sa.func.count()).select_from(ROWS)).one())
