"""Which operations a document asks for, whatever its variables leave out."""

from __future__ import annotations

from collections.abc import Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from ..operation import Operation
from .roots import ROOT


def asked(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> tuple[Operation, ...]:
    """Return the operations behind the root fields of one operation of a valid document, each once."""
    root = schema.get_root_type(operation.operation)
    assert root is not None  # noqa: S101 - the document is valid
    fields = (root.fields.get(name) for name in dict.fromkeys(_names(document, operation.selection_set)))
    return tuple(field.extensions[ROOT].operation for field in fields if field and ROOT in field.extensions)


def _names(document: DocumentNode, selection_set: SelectionSetNode) -> Iterator[str]:
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    waiting = [selection_set]
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FieldNode):
                yield node.name.value
            elif isinstance(node, InlineFragmentNode):
                waiting.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and (fragment := fragments.pop(node.name.value, None)):
                waiting.append(fragment.selection_set)  # each once, however often it is spread
