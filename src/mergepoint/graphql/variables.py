"""The variables of an operation: read as GraphQL says, and told about without repeating what the caller sent."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    Undefined,
    VariableDefinitionNode,
    is_required_input_field,
    type_from_ast,
)
from graphql.execution.values import VariableValues
from graphql.utilities import coerce_input_literal, coerce_input_value

from ..errors import InvalidArgument, Problem
from .exchange import RequestError
from .failures import refusal
from .scalars import quick_check

MOST_PROBLEMS = 100
"""Problems told at once."""

MOST_STEPS = 10_000
"""Values looked at to find them."""


class Variable(NamedTuple):
    """One variable of an operation.

    Attributes:
        name: without the sign.
        type: its type.
        fits: tells that a value is right as it is; None where that takes a second look.
        default: what it is when left out, `Undefined` if the operation does not say.
    """

    name: str
    type: GraphQLInputType
    fits: Callable[[Any], bool] | None
    default: Any


class Variables:
    """The variables of one operation, ready to read their values."""

    def __init__(self, schema: GraphQLSchema, nodes: Sequence[VariableDefinitionNode], *, suggest: bool) -> None:
        """Prepare them.

        Args:
            schema: where their types are.
            nodes: what the operation says of them; it is valid.
            suggest: True if a message may name what the caller could have meant.
        """
        self._suggest = suggest
        self._variables = [_variable(schema, node) for node in nodes]

    def read(self, given: Mapping[str, Any]) -> VariableValues:
        """Return the values of the variables (GraphQL, 6.1.2).

        Raises:
            RequestError: some do not fit.
        """
        values: dict[str, Any] = {}
        for name, type_, fits, default in self._variables:
            value = given.get(name, Undefined)
            if value is Undefined:
                value = default
                if value is Undefined and isinstance(type_, GraphQLNonNull):
                    raise self._refusal(given)
            elif fits is None or not fits(value):
                value = _coerced(value, type_)
                if value is Undefined:
                    raise self._refusal(given)
            if value is not Undefined:
                values[name] = value
        return VariableValues({}, values)

    def _refusal(self, given: Mapping[str, Any]) -> RequestError:
        steps = itertools.islice(self._steps(given), MOST_STEPS)
        try:
            problems = tuple(itertools.islice(filter(None, steps), MOST_PROBLEMS))
        except RecursionError:
            problems = (Problem("$", "nested too deeply"),)
        failure = InvalidArgument.of(*(problems or (Problem("$", "a value does not fit its type"),)))
        return refusal("invalid_variables", f"The variables do not fit: {failure.message}", problems=problems)

    def _steps(self, given: Mapping[str, Any]) -> Iterator[Problem | None]:
        for variable in self._variables:
            value = given.get(variable.name, Undefined)
            path = f"$.{variable.name}"
            if value is not Undefined:
                yield from _examine(value, variable.type, path, suggest=self._suggest)
            elif isinstance(variable.type, GraphQLNonNull) and variable.default is Undefined:
                yield Problem(path, f"Missing; expected `{variable.type}`")


def _variable(schema: GraphQLSchema, node: VariableDefinitionNode) -> Variable:
    type_: Any = type_from_ast(schema, node.type)
    default = Undefined if node.default_value is None else coerce_input_literal(node.default_value, type_)
    return Variable(node.variable.name.value, type_, _fits(type_), default)


def _coerced(value: Any, type_: GraphQLInputType) -> Any:
    """Return a value as graphql-core reads it, `Undefined` if it does not fit."""
    try:
        return coerce_input_value(value, type_)
    except RecursionError:
        return Undefined


def _fits(type_: Any) -> Callable[[Any], bool] | None:
    """Return what tells that a value is right as it is, for the types where that is quick."""
    if isinstance(type_, GraphQLNonNull):
        return _fits_present(type_.of_type)
    fits = _fits_present(type_)
    return fits and (lambda value: value is None or fits(value))


def _fits_present(type_: Any) -> Callable[[Any], bool] | None:
    if isinstance(type_, GraphQLScalarType):
        return quick_check(type_)
    if isinstance(type_, GraphQLEnumType):
        values = frozenset(type_.values)
        return lambda value: type(value) is str and value in values
    if isinstance(type_, GraphQLList) and (fits := _fits(type_.of_type)):
        return lambda value: type(value) is list and all(map(fits, value))
    return None


def _examine(value: Any, type_: Any, path: str, *, suggest: bool) -> Iterator[Problem | None]:
    """Find what is wrong with a value, by its type alone: what the caller sent is not repeated."""
    if isinstance(type_, GraphQLNonNull):
        if value is None:
            yield Problem(path, f"Expected `{type_}`, got null")
        else:
            yield from _examine(value, type_.of_type, path, suggest=suggest)
    elif value is None:
        yield None
    elif isinstance(type_, GraphQLList):
        items = value if isinstance(value, list) else [value]  # one item stands for a list of it (GraphQL, 3.11)
        for index, item in enumerate(items):
            yield from _examine(item, type_.of_type, f"{path}[{index}]", suggest=suggest)
    elif isinstance(type_, GraphQLInputObjectType):
        yield from _examine_object(value, type_, path, suggest=suggest)
    else:
        yield _examine_leaf(value, type_, path)


def _examine_object(value: Any, type_: GraphQLInputObjectType, path: str, *, suggest: bool) -> Iterator[Problem | None]:
    if not isinstance(value, dict):
        yield Problem(path, f"Expected `{type_}`, got {_kind(value)}")
        return
    for name in value.keys() - type_.fields.keys():
        near = difflib.get_close_matches(str(name)[:100], type_.fields, 1) if suggest else ()
        yield Problem(f"{path}.{str(name)[:100]}", "Unknown field" + (f"; did you mean `{near[0]}`?" if near else ""))
    for name, field in type_.fields.items():
        if name in value:
            yield from _examine(value[name], field.type, f"{path}.{name}", suggest=suggest)
        elif is_required_input_field(field):
            yield Problem(f"{path}.{name}", f"Missing; expected `{field.type}`")
    if type_.is_one_of and (len(value) != 1 or None in value.values()):
        yield Problem(path, f"Expected exactly one field of `{type_}`, and not null")


def _examine_leaf(value: Any, type_: Any, path: str) -> Problem | None:
    try:
        fits = type_.coerce_input_value(value) is not Undefined
    except Exception:  # noqa: BLE001 - whatever a scalar says, a caller learns its type only
        fits = False
    return None if fits else Problem(path, f"Expected `{type_}`, got {_kind(value)}")


_KINDS = {bool: "a boolean", dict: "an object", float: "a number", int: "a number", list: "a list", str: "text"}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "something else")
