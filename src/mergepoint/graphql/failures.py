"""How a failure is told: an entry of `errors` in a response, or a request that is refused as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from graphql import GraphQLError, Node, SourceLocation, get_location

from ..errors import Kind, Problem
from ..faults import Fault
from .exchange import RequestError

LONGEST_TEXT = 300
"""Characters of a message about a document."""


def entry(
    fault: Fault, path: Sequence[str | int], locations: Sequence[SourceLocation], request_id: str
) -> dict[str, Any]:
    """Return what a response says of the failure of one field (GraphQL, 7.1.2).

    Args:
        fault: what the caller may learn.
        path: leads to the field, by response keys and positions.
        locations: where the document asks for it.
        request_id: names the request in the log.
    """
    return {
        "message": fault.message,
        "locations": places(locations),
        "path": list(path),
        "extensions": extensions(fault, request_id),
    }


def extensions(fault: Fault, request_id: str | None = None) -> dict[str, Any]:
    """Return what programs read of a failure."""
    told: dict[str, Any] = {"code": fault.code, "kind": fault.kind}
    if fault.fields:
        told["fields"] = fault.fields
    if fault.problems:
        told["problems"] = msgspec.to_builtins(fault.problems)
    if fault.incident:
        told["incident"] = fault.incident
    if request_id:
        told["request_id"] = request_id
    return told


def locations_of(nodes: Iterable[Node]) -> list[SourceLocation]:
    """Return where nodes of a document begin."""
    return [get_location(node.loc.source, node.loc.start) for node in nodes if node.loc]


def places(locations: Iterable[SourceLocation]) -> list[dict[str, int]]:
    """Return locations as a response has them."""
    return [{"line": each.line, "column": each.column} for each in locations]


def refusal(
    code: str, message: str, *, kind: Kind = "invalid_argument", problems: tuple[Problem, ...] = ()
) -> RequestError:
    """Return the error that refuses a request as a whole."""
    return RequestError([{"message": message, "extensions": extensions(Fault(kind, code, message, {}, problems))}])


def refusal_of(errors: Iterable[GraphQLError], code: str) -> RequestError:
    """Return the error that refuses a document for what graphql-core found in it."""
    return RequestError([refused(error, code) for error in errors])


def refused(error: GraphQLError, code: str) -> dict[str, Any]:
    """Return what a response says of an error in the document."""
    # What the caller wrote stands in it, however long that is.
    message = error.message if len(error.message) <= LONGEST_TEXT else error.message[:LONGEST_TEXT] + "…"
    told: dict[str, Any] = {"message": message}
    if error.locations:
        told["locations"] = places(error.locations)
    return {**told, "extensions": extensions(Fault("invalid_argument", code, message))}
