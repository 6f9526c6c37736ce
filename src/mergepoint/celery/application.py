"""The application of Celery that runs an app's jobs."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from celery import Celery
from celery.bootsteps import StartStopStep

from ..app import App
from ..jobs import LEASE, Backoff, Claim, Engine, Lane, Outcome, Runner
from ..operation import Operation
from .handover import HEADER, pack
from .relay import Relay
from .settings import queue_name, settings
from .task import JobTask

HANDOVER = 300.0
"""Seconds after which a job that was sent to Celery and has not begun is put back."""

GRACE = 30.0
"""Seconds that a job may take to end by itself when its time is over, until its process is ended."""

FORGOTTEN = 24 * 3600
"""Seconds after which a broker that can do so forgets the queue of a worker that is gone."""


class Hosted(Protocol):
    """What has jobs to run; `mergepoint.tasks.Queue` is one."""

    @property
    def app(self) -> App:
        """Whose commands the jobs run."""

    @property
    def engine(self) -> Engine:
        """What keeps the jobs."""


class Application(Celery):  # type: ignore[misc]  # Celery brings no types
    """Celery for the jobs of one app; `application` makes it.

    Attributes:
        engine: what keeps the jobs.
        jobs: the commands, by name.
        lease: seconds after its last sign of life until a worker's jobs are given to others.
        relay: hands jobs over to the worker; None in a process that is none.
    """

    def __init__(self, hosted: Hosted, *, lease: float, backoff: Backoff) -> None:
        super().__init__(hosted.app.name, set_as_current=False)
        self.engine = hosted.engine
        self.jobs: Mapping[str, Operation] = hosted.app.jobs
        self.lanes: Sequence[Lane] = hosted.app.lanes
        self.lease = lease
        self.relay: Relay | None = None
        self._backoff = backoff
        self._hosted = hosted

    @cached_property
    def runner(self) -> Runner:
        """What runs claims in this process; made by its first job, after the fork."""
        worker = f"celery:{platform.node()}:{os.getpid()}"
        return Runner(self._hosted.app, worker, self.engine.report, backoff=self._backoff)

    def offer(self) -> None:
        """Make a task of each command."""
        for name, operation in self.jobs.items():
            facts = {"name": name, "__doc__": operation.contract.summary, "__module__": JobTask.__module__}
            self.register_task(type("JobTask", (JobTask,), facts)())

    def send(self, claim: Claim, worker: str, queue: str) -> Outcome | None:
        """Send a claim to a worker as a task; return what becomes of it if no worker of this version can run it."""
        message = claim.message
        operation = self.jobs.get(message.operation)
        if operation is None:
            return self.runner.run(claim)
        parcel = pack(worker, claim, [each.name for each in operation.contract.parameters if each.sensitive])
        self.tasks[message.operation].apply_async(
            kwargs=parcel.kwargs,
            kwargsrepr=parcel.shown,
            task_id=message.id,
            headers={HEADER: parcel.header},
            queue=queue,
            soft_time_limit=message.timeout,
            time_limit=message.timeout + GRACE,
        )
        return None


class RelayStep(StartStopStep):  # type: ignore[misc]  # Celery brings no types
    """Runs the relay as long as a worker is connected to its broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    outstanding: int | None = None
    handover = HANDOVER

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        app: Application = consumer.app
        queue = f"{app.main}.{consumer.hostname}"
        app.amqp.queues.select_add(queue, queue_arguments={"x-expires": FORGOTTEN * 1000})
        app.relay = self.relay = Relay(
            app.engine,
            lambda claim: app.send(claim, self.relay.worker, queue),
            lambda: _chosen(app),
            lambda: consumer.pool.num_processes,
            outstanding=self.outstanding,
            handover=self.handover,
            lease=app.lease,
            backoff=app._backoff,  # noqa: SLF001
        )

    def start(self, consumer: Any) -> None:
        """Begin, now that the worker listens."""
        self.relay.start()

    def stop(self, consumer: Any) -> None:
        """Put back what has not begun: the worker ends, or has lost its broker."""
        self.relay.stop()

    terminate = stop


def application(
    queue: Hosted,
    broker: str,
    *,
    outstanding: int | None = None,
    handover: float = HANDOVER,
    lease: float = LEASE,
    backoff: Backoff | None = None,
    **changes: Any,
) -> Application:
    """Make the application of Celery whose workers run an app's jobs.

    In a module `worker.py`: `app = celery.application(create_queue(), "redis://…")`, then
    `celery -A batfriend.worker worker`. Each command of the app is a task of its name. The engine of the queue keeps
    all jobs and their states; Celery carries to its pools what is to run next.

    Args:
        queue: whose jobs these are: a `mergepoint.tasks.Queue`.
        broker: the broker's URL, `redis://…` or `amqp://…`.
        outstanding: the most jobs that a worker has at hand, begun ones included; 4 for each of its processes unless
            given.
        handover: seconds after which a job that was sent to Celery and has not begun is put back.
        lease: seconds after its last sign of life until a worker's jobs are given to others.
        backoff: how long a job that failed waits.
        changes: settings of Celery that shall differ, such as `worker_max_tasks_per_child=1000`.
    """
    celery = Application(queue, lease=lease, backoff=backoff or Backoff())
    routes = {name: each.policy.lane(name).queue for name, each in celery.jobs.items()}
    usual = settings(celery.main, broker, celery.lanes, routes)
    transport = {**usual["broker_transport_options"], **changes.pop("broker_transport_options", {})}
    celery.conf.update({**usual, **changes, "broker_transport_options": transport})
    celery.offer()
    step = type("RelayStep", (RelayStep,), {"outstanding": outstanding, "handover": handover})
    celery.steps["consumer"].add(step)
    return celery


def _chosen(app: Application) -> list[Lane]:
    """Return the queues of jobs that this worker serves: all of them, or those of `-Q`."""
    consumed = app.amqp.queues.consume_from
    return [lane for lane in app.lanes if queue_name(app.main, lane.queue) in consumed]
