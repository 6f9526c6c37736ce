"""Run claims: each through the whole chain of its operation, and what comes of that."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from ..call import Call
from ..errors import Cancelled, Failure, InvalidArgument, Kind
from ..faults import incident
from ..lock import fingerprint
from .backoff import Backoff
from .records import Attempt, Claim, Message, Outcome

if TYPE_CHECKING:
    from ..operation import Operation

PROTOCOL = "job"
"""What `Call.protocol` says in a job."""

HOPELESS: frozenset[Kind] = frozenset(
    {
        "invalid_argument",
        "not_found",
        "already_exists",
        "permission_denied",
        "unauthenticated",
        "failed_precondition",
        "out_of_range",
        "unimplemented",
    }
)
"""Failures that come again however often a job is tried: such a job is dead at once."""

PATIENCE = 600.0
"""Seconds in which a newer worker may come for a job that this one cannot read; a rolling deploy is over by then."""

STEP_BACK = 5.0
"""Seconds after which such a job is offered again."""

REPORTS = 0.25
"""Seconds between two words of progress that are kept."""

Report = Callable[[Claim, float, str], bool]
"""Notes the progress of a claim; False if it shall stop. `Engine.report` is one."""


class Running(Protocol):
    """What a runner needs of an app."""

    @property
    def jobs(self) -> Mapping[str, Operation]:
        """The operations that jobs may run, by name."""


class _Misfit(Failure):
    """Arguments that do not fit the command as this process knows it."""


class Runner:
    """Runs the claims of one worker.

    Args:
        app: what has the operations.
        worker: the worker's name, for the history of jobs.
        report: keeps the progress of a job.
        backoff: how long a job that failed waits.
        patience: seconds in which a newer worker may come for a job that this one cannot read.
    """

    def __init__(
        self,
        app: Running,
        worker: str,
        report: Report,
        *,
        backoff: Backoff | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._known = {name: _Known(operation) for name, operation in app.jobs.items()}
        self._worker = worker
        self._report = report
        self._backoff = backoff or Backoff()
        self._patience = patience

    def run(self, claim: Claim) -> Outcome:
        """Run a claim and return what becomes of it; no exception of the job leaves this."""
        message = claim.message
        known = self._known.get(message.operation)
        if known is None:
            return self._step_back(claim, f"No worker knows a command `{message.operation}`.", "unknown_operation")
        began = monotonic()
        heard = _Heard(claim, self._report)
        try:
            result = known.run(message, began, heard)
        except _Misfit as misfit:
            return self._misfit(claim, misfit)
        except Exception as error:  # noqa: BLE001 - whatever a job raises, it is the job's outcome
            if heard.stop and isinstance(error, Cancelled):
                return Outcome(claim, "cancelled")
            return self.failed(claim, error, monotonic() - began)
        except BaseException as error:  # noqa: BLE001 - it ends the job, never the worker
            bug = incident(f"job {message.id} of {message.operation}", error)
            return self.failed(claim, bug, monotonic() - began)
        return Outcome(claim, "done", result)

    def failed(self, claim: Claim, error: Exception, seconds: float = 0.0) -> Outcome:
        """Return what becomes of a claim that failed: it is tried again later, or dead.

        Args:
            claim: a claim of a command that the app has.
            error: what went wrong.
            seconds: how long it ran.
        """
        fault = self._known[claim.message.operation].operation.errors.fault(error)
        attempt = self._attempt(claim, fault.code, fault.message, seconds)
        if fault.kind in HOPELESS or claim.failures >= claim.message.retries:
            return Outcome(claim, "dead", attempt=attempt)
        return Outcome(claim, "retry", delay=self._backoff.delay(claim.failures + 1), attempt=attempt)

    def _misfit(self, claim: Claim, misfit: _Misfit) -> Outcome:
        if misfit.code == "newer_payload":
            return self._step_back(claim, misfit.message, misfit.code)
        return Outcome(claim, "dead", attempt=self._attempt(claim, misfit.code, misfit.message))

    def _step_back(self, claim: Claim, why: str, code: str) -> Outcome:
        """Leave a job to a newer worker, as long as one may come."""
        if time.time() - _begun_waiting(claim.message) < self._patience:
            return Outcome(claim, "release", delay=STEP_BACK)
        return Outcome(claim, "dead", attempt=self._attempt(claim, code, why))

    def _attempt(self, claim: Claim, code: str, message: str, seconds: float = 0.0) -> Attempt:
        began = datetime.fromtimestamp(time.time() - seconds, UTC)
        return Attempt(claim.attempts, self._worker, began, seconds, "failed", code, message)


class _Known:
    """An operation, ready to run jobs of it."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.version = fingerprint(operation.contract)
        self._gives = operation.contract.gives
        self._result = operation.contract.result

    def run(self, message: Message, began: float, heard: _Heard) -> bytes | None:
        """Run the operation and return its result as JSON."""
        operation = self.operation
        call = Call(operation, PROTOCOL, message.metadata, message.id, message.timeout, began, self._user(message))
        call._progress = heard.of(call)  # noqa: SLF001 - set by who makes the call, like the user
        result = operation.run(call, message, self._read)
        return None if self._gives == "nothing" or self._result is None else self._result.encode_json(result)

    def _user(self, message: Message) -> Any:
        users = self.operation.users if message.user is not None else None
        return None if users is None or message.user is None else users.tolerate_json(bytes(message.user))

    def _read(self, message: Message) -> tuple[Any, ...]:
        try:
            return self.operation.contract.arguments.decode_json(message.arguments)
        except InvalidArgument as error:
            newer = any(problem.message.startswith("Unknown field") for problem in error.problems)
            code = "newer_payload" if newer and message.version != self.version else "incompatible_payload"
            raise _Misfit(
                f"The job was put in for another version of `{message.operation}`, and its arguments do not fit this"
                f" one: {error.message}",
                kind="unimplemented",
                code=code,
            ) from error


class _Heard:
    """Hears of the progress of one job, and keeps not every word."""

    def __init__(self, claim: Claim, report: Report) -> None:
        self.stop = False
        self._claim = claim
        self._report = report
        self._next = 0.0

    def of(self, call: Call) -> Callable[..., None]:
        """Return what a call tells its progress to."""

        def progress(done: float, note: str = "") -> None:
            call.check()
            if (now := monotonic()) >= self._next or done >= 1:
                self._next = now + REPORTS
                self.stop = not self._report(self._claim, min(max(float(done), 0.0), 1.0), note[:200])
            if self.stop:
                raise Cancelled

        return progress


def _begun_waiting(message: Message) -> float:
    return max(message.created + message.delay, message.at or 0.0)
