"""How one operation of a document runs: its root fields, each with what reads its arguments and completes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SourceLocation,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues

from ..operation import Operation
from .arguments import Arguments, arguments
from .compiler import Ask, CannotCompile, Collect, Complete, Groups, compiled
from .failures import locations_of
from .roots import ROOT, Root


class Step(NamedTuple):
    """One root field.

    Attributes:
        key: its response key.
        root: the operation behind it.
        arguments: reads its arguments.
        complete: makes what is written of what the operation returned.
        nullable: True if its failure leaves the rest as it is.
        locations: where the document asks for it.
    """

    key: str
    root: Root
    arguments: Arguments
    complete: Complete
    nullable: bool
    locations: list[SourceLocation]


class Plan(NamedTuple):
    """The steps of an operation for one choice of `@skip` and `@include`.

    Attributes:
        steps: the root fields in order, a text for `__typename`; None if graphql-core has to execute all of it.
        collect: returns the fields below nodes.
        operations: the operations of the root fields, by response key.
    """

    steps: tuple[Step | tuple[str, str], ...] | None
    collect: Collect
    operations: Mapping[str, Operation]


def plan(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, values: VariableValues
) -> Plan:
    """Plan an operation for the values that its directives have.

    Args:
        schema: the schema.
        document: a valid document.
        operation: one of its operations.
        values: the values of its variables.
    """
    fragments = {
        node.name.value: FragmentDetails(node)
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }

    def collect(type_: GraphQLObjectType, details: list[FieldDetails]) -> Groups:
        return collect_subfields(schema, fragments, values, operation, type_, details).grouped_field_set

    root_type = schema.get_root_type(operation.operation)
    assert root_type is not None  # noqa: S101 - the document is valid
    groups = collect_fields(schema, fragments, values, root_type, operation).grouped_field_set
    operations = {key: root.operation for key, root in _roots(groups, root_type)}
    try:
        return Plan(tuple(_steps(groups, root_type, collect)), collect, operations)
    except _Introspection:
        return Plan(None, collect, operations)


class _Introspection(Exception):
    """A root field that is no operation."""


def _roots(groups: Groups, root_type: GraphQLObjectType) -> Iterator[tuple[str, Root]]:
    for key, group in groups.items():
        field = root_type.fields.get(group[0].node.name.value)
        if field and ROOT in field.extensions:
            yield key, field.extensions[ROOT]


def _steps(groups: Groups, root_type: GraphQLObjectType, collect: Collect) -> Iterator[Step | tuple[str, str]]:
    for key, group in groups.items():
        nodes = [details.node for details in group]
        name = nodes[0].name.value
        if name == "__typename":
            yield key, root_type.name
            continue
        field = root_type.fields.get(name)
        if field is None or ROOT not in field.extensions:
            raise _Introspection
        yield Step(
            key,
            field.extensions[ROOT],
            arguments(field, nodes[0]),
            _completion(key, field.type, group, collect),
            not isinstance(field.type, GraphQLNonNull),
            locations_of(nodes),
        )


def _completion(key: str, type_: Any, group: list[FieldDetails], collect: Collect) -> Complete:
    try:
        return compiled(key, type_, group, collect)
    except CannotCompile:
        return _leave


def _leave(value: Any, ask: Ask) -> Any:
    raise CannotCompile
