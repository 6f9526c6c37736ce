"""Dramatiq on Redis, with as many threads as it was fastest with."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from marks import ARGUMENT, mark

WORKER = "dramatiq on_dramatiq -p 1 -t 32"

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS"]))


@dramatiq.actor
def note(what):
    """Leave a mark."""
    mark()


def enqueue(count):
    """Put jobs in, one at a time."""
    for _ in range(count):
        note.send(ARGUMENT)
