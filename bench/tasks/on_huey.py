"""Huey on Redis or, with BENCH_ENGINE=sqlite, on SQLite; results off."""

import os

from huey import RedisHuey, SqliteHuey

from marks import ARGUMENT, mark

WORKER = "huey_consumer on_huey.huey -w 8 -k thread -q"

huey = (
    SqliteHuey("bench", filename=os.path.join(os.environ["BENCH_FOLDER"], "huey.db"), results=False)  # noqa: PTH118
    if os.environ["BENCH_ENGINE"] == "sqlite"
    else RedisHuey("bench", url=os.environ["BENCH_REDIS"], results=False)
)


@huey.task()
def note(what):
    """Leave a mark."""
    mark()


def enqueue(count):
    """Put jobs in, one at a time."""
    for _ in range(count):
        note(ARGUMENT)
