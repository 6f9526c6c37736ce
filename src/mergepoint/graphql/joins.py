"""Joins: a field of a record that one query serves for many records at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
import msgspec.inspect as mi
from graphql import GraphQLField, GraphQLList, GraphQLNonNull, get_named_type

from ..call import Call
from ..contract import Parameter
from ..errors import RegistrationError
from ..operation import Operation
from .leaves import SEQUENCES, known
from .naming import CannotCarry, is_name
from .outputs import Outputs
from .readings import Reading, function, of_attribute, shaping

JOIN = "mergepoint.join"
"""Where a field keeps its `Join`."""

_DECLARED = re.compile(r"(\w+)\.(\w+)\((\w+)\)")
_EXAMPLE = "'Bat.keeper(keeper_id)'"

_CONTAINERS: dict[type[mi.Type], Callable[[list[Any]], Any]] = {
    mi.ListType: list,
    mi.SetType: set,
    mi.FrozenSetType: frozenset,
    mi.VarTupleType: tuple,
}


class Join(msgspec.Struct, frozen=True):
    """A field that a query serves.

    Attributes:
        name: the record and the field, for messages.
        operation: what it runs.
        key: how the key is read off the record.
        key_of: the same as a function.
        many: True if there is a list for each key.
        read: makes the arguments of a list of keys.
        give: gives what belongs to one key the form that the schema shows.
    """

    name: str
    operation: Operation
    key: Reading
    key_of: Callable[[Any], Any]
    many: bool
    read: Callable[[list[Any]], tuple[Any, ...]]
    give: Callable[[Any], Any]

    def ask(self, call: Call, keys: list[Any]) -> dict[Any, Any]:
        """Run the operation once, and return what belongs to each key that has something.

        Raises:
            Failure: the call is refused, late, or met a bug.
            Exception: one that the application declares.
        """
        found = self.operation.run(call, keys, self.read)
        try:
            pairs = found.items() if isinstance(found, dict) else zip(keys, found, strict=True)
            return {key: self.give(value) for key, value in pairs if value is not None}
        except Exception as error:
            raise self.operation.settle(call, error)[1] from error


def add_joins(operations: Mapping[str, Operation], outputs: Outputs, left_out: Collection[str]) -> None:
    """Give records the fields that operations declare to serve.

    Raises:
        RegistrationError: one of them cannot; the message says what to do.
    """
    for operation in operations.values():
        if operation.policy.joins is not None:
            _Declaration(operation, operation.policy.joins).add(outputs, left_out)


class _Declaration:
    """`joins=` of one operation, to be checked."""

    def __init__(self, operation: Operation, text: str) -> None:
        self.operation = operation
        self.text = text

    def refuse(self, fault: str) -> RegistrationError:
        return RegistrationError(f"{self.operation.name}: joins={self.text!r} {fault}")

    def add(self, outputs: Outputs, left_out: Collection[str]) -> None:
        match = _DECLARED.fullmatch(self.text)
        if not match:
            raise self.refuse(f"does not say which field of which record by which key, such as {_EXAMPLE}.")
        record, field, key = match.groups()
        if self.operation.kind != "query" or self.operation.contract.gives != "value":
            raise self.refuse("stands at what is no query with a result; only a query can serve a field.")
        if self.operation.name in left_out:
            raise self.refuse("stands at an operation that GraphQL cannot carry, see `Schema.left_out`.")
        fields = self._fields(record, field, outputs)
        parameter = self._parameter()
        fields[field] = self._field(record, field, parameter, self._key(record, key, parameter, outputs), outputs)

    def _fields(self, record: str, field: str, outputs: Outputs) -> dict[str, GraphQLField]:
        if record not in outputs.fields:
            raise self.refuse(f"names the record `{record}`, which no operation returns; {_there_are(outputs.fields)}.")
        if not is_name(field):
            raise self.refuse(f"names the field `{field}`, which is no name in GraphQL.")
        if field in outputs.fields[record]:
            raise self.refuse(f"names the field `{field}`, which {record} has already; choose another name.")
        return outputs.fields[record]

    def _parameter(self) -> Parameter:
        """Return the parameter that takes the keys."""
        contract = self.operation.contract
        required = [p for p in (*contract.parameters, *contract.uploads) if p.required]
        if len(required) != 1 or not isinstance(known(mi.type_info(required[0].type)).info, SEQUENCES):
            raise self.refuse(
                "needs a query with exactly one parameter that has no default, a list of keys:"
                f" `def {self.operation.name.rpartition('.')[2]}(ids: list[Id]) -> dict[Id, ...]`."
            )
        return required[0]

    def _key(self, record: str, key: str, parameter: Parameter, outputs: Outputs) -> Reading:
        info = outputs.infos[record]
        field = next((each for each in info.fields if each.encode_name == key), None)
        if field is None:
            raise self.refuse(
                f"names the key `{key}`, which {record} does not have; {_there_are(outputs.fields[record])}."
            )
        wanted: Any = known(mi.type_info(parameter.type)).info
        own, other = outputs.of(field.type, record), outputs.of(wanted.item_type, record)
        if get_named_type(own) is not get_named_type(other) or isinstance(_present(own), GraphQLList):
            raise self.refuse(f"joins by `{key}`, a {own}, but `{parameter.name}` takes a list of {other}.")
        return of_attribute(field, info)

    def _field(self, record: str, field: str, parameter: Parameter, key: Reading, outputs: Outputs) -> GraphQLField:
        given = self._given()
        try:
            type_ = outputs.of(given, f"{record}{field.capitalize()}")
        except CannotCarry as reason:  # pragma: no cover - the operation would have been left out
            raise self.refuse(f"serves what GraphQL cannot carry: {reason}.") from None
        many = isinstance(_present(type_), GraphQLList)
        shape, contract = shaping(given), self.operation.contract
        container = _CONTAINERS[type(known(mi.type_info(parameter.type)).info)]
        join = Join(
            name=f"{record}.{field}",
            operation=self.operation,
            key=key,
            key_of=function(key),
            many=many,
            read=lambda keys: contract.order((), {parameter.name: container(keys)}),
            give=function(shape) if shape else lambda value: value,
        )
        return GraphQLField(
            GraphQLNonNull(_present(type_)) if many else _present(type_),
            resolve=_resolver(join),
            description=contract.summary or None,
            extensions={JOIN: join},
        )

    def _given(self) -> mi.Type:
        """Return the type of what belongs to one key."""
        result = self.operation.contract.result
        info: Any = result and known(mi.type_info(result.type)).info
        if isinstance(info, mi.DictType):
            return info.value_type
        if isinstance(info, mi.ListType):
            return info.item_type
        raise self.refuse("needs a result `dict[key, T]`, or a list with one `T | None` for each key, in their order.")


def _resolver(join: Join) -> Callable[..., Any]:
    return lambda record, info: info.context.joined(join, join.key_of(record), info)


def _present(type_: Any) -> Any:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_


def _there_are(names: Collection[str]) -> str:
    return "there are " + (", ".join(sorted(names)) or "none")
