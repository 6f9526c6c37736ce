"""Read and write the values of a type, and find everything that is wrong with a value that does not fit."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar, Union, cast

import msgspec
import msgspec.inspect as mi

from .errors import InvalidArgument, Problem
from .shape import (
    SEQUENCES,
    CannotTravel,
    Field,
    Shape,
    arguments_shape,
    compiled,
    finite,
    form_of,
    read_id,
    shape_of,
    translation_of,
)
from .types import Meta

T = TypeVar("T")

MOST_PROBLEMS = 100
"""Problems reported at once; a caller who sends more mistakes than this learns of the rest next time."""


class Wire(Generic[T]):
    """One type, ready to be read and written.

    Attributes:
        type: the Python type.
        form: what msgspec reads and writes for it; the source of its JSON Schema.
    """

    def __init__(self, type: Any) -> None:
        """Prepare a type.

        Raises:
            CannotTravel: no protocol could carry a part of the type.
        """
        self.type = type
        self._prepare(shape_of(type))

    def _prepare(self, shape: Shape) -> None:
        self.form = shape.form
        self._into: Callable[[Any], Any] | None = compiled(shape.inward, shape.names)
        self._out = compiled(shape.outward, shape.names)
        try:
            self._read_json = msgspec.json.Decoder(shape.form).decode
            self._read_msgpack = msgspec.msgpack.Decoder(shape.form).decode
        except TypeError as error:
            raise CannotTravel(str(error).split("\n")[0]) from None
        self._write_json = msgspec.json.Encoder().encode
        self._write_msgpack = msgspec.msgpack.Encoder().encode

    def decode_json(self, data: bytes) -> T:
        """Read a value from JSON.

        Raises:
            InvalidArgument: with every problem found; its code is `malformed` if this is no JSON at all.
        """
        try:
            form = self._read_json(data)
            value: T = form if self._into is None else self._into(form)
            return value
        except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
            raise self._explain(_read_anything(data), error) from None

    def encode_json(self, value: T) -> bytes:
        """Write a value as JSON."""
        return self._write_json(value if self._out is None else self._out(value))

    def decode_msgpack(self, data: bytes) -> T:
        """Read a value from MessagePack; raises as `decode_json` does."""
        try:
            form = self._read_msgpack(data)
            value: T = form if self._into is None else self._into(form)
            return value
        except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
            raise self._explain(_read_anything(data, msgspec.msgpack.decode), error) from None

    def encode_msgpack(self, value: T) -> bytes:
        """Write a value as MessagePack."""
        return self._write_msgpack(value if self._out is None else self._out(value))

    def convert(self, raw: Any) -> T:
        """Take a value that is already decoded: plain dicts, lists, strings and numbers.

        Raises:
            InvalidArgument: with every problem found.
        """
        try:
            form = msgspec.convert(raw, self.form)
            value: T = form if self._into is None else self._into(form)
            return value
        except (msgspec.ValidationError, ValueError, TypeError, RecursionError) as error:
            raise self._explain(raw, error) from None

    def plain(self, value: T) -> Any:
        """Return the value as plain dicts, lists, strings and numbers, as it looks in JSON."""
        return msgspec.to_builtins(value if self._out is None else self._out(value))

    def _explain(self, raw: Any, error: Exception, *, text: bool = False) -> InvalidArgument:
        found = []
        for problem in problems(raw, mi.type_info(self.form), text=text):
            found.append(problem)
            if len(found) == MOST_PROBLEMS:
                break
        return InvalidArgument.of(*found) if found else InvalidArgument.of(Problem("$", _plain_message(error)))


class Arguments(Wire[tuple[Any, ...]]):
    """The arguments of a callable: one object keyed by parameter names on the wire, a tuple in their order here."""

    _into: Callable[[Any], tuple[Any, ...]]

    def __init__(self, name: str, fields: Sequence[Field]) -> None:
        self.type = tuple
        self._prepare(arguments_shape(name, fields))
        self._floats = [f.wire_name for f in fields if isinstance(_bare(mi.type_info(f.shape.form)), mi.FloatType)]

    def convert_text(self, raw: dict[str, Any]) -> tuple[Any, ...]:
        """Take arguments that come as text, numbers and booleans too: from a path, a query string, a form.

        Raises:
            InvalidArgument: with every problem found.
        """
        try:
            if self._floats and any(_not_finite(raw.get(name)) for name in self._floats):
                raise ValueError("Expected a finite `float`")
            arguments: tuple[Any, ...] = self._into(msgspec.convert(raw, self.form, strict=False))
            return arguments
        except (msgspec.ValidationError, ValueError, TypeError, RecursionError) as error:
            raise self._explain(raw, error, text=True) from None


def _bare(info: mi.Type) -> mi.Type:
    """Return a type without its notes, and without None or the list around it."""
    while True:
        if isinstance(info, mi.Metadata):
            info = info.type
        elif isinstance(info, mi.UnionType) and (member := _only_member(info)):
            info = member
        elif isinstance(info, tuple(SEQUENCES)):
            info = cast(mi.ListType, info).item_type
        else:
            return info


def _not_finite(given: Any) -> bool:
    """Tell whether text says `nan` or `inf`, which JSON refuses by itself but text does not."""
    texts = given if isinstance(given, list) else (given,)
    return any(isinstance(t, str) and t.strip("+-").lower() in ("nan", "inf", "infinity") for t in texts)


# --- everything wrong with a value ---------------------------------------------------------------------------------


def problems(raw: Any, info: mi.Type, *, text: bool = False, path: str = "$") -> Iterator[Problem]:
    """Find everything that is wrong with a plain value, where msgspec stops at the first fault.

    Args:
        raw: dicts, lists, strings and numbers.
        info: the inspected form.
        text: numbers and booleans may come as text.
        path: where the value stands.
    """
    inner = info.type if isinstance(info, mi.Metadata) else info
    if isinstance(inner, mi.UnionType):
        inner = _only_member(inner) or inner
    if isinstance(inner, mi.StructType) and isinstance(raw, dict) and inner.tag is None:
        found = list(_record_problems(raw, inner, text=text, path=path))
        yield from found or _construction_problems(raw, inner, text=text, path=path)
    elif isinstance(inner, tuple(SEQUENCES)) and isinstance(raw, list):
        for index, item in enumerate(raw):
            yield from problems(item, cast(mi.ListType, inner).item_type, text=text, path=f"{path}[{index}]")
    elif isinstance(inner, mi.DictType) and isinstance(raw, dict):
        for key, item in raw.items():
            yield from problems(item, inner.value_type, text=text, path=f"{path}.{key}")
    else:
        yield from _leaf_problems(raw, info, text=text, path=path)


def _only_member(info: mi.UnionType) -> mi.Type | None:
    present = [i for i in info.types if not isinstance(i, mi.NoneType)]
    member = present[0] if len(present) == 1 else None
    return member.type if isinstance(member, mi.Metadata) else member


def _record_problems(raw: dict[str, Any], info: mi.StructType, *, text: bool, path: str) -> Iterator[Problem]:
    fields = {field.encode_name: field for field in info.fields}
    for key in raw.keys() - fields.keys():
        near = difflib.get_close_matches(str(key), fields, 1)
        yield Problem(f"{path}.{key}", "Unknown field" + (f"; did you mean `{near[0]}`?" if near else ""))
    for name, field in fields.items():
        if name in raw:
            yield from problems(raw[name], field.type, text=text, path=f"{path}.{name}")
        elif field.required:
            yield Problem(f"{path}.{name}", "Missing")


def _construction_problems(raw: Any, info: mi.StructType, *, text: bool, path: str) -> Iterator[Problem]:
    """Try the record's own checks (`__post_init__`), now that its fields are right one by one."""
    into = translation_of(info.cls)
    try:
        form = msgspec.convert(raw, info.cls, strict=not text)
        if into is not None:
            into(form)
    except (ValueError, TypeError) as error:
        yield Problem(path, _plain_message(error))


