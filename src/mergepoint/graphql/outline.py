"""A schema as the page reads it: types, fields and arguments by name, the types of values as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphql import (
    DirectiveDefinitionNode,
    Node,
    SchemaDefinitionNode,
    TypeDefinitionNode,
    parse,
    print_ast,
    print_directive,
    print_type,
    specified_directives,
    specified_scalar_types,
)

Outline = dict[str, Any]

KINDS = ("query", "mutation", "subscription")


def outline(sdl: str) -> Outline:
    """Return a schema without what an editor does not ask for.

    Args:
        sdl: the schema in the schema definition language.

    Returns:
        `roots` (the type of each kind of operation), `types` and `directives` by name.
    """
    nodes = parse("\n\n".join([sdl, *_built_in()])).definitions
    types = {node.name.value: _type(node) for node in nodes if isinstance(node, TypeDefinitionNode)}
    for name, told in types.items():
        for parent in told.get("interfaces", ()):
            types[parent].setdefault("members", []).append(name)
    return {
        "roots": _roots(nodes, types),
        "types": types,
        "directives": {node.name.value: _entry(node) for node in nodes if isinstance(node, DirectiveDefinitionNode)},
    }


def _built_in() -> Iterable[str]:
    """Yield what every schema has without saying so."""
    yield from map(print_type, specified_scalar_types.values())
    yield from (
        print_directive(directive) for directive in specified_directives if directive.name in ("skip", "include")
    )


def _roots(nodes: Iterable[Node], types: Outline) -> dict[str, str]:
    """Return the type of each kind of operation: what `schema { ... }` says, or those of the usual names."""
    for node in nodes:
        if isinstance(node, SchemaDefinitionNode):
            return {root.operation.value: root.type.name.value for root in node.operation_types}
    return {kind: kind.capitalize() for kind in KINDS if kind.capitalize() in types}


def _type(node: Any) -> Outline:
    kind = node.kind.removesuffix("_type_definition")
    return _entry(node) | _present(
        kind=kind,
        fields=_entries(getattr(node, "fields", None)),
        values=_entries(getattr(node, "values", None)),
        members=[member.name.value for member in getattr(node, "types", None) or ()],
        interfaces=[interface.name.value for interface in getattr(node, "interfaces", None) or ()],
    )


def _entries(nodes: Iterable[Any] | None) -> dict[str, Outline]:
    return {node.name.value: _entry(node) for node in nodes or ()}


def _entry(node: Any) -> Outline:
    """Return what there is to say of a type, a field, an argument, a value or a directive."""
    default = getattr(node, "default_value", None)
    return _present(
        text=node.description.value if node.description else "",
        type=print_ast(node.type) if getattr(node, "type", None) else "",
        default=print_ast(default) if default else "",
        args=_entries(getattr(node, "arguments", None)),
        deprecated=_deprecated(node),
    )


def _deprecated(node: Any) -> str:
    """Return why something should not be used any more, or nothing."""
    for directive in getattr(node, "directives", None) or ():
        if directive.name.value == "deprecated":
            reasons = [argument.value.value for argument in directive.arguments or ()]
            return str(reasons[0]) if reasons else "No longer supported"
    return ""


def _present(**entries: Any) -> Outline:
    return {name: value for name, value in entries.items() if value}
