"""From a row to a record in one step: the columns of a statement are matched with the record's fields once."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..errors import RegistrationError

Processor = Callable[[Any], Any]
Maker = Callable[[Sequence[Any]], Any]


class Field(NamedTuple):
    """A field as the record's constructor takes it."""

    name: str
    required: bool
    positional: bool


class Shape(NamedTuple):
    """How the columns of a statement become a record.

    `names[i]` is the argument that takes column i; `order` lists the columns by position if all can be passed so.
    """

    record: Any
    names: tuple[str, ...]
    order: tuple[int, ...] | None


def match(record: Any, columns: Sequence[str]) -> Shape:
    """Match a statement's columns with a record's fields, by name.

    Args:
        record: a dataclass, `msgspec.Struct`, `NamedTuple`, attrs class or `TypedDict`; None for plain values.
        columns: the names of the statement's columns, in its order.

    Raises:
        RegistrationError: a field without default has no column, or a column has no field; the message names them.
    """
    if record is None:
        return Shape(None, tuple(columns), None)
    fields = _fields(record)
    _compare(record, fields, columns)
    return Shape(record, tuple(columns), _positions(fields, columns))


def maker(shape: Shape, processors: Sequence[Processor | None]) -> Maker | None:
    """Make the function that turns a row of the driver into a record.

    Args:
        shape: from `match`.
        processors: for each column, what SQLAlchemy's type does with the driver's value; None for nothing.

    Returns:
        A function of one row; None when a row is already what is wanted (a plain tuple).
    """
    values = [_value(index, processor) for index, processor in enumerate(processors)]
    if shape.record is None:
        return _plain(values, processors)
    if shape.order == tuple(range(len(values))) and not any(processors):
        return _generate("record(*row)", shape, processors)
    if shape.order is not None:
        arguments = ", ".join(values[column] for column in shape.order)
    else:
        arguments = ", ".join(f"{name}={value}" for name, value in zip(shape.names, values, strict=True))
    return _generate(f"record({arguments})", shape, processors)


def _plain(values: list[str], processors: Sequence[Processor | None]) -> Maker | None:
    if len(values) == 1:
        return _generate(values[0], None, processors)
    if not any(processors):
        return None
    return _generate(f"({', '.join(values)})", None, processors)


def _value(index: int, processor: Processor | None) -> str:
    return f"row[{index}]" if processor is None else f"process{index}(row[{index}])"


def _generate(expression: str, shape: Shape | None, processors: Sequence[Processor | None]) -> Maker:
    # Like namedtuple and dataclass: the text holds positions and the record's own field names, nothing from outside.
    scope: dict[str, Any] = {f"process{index}": processor for index, processor in enumerate(processors)}
    scope["record"] = None if shape is None else shape.record
    return typing.cast("Maker", eval(f"lambda row: {expression}", scope))  # noqa: S307


def _compare(record: Any, fields: list[Field], columns: Sequence[str]) -> None:
    known = {field.name for field in fields}
    faults = [
        *(f"field {field.name!r} has no column" for field in fields if field.required and field.name not in columns),
        *(f"column {name!r} has no field" for name in columns if name not in known),
    ]
    if faults:
        raise RegistrationError(
            f"The statement's columns do not make a {record.__qualname__}: {'; '.join(faults)}. "
            f"Select the fields {', '.join(sorted(known))}; rename a column with .label()."
        )


def _positions(fields: list[Field], columns: Sequence[str]) -> tuple[int, ...] | None:
    """Return the columns in the order of the fields, if those fields are the first ones and take no keyword."""
    leading = fields[: len(columns)]
    if any(not field.positional or field.name not in columns for field in leading):
        return None
    return tuple(columns.index(field.name) for field in leading)


def _fields(record: Any) -> list[Field]:
    if typing.is_typeddict(record):
        return [Field(name, name in record.__required_keys__, positional=False) for name in record.__annotations__]
    if not _is_record(record):
        raise RegistrationError(
            f"Rows cannot become {record!r}: expected a dataclass, msgspec.Struct, NamedTuple, attrs class or "
            "TypedDict, or nothing for plain values."
        )
    parameters = inspect.signature(record).parameters.values()
    return [
        Field(p.name, p.default is p.empty, p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
        for p in parameters
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def _is_record(record: Any) -> bool:
    if not isinstance(record, type):
        return False
    marks = ("__struct_fields__", "__attrs_attrs__", "_fields")
    return dataclasses.is_dataclass(record) or any(hasattr(record, mark) for mark in marks)
