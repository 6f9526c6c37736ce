"""What every job of every queue does: leave a mark in a file, one byte, or the nanoseconds since it was put in."""

import os
import time

_MARKS = os.open(os.environ["BENCH_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

ARGUMENT = {"user": 42, "kind": "mail"}
"""The one small argument of a job."""


def mark() -> None:
    """Say that a job has run."""
    os.write(_MARKS, b".")


def mark_delay(put_in: int) -> None:
    """Say how long after it was put in a job has begun; the clock is the same for all processes."""
    os.write(_MARKS, b"%d\n" % (time.monotonic_ns() - put_in))
