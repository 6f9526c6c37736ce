"""Measure how fast jobs are put in and worked off, and how soon they begin, beside the queues that Python has.

The worker is one process with core 0 to itself, after those who put jobs in have had it; the stores share core 1 with
this script. They are our own: Redis with its log on disk, PostgreSQL with synchronous commits.
"""

import argparse
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import machine
import psycopg
from report import machine as about_machine
from report import versions
from servers import empty_redis, postgresql, redis, wait_for_log

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "tasks.json"
STORES = {"synchronous_commit": "on", "max_wal_size": "4GB"}
PATIENCE = 180
"""Seconds that a worker may take for anything."""


@dataclass(frozen=True)
class Stack:
    """One queue on one store."""

    name: str
    module: str
    engine: str
    jobs: int
    ours: bool = False


OURS = [
    Stack("Mergepoint, Redis", "on_mergepoint", "redis", 40_000, ours=True),
    Stack("Mergepoint, PostgreSQL", "on_mergepoint", "postgresql", 40_000, ours=True),
    Stack("Mergepoint, SQLite", "on_mergepoint", "sqlite", 40_000, ours=True),
]
PEERS = [
    Stack("Celery, Redis", "on_celery", "redis", 8_000),
    Stack("Dramatiq, Redis", "on_dramatiq", "redis", 30_000),
    Stack("Huey, Redis", "on_huey", "redis", 30_000),
    Stack("Huey, SQLite", "on_huey", "sqlite", 8_000),
    Stack("Procrastinate, PostgreSQL", "on_procrastinate", "postgresql", 3_000),
]
ONE, BATCH, DRAIN = "one by one", "by 100", "worked off"

DEMANDS = [  # of, figure, times, over, its figure
    ("Mergepoint, Redis", DRAIN, 4, "Dramatiq, Redis", DRAIN),
    ("Mergepoint, Redis", DRAIN, 20, "Celery, Redis", DRAIN),
    ("Mergepoint, Redis", ONE, 1, "Huey, Redis", ONE),
    ("Mergepoint, Redis", ONE, 3, "Celery, Redis", ONE),
    ("Mergepoint, Redis", BATCH, 20, "Celery, Redis", ONE),
    ("Mergepoint, PostgreSQL", DRAIN, 20, "Procrastinate, PostgreSQL", DRAIN),
    ("Mergepoint, SQLite", DRAIN, 2, "Huey, SQLite", DRAIN),
]
BEGINS = {"redis": 20.0, "postgresql": 20.0, "sqlite": 100.0}
"""Milliseconds in which 99 of 100 jobs begin on an idle worker."""

BACKLOG, AFTER = 1_000_000, 50_000
KEPT = 0.8
"""How much of its speed a worker keeps with so many jobs waiting, measured over the first of them."""

IDLE = 0.01
"""Cores that an idle worker may use."""


