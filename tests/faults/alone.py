"""Celery alone, for comparison: what it leaves undone when its workers are killed, by default and acknowledging late.

python -m tests.faults.alone
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from celery import Celery
from tests.faults.stage import OwnRedis

from mergepoint.testing.processes import Running

JOBS, KILLS, SECONDS = 1_000, 5, 0.02
PATIENCE = 30.0
"""Seconds without a job after which no more are expected; Redis gives unacknowledged ones back after an hour."""

app = Celery("alone", broker=os.environ.get("ALONE_BROKER", "memory://"))
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
if os.environ.get("ALONE_LATE"):
    app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)


@app.task(name="work")  # type: ignore[untyped-decorator]  # Celery brings no types
def work(number: int) -> None:
    """Take some time and leave a mark."""
    time.sleep(SECONDS)
    with Path(os.environ["ALONE_MARKS"]).open("a") as marks:
        marks.write(f"{number}\n")


def main() -> None:
    """Measure both set-ups."""
    with tempfile.TemporaryDirectory(prefix="mergepoint-alone-") as folder:
        broker = OwnRedis(Path(folder))
        broker.start()
        app.conf.broker_url = broker.url
        try:
            for late, name in (("", "default"), ("1", "late")):
                done = _killed(Path(folder), broker.url, late, name)
                undone = JOBS - len(set(done))
                print(f"Celery, {name}: {JOBS} jobs, {KILLS} kills, {undone} not done, {len(done)} runs", flush=True)
        finally:
            broker.stop()


def _killed(folder: Path, broker: str, late: str, name: str) -> list[str]:
    marks = folder / name
    marks.touch()
    for number in range(JOBS):
        work.apply_async((number,), queue=name)
    environ = {"ALONE_BROKER": broker, "ALONE_LATE": late, "ALONE_MARKS": str(marks)}
    options = ["-c", "8", "-l", "ERROR", "-Q", name]
    command = [sys.executable, "-m", "celery", "-A", "tests.faults.alone", "worker", *options]
    for _ in range(KILLS):
        before = marks.stat().st_size
        worker = Running(command, environ, folder / "output")
        while marks.stat().st_size == before:
            time.sleep(0.05)
        time.sleep(random.uniform(0.1, 0.3))
        worker.kill()
    worker = Running(command, environ, folder / "output")
    seen, since = 0, time.monotonic()
    while time.monotonic() - since < PATIENCE:
        if marks.stat().st_size != seen:
            seen, since = marks.stat().st_size, time.monotonic()
        time.sleep(0.1)
    worker.kill()
    return marks.read_text().split()


if __name__ == "__main__":
    main()
