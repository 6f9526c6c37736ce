"""What an operation may fail with over HTTP, as its description tells it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Annotated, Any

import msgspec

from ...access import anyone
from ...access import describe as name_of
from ...errors import Kind, Problem
from ...faults import Declared, Fault
from ...types import UNSET, Meta, Unset
from ..negotiation import OFFERED
from ..problems import MEDIA_TYPE, details, phrase, status_of
from ..routes import Route
from .schemas import Schema

REQUEST_ID = "4b1d6a2f9c3e5d70"


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a request failed (RFC 9457).

    Attributes:
        title: the phrase of the status.
        status: the HTTP status.
        kind: the kind of failure, the same on every protocol.
        code: the stable name of what happened.
        detail: what happened, for people.
        request_id: names the request in the log.
        errors: everything that is wrong with the input, each with its path, such as `$.bat.name`.
        fields: more about it, depending on the code.
        incident: the number under which the log tells of a bug.
    """

    title: str
    status: int
    kind: Kind
    code: str
    detail: str
    request_id: str
    errors: tuple[Problem, ...] = ()
    # Said aloud, because generators of clients take an object without it for one that is always empty.
    fields: Annotated[dict[str, Any], Meta(extra_json_schema={"additionalProperties": True})] = {}
    incident: str | Unset = UNSET


class Told(msgspec.Struct, frozen=True):
    """One failure that a caller may meet.

    Attributes:
        fault: an example of it.
        meaning: when it happens, in a sentence.
        fields: the schema of the further data it has.
    """

    fault: Fault
    meaning: str
    fields: Schema = {}

    @property
    def status(self) -> int:
        """The HTTP status it is answered with."""
        return status_of(self.fault)


_OWN = {
    fault.code: Told(fault, meaning)
    for meaning, fault in {
        "The request cannot be read.": Fault("invalid_argument", "malformed", "$: Malformed: Input data was truncated"),
        "Nobody is signed in.": Fault("unauthenticated", "unauthenticated", "Sign in first."),
        "The user may not do this.": Fault("permission_denied", "permission_denied", "You may not do this."),
        "The path leads nowhere; a part of it may be empty or hold a `/`.": Fault(
            "unimplemented", "no_such_path", "There is nothing at this path."
        ),
        "The `Accept` header takes none of the media types of the answer.": Fault(
            "unimplemented", "not_acceptable", "This answers with application/json."
        ),
        "The body is too long.": Fault("out_of_range", "body_too_large", "The body is longer than 2500000 bytes."),
        "The body has another media type.": Fault(
            "invalid_argument", "unsupported_media_type", "Expected application/json, got text/plain."
        ),
        "The input is wrong; `errors` lists all that was found.": Fault(
            "invalid_argument",
            "invalid_argument",
            "$.x: Unknown field",
            problems=(Problem("$.x", "Unknown field"),),
        ),
        "A bug; the log tells of it under the incident number.": Fault(
            "internal",
            "internal",
            "Something went wrong here. The incident number is 8f3a61c2d9.",
            incident="8f3a61c2d9",
        ),
        "Something needed is out of reach.": Fault("unavailable", "unavailable", "The database cannot be reached."),
        "The time ran out.": Fault("deadline_exceeded", "deadline_exceeded", "The time for this call ran out."),
    }.items()
}
"""What the adapter itself may answer, by code."""


def own_failures(route: Route) -> Iterator[Told]:
    """Yield what the adapter itself may answer instead of the operation."""
    contract = route.operation.contract
    yield _OWN["malformed"]
    if is_limited(route):
        yield _OWN["unauthenticated"]
        yield _forbidden(route)
    if route.in_path:
        yield _OWN["no_such_path"]
    if contract.gives in OFFERED:
        yield _OWN["not_acceptable"]
    if reads_body(route):
        yield _OWN["body_too_large"]
        yield _OWN["unsupported_media_type"]
    for code in ("invalid_argument", "internal", "unavailable", "deadline_exceeded"):
        yield _OWN[code]


def is_limited(route: Route) -> bool:
    """Tell whether only some users may call."""
    return route.operation.policy.allow not in (None, anyone)


def reads_body(route: Route) -> bool:
    """Tell whether a request may have a body."""
    return bool({"body", "form"} & set(route.places.values())) or route.method not in ("GET", "DELETE")


def declared_failure(declared: Declared, fields: Schema, example: Any) -> Told:
    """Return what is told of an exception class of the application.

    Args:
        declared: its entry in the table of errors.
        fields: the schema of its public attributes, an object.
        example: an example of these.
    """
    doc = inspect.getdoc(declared.error) if declared.error.__doc__ else None
    meaning = " ".join((doc or declared.code.replace("_", " ").capitalize() + ".").partition("\n\n")[0].split())
    return Told(Fault(declared.kind, declared.code, meaning, example), meaning, fields if example else {})


class Responses:
    """Makes the responses that tell of failures.

    Args:
        problem: the schema of problem details.
    """

    def __init__(self, problem: Schema) -> None:
        self.problem = problem

    def by_status(self, failures: Iterable[Told]) -> dict[str, Schema]:
        """Return the responses for failures; those that every operation has are told once, in `shared`."""
        by_status = groupby(sorted(failures, key=_status), key=_status)
        return {str(status): self._response_or_reference(list(group)) for status, group in by_status}

    def shared(self) -> dict[str, Schema]:
        """Return the responses that `by_status` refers to, by name."""
        return {_name(told): self._response([told]) for told in _OWN.values()}

    def _response_or_reference(self, group: list[Told]) -> Schema:
        told = group[0]
        if len(group) == 1 and _OWN.get(told.fault.code) is told:
            return {"$ref": f"#/components/responses/{_name(told)}"}
        return self._response(group)

    def _response(self, group: list[Told]) -> Schema:
        status = group[0].status
        names = ["X-Request-Id", *(["WWW-Authenticate"] if status == 401 else [])]
        examples = {told.fault.code: _example(told) for told in group}
        return {
            "description": f"{phrase(status)}. {' Or: '.join(told.meaning for told in group)}",
            "headers": {name: header(name) for name in names},
            "content": {MEDIA_TYPE: {"schema": self._schema(group), "examples": examples}},
        }

    def _schema(self, group: list[Told]) -> Schema:
        """Return the schema of a problem with one of some codes, and the fields that each code brings."""
        codes = {"properties": {"code": {"enum": [told.fault.code for told in group]}}}
        fields = [
            {
                "if": {"properties": {"code": {"const": told.fault.code}}},
                "then": {"properties": {"fields": told.fields}},
            }
            for told in group
            if told.fields
        ]
        return {"allOf": [self.problem, codes, *fields]}


def header(name: str) -> Schema:
    """Return the reference to a header that many responses have."""
    return {"$ref": f"#/components/headers/{name}"}


def _status(told: Told) -> int:
    return told.status


def _forbidden(route: Route) -> Told:
    allow = route.operation.policy.allow
    assert allow is not None  # noqa: S101 - it is limited
    return Told(_OWN["permission_denied"].fault, f"Only `{name_of(allow)}` may do this.")


def _name(told: Told) -> str:
    return "".join(part.capitalize() for part in told.fault.code.split("_"))


def _example(told: Told) -> Schema:
    return {"summary": told.meaning, "value": details(told.fault, REQUEST_ID)}
