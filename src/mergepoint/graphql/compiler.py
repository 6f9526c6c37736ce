"""A selection as one generated Python function: from what an operation returned to what msgspec writes.

The text of the function holds names of attributes that the application's classes have, and names made here. Whatever
came over the wire, response keys above all, is passed beside the text as data. Where a value is not what its type
says, the function raises; then graphql-core completes the same value and finds the error's exact place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    Undefined,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetails

from .joins import JOIN, Join
from .leaves import leaf_of
from .outputs import CLASSES, READ
from .readings import NAMES

Groups = dict[str, list[FieldDetails]]
"""The fields of one object by response key; several nodes for one that the document asks for more than once."""

Collect = Callable[[GraphQLObjectType, list[FieldDetails]], Groups]
"""Returns the fields that an object of a type has below some nodes (GraphQL, 6.3.2)."""

Level = tuple[str, ...]
"""Where a join stands: the response keys that lead to it, then the type that it is a field of."""

Ask = Callable[[Level, Join, list[Any]], dict[Any, Any]]
"""Returns what belongs to the keys of a join."""

Complete = Callable[[Any, Ask], Any]
"""Makes of what a root field returned what is written for it."""


MOST_LINES = 5_000
"""Lines of one function. Unions inside unions would double them with every level, though no value has all of them."""


class CannotCompile(Exception):
    """A selection that is left to graphql-core."""


class Odd(Exception):
    """A value that is not what its type says."""


class _Waiting(NamedTuple):
    """A join that is completed after all objects of its level."""

    list_name: str
    member: str
    join: Join
    type: Any
    details: list[FieldDetails]
    level: Level


def compiled(key: str, type_: Any, details: list[FieldDetails], collect: Collect) -> Complete:
    """Return the function that completes a root field.

    Args:
        key: its response key.
        type_: its type.
        details: where the document asks for it.
        collect: returns the fields below.

    Raises:
        CannotCompile: the text would be too long, or nested more deeply than Python takes it.
    """
    writer = _Writer(collect)
    text = writer.function(key, type_, details)
    names = {**NAMES, **writer.names}
    try:
        exec(compile(text, "<selection>", "exec"), names)  # noqa: S102 - made of the schema's own names, see above
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise CannotCompile from error
    return names["complete"]  # type: ignore[no-any-return]


class _Writer:
    """Writes the text of one function."""

    def __init__(self, collect: Collect) -> None:
        self.collect = collect
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"missing": _missing, "items": _items}
        self.waiting: list[_Waiting] = []
        self.depth = 1
        self.counter = 0

    def function(self, key: str, type_: Any, details: list[FieldDetails]) -> str:
        self.value("value", type_, details, (key,))
        lists: list[str] = []
        while self.waiting:
            join = self.waiting.pop(0)
            lists.append(join.list_name)
            self.joined(join)
        begin = [f"    {name} = []" for name in lists]
        return "\n".join(["def complete(value, ask):", *begin, *self.lines, "    return value"])

    # --- text ---

    def line(self, text: str) -> None:
        if len(self.lines) == MOST_LINES:
            raise CannotCompile
        self.lines.append("    " * self.depth + text)

    def new(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def named(self, prefix: str, value: Any) -> str:
        """Return the name under which the function finds something that is no text."""
        name = self.new(prefix)
        self.names[name] = value
        return name

    # --- values ---

    def value(self, name: str, type_: Any, details: list[FieldDetails], level: Level) -> None:
        """Write what completes the value in a variable, and leaves it there (GraphQL, 6.4.3)."""
        if not isinstance(type_, GraphQLNonNull):
            if is_leaf_type(type_):
                self.leaf(name, type_, nullable=True)
                return
            self.line(f"if {name} is not None:")
            self.depth += 1
            self.present(name, type_, details, level)
            self.depth -= 1
        elif is_leaf_type(type_.of_type):
            self.leaf(name, type_.of_type, nullable=False)
        else:
            self.line(f"if {name} is None: missing()")
            self.present(name, type_.of_type, details, level)

    def present(self, name: str, type_: Any, details: list[FieldDetails], level: Level) -> None:
        if isinstance(type_, GraphQLList):
            self.sequence(name, type_.of_type, details, level)
        elif isinstance(type_, GraphQLUnionType):
            self.alternatives(name, type_, details, level)
        elif isinstance(type_, GraphQLObjectType):
            self.record(name, type_, details, level)
        else:
            raise CannotCompile

    def leaf(self, name: str, type_: Any, *, nullable: bool) -> None:
        leaf = leaf_of(type_)
        self.names.update(leaf.names)
        fits, other = leaf.fits.format(v=name), self.named("other", _other(type_.coerce_output_value))
        unless_none = f" and {name} is not None" if nullable else ""
        if leaf.write == "{v}":
            self.line(f"if not ({fits}){unless_none}: {name} = {other}({name})")
            return
        write = f"{name} = {leaf.write.format(v=name)} if {fits} else {other}({name})"
        self.line(f"if {name} is not None: {write}" if nullable else write)

    def sequence(self, name: str, type_: Any, details: list[FieldDetails], level: Level) -> None:
        item, found = self.new("item"), self.new("list")
        self.line(f"if type({name}) is not list: {name} = items({name})")
        self.line(f"{found} = []")
        self.line(f"for {item} in {name}:")
        self.depth += 1
        self.value(item, type_, details, level)
        self.line(f"{found}.append({item})")
        self.depth -= 1
        self.line(f"{name} = {found}")

    def alternatives(self, name: str, type_: GraphQLUnionType, details: list[FieldDetails], level: Level) -> None:
        types = {each.name: each for each in type_.types}
        cls = self.new("cls")
        self.line(f"{cls} = type({name})")
        for number, (member, type_name) in enumerate(type_.extensions[CLASSES].items()):
            self.line(f"{'elif' if number else 'if'} {cls} is {self.named('member', member)}:")
            self.depth += 1
            self.record(name, types[type_name], details, level)
            self.depth -= 1
        self.line("else: missing()")

    def record(self, name: str, type_: GraphQLObjectType, details: list[FieldDetails], level: Level) -> None:
        groups = self.collect(type_, details)
        members: dict[str, str] = {}
        joins: list[tuple[str, str]] = []
        for position, (key, group) in enumerate(groups.items()):
            members[key] = self.field(name, type_, group, (*level, key), f"f{position}", joins)
        row = self.named("Row", _row(list(groups)))
        self.line(f"{name} = {row}({', '.join(members.values())})")
        for list_name, key_name in joins:
            self.line(f"if {key_name} is not None: {list_name}.append(({name}, {key_name}))")

    def field(
        self,
        name: str,
        type_: GraphQLObjectType,
        group: list[FieldDetails],
        level: Level,
        member: str,
        joins: list[tuple[str, str]],
    ) -> str:
        """Write what reads and completes one field; return the text of its value."""
        node = group[0].node
        if node.name.value == "__typename":
            return repr(type_.name)
        field = type_.fields[node.name.value]
        join: Join | None = field.extensions.get(JOIN)
        variable = self.new("v")
        if join is None:
            self.line(f"{variable} = {field.extensions[READ](name)}")
            self.value(variable, field.type, group, level)
            return variable
        waiting = _Waiting(self.new("rows"), member, join, field.type, group, (*level, type_.name))
        self.waiting.append(waiting)
        self.line(f"{variable} = {join.key(name)}")
        joins.append((waiting.list_name, variable))
        return "[]" if join.many else "None"

    def joined(self, waiting: _Waiting) -> None:
        """Write what asks for all keys of a level at once, and completes what belongs to each."""
        found, row, key, value = (self.new(prefix) for prefix in ("found", "row", "key", "value"))
        level, join = self.named("level", waiting.level), self.named("join", waiting.join)
        rows = waiting.list_name
        self.line(f"if {rows}:")
        self.depth += 1
        self.line(f"{found} = ask({level}, {join}, [{key} for {row}, {key} in {rows}])")
        self.line(f"for {row}, {key} in {rows}:")
        self.depth += 1
        self.line(f"{value} = {found}.get({key})")
        self.line(f"if {value} is None: continue")
        inner = waiting.type.of_type if isinstance(waiting.type, GraphQLNonNull) else waiting.type
        self.value(value, GraphQLNonNull(inner), waiting.details, waiting.level[:-1])
        self.line(f"{row}.{waiting.member} = {value}")
        self.depth -= 2


def _row(keys: Sequence[str]) -> type:
    """Return the struct of one object: written faster than a dict, with any key as a name."""
    fields: list[Any] = [(f"f{n}", Any, msgspec.field(name=key)) for n, key in enumerate(keys)]
    return msgspec.defstruct("Row", fields, gc=False)


def _missing() -> None:
    raise Odd


def _items(value: Any) -> Any:
    """Return what a list type may be, as it is."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    raise Odd


def _other(coerce: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what writes a value that needs a second look."""

    def write(value: Any) -> Any:
        written = None if value is None else coerce(value)
        if written is None or written is Undefined:
            raise Odd
        return written

    return write
