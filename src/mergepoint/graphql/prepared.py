"""One operation of a document that was read, checked and limited, ready to run as often as wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.values import VariableValues

from .asked import asked
from .cost import Cost
from .exchange import Caller, RequestError, Result
from .execution import Execution, encode
from .fallback import Fallback
from .plan import Plan, Step, plan
from .roots import Kind
from .subscription import Subscription
from .variables import Variables

MOST_PLANS = 16
"""Plans remembered for one operation; each choice of `@skip` and `@include` has its own."""


class Prepared:
    """One operation of one document.

    Attributes:
        kind: `query`, `mutation` or `subscription`.
        operations: what its root fields may run.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        cost: Cost,
        *,
        suggest: bool,
    ) -> None:
        """Prepare an operation; `Schema.prepare` does.

        Args:
            schema: the schema.
            document: a valid document.
            operation: one of its operations.
            cost: what it costs, and the most it may.
            suggest: True if messages may name what the caller could have meant.
        """
        self.kind: Kind = operation.operation.value
        self.operations = asked(schema, document, operation)
        self._schema = schema
        self._document = document
        self._operation = operation
        self._name = operation.name.value if operation.name else None
        self._cost = cost
        self._variables = Variables(schema, operation.variable_definitions or (), suggest=suggest)
        self._choices = _variables_of_directives(document)
        self._plans: dict[tuple[Any, ...], Plan] = {}

    def run(self, variables: Mapping[str, Any], caller: Caller) -> Result:
        """Run a query or mutation.

        Args:
            variables: values by name, as JSON has them; files as `Upload`.
            caller: who asks.
        """
        try:
            execution = self._execution(variables, caller)
        except RequestError as error:
            return Result(error.body, executed=False)
        body = self._complete(self._plan(execution.values), execution)
        return Result(body, reply=execution.reply)

    def subscribe(self, variables: Mapping[str, Any], caller: Caller) -> Subscription:
        """Run a subscription.

        Args:
            variables: values by name, as JSON has them; files as `Upload`.
            caller: who asks.

        Returns:
            An iterator of complete responses as JSON, one for each item; close it to end the operation.

        Raises:
            RequestError: the variables do not fit.
        """
        execution = self._execution(variables, caller)
        plan = self._plan(execution.values)
        step = (plan.steps or ())[0]
        assert isinstance(step, Step)  # noqa: S101 - validation sees to it (GraphQL, 5.2.4.1)
        return Subscription(step, execution, lambda item: self._complete(plan, item))

    def _execution(self, variables: Mapping[str, Any], caller: Caller) -> Execution:
        values = self._variables.read(variables)
        self._cost.check(values.coerced)
        return Execution(caller, variables, values)

    def _plan(self, values: VariableValues) -> Plan:
        choice = tuple(values.coerced.get(name) for name in self._choices)
        found = self._plans.get(choice)
        if found is None:
            chosen = {name: value for name, value in values.coerced.items() if name in self._choices}
            found = plan(self._schema, self._document, self._operation, VariableValues({}, chosen))
            if len(self._plans) < MOST_PLANS:
                self._plans[choice] = found
        return found

    def _complete(self, plan: Plan, execution: Execution) -> bytes:
        """Run what has not run yet, and return the complete response as JSON."""
        if plan.steps is None:
            return self._by_core(plan, execution)
        errors: list[dict[str, Any]] = []
        data: dict[str, Any] = {}
        for step in plan.steps:
            if not isinstance(step, Step):
                data[step[0]] = step[1]
                continue
            try:
                value = execution.outcome_of(step)
            except Exception as error:  # noqa: BLE001 - told is what the operation lets out
                errors.append(execution.failed(error, [step.key], step.locations, step.root.operation.errors))
                if not step.nullable:
                    return encode(None, errors)
                data[step.key] = None
                continue
            try:
                data[step.key] = step.complete(value, execution.ask)
            except Exception:  # noqa: BLE001 - graphql-core finds out where, and what to tell
                return self._by_core(plan, execution)
        try:
            return encode(data, errors)
        except Exception:  # noqa: BLE001 - the same
            return self._by_core(plan, execution)

    def _by_core(self, plan: Plan, execution: Execution) -> bytes:
        return Fallback(plan, execution).run(self._schema, self._document, self._name)


class _Finder(Visitor):
    """Finds the variables of `@skip` and `@include`."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *context: Any) -> None:
        values = (argument.value for argument in node.arguments or ())
        self.names.update(value.name.value for value in values if isinstance(value, VariableNode))


def _variables_of_directives(document: DocumentNode) -> tuple[str, ...]:
    finder = _Finder()
    visit(document, finder)
    return tuple(sorted(finder.names))
