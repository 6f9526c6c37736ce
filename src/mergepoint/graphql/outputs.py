"""What operations give, as types of the schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_origin

import msgspec.inspect as mi
from graphql import (
    GraphQLBoolean,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
    GraphQLUnionType,
    get_named_type,
)

from ..shape import shape_of
from ..types import Page
from .interfaces import interfaces
from .leaves import RECORDS, SEQUENCES, Leaves, known, values_note
from .naming import CannotCarry, Names, camel, checked
from .readings import Reading, each, function, may_be_unset, of_attribute, shaping, then
from .wording import SENSITIVE, joined, told

READ = "mergepoint.read"
"""Where a field keeps its `Reading`."""

PAGE = "mergepoint.page"
"""What marks the type of a page."""

CLASSES = "mergepoint.classes"
"""Where a union keeps the names of its types by class."""


class Outputs:
    """The object types of one schema."""

    def __init__(self, names: Names, leaves: Leaves) -> None:
        self.names = names
        self.leaves = leaves
        self.records: dict[Any, GraphQLObjectType] = {}
        self.fields: dict[str, dict[str, GraphQLField]] = {}
        self.infos: dict[str, Any] = {}
        self.others: dict[str, Any] = {}
        self.interfaces: dict[Any, list[GraphQLInterfaceType]] = {}

    def of(self, info: mi.Type, owner: str) -> GraphQLOutputType:
        """Return the type for an inspected one.

        Args:
            info: the inspected type.
            owner: what a type without a name of its own is named after.

        Raises:
            CannotCarry: GraphQL has none for it.
        """
        this = known(info)
        type_ = self.leaves.of(this, owner) or self._composite(this.info, owner)
        return type_ if this.nullable else GraphQLNonNull(type_)

    def finish(self) -> None:
        """Find the interfaces, now that all records are known."""
        self.interfaces = interfaces(self.records, self.names)

    def _composite(self, info: Any, owner: str) -> Any:
        if isinstance(info, SEQUENCES):
            return GraphQLList(self.of(info.item_type, owner))
        if isinstance(info, mi.TupleType):
            return GraphQLList(self._item(info, owner))
        if isinstance(info, mi.DictType):
            return GraphQLList(GraphQLNonNull(self._entry(info, owner)))
        if isinstance(info, RECORDS):
            return self._page(info, owner) if get_origin(info.cls) is Page else self._record(info)
        if isinstance(info, mi.UnionType):
            return self._union(info)
        raise CannotCarry(f"GraphQL has no type for {type(info).__name__.removesuffix('Type').lower()}")

    def _item(self, info: mi.TupleType, owner: str) -> GraphQLOutputType:
        types = [self.of(item, owner) for item in info.item_types]
        if len(set(map(str, types))) != 1:
            raise CannotCarry("a tuple of different types; use a NamedTuple, whose parts have names")
        return types[0]

    def _record(self, info: Any) -> GraphQLObjectType:
        cls = info.cls
        if cls in self.records:
            return self.records[cls]
        name = self.names.claim(shape_of(cls).form.__name__, cls, f"the record {_full_name(cls)}")
        docs, fields = told(cls), self.fields.setdefault(name, {})
        self.infos[name] = info
        self.records[cls] = GraphQLObjectType(
            name, lambda: fields, interfaces=lambda: self.interfaces.get(cls, []), description=docs.text
        )
        for field in info.fields:
            note = (getattr(field.type, "extra_json_schema", None) or {}).get("description")
            wire_name = checked(field.encode_name, f"{name}: the field")
            fields[wire_name] = self._field(field, info, joined(docs.attributes.get(field.name, note)))
        if not fields:
            raise CannotCarry(f"{name} has no fields, which GraphQL does not allow")
        return self.records[cls]

    def _field(self, field: mi.Field, record: Any, doc: str | None) -> GraphQLField:
        this = known(field.type)
        type_ = self.of(field.type, camel(shape_of(record.cls).form.__name__, field.encode_name))
        if isinstance(type_, GraphQLNonNull) and (may_be_unset(field) or _may_be_missing(field, record)):
            type_ = type_.of_type
        description = joined(doc, values_note(this), SENSITIVE if this.sensitive else None)
        return output_field(type_, of_attribute(field, record), description)

    def _union(self, info: mi.UnionType) -> GraphQLUnionType:
        if not all(isinstance(member, mi.StructType) for member in info.types):
            raise CannotCarry("a union of anything but records; make each member a msgspec.Struct with tag=True")
        infos: list[Any] = list(info.types)
        members = [self._record(member) for member in infos]
        name = "_or_".join(member.name for member in members)
        self.names.claim(name, name, f"the union {name}")
        if name not in self.others:
            classes = {_origin(m.cls): t.name for m, t in zip(infos, members, strict=True)}
            self.others[name] = GraphQLUnionType(
                name, members, resolve_type=_resolver(classes), extensions={CLASSES: classes}
            )
        return self.others[name]  # type: ignore[no-any-return]

    def _entry(self, info: mi.DictType, owner: str) -> GraphQLObjectType:
        key, value = self.of(info.key_type, owner), self.of(info.value_type, owner)
        name = f"{label(key)}{label(value)}Entry"
        self.names.claim(name, (str(key), str(value)), f"the entries {{{key}: {value}}}")
        if name not in self.others:
            fields = {"key": output_field(key, _part(0)), "value": output_field(value, _part(1))}
            self.others[name] = GraphQLObjectType(name, fields, description="One entry of a mapping.")
        return self.others[name]  # type: ignore[no-any-return]

    def _page(self, info: Any, owner: str) -> GraphQLObjectType:
        node = self.of(info.fields[0].type.item_type, owner)
        item = get_named_type(node)
        if str(node) != f"{item.name}!":
            raise CannotCarry("a page of lists, or of items that may be null; use a page of records")
        name = f"{item.name}Connection"
        self.names.claim(name, ("page", item.name), f"the page of {item.name}")
        if name not in self.others:
            self.others[name] = self._connection(name, item.name, node, shaping(info.fields[0].type.item_type))
        return self.others[name]  # type: ignore[no-any-return]

    def _connection(self, name: str, item: str, node: GraphQLOutputType, shape: Reading | None) -> GraphQLObjectType:
        """Return the type of a page, as the "GraphQL Cursor Connections Specification" names its parts."""
        edge = GraphQLObjectType(
            self.names.claim(f"{item}Edge", ("edge", item), f"the edges of a page of {item}"),
            {
                "node": output_field(node, then(_part(0), shape)),
                "cursor": output_field(GraphQLString, _part(1), "Where the page after this item begins, if known."),
            },
        )
        fields = {
            "edges": output_field(_many(GraphQLNonNull(edge)), lambda o: f"edges({o})"),
            "nodes": output_field(_many(node), then(lambda o: f"{o}.items", each(shape))),
            "pageInfo": output_field(GraphQLNonNull(self._page_info()), lambda o: o),
        }
        return GraphQLObjectType(name, fields, description="One page of a longer list.", extensions={PAGE: True})

    def _page_info(self) -> GraphQLObjectType:
        self.names.claim("PageInfo", "PageInfo", "what a page says of itself")
        if "PageInfo" not in self.others:
            self.others["PageInfo"] = GraphQLObjectType("PageInfo", _page_info_fields())
        return self.others["PageInfo"]  # type: ignore[no-any-return]


def output_field(type_: GraphQLOutputType, reading: Reading, description: str | None = None) -> GraphQLField:
    """Return a field that is read off its object."""
    return GraphQLField(type_, resolve=function(reading, "info"), description=description, extensions={READ: reading})


def _page_info_fields() -> dict[str, GraphQLField]:
    yes_or_no = GraphQLNonNull(GraphQLBoolean)
    return {
        "hasNextPage": output_field(yes_or_no, lambda o: f"({o}.next is not None)"),
        "hasPreviousPage": output_field(yes_or_no, lambda o: "False", "Always false: pages go forward."),
        "startCursor": output_field(GraphQLString, lambda o: "None"),
        "endCursor": output_field(GraphQLString, lambda o: f"{o}.next", "What to pass as `after` for the next page."),
    }


def label(type_: Any) -> str:
    """Return a type as a part of another's name: `Int`, `BatList`, `OptionalString`."""
    if not isinstance(type_, GraphQLNonNull):
        return "Optional" + label(GraphQLNonNull(type_))
    inner = type_.of_type
    return label(inner.of_type) + "List" if isinstance(inner, GraphQLList) else inner.name


def _many(type_: GraphQLOutputType) -> Any:
    return GraphQLNonNull(GraphQLList(type_))


def _part(index: int) -> Reading:
    return lambda o: f"{o}[{index}]"


def _may_be_missing(field: mi.Field, record: Any) -> bool:
    return isinstance(record, mi.TypedDictType) and not field.required


def _resolver(classes: dict[type, str]) -> Callable[..., str | None]:
    def resolve(value: Any, *context: Any) -> str | None:
        return next((classes[cls] for cls in type(value).__mro__ if cls in classes), None)

    return resolve


def _origin(cls: Any) -> Any:
    return get_origin(cls) or cls


def _full_name(cls: Any) -> str:
    return f"{cls.__module__}.{_origin(cls).__qualname__}"
