"""The arguments of a root field: what is written in the document is read once, what is in variables each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLNonNull,
    Undefined,
    ValueNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.values import VariableValues
from graphql.utilities import coerce_input_literal

from ..errors import InvalidArgument, Problem

Arguments = Callable[[VariableValues], dict[str, Any]]
"""Returns the arguments by the names that the operation knows them by."""

Part = Callable[[VariableValues], Any]
"""Returns the value of one argument, `Undefined` if it is left out."""


def arguments(field: GraphQLField, node: FieldNode) -> Arguments:
    """Return what reads the arguments of a field.

    Args:
        field: what the schema says of it.
        node: where the document asks for it; it is valid.
    """
    constant: dict[str, Any] = {}
    parts: list[tuple[str, Part]] = []
    given = {argument.name.value: argument for argument in node.arguments or ()}
    for name, argument in field.args.items():
        if name not in given:
            continue  # the operation itself knows what it is then
        out_name = argument.out_name or name
        if holds_variables(given[name].value):
            parts.append((out_name, _part(name, argument, given[name])))
        else:
            constant[out_name] = coerce_input_literal(given[name].value, argument.type)
    if not parts:
        return lambda values: constant
    return lambda values: constant | {name: value for name, part in parts if (value := part(values)) is not Undefined}


def holds_variables(node: ValueNode) -> bool:
    """Tell whether a value in a document is a variable or has one in it."""
    finder = _Finder()
    visit(node, finder)
    return finder.found


class _Finder(Visitor):
    found = False

    def enter_variable(self, *context: Any) -> None:
        self.found = True


def _part(name: str, argument: GraphQLArgument, node: ArgumentNode) -> Part:
    value, type_ = node.value, argument.type
    if isinstance(value, VariableNode):
        variable, nullable = value.name.value, not isinstance(type_, GraphQLNonNull)

        def read(values: VariableValues) -> Any:
            found = values.coerced.get(variable, Undefined)
            # A variable that may be null may stand where null may not, if there is a default (GraphQL, 5.8.5).
            if found is None and not nullable:
                raise _got_null(name, type_)
            return found

        return read

    def read_parts(values: VariableValues) -> Any:
        found = coerce_input_literal(value, type_, values)
        if found is Undefined:
            raise _got_null(name, type_)
        return found

    return read_parts


def _got_null(name: str, type_: Any) -> InvalidArgument:
    return InvalidArgument.of(Problem(f"$.{name}", f"Expected `{type_}`, got null where that is not allowed"))
