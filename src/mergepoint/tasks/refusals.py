"""Acts on jobs that have no effect, and why: what people are told, by commands and over every protocol."""

from __future__ import annotations

from typing import Literal, TypeAlias

from ..errors import Failure
from ..jobs import Job, State

Act: TypeAlias = Literal["cancel", "retry", "expedite"]

_ONCE_MORE = "put in another one to run it once more"

_WHY: dict[tuple[Act, State], str] = {
    ("cancel", "done"): "there is nothing left to stop",
    ("cancel", "dead"): "it does not run any more",
    ("retry", "blocked"): "it runs when the jobs before it are done",
    ("retry", "waiting"): "it runs anyway; expedite it to let it go first",
    ("retry", "running"): "cancel it first",
    ("retry", "done"): _ONCE_MORE,
    ("retry", "dead"): "another job has its unique key; cancel that one first",
    ("retry", "cancelled"): "another job has its unique key; cancel that one first",
    ("expedite", "blocked"): "it waits for other jobs; expedite those",
    ("expedite", "running"): "it has begun already",
    ("expedite", "done"): _ONCE_MORE,
    ("expedite", "dead"): "retry it",
    ("expedite", "cancelled"): "retry it",
}


class WrongState(Failure):
    """A job is in a state in which this cannot be done with it."""

    kind = "failed_precondition"

    def __init__(self, act: Act, job: Job) -> None:
        why = _WHY.get((act, job.state), "that has changed just now; look again")
        super().__init__(f"The job {job.id} is {job.state}: {why}.", code="wrong_state")


class NoResultYet(Failure):
    """A job is not over, so it has no result to look up."""

    kind = "failed_precondition"

    def __init__(self, job: Job) -> None:
        super().__init__(f"The job {job.id} is {job.state}: its result is there when it is done.", code="no_result_yet")


def is_stopping(job: Job) -> bool:
    """Tell whether a job is cancelled, or asked to stop: to cancel it again changes nothing, and is no mistake."""
    return job.cancelling or job.state == "cancelled"
