"""Celery 5 on Redis, as its documentation has it; its prefetch raised, which is faster."""

import os

from celery import Celery

from marks import ARGUMENT, mark

WORKER = "celery -A on_celery worker -l ERROR --without-gossip --without-mingle --without-heartbeat -P threads -c 8"

app = Celery("on_celery", broker=os.environ["BENCH_REDIS"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=64, broker_connection_retry_on_startup=True)


@app.task(name="note")
def note(what):
    """Leave a mark."""
    mark()


def enqueue(count):
    """Put jobs in, one at a time."""
    for _ in range(count):
        note.delay(ARGUMENT)
