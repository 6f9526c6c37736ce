"""Figures of the moment for metrics: how many jobs there are, and what the threads of a worker do."""

from __future__ import annotations

from typing import TypeAlias

from ..jobs import Engine

Gauge: TypeAlias = tuple[str, str, dict[str, str], float]
"""Its name, what it says, its labels and its value."""


def depths(engine: Engine) -> list[Gauge]:
    """Return how many jobs there are, by queue and state.

    Raises:
        Unavailable: the engine does not answer.
    """
    what = "Jobs by queue and state."
    return [
        ("mergepoint_jobs", what, {"queue": queue, "state": state}, float(count))
        for (queue, state), count in sorted(engine.counts().items())
    ]


def threads(busy: int, idle: int, stuck: int) -> list[Gauge]:
    """Return how many threads of a worker run a job, how many wait for one, and how many were given up."""
    what = "Threads for jobs in the process that answers, by what they do."
    states = {"busy": busy, "idle": idle, "stuck": stuck}
    return [("mergepoint_job_threads", what, {"state": state}, float(count)) for state, count in states.items()]
