"""Operations as the fields of Query, Mutation and Subscription."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec
import msgspec.inspect as mi
from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
)

from ..contract import Parameter, is_optional
from ..errors import InvalidArgument, Problem, RegistrationError
from ..operation import Operation
from ..types import UNSET, Page, Upload
from .inputs import Inputs, Reader, Value
from .leaves import Leaves, known
from .naming import CannotCarry, Names, camel, checked
from .outputs import Outputs
from .readings import Reading, function, shaping
from .scalars import UPLOAD

Kind = Literal["query", "mutation", "subscription"]

ROOT = "mergepoint.root"
"""Where a field of a root type keeps its `Root`."""

SIZES = ("limit", "first")
"""Parameters that say how long a list may be."""

CURSORS = ("after", "cursor")
"""Parameters that say where a page begins."""


class Root(msgspec.Struct, frozen=True):
    """One operation as a field.

    Attributes:
        name: of the field.
        kind: of the type that it stands in.
        operation: what it runs.
        read: reads the arguments, as graphql-core made them, for the operation.
        give: gives its result, or each item of a stream, the form that the schema shows.
        size: the argument that says how long its list may be, and its default; None if there is none.
    """

    name: str
    kind: Kind
    operation: Operation
    read: Callable[[dict[str, Any]], tuple[Any, ...]]
    give: Callable[[Any], Any]
    size: tuple[str, Any] | None


class Roots:
    """The fields of the three root types.

    Attributes:
        fields: by kind and name.
        left_out: the operations that GraphQL cannot carry, and why.
    """

    def __init__(self, operations: Mapping[str, Operation], names: Names) -> None:
        """Make a field of every operation that GraphQL can carry.

        Raises:
            RegistrationError: two operations or types would have the same name.
        """
        self.names = names
        self.leaves = Leaves(names)
        self.outputs = Outputs(names, self.leaves)
        self.inputs = Inputs(names, self.leaves)
        self.fields: dict[Kind, dict[str, GraphQLField]] = {"query": {}, "mutation": {}, "subscription": {}}
        self.left_out: dict[str, str] = {}
        for operation in operations.values():
            self._add(operation)

    def _add(self, operation: Operation) -> None:
        kept = self._kept()
        try:
            name = checked(operation.name.replace(".", "_"), "the operation")
            kind = _kind(operation)
            field = self._field(operation, name, kind)
        except CannotCarry as reason:
            self.left_out[operation.name] = f"{reason}."
            self._forget_but(kept)
            return
        if taken := self.fields[kind].get(name):
            other = taken.extensions[ROOT].operation.name
            raise RegistrationError(
                f"GraphQL: {operation.name} and {other} would both be the field `{name}`; rename one of them: name=..."
            )
        self.fields[kind][name] = field

    def _kept(self) -> tuple[Any, ...]:
        """Return what there is before an operation, should it have to be left out in the middle."""
        tables: tuple[dict[Any, Any], ...] = (
            self.outputs.records,
            self.outputs.fields,
            self.outputs.infos,
            self.outputs.others,
            self.inputs.objects,
            self.leaves.enums,
        )
        return self.names.snapshot(), [(table, dict(table)) for table in tables]

    def _forget_but(self, kept: tuple[Any, ...]) -> None:
        names, tables = kept
        self.names.restore(names)
        for table, before in tables:
            table.clear()
            table.update(before)

    def _field(self, operation: Operation, name: str, kind: Kind) -> GraphQLField:
        contract = operation.contract
        type_, give = self._result(operation)
        renamed = _renamed(operation)
        given = dict(self._arguments(operation, renamed))
        shown = [renamed.get(name, name) for name in contract.names]
        arguments = {name: given[name] for name in shown}
        root = Root(
            name,
            kind,
            operation,
            self._reader(operation, renamed),
            function(give) if give else lambda value: value,
            _size(operation, renamed),
        )
        description = "\n\n".join(filter(None, (contract.summary, contract.description))) or None
        return GraphQLField(type_, arguments, resolve=_resolver(root), description=description, extensions={ROOT: root})

    def _result(self, operation: Operation) -> tuple[Any, Reading | None]:
        contract = operation.contract
        if contract.gives == "download":
            raise CannotCarry("it answers with a file, which GraphQL cannot carry; call it over REST")
        if contract.gives == "nothing":
            return GraphQLNonNull(GraphQLBoolean), lambda o: "True"
        assert contract.result is not None  # noqa: S101 - but for a download there is one
        info = mi.type_info(contract.result.type)
        return self.outputs.of(info, camel(operation.name, "result")), shaping(info)

    def _arguments(self, operation: Operation, renamed: Mapping[str, str]) -> Iterator[tuple[str, GraphQLArgument]]:
        for parameter in operation.contract.parameters:
            name = checked(renamed.get(parameter.name, parameter.name), "the parameter")
            type_ = _page_size(parameter) if name == "first" and parameter.name in renamed else None
            owner = camel(operation.name, parameter.name)
            yield name, self.inputs.argument(_value(parameter), parameter.name, owner, type_)
        for parameter in operation.contract.uploads:
            name = checked(parameter.name, "the parameter")
            self.names.claim(UPLOAD.name, UPLOAD, "the scalar Upload")
            yield name, GraphQLArgument(_upload(parameter), description=parameter.doc or None, out_name=name)

    def _reader(self, operation: Operation, renamed: Mapping[str, str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
        contract = operation.contract
        infos = {parameter.name: mi.type_info(parameter.type) for parameter in contract.parameters}
        readers = {name: read for name, info in infos.items() if (read := self.inputs.reader(info))}
        absent = {p.name: None for p in contract.parameters if p.required and known(infos[p.name]).nullable}
        return _read(operation, readers, absent, {name: shown for name, shown in renamed.items() if name != shown})


def _resolver(root: Root) -> Callable[..., Any]:
    # By position only: an operation may have parameters of these names.
    return lambda source, info, /, **arguments: info.context.root(root, arguments, info)


def _kind(operation: Operation) -> Kind:
    if operation.contract.gives == "stream":
        return "subscription"
    return "query" if operation.kind == "query" else "mutation"


def _renamed(operation: Operation) -> dict[str, str]:
    """Return what the "GraphQL Cursor Connections Specification" calls the parameters of a page."""
    result, names = operation.contract.result, {p.name for p in operation.contract.parameters}
    if result is None or get_origin(result.type) is not Page:
        return {}
    found = {}
    for candidates, shown in ((SIZES, "first"), (CURSORS, "after")):
        own = next((name for name in candidates if name in names), None)
        if own and (own == shown or shown not in names):
            found[own] = shown
    return found


def _page_size(parameter: Parameter) -> Any:
    """Return the type of `first`: always an `Int`, which every client of connections expects."""
    this = known(mi.type_info(parameter.type))
    if not isinstance(this.info, mi.IntType):
        return None
    return GraphQLInt if this.nullable else GraphQLNonNull(GraphQLInt)


def _size(operation: Operation, renamed: Mapping[str, str]) -> tuple[str, Any] | None:
    for parameter in operation.contract.parameters:
        if parameter.name in SIZES:
            return renamed.get(parameter.name, parameter.name), parameter.default
    return None


def _value(parameter: Parameter) -> Value:
    unset = parameter.default is UNSET
    default = msgspec.NODEFAULT if unset else parameter.default
    return Value(mi.type_info(parameter.type), default, may_be_unset=unset, doc=parameter.doc or None)


def _upload(parameter: Parameter) -> Any:
    many = parameter.type is not Upload and any(
        get_origin(hint) is list for hint in (parameter.type, *get_args(parameter.type))
    )
    type_: Any = GraphQLList(GraphQLNonNull(UPLOAD)) if many else UPLOAD
    return GraphQLNonNull(type_) if parameter.required and not is_optional(parameter.type) else type_


def _read(
    operation: Operation, readers: Mapping[str, Reader], absent: Mapping[str, None], renamed: Mapping[str, str]
) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Return what reads the arguments of an operation, by the names that it knows them by."""
    convert, uploads = operation.contract.arguments.convert, operation.contract.uploads
    if not (readers or absent or renamed or uploads):
        return convert

    def read(given: dict[str, Any]) -> tuple[Any, ...]:
        values = {**absent, **given}
        files = tuple(values.pop(p.name, None if p.required else p.default) for p in uploads)
        for name, shape in readers.items():
            if name in values:
                values[name] = shape(values[name])
        try:
            return convert(values) + files
        except InvalidArgument as error:
            raise _named_as_shown(error, renamed) from None

    return read


def _named_as_shown(error: InvalidArgument, renamed: Mapping[str, str]) -> InvalidArgument:
    """Return a failure whose paths begin with the names that the schema shows."""
    failure = InvalidArgument.of(*(Problem(_path(p.path, renamed), p.message) for p in error.problems))
    failure.code = error.code
    return failure


def _path(path: str, renamed: Mapping[str, str]) -> str:
    for name, shown in renamed.items():
        if path == f"$.{name}" or path.startswith((f"$.{name}.", f"$.{name}[")):
            return f"$.{shown}{path[len(name) + 2 :]}"
    return path
