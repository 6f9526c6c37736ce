"""Read and write the values of a type, and find everything that is wrong with a value that does not fit."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar, Union

import msgspec
import msgspec.inspect as mi

from .errors import InvalidArgument, Problem
from .shape import (
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

MOST_STEPS = 10_000
"""Values looked at to find them: a large input that is wrong at its end must not cost seconds."""

LONGEST_TEXT = 200
"""Characters of a path or message; what a caller sends comes back in them."""


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
        self._into: Callable[[Any], T] | None = compiled(shape.inward, shape.names)
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
            return form if self._into is None else self._into(form)
        except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
            raise self._explain(_read_anything(data), error) from None

    def encode_json(self, value: T) -> bytes:
        """Write a value as JSON."""
        return self._write_json(value if self._out is None else self._out(value))

    def decode_msgpack(self, data: bytes) -> T:
        """Read a value from MessagePack; raises as `decode_json` does."""
        try:
            form = self._read_msgpack(data)
            return form if self._into is None else self._into(form)
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
            return form if self._into is None else self._into(form)
        except (msgspec.ValidationError, ValueError, TypeError, RecursionError) as error:
            raise self._explain(raw, error) from None

    def plain(self, value: T) -> Any:
        """Return the value as plain dicts, lists, strings and numbers, as it looks in JSON."""
        return msgspec.to_builtins(value if self._out is None else self._out(value))

    def _explain(self, raw: Any, error: Exception, *, text: bool = False) -> InvalidArgument:
        steps = itertools.islice(examine(raw, mi.type_info(self.form), text=text), MOST_STEPS)
        try:
            found = list(itertools.islice(filter(None, steps), MOST_PROBLEMS)) or [_first_problem(error)]
        except RecursionError:
            return _malformed("nested too deeply")
        return InvalidArgument.of(*(Problem(_cut(p.path), _cut(p.message)) for p in found))


class Arguments(Wire[tuple[Any, ...]]):
    """The arguments of a callable: one object keyed by parameter names on the wire, a tuple in their order here."""

    _into: Callable[[Any], tuple[Any, ...]]

    def __init__(self, name: str, fields: Sequence[Field]) -> None:
        self.type = tuple
        self._prepare(arguments_shape(name, fields))

    def convert_text(self, raw: dict[str, Any]) -> tuple[Any, ...]:
        """Take arguments that come as text, numbers and booleans too: from a path, a query string, a form.

        Raises:
            InvalidArgument: with every problem found.
        """
        try:
            return self._into(msgspec.convert(raw, self.form, strict=False))
        except (msgspec.ValidationError, ValueError, TypeError, RecursionError) as error:
            raise self._explain(raw, error, text=True) from None


# --- everything wrong with a value ---------------------------------------------------------------------------------


Step = Problem | None
"""What one look at a value found: a problem, or nothing."""


def examine(raw: Any, info: mi.Type, *, text: bool = False, path: str = "$") -> Iterator[Step]:
    """Find everything that is wrong with a plain value, where msgspec stops at the first fault.

    Args:
        raw: dicts, lists, strings and numbers.
        info: the inspected form.
        text: numbers and booleans may come as text.
        path: where the value stands.

    Returns:
        One step for each value that was looked at, so that the caller can stop.
    """
    match _chosen(info, raw), raw:
        case mi.StructType() as record, dict():
            yield from _record_steps(raw, record, text=text, path=path)
        case (mi.ListType() | mi.SetType() | mi.FrozenSetType() | mi.VarTupleType()) as inner, list():
            for index, item in enumerate(raw):
                yield from examine(item, inner.item_type, text=text, path=f"{path}[{index}]")
        case mi.TupleType(item_types), list() if len(raw) == len(item_types):
            for index, (item, item_type) in enumerate(zip(raw, item_types, strict=True)):
                yield from examine(item, item_type, text=text, path=f"{path}[{index}]")
        case mi.DictType() as inner, dict():
            for key, item in raw.items():
                yield _leaf_step(key, inner.key_type, text=True, path=f"{path}.{key}", what="Key: ")
                yield from examine(item, inner.value_type, text=text, path=f"{path}.{key}")
        case _:
            yield _leaf_step(raw, info, text=text, path=path)


def _chosen(info: mi.Type, raw: Any) -> mi.Type | None:
    """Return the type that a value should have, without notes; None if the value is no member of the union."""
    if isinstance(info, mi.Metadata):
        return _chosen(info.type, raw)
    if isinstance(info, mi.UnionType):
        return next(filter(None, (_chosen(member, raw) for member in info.types)), None)
    return info if _may_be(info, raw) else None


def _may_be(info: mi.Type, raw: Any) -> bool:
    """Tell whether a plain value is worth comparing with a type, by what holds the value and by the tag of a record."""
    if isinstance(info, mi.StructType):
        return isinstance(raw, dict) and (info.tag is None or raw.get(info.tag_field) == info.tag)
    return isinstance(raw, dict) if isinstance(info, mi.DictType) else isinstance(raw, list)


def _record_steps(raw: dict[str, Any], info: mi.StructType, *, text: bool, path: str) -> Iterator[Step]:
    wrong = False
    for step in _field_steps(raw, info, text=text, path=path):
        wrong = wrong or step is not None
        yield step
    if not wrong:
        yield from _construction_problems(raw, info, text=text, path=path)


def _field_steps(raw: dict[str, Any], info: mi.StructType, *, text: bool, path: str) -> Iterator[Step]:
    fields = {field.encode_name: field for field in info.fields}
    for key in raw:
        if key not in fields and key != info.tag_field:
            near = difflib.get_close_matches(str(key), fields, 1)
            yield Problem(f"{path}.{key}", "Unknown field" + (f"; did you mean `{near[0]}`?" if near else ""))
    for name, field in fields.items():
        if name in raw:
            yield from examine(raw[name], field.type, text=text, path=f"{path}.{name}")
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


def _leaf_step(raw: Any, info: mi.Type, *, text: bool, path: str, what: str = "") -> Step:
    try:
        value = msgspec.convert(raw, type_of(info), strict=not text, str_keys=True)
        if _is_id(info):
            read_id(value)
        elif isinstance(value, Decimal):
            finite(value)
    except (ValueError, TypeError) as error:
        problem = _first_problem(error)
        return Problem(path + problem.path[1:], what + problem.message)
    return None


def _is_id(info: mi.Type) -> bool:
    return isinstance(info, mi.Metadata) and bool((info.extra or {}).get("id"))


def _first_problem(error: Exception) -> Problem:
    """Take apart what msgspec says: ``Expected `int`, got `str` - at `$.bats[0].wings` ``."""
    message, _, where = str(error).partition(" - at `$")
    if "[0-9]{1,19}" in message:
        message = "Expected a 64-bit id: digits in a string"
    if "1.7976931348623157e+308" in message:
        message = "Expected a finite `float`"
    return Problem("$" + where.rstrip("`"), message or type(error).__name__)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


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
    except UnicodeDecodeError:
        reason = "text that is not UTF-8"
    except (msgspec.DecodeError, ValueError) as error:
        reason = _plain_message(error).rpartition("is malformed: ")[2]
    raise _malformed(reason)


def _malformed(reason: str) -> InvalidArgument:
    failure = InvalidArgument.of(Problem("$", f"Malformed: {reason}"))
    failure.code = "malformed"
    return failure


def _plain_message(error: Exception) -> str:
    return str(error).partition(" - at `$")[0] or type(error).__name__
