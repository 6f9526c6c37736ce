"""A failed answer as the exception that it tells of."""

from __future__ import annotations

import msgspec

from ...errors import DeadlineExceeded, Failure, InvalidArgument, Unavailable
from ...faults import ErrorTable, Fault
from ...types import UNSET
from ..openapi.failures import ProblemDetails
from .transport import Answer


def failure_of(answer: Answer, errors: ErrorTable, body: bytes | None = None) -> Exception:
    """Return the exception to raise for a failed answer: a declared one if its code is declared here.

    Args:
        answer: the answer; it is read to its end.
        errors: what is declared. No class is ever looked up by a name that came over the wire.
        body: the problem details, if the answer's own body is something else.
    """
    given = answer.read() if body is None else body
    try:
        problem = msgspec.json.decode(given, type=ProblemDetails)
        return errors.failure(_fault(problem))
    except (msgspec.DecodeError, InvalidArgument) as error:
        return _unexplained(answer.status, error)


def _fault(problem: ProblemDetails) -> Fault:
    incident = None if problem.incident is UNSET else problem.incident
    return Fault(problem.kind, problem.code, problem.detail, problem.fields, problem.errors, incident)


def _unexplained(status: int, error: Exception) -> Failure:
    """Return the failure for an answer without problem details: that of a proxy, or of another program."""
    told: Failure
    if status in (502, 503):
        told = Unavailable("The other side is out of reach.")
    elif status == 504:
        told = DeadlineExceeded("The other side did not answer in time.")
    else:
        told = Failure("The other side failed without saying why.", kind="unknown", code="bad_answer")
    told.add_note(f"HTTP {status} without problem details that can be read: {error}")
    return told
