"""Procrastinate on PostgreSQL."""

import os

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from marks import ARGUMENT, mark

WORKER = "procrastinate --app on_procrastinate.app worker --concurrency 20"
PREPARE = "procrastinate --app on_procrastinate.app schema --apply"

WHERE = f"postgresql://{os.environ['BENCH_POSTGRES']}"

app = App(connector=PsycopgConnector(conninfo=WHERE))


@app.task(name="note")
async def note(what):
    """Leave a mark."""
    mark()


def enqueue(count):
    """Put jobs in, one at a time."""
    producer = App(connector=SyncPsycopgConnector(conninfo=WHERE))
    with producer.open():
        deferrer = producer.configure_task("note")
        for _ in range(count):
            deferrer.defer(what=ARGUMENT)
