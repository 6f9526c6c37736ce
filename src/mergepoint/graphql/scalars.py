"""The scalars of a schema: GraphQL's own, and one for each type of the standard that JSON writes as text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from graphql import (
    FloatValueNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLScalarType,
    GraphQLString,
    IntValueNode,
    StringValueNode,
    ValueNode,
)

from ..types import INT64, Meta, Upload

INT32 = (-(2**31), 2**31 - 1)
"""The least and the greatest integer of GraphQL's own `Int` (GraphQL, 3.5.1)."""


class Leaf(msgspec.Struct, frozen=True):
    """How generated code writes the values of a scalar or an enum.

    Attributes:
        fits: source text that is true for a value `{v}` that needs no second look.
        write: source text of what to write for such a value.
        names: what both refer to.
    """

    fits: str
    write: str = "{v}"
    names: dict[str, Any] = {}


def _whole_number(value: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int and INT64[0] <= value <= INT64[1]:
        return value
    raise GraphQLError("Expected an integer of at most 64 bits")


def _whole_literal(node: ValueNode) -> int:
    if not isinstance(node, IntValueNode):
        raise GraphQLError("Expected an integer of at most 64 bits")
    return _whole_number(int(node.value))


INT64_SCALAR = GraphQLScalarType(
    "Int64",
    description="An integer of at most 64 bits, a number in JSON. JavaScript is exact up to 2^53 only.",
    coerce_output_value=_whole_number,
    coerce_input_value=_whole_number,
    coerce_input_literal=_whole_literal,
)


def _text_scalar(name: str, type_: Any, form: Any, description: str) -> GraphQLScalarType:
    """Make a scalar that is text in JSON, of a type that msgspec reads and writes."""
    wanted = f"Expected a {name}: {description[0].lower()}{description[1:]}"

    def coerce_output(value: Any) -> Any:
        if isinstance(value, type_) and not (type_ is date and isinstance(value, datetime)):
            return value
        raise GraphQLError(wanted)

    def coerce_input(value: Any) -> str:
        if isinstance(value, str):
            try:
                msgspec.convert(value, form)
            except (ValueError, TypeError):
                raise GraphQLError(wanted) from None
            return value  # as it came: the operation reads it, after access
        raise GraphQLError(wanted)

    return GraphQLScalarType(
        name, description=description, coerce_output_value=coerce_output, coerce_input_value=coerce_input
    )


DATETIME = _text_scalar(
    "DateTime",
    datetime,
    Annotated[datetime, Meta(tz=True)],
    "A moment with its zone, as RFC 3339 has it: `2025-01-31T12:00:00Z`.",
)
DATE = _text_scalar("Date", date, date, "A day, as RFC 3339 has it: `2025-01-31`.")
TIME = _text_scalar("Time", time, time, "A time of the day, as RFC 3339 has it: `12:30:00`.")
DURATION = _text_scalar("Duration", timedelta, timedelta, "A length of time, as ISO 8601 has it: `PT1H30M`.")
UUID_SCALAR = _text_scalar("UUID", UUID, UUID, "A UUID, as RFC 9562 has it.")
BASE64 = _text_scalar("Base64", (bytes, bytearray, memoryview), bytes, "Bytes in Base64, as RFC 4648 has it.")


def _decimal_out(value: Any) -> Decimal:
    if isinstance(value, Decimal) and value.is_finite():
        return value
    raise GraphQLError(_DECIMAL)


def _decimal_in(value: Any) -> Any:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        try:
            if msgspec.convert(value, Decimal).is_finite():
                return value
        except (ValueError, TypeError):
            pass
    raise GraphQLError(_DECIMAL)


def _decimal_literal(node: ValueNode) -> str:
    if not isinstance(node, (IntValueNode, FloatValueNode, StringValueNode)):
        raise GraphQLError(_DECIMAL)
    _decimal_in(node.value)
    return node.value  # its text, which a float would round


_DECIMAL = "Expected a Decimal: text such as `12.50`, or a number"
DECIMAL = GraphQLScalarType(
    "Decimal",
    description="A decimal number of any size, exact: text in JSON, such as `12.50`; a number is taken as well.",
    coerce_output_value=_decimal_out,
    coerce_input_value=_decimal_in,
    coerce_input_literal=_decimal_literal,
)


def _is_upload(value: Any) -> Upload:
    if isinstance(value, Upload):
        return value
    raise GraphQLError("Expected a file, sent as the multipart request specification says")


def _no_upload(value: Any) -> Any:
    raise GraphQLError("A file comes in a variable, as the multipart request specification says")


UPLOAD = GraphQLScalarType(
    "Upload",
    description="A file, sent beside the request as the GraphQL multipart request specification says.",
    specified_by_url="https://github.com/jaydenseric/graphql-multipart-request-spec",
    coerce_output_value=_no_upload,
    coerce_input_value=_is_upload,
    coerce_input_literal=_no_upload,
)


def _of_type(type_: type) -> Leaf:
    return Leaf("type({v}) is " + type_.__name__, names={type_.__name__: type_})


def _within(bounds: tuple[int, int]) -> Leaf:
    return Leaf(f"type({{v}}) is int and {bounds[0]} <= {{v}} <= {bounds[1]}")


LEAVES: dict[GraphQLScalarType, Leaf] = {
    GraphQLBoolean: _of_type(bool),
    GraphQLFloat: Leaf("type({v}) is float and {v} - {v} == 0.0"),  # neither NaN nor infinite
    GraphQLID: Leaf("type({v}) is int", "str({v})"),
    GraphQLInt: _within(INT32),
    GraphQLString: _of_type(str),
    INT64_SCALAR: _within(INT64),
    BASE64: _of_type(bytes),
    DATE: _of_type(date),
    DATETIME: _of_type(datetime),
    DECIMAL: Leaf("type({v}) is Decimal and {v}.is_finite()", names={"Decimal": Decimal}),
    DURATION: _of_type(timedelta),
    TIME: _of_type(time),
    UUID_SCALAR: _of_type(UUID),
}
"""How each scalar is written. What does not fit at once is left to the scalar itself, which knows all exceptions."""


def quick_check(scalar: GraphQLScalarType) -> Callable[[Any], bool] | None:
    """Return what tells that an input value is right as it is; None where that takes a second look."""
    return _QUICK.get(scalar)


_QUICK: dict[GraphQLScalarType, Callable[[Any], bool]] = {
    GraphQLBoolean: lambda value: type(value) is bool,
    GraphQLID: lambda value: type(value) is str,
    GraphQLInt: lambda value: type(value) is int and INT32[0] <= value <= INT32[1],
    GraphQLString: lambda value: type(value) is str,
    INT64_SCALAR: lambda value: type(value) is int and INT64[0] <= value <= INT64[1],
}
