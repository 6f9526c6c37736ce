"""Failures as RFC 9457 problem details: the one place that knows which HTTP status belongs to which failure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from ..errors import Failure, Kind
from ..faults import Fault

MEDIA_TYPE = "application/problem+json"

STATUS: dict[Kind, int] = {
    "cancelled": 499,
    "unknown": 500,
    "invalid_argument": 422,
    "deadline_exceeded": 504,
    "not_found": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "failed_precondition": 409,
    "aborted": 409,
    "out_of_range": 422,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "data_loss": 500,
    "unauthenticated": 401,
}
"""The HTTP status of each kind of failure."""

HTTP_STATUS: dict[str, int] = {
    "malformed": 400,
    "no_such_path": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "body_too_large": 413,
    "unsupported_media_type": 415,
}
"""The status of failures that only HTTP knows, by their code."""

_CLIENT_CLOSED_REQUEST = "Client Closed Request"  # 499 is nginx's, and in no standard


class HttpFailure(Failure):
    """A request that is wrong as HTTP, before any operation is concerned. Its code is a key of `HTTP_STATUS`."""

    def __init__(self, code: str, message: str, *, kind: Kind = "invalid_argument") -> None:
        super().__init__(message, kind=kind, code=code)


def status_of(fault: Fault) -> int:
    """Return the HTTP status of a fault."""
    return HTTP_STATUS.get(fault.code) or STATUS[fault.kind]


def status_line(status: int) -> str:
    """Return a status with its phrase: `404 Not Found`."""
    return f"{status} {phrase(status)}"


def phrase(status: int) -> str:
    """Return the phrase of a status."""
    return HTTPStatus(status).phrase if status != 499 else _CLIENT_CLOSED_REQUEST


def details(fault: Fault, request_id: str) -> dict[str, Any]:
    """Return the problem details of a fault, ready for JSON."""
    status = status_of(fault)
    problem: dict[str, Any] = {
        "title": phrase(status),
        "status": status,
        "kind": fault.kind,
        "code": fault.code,
        "detail": fault.message,
        "request_id": request_id,
    }
    if fault.problems:
        problem["errors"] = msgspec.to_builtins(fault.problems)
    if fault.fields:
        problem["fields"] = fault.fields
    if fault.incident:
        problem["incident"] = fault.incident
    return problem
