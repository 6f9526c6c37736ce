"""What a request may ask for at most, and how large the shape of a document is, before anybody looks at its meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from .exchange import RequestError
from .failures import refusal

INTROSPECTION_DEPTH = 16
"""How deep introspection may go where it is allowed: the standard query that tools send is 15 deep."""

MOST_REPEATS = 2_000
"""Pairs of fields with the same response key; validation compares each with each (GraphQL, 5.3.2)."""


class Limits(msgspec.Struct, frozen=True):
    """What a document may hold at most; what holds more is refused before anything of it runs.

    Attributes:
        depth: fields inside fields.
        cost: one for each field, times the length of each list it stands in.
        aliases: fields that are given another name.
        tokens: words and signs of the text.
        root_fields: operations in one request.
        bytes: the length of the text in UTF-8.
    """

    depth: int = 12
    cost: int = 10_000
    aliases: int = 30
    tokens: int = 2_000
    root_fields: int = 20
    bytes: int = 50_000


def too_large(what: str, size: int | str, limit: int, remedy: str) -> RequestError:
    """Return the error for a document that is larger than a limit.

    Args:
        what: the limit's name.
        size: how large the document is, as far as it was measured.
        limit: the most it may be.
        remedy: what the caller can do.
    """
    code = {"depth": "too_deep", "cost": "too_costly"}.get(what, f"too_many_{what}")
    counted = size if isinstance(size, str) else f"{size:,}"
    message = f"The document has {counted} {what.replace('_', ' ')}; at most {limit:,} are allowed. {remedy}"
    if what in ("depth", "cost"):
        message = f"The document has a {what} of {counted}; at most {limit:,} is allowed. {remedy}"
    return refusal(code, message, kind="out_of_range")


def must_be_within(document: DocumentNode, limits: Limits) -> None:
    """Refuse a document whose shape is larger than it may be; it need not be valid yet.

    All its operations count, as validation looks at all of them.

    Raises:
        RequestError: it is too large, or has fragments nobody uses.
    """
    operations, fragments = parts(document)
    shape = _Shape(fragments, limits)
    for operation in operations:
        shape.measure(operation.selection_set)
    if unused := fragments.keys() - shape.used:
        raise refusal("invalid_document", f"The fragment `{min(unused)}` is never used.")


def parts(
    document: DocumentNode,
) -> tuple[list[OperationDefinitionNode], dict[str, FragmentDefinitionNode]]:
    """Return the operations of a document, and its fragments by name."""
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    return operations, fragments


def fields_of(
    selection_sets: Iterable[SelectionSetNode],
    fragments: Mapping[str, FragmentDefinitionNode],
    used: set[str] | None = None,
) -> Iterator[FieldNode]:
    """Yield the fields of merged selections and of the fragments in them, each fragment once.

    Args:
        selection_sets: the selections of one object.
        fragments: by name; those that are missing are passed over.
        used: where to note the names of the fragments.
    """
    seen: set[str] = set()
    waiting = [iter(each.selections) for each in selection_sets]
    while waiting:
        node = next(waiting[-1], None)
        if node is None:
            waiting.pop()
        elif isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            waiting.append(iter(node.selection_set.selections))
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
            seen.add(node.name.value)
            if fragment := fragments.get(node.name.value):
                waiting.append(iter(fragment.selection_set.selections))
    if used is not None:
        used |= seen


class _Shape:
    """The shape of a document, whose fields are merged by response key (GraphQL, 6.3.2)."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], limits: Limits) -> None:
        self.fragments = fragments
        self.limits = limits
        self.used: set[str] = set()
        self.fields = 0
        self.repeats = 0
        self.aliases = 0

    def measure(self, selection_set: SelectionSetNode) -> None:
        """Measure one operation."""
        self.aliases = 0
        groups = self.group([selection_set])
        if len(groups) > self.limits.root_fields:
            raise too_large("root_fields", len(groups), self.limits.root_fields, "Send several requests.")
        waiting = [(nodes, 1, self.depth_of(nodes)) for nodes in groups.values()]
        while waiting:
            nodes, depth, most = waiting.pop()
            if depth > most:
                raise too_large("depth", depth, most, "Ask for what is further inside in a request of its own.")
            below = [node.selection_set for node in nodes if node.selection_set]
            waiting.extend((inner, depth + 1, most) for inner in self.group(below).values())

    def depth_of(self, nodes: list[FieldNode]) -> int:
        introspects = nodes[0].name.value in ("__schema", "__type")
        return max(self.limits.depth, INTROSPECTION_DEPTH) if introspects else self.limits.depth

    def group(self, selection_sets: Iterable[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        groups: dict[str, list[FieldNode]] = {}
        for node in fields_of(selection_sets, self.fragments, self.used):
            same = groups.setdefault((node.alias or node.name).value, [])
            self.count(node, len(same))
            same.append(node)
        return groups

    def count(self, node: FieldNode, repeats: int) -> None:
        self.fields += 1
        self.repeats += repeats
        self.aliases += node.alias is not None
        if self.fields > self.limits.cost:
            raise too_large("cost", f"more than {self.limits.cost:,}", self.limits.cost, "Ask for fewer fields.")
        if self.aliases > self.limits.aliases:
            raise too_large("aliases", f"more than {self.limits.aliases:,}", self.limits.aliases, "Drop some.")
        if self.repeats > MOST_REPEATS:
            raise too_large("repeats", f"more than {MOST_REPEATS:,}", MOST_REPEATS, "Ask for each field once.")
