"""The keys of all joins below a value, for graphql-core, which would ask for each row alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLUnionType
from graphql.execution.collect_fields import FieldDetails

from .compiler import Collect, Level
from .execution import Execution
from .joins import JOIN, Join

Place = tuple[Level, Join, Any, list[FieldDetails]]
"""A join: its level, itself, the type of its field, and where the document asks for it."""


class Gathering:
    """Runs the joins below a value, level by level, before graphql-core looks at them."""

    def __init__(self, execution: Execution, collect: Collect) -> None:
        self.execution = execution
        self.collect = collect

    def run(self, value: Any, type_: Any, details: list[FieldDetails], level: Level) -> None:
        """Run all joins below a value. Values that are not what they should be are passed over; they are told later."""
        waiting: dict[Level, tuple[Place, list[Any]]] = {}
        for place, key in self._keys(value, type_, details, level):
            waiting.setdefault(place[0], (place, []))[1].append(key)
        for (level_, join, field_type, group), keys in waiting.values():
            with suppress(Exception):  # kept by the execution, and told where the field stands
                found = self.execution.ask(level_, join, keys)
                self.run(list(found.values()), GraphQLList(field_type), group, level_[:-1])

    def _keys(self, value: Any, type_: Any, details: list[FieldDetails], level: Level) -> Iterator[tuple[Place, Any]]:
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        if isinstance(type_, GraphQLList) and isinstance(value, (list, tuple, set, frozenset)):
            for item in value:
                yield from self._keys(item, type_.of_type, details, level)
        elif isinstance(type_, GraphQLUnionType) and value is not None:
            name = type_.resolve_type(value, None, type_)  # type: ignore[misc, arg-type]
            for member in type_.types:
                if member.name == name:
                    yield from self._keys(value, member, details, level)
        elif isinstance(type_, GraphQLObjectType) and value is not None:
            yield from self._below(value, type_, self.collect(type_, details), level)

    def _below(
        self, value: Any, type_: GraphQLObjectType, groups: dict[str, list[FieldDetails]], level: Level
    ) -> Iterator[tuple[Place, Any]]:
        for key, group in groups.items():
            field = type_.fields.get(group[0].node.name.value)
            if field is None or not (group[0].node.selection_set or JOIN in field.extensions):
                continue
            with suppress(Exception):
                join: Join | None = field.extensions.get(JOIN)
                if join is None:
                    inner = field.resolve(value, None)
                    yield from list(self._keys(inner, field.type, group, (*level, key)))
                elif (found := join.key_of(value)) is not None:
                    yield ((*level, key, type_.name), join, field.type, group), found
