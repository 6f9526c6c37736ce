"""A command as a task of Celery: takes a claim over from the relay, runs it and tells the store what came of it."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec
from celery import Task
from celery.exceptions import Ignore, Reject, Retry

from ..errors import DeadlineExceeded, InvalidArgument, Unavailable
from ..jobs import Claim, Leases, Message, Outcome, new_id
from ..lock import fingerprint
from .handover import HEADER, Handover, complete, unpack

if TYPE_CHECKING:
    from .application import Application

T = TypeVar("T")

logger = logging.getLogger("mergepoint")

PATIENCE = 60.0
"""Seconds to wait for the store before a job is given up; its lease gives it to another worker."""


class JobFailed(Exception):
    """A job came to no result. The store has what happened; Celery's tools show this."""


class JobTask(Task):  # type: ignore[misc]  # Celery brings no types
    """Runs jobs of one command.

    Called without the relay's header, by `celery call` or `send_task`, it puts a job in: that runs as soon as any
    worker has time. Its result is the id of the job.
    """

    abstract = True
    acks_late = True  # whatever the settings say: `Request` learns from it when a job is over
    typing = False  # arguments are checked by the contract of the command
    throws = (JobFailed,)  # what went wrong is in the log already, with its traceback
    Request = "mergepoint.celery.request:Request"

    app: Application

    def run(self, *args: Any, **kwargs: Any) -> str | None:
        """Run a job, or put one in."""
        header = self.request.get(HEADER)
        if header is None:
            return self._put_in(args, kwargs)
        self._run_job(unpack(header), kwargs)
        return None

    # --- from the relay ---

    def _run_job(self, handover: Handover, kwargs: dict[str, Any]) -> None:
        engine = self.app.engine
        leases = Leases(engine, handover.worker, self.app.lease)
        standing = _patiently(lambda: engine.extend(handover.worker, [handover.claim], self.app.lease))
        claim = _patiently(lambda: complete(handover, kwargs, engine))
        if claim is None or handover.id in standing.lost:
            logger.info("The job %s is another worker's by now, or over: skipped", handover.id)
            raise Ignore
        leases.hold([claim])
        leases.start()
        try:
            cancelled = handover.id in standing.cancelled
            outcome = Outcome(claim, "cancelled") if cancelled else self._outcome(claim)
            _patiently(lambda: engine.settle([outcome]))
        finally:
            leases.stop()
        _show(outcome)

    def _outcome(self, claim: Claim) -> Outcome:
        with _time_limit():
            return self.app.runner.run(claim)

    # --- from anybody else ---

    def _put_in(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        try:
            message = self._message(args, kwargs)
            return _patiently(lambda: self.app.engine.put([message]))[0]
        except InvalidArgument as error:
            raise JobFailed(error.message) from None
        except Unavailable as error:
            raise Reject(str(error), requeue=True) from error  # it stays in the broker until there is a store

    def _message(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Message:
        operation = self.app.jobs[self.name]
        contract, policy = operation.contract, operation.policy
        arguments = {**dict(zip(contract.names, args, strict=False)), **kwargs}
        values = contract.arguments.decode_json(msgspec.json.encode(arguments))
        return Message(
            id=new_id(),
            operation=self.name,
            arguments=msgspec.Raw(contract.write(values, json=True)),
            version=fingerprint(contract),
            created=time.time(),
            queue=policy.lane(self.name).queue,
            unique=f"celery:{self.request.id}",  # delivered twice, it is one job, while that is unfinished
            retries=policy.retries,
            timeout=policy.timeout,
            keep=policy.keep,
        )


def _show(outcome: Outcome) -> None:
    """Let Celery's tools see what became of a job: SUCCESS, RETRY or FAILURE."""
    if outcome.verdict == "done":
        return
    attempt = outcome.attempt
    failed = JobFailed(outcome.verdict if attempt is None else f"{attempt.code}: {attempt.message}")
    if outcome.verdict in {"retry", "release"}:
        raise Retry(str(failed), exc=failed, when=outcome.delay)  # shown only: the store keeps the job until then
    raise failed


def _patiently(ask: Callable[[], T]) -> T:
    """Ask the store until it answers, for a while."""
    ends, pause = time.monotonic() + PATIENCE, 0.1
    while True:
        try:
            return ask()
        except Unavailable:
            if time.monotonic() > ends:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 2.0)


@contextmanager
def _time_limit() -> Iterator[None]:
    """Turn Celery's soft time limit into the failure that a job over its time is, on every worker."""
    handler = signal.getsignal(signal.SIGUSR1)
    main = threading.current_thread() is threading.main_thread()
    if not main or getattr(handler, "__module__", None) != "billiard.pool":  # only a process of its pool has the limit
        yield
        return
    signal.signal(signal.SIGUSR1, _raise_deadline)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, handler)


def _raise_deadline(signum: int, frame: object) -> NoReturn:
    raise DeadlineExceeded