def main():
    """Measure, print, store; return whether the demands hold."""
    options = arguments()
    os.sched_setaffinity(0, {machine.LOAD_CORE})
    if os.geteuid() == 0:
        machine.go_first()
    with redis() as at_redis, postgresql(STORES) as at_postgresql:
        bench = Bench(at_redis, at_postgresql)
        stacks = [
            s for s in [*OURS, *PEERS] if not options.only or any(o.lower() in s.name.lower() for o in options.only)
        ]
        samples = {}
        for round in range(options.rounds):
            for stack in stacks:
                print(f"round {round + 1}/{options.rounds}  {stack.name}", flush=True)
                for figure, value in bench.turn(stack).items():
                    print(f"  {figure:12}{value:12,.0f}/s", flush=True)
                    samples.setdefault(stack.name, {}).setdefault(figure, []).append(value)
        single = {stack.name: bench.alone(stack, options.backlog, options.rounds) for stack in stacks if stack.ours}
    return publish(samples, single, options.backlog)


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each has its turn (default: 3)")
    parser.add_argument(
        "--backlog", type=int, default=BACKLOG, help=f"jobs that wait in the end (default: {BACKLOG:,})"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only the queues whose name contains one of these")
    return parser.parse_args()


class Bench:
    """Gives queues their turns, each on empty stores."""

    def __init__(self, at_redis, at_postgresql):
        self.redis = at_redis
        self.postgresql = at_postgresql

    def turn(self, stack):
        """Return the jobs a second: put in one by one and by 100 where that can be, and worked off."""
        with self.emptied(stack) as stage:
            figures = {ONE: stage.produce("enqueue", stack.jobs)}
            with stage.worker():
                figures[DRAIN] = stage.drained(stack.jobs + 100)
        if stack.ours:
            with self.emptied(stack) as stage:
                figures[BATCH] = stage.produce("batch", stack.jobs)
        return figures

    def alone(self, stack, backlog, rounds):
        """Return what is measured of our own workers: when jobs begin, what idling costs, what a backlog does."""
        print(f"alone  {stack.name}", flush=True)
        with self.emptied(stack) as stage, stage.worker() as worker:
            stage.produce("ping", 20)
            stage.clear()
            stage.produce("ping", 400)
            delays = sorted(stage.delays(400))
            idle = stage.idle(worker, 10)
        found = {"begins, median ms": statistics.median(delays), "begins, p99 ms": delays[int(len(delays) * 0.99)]}
        found["idle, cores"] = idle
        few, many = [], []
        for _ in range(rounds):
            few.append(self.with_waiting(stack, AFTER * 2))
            many.append(self.with_waiting(stack, backlog))
        found |= {"few waiting, jobs/s": statistics.median(few), "many waiting, jobs/s": statistics.median(many)}
        for name, value in found.items():
            print(f"  {name:22}{value:12,.3f}", flush=True)
        return found

    def with_waiting(self, stack, count):
        """Return the jobs a second that a worker begins with while so many wait."""
        with self.emptied(stack) as stage:
            stage.produce("fill", count)
            wait_for_log(self.redis)
            with stage.worker():
                return stage.drained(AFTER)

    @contextmanager
    def emptied(self, stack):
        """Empty the stores, and give a stage for one queue, when what was before it is written to disk."""
        database = f"b{time.monotonic_ns()}"
        with psycopg.connect(f"postgresql://{self.postgresql}", autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {database}")
            admin.execute("CHECKPOINT")
            empty_redis(self.redis)
            os.sync()
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                yield Stage(stack, Path(folder), self.redis, self.postgresql.replace("/postgres", f"/{database}"))
            admin.execute(f"DROP DATABASE {database} WITH (FORCE)")


class Stage:
    """One queue with empty stores."""

    def __init__(self, stack, folder, at_redis, at_postgresql):
        self.stack = stack
        self.marks = folder / "marks"
        self.marks.touch()
        self.log = folder / "log"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
            "BENCH_ENGINE": stack.engine,
            "BENCH_FOLDER": str(folder),
            "BENCH_MARKS": str(self.marks),
            "BENCH_POSTGRES": at_postgresql,
            "BENCH_REDIS": at_redis,
        }
        if stack.module == "on_procrastinate":
            self.run("procrastinate --app on_procrastinate.app schema --apply")

    def run(self, command):
        """Run a command on the worker's core and return what it printed."""
        done = subprocess.run(
            ["taskset", "--cpu-list", str(machine.SERVER_CORE), *shlex.split(command)],
            env=self.environment, cwd=HERE, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"bench: {command} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
        return done.stdout

    def produce(self, function, count):
        """Put jobs in and return how many a second."""
        return float(self.run(f"python produce.py {self.stack.module} {function} {count}"))

    @contextmanager
    def worker(self):
        """Run the queue's worker on its core."""
        words = shlex.split(worker_command(self.stack.module))
        with self.log.open("w") as log:
            process = subprocess.Popen(
                ["taskset", "--cpu-list", str(machine.SERVER_CORE), *words],
                env=self.environment, cwd=HERE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def drained(self, count):
        """Return the jobs a second from the first mark to the last."""
        first = self.until(1)
        began = time.perf_counter()
        seen = self.until(count)
        return (seen - first) / (time.perf_counter() - began)

    def until(self, count):
        """Wait until there are so many marks, and return how many there are."""
        ends = time.monotonic() + PATIENCE
        while (seen := self.marks.stat().st_size) < count:
            if time.monotonic() > ends:
                sys.exit(f"bench: {self.stack.name}: {seen} of {count} jobs ran.\n{self.log.read_text()[-3000:]}")
            time.sleep(0.002)
        return seen

    def clear(self):
        """Forget the marks so far, when all jobs have run."""
        time.sleep(0.5)
        os.truncate(self.marks, 0)

    def delays(self, count):
        """Return the milliseconds in which jobs began."""
        ends = time.monotonic() + PATIENCE
        while len(lines := self.marks.read_text().split()) < count:
            if time.monotonic() > ends:
                sys.exit(f"bench: {self.stack.name}: {len(lines)} of {count} jobs ran.\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)
        return [int(line) / 1e6 for line in lines]

    def idle(self, worker, seconds):
        """Return the cores that a worker uses while nothing happens."""
        before = machine.processor_time(worker.pid)
        time.sleep(seconds)
        return (machine.processor_time(worker.pid) - before) / seconds


def worker_command(module):
    """Return the command of a queue's worker, without importing what it imports."""
    line = next(line for line in (HERE / f"{module}.py").read_text().splitlines() if line.startswith("WORKER = "))
    return json.loads(line.removeprefix("WORKER = "))


def publish(samples, single, backlog):
    """Print and store the outcome; return whether the demands hold."""
    rates = {name: {figure: statistics.median(v) for figure, v in cells.items()} for name, cells in samples.items()}
    figures = (ONE, BATCH, DRAIN)
    print(f"\n{'jobs a second':28}" + "".join(f"{figure:>14}" for figure in figures))
    for name, cells in rates.items():
        print(f"{name:28}" + "".join(f"{cells[f]:14,.0f}" if f in cells else f"{'':14}" for f in figures))
    demands = {**compared(rates), **kept(single, backlog)}
    print()
    for demand, holds in demands.items():
        print(f"  {'holds' if holds else 'DOES NOT HOLD':13} {demand}")
    document = {
        "machine": about_machine(),
        "versions": versions(),
        "jobs a second": samples,
        "alone": single,
        "demands": demands,
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    return all(demands.values())


def compared(rates):
    """Return the demands against peers that were measured, and whether each holds."""
    found = {}
    for of, figure, times, over, other in DEMANDS:
        if of in rates and over in rates:
            ratio = rates[of][figure] / rates[over][other]
            found[f"{of}, {figure}, is {times} × {over}, {other}: {ratio:.2f}"] = ratio >= times
    return found


def kept(single, backlog):
    """Return the demands on our own workers, and whether each holds."""
    found = {}
    for stack in OURS:
        if cells := single.get(stack.name):
            p99, idle = cells["begins, p99 ms"], cells["idle, cores"]
            ratio = cells["many waiting, jobs/s"] / cells["few waiting, jobs/s"]
            found[f"{stack.name}: 99 of 100 jobs begin within {BEGINS[stack.engine]:g} ms: {p99:.2f}"] = (
                p99 < BEGINS[stack.engine]
            )
            found[f"{stack.name}: an idle worker uses under {IDLE:.0%} of a core: {idle:.2%}"] = idle < IDLE
            found[f"{stack.name}: {backlog:,} waiting jobs leave {KEPT:.0%} of the speed: {ratio:.0%}"] = ratio >= KEPT
    return found


if __name__ == "__main__":
    sys.exit(not main())
