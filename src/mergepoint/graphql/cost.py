"""What a valid document costs: one for each field, times the length of each list that it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from .limits import fields_of, too_large
from .outputs import PAGE
from .roots import ROOT, Root

LIST = 10
"""The length of a list that does not say how long it may be."""

REMEDY = "Each field counts one, times the length of the lists around it: ask for shorter pages or fewer fields."


class Cost(msgspec.Struct, frozen=True):
    """What an operation costs, as far as its text says it.

    Attributes:
        fixed: what it costs at any rate.
        pages: what it costs for each item of a page, by the variable that says how long the page may be, with the
            length if the variable does not say.
        limit: the most it may cost.
    """

    fixed: int
    pages: tuple[tuple[str, int, int], ...]
    limit: int

    def check(self, variables: Mapping[str, Any] = {}) -> None:
        """Refuse an operation that costs too much with these variables.

        Raises:
            RequestError: it does.
        """
        cost = self.fixed + sum(each * _length(variables.get(name), length) for name, each, length in self.pages)
        if cost > self.limit:
            raise too_large("cost", cost, self.limit, REMEDY)


def cost_of(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, limit: int) -> Cost:
    """Return what an operation costs.

    Args:
        schema: the schema.
        document: a valid document.
        operation: one of its operations.
        limit: the most it may cost.
    """
    return _Reckoning(schema, document).operation(operation, limit)


class _Reckoning:
    """Reckons with each fragment once, however often it is used."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self.schema = schema
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self.known: dict[str, int] = {}

    def operation(self, operation: OperationDefinitionNode, limit: int) -> Cost:
        fixed, pages = 0, []
        root_type = self.schema.get_root_type(operation.operation)
        for node in fields_of([operation.selection_set], self.fragments):
            field = self.schema.get_field(root_type, node.name.value)  # type: ignore[arg-type]
            if field is None:
                continue
            inner = self.below(node, field)
            variable, length = _page(node, field)
            if variable:
                pages.append((variable, inner, length))
                fixed += 1
            else:
                fixed += 1 + length * inner
        return Cost(fixed, tuple(pages), limit)

    def below(self, node: FieldNode, field: GraphQLField) -> int:
        return self.selection(node.selection_set, get_named_type(field.type)) if node.selection_set else 0

    def selection(self, selection_set: SelectionSetNode, type_: Any) -> int:
        return sum(self.node(node, type_) for node in selection_set.selections)

    def node(self, node: SelectionNode, type_: Any) -> int:
        if isinstance(node, FieldNode):
            field = self.schema.get_field(type_, node.name.value)
            return 1 if field is None else 1 + _length_of(field, type_) * self.below(node, field)
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition
            return self.selection(
                node.selection_set, self.schema.get_type(condition.name.value) if condition else type_
            )
        return self.fragment(node.name.value) if isinstance(node, FragmentSpreadNode) else 0

    def fragment(self, name: str) -> int:
        if name not in self.known:
            fragment = self.fragments[name]
            self.known[name] = self.selection(
                fragment.selection_set, self.schema.get_type(fragment.type_condition.name.value)
            )
        return self.known[name]


def _length_of(field: GraphQLField, parent: Any) -> int:
    """Return how long the list of a field is reckoned to be, one for what is no list."""
    if PAGE in parent.extensions or parent.name.startswith("__"):
        return 1  # the page itself was counted; introspection is bounded by the schema
    type_ = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
    return LIST if isinstance(type_, GraphQLList) or PAGE in get_named_type(type_).extensions else 1


def _page(node: FieldNode, field: GraphQLField) -> tuple[str | None, int]:
    """Return how long the list of a root field may be: the variable that says so, if one does, and the length."""
    root: Root | None = field.extensions.get(ROOT)
    length = 1 if root is None else _length_of(field, _NO_PARENT)
    if root is None or root.size is None or length == 1:
        return None, length
    name, default = root.size
    length = _length(default, LIST)
    given = next((each.value for each in node.arguments or () if each.name.value == name), None)
    if isinstance(given, IntValueNode):
        return None, _length(int(given.value), length)
    return (given.name.value if isinstance(given, VariableNode) else None), length


def _length(value: Any, default: int) -> int:
    return max(value, 1) if type(value) is int else default


_NO_PARENT = GraphQLObjectType("Root", {})