def _leaf_problems(raw: Any, info: mi.Type, *, text: bool, path: str) -> Iterator[Problem]:
    form = type_of(info)
    try:
        value = msgspec.convert(raw, form, strict=not text, str_keys=True)
        if isinstance(info, mi.Metadata) and (info.extra or {}).get("id"):
            read_id(value)
        elif isinstance(value, float | Decimal):
            finite(value)
    except (ValueError, TypeError) as error:
        message, _, where = str(error).partition(" - at `$")
        if isinstance(info, mi.Metadata) and (info.extra or {}).get("id") and "regex" in message:
            message = "Expected a 64-bit id: digits in a string"
        yield Problem(path + where.rstrip("`"), message)


def type_of(info: mi.Type) -> Any:
    """Return the type that an inspected form stands for."""
    return _BACK.get(type(info), _scalar_type)(info)


def _scalar_type(info: Any) -> Any:
    return form_of(info)


_BACK: dict[type[mi.Type], Callable[[Any], Any]] = {
    mi.Metadata: lambda info: Annotated[
        type_of(info.type), Meta(extra_json_schema=info.extra_json_schema, extra=info.extra)
    ],
    mi.StructType: lambda info: info.cls,
    mi.UnionType: lambda info: Union[tuple(type_of(i) for i in info.types)],  # noqa: UP007 - a union of a list
    mi.NoneType: lambda info: None,
}


def _read_anything(data: bytes, decode: Callable[[bytes], Any] = msgspec.json.decode) -> Any:
    try:
        return decode(data)
    except RecursionError:
        reason = "nested too deeply"
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start}"
    except (msgspec.DecodeError, ValueError) as error:
        reason = str(error).removeprefix("JSON is malformed: ")
    failure = InvalidArgument.of(Problem("$", f"Malformed: {reason}"))
    failure.code = "malformed"
    raise failure


def _plain_message(error: Exception) -> str:
    return str(error).partition(" - at `$")[0] or type(error).__name__
