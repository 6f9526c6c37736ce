"""Jobs of an app's commands: put in like calls, kept by an engine, run by workers, lost by nobody."""

from mergepoint.errors import MissingExtra, missing

try:
    from mergepoint.tasks.api import api
    from mergepoint.tasks.messages import When
    from mergepoint.tasks.outbox import Outbox
    from mergepoint.tasks.queue import JobFailed, NoSuchJob, Queue
    from mergepoint.tasks.refusals import NoResultYet, WrongState
    from mergepoint.tasks.sweeps import Sweep, SweepState, sweep
    from mergepoint.tasks.tables import Tables, job_tables
    from mergepoint.tasks.worker import Worker
except (ModuleNotFoundError, MissingExtra) as error:  # it stands on mergepoint.db, whose libraries it brings
    raise missing("mergepoint.tasks", error, extra="tasks") from None

__all__ = [
    "JobFailed",
    "NoResultYet",
    "NoSuchJob",
    "Outbox",
    "Queue",
    "Sweep",
    "SweepState",
    "Tables",
    "When",
    "Worker",
    "WrongState",
    "api",
    "job_tables",
    "sweep",
]
