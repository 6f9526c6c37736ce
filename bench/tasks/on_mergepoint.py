"""Mergepoint on the engine that BENCH_ENGINE names, with everything on that is on by default: results are kept too."""

import os
import time

from marks import ARGUMENT, mark, mark_delay
from mergepoint import App, redis, tasks
from mergepoint.db import Database

WORKER = "mergepoint run on_mergepoint.py worker"


def engine():
    """Return what keeps the jobs."""
    where = os.environ["BENCH_ENGINE"]
    if where == "redis":
        return redis.Worklist(os.environ["BENCH_REDIS"], prefix="{bench}:")
    if where == "postgresql":
        return Database(f"postgresql://{os.environ['BENCH_POSTGRES']}")
    return Database(f"sqlite:///{os.environ['BENCH_FOLDER']}/mergepoint.db")


app = App("bench")
queue = tasks.Queue(app, engine())


@app.task
def note(what: dict[str, str | int]) -> None:
    """Leave a mark."""
    mark()


@app.task
def note_delay(put_in: int) -> None:
    """Leave a mark of how long it took to begin."""
    mark_delay(put_in)


def enqueue(count):
    """Put jobs in, one at a time."""
    later = queue.later(note)
    for _ in range(count):
        later(ARGUMENT)


def batch(count):
    """Put jobs in, 100 at a time."""
    message = queue.message(note)
    for _ in range(count // 100):
        queue.put(message(ARGUMENT) for _ in range(100))


def fill(count):
    """Put many jobs in, as fast as possible."""
    message = queue.message(note)
    for _ in range(count // 1000):
        queue.put(message(ARGUMENT) for _ in range(1000))


def ping(count):
    """Put jobs in that say how long it took to begin, now and then."""
    later = queue.later(note_delay)
    for number in range(count):
        time.sleep(0.02 + number % 7 * 0.01)
        later(time.monotonic_ns())
