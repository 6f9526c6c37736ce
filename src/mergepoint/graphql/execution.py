"""One request on its way: every operation it runs, once, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from graphql import GraphQLError, SourceLocation
from graphql.execution.values import VariableValues

from ..call import Call
from ..errors import Internal, InvalidArgument
from ..faults import ErrorTable
from ..operation import Operation, Stream
from .compiler import Level
from .exchange import Caller
from .failures import entry, refused
from .joins import Join
from .plan import Step
from .roots import Root

Found = dict[Any, Any]
"""What belongs to each key of a join."""


class Execution:
    """What a request has run so far.

    Attributes:
        caller: who asks.
        given: the variables as they came.
        values: the values they have.
        reply: metadata that the operations send back.
    """

    def __init__(self, caller: Caller, given: Mapping[str, Any], values: VariableValues) -> None:
        self.caller = caller
        self.given = given
        self.values = values
        self.reply: dict[str, str] = {}
        self._roots: dict[str, Any] = {}
        self._joins: dict[Level, Found | Exception] = {}
        self._incident: Internal | None = None

    def call(self, operation: Operation) -> Call:
        """Return the context to run an operation in."""
        caller = self.caller
        return Call(operation, caller.protocol, caller.metadata, caller.request_id, caller.remaining())

    def run(self, key: str, root: Root, arguments: dict[str, Any]) -> Any:
        """Run the operation of a root field; keep what came of it under its response key.

        Raises:
            Exception: what the caller may learn of.
        """
        call = self.call(root.operation)
        try:
            self._roots[key] = self.shaped(root, root.operation.run(call, arguments, root.read))
        except Exception as error:
            self._roots[key] = error
            raise
        finally:
            if call.replies:
                self.reply.update(call.reply)
        return self._roots[key]

    def stream(self, step: Step) -> Stream:
        """Begin the operation of a subscription; raises as it does."""
        operation = step.root.operation
        stream: Stream = operation.run(self.call(operation), step.arguments(self.values), step.root.read)
        return stream

    def shaped(self, root: Root, result: Any) -> Any:
        """Give a result the form that the schema shows; one that is not what it should be is a bug.

        Raises:
            Internal: it is one.
        """
        try:
            return root.give(result)
        except Exception as error:
            raise root.operation.settle(self.call(root.operation), error)[1] from error

    def of_item(self, key: str, item: Any) -> Execution:
        """Return the execution of one item of a stream, which stands for what its root field returned."""
        execution = Execution(self.caller, self.given, self.values)
        execution._roots[key] = item
        return execution

    def outcome_of(self, step: Step) -> Any:
        """Run a step if it has not run yet, and return what came of it.

        Raises:
            Exception: what the caller may learn of.
        """
        if step.key in self._roots:
            return self.outcome(step.key)
        try:
            arguments = step.arguments(self.values)
        except InvalidArgument as error:
            self._roots[step.key] = error
            raise
        return self.run(step.key, step.root, arguments)

    def has_run(self, key: str) -> bool:
        """Tell whether the operation of a root field has run."""
        return key in self._roots

    def outcome(self, key: str) -> Any:
        """Return what came of a root field that has run.

        Raises:
            Exception: that is what came of it.
        """
        return _or_raise(self._roots[key])

    def ask(self, level: Level, join: Join, keys: Iterable[Any]) -> Found:
        """Return what belongs to the keys of a join; it runs once for its level.

        Raises:
            Exception: what the caller may learn of.
        """
        if level not in self._joins:
            self._joins[level] = self._asked(join, list(dict.fromkeys(keys)))
        return _or_raise(self._joins[level])  # type: ignore[no-any-return]

    def _asked(self, join: Join, keys: list[Any]) -> Found | Exception:
        call = self.call(join.operation)
        try:
            return join.ask(call, keys)
        except Exception as error:  # noqa: BLE001 - it is told at each place of the level
            return error
        finally:
            if call.replies:
                self.reply.update(call.reply)

    # --- failures ---

    def failed(
        self, error: Exception, path: Sequence[str | int], locations: Sequence[SourceLocation], errors: ErrorTable
    ) -> dict[str, Any]:
        """Return what the response says of an exception that may be told."""
        return entry(errors.fault(error), path, locations, self.caller.request_id)

    def told(self, error: GraphQLError, operations: Mapping[str, Operation]) -> dict[str, Any]:
        """Return what the response says of an error that graphql-core found.

        Args:
            error: the error.
            operations: the operations of the root fields, by response key.
        """
        path = error.path or []
        key = str(path[0]) if path else ""
        if key not in operations:
            return refused(error, "invalid_document")
        operation = operations[key]
        cause = self._cause(error, key, len(path))
        if not operation.errors.may_travel(cause):
            cause = self._bug(operation, cause)
        return self.failed(cause, path, error.locations or [], operation.errors)

    def unwritable(self, error: Exception, operations: Mapping[str, Operation]) -> dict[str, Any]:
        """Return what the response says when it cannot be written as JSON."""
        key, operation = next(iter(operations.items()))
        return self.failed(self._bug(operation, error), [key], [], operation.errors)

    def _cause(self, error: GraphQLError, key: str, depth: int) -> Exception:
        """Return the exception behind an error; before its operation ran, it can only be the arguments."""
        if depth > 1:
            return error.original_error or error
        if key not in self._roots:
            return InvalidArgument(error.message)
        kept = self._roots[key]
        return kept if isinstance(kept, Exception) else error.original_error or error

    def _bug(self, operation: Operation, error: Exception) -> Internal:
        """Return the incident for values that are not what they should be; one for all of a response."""
        if self._incident is None:
            _, told = operation.settle(self.call(operation), error)
            assert isinstance(told, Internal)  # noqa: S101 - what may not travel is a bug
            self._incident = told
        return self._incident


def _or_raise(outcome: Any) -> Any:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def encode(data: Any, errors: list[dict[str, Any]]) -> bytes:
    """Return a response as JSON; errors stand first, as the specification asks for (GraphQL, 7.1)."""
    return msgspec.json.encode({"errors": errors, "data": data} if errors else {"data": data})
