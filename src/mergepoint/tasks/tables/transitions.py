"""What may become of a job: each function changes a row that its caller holds alone. No database is known here."""

from __future__ import annotations

from typing import Literal

from ...jobs import Attempt, Outcome, moment
from .rows import EXPEDITED, Row, message_of, micros, remember
from .schema import TIERS

LOST = "Its worker gave no sign of life any more."
"""What the history says of an attempt whose worker was lost."""


def settle(row: Row, outcome: Outcome, now: int) -> bool:
    """Apply an outcome; one of an older claim changes nothing.

    Returns:
        True if it counted.
    """
    if row.state != "running" or row.token != outcome.claim.token:
        return False
    remember(row, outcome.attempt)
    verdict = outcome.verdict
    if verdict in {"retry", "release"}:
        _put_back(row, outcome, now)
    else:
        row.result = None if verdict != "done" or outcome.result is None else outcome.result.decode()
        _finish(row, verdict, now)  # type: ignore[arg-type]  # the three that are left are states
    return True


def _put_back(row: Row, outcome: Outcome, now: int) -> None:
    if outcome.verdict == "release":
        row.attempts -= 1
    else:
        row.failures += 1
    wait(row, now, now + micros(outcome.delay))


def wait(row: Row, now: int, due: int) -> None:
    """Let a job that ran wait for its time; one that was asked to stop is cancelled instead."""
    if row.cancelling:
        _finish(row, "cancelled", now)
        return
    row.state, row.changed, row.due = "waiting", now, due
    row.priority = TIERS[message_of(row).priority]
    row.worker = row.lease = row.renewed = None


def lose(row: Row, now: int, most_crashes: int) -> None:
    """Take a job from a worker that was lost."""
    began = moment((row.began or now) / 1_000_000)
    remember(row, Attempt(row.attempts, row.worker or "", began, None, "lost", "worker_lost", LOST))
    row.losses += 1
    if row.losses >= most_crashes and not row.cancelling:
        _finish(row, "dead", now)
    else:
        wait(row, now, now)


def cancel(row: Row, now: int) -> bool:
    """Cancel a job, or ask it to stop.

    Returns:
        True if that has an effect.
    """
    if row.state in {"waiting", "blocked"}:
        _finish(row, "cancelled", now)
        return True
    if row.state == "running" and not row.cancelling:
        row.cancelling = True
        return True
    return False


def retry(row: Row, now: int) -> bool:
    """Put a dead or cancelled job back; its unique key is left to the caller.

    Returns:
        True if it was one.
    """
    if row.state not in {"dead", "cancelled"}:
        return False
    row.state = "blocked" if row.needs > 0 else "waiting"
    row.changed = row.due = now
    row.priority = TIERS[message_of(row).priority]
    row.failures = row.losses = 0
    row.progress, row.note, row.result, row.expires = 0.0, None, None, None
    row.worker = row.lease = row.renewed = None
    row.cancelling = False
    return True


def expedite(row: Row, now: int) -> bool:
    """Let a waiting job go before all others, but for those that were expedited before it.

    Returns:
        True if it waits.
    """
    if row.state != "waiting":
        return False
    row.priority, row.due = 0, now - EXPEDITED
    return True


def others_done(row: Row, now: int, count: int) -> None:
    """Note that some of the jobs that this one waits for are done."""
    row.needs -= count
    if row.state == "blocked" and row.needs <= 0:
        row.state, row.changed = "waiting", now


def _finish(row: Row, state: Literal["done", "dead", "cancelled"], now: int) -> None:
    row.state, row.changed = state, now
    row.unique_key = row.lease = row.renewed = None
    row.expires = None if state == "dead" else now + micros(message_of(row).keep)
