"""Read and write the values of a type, and find everything that is wrong with a value that does not fit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import msgspec.inspect as mi

from .errors import InvalidArgument, Problem
from .examination import examine, first_problem, known_parts, plain_message
from .shape import (
    CannotTravel,
    Field,
    Shape,
    arguments_shape,
    compiled,
    shape_of,
)

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
        encode_json: writes a value as JSON.
        encode_msgpack: writes a value as MessagePack.
    """

    encode_json: Callable[[T], bytes]
    encode_msgpack: Callable[[T], bytes]

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
        self.encode_json = _after(self._out, msgspec.json.Encoder().encode)
        self.encode_msgpack = _after(self._out, msgspec.msgpack.Encoder().encode)

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

    def decode_msgpack(self, data: bytes) -> T:
        """Read a value from MessagePack; raises as `decode_json` does."""
        try:
            form = self._read_msgpack(data)
            return form if self._into is None else self._into(form)
        except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
            raise self._explain(_read_anything(data, msgspec.msgpack.decode), error) from None

    def tolerate_json(self, data: bytes) -> T:
        """Read a value from JSON that somebody newer may have written: fields that are unknown here are left out.

        Raises:
            InvalidArgument: with every problem found.
        """
        try:
            return self.decode_json(data)
        except InvalidArgument:
            return self.convert(known_parts(_read_anything(data), mi.type_info(self.form)))

    def tolerate_msgpack(self, data: bytes) -> T:
        """Read a value from MessagePack that somebody newer may have written; as `tolerate_json`."""
        try:
            return self.decode_msgpack(data)
        except InvalidArgument:
            return self.convert(known_parts(_read_anything(data, msgspec.msgpack.decode), mi.type_info(self.form)))

    def convert(self, raw: Any) -> T:
        """Take a value that is already decoded: plain dicts, lists, strings and numbers.

        Raises:
            InvalidArgument: with every problem found.
        """
        try:
            form = msgspec.convert(raw, self.form, str_keys=True)
            return form if self._into is None else self._into(form)
        except (msgspec.ValidationError, ValueError, TypeError, RecursionError) as error:
            raise self._explain(raw, error) from None

    def plain(self, value: T) -> Any:
        """Return the value as plain dicts, lists, strings and numbers, as it looks in JSON."""
        return msgspec.to_builtins(value if self._out is None else self._out(value), str_keys=True)

    def _explain(self, raw: Any, error: Exception, *, text: bool = False) -> InvalidArgument:
        steps = itertools.islice(examine(raw, mi.type_info(self.form), text=text), MOST_STEPS)
        try:
            found = list(itertools.islice(filter(None, steps), MOST_PROBLEMS)) or [first_problem(error)]
        except RecursionError:
            return _malformed("nested too deeply")
        return InvalidArgument.of(*(Problem(_cut(p.path), _cut(p.message)) for p in found))


class Arguments(Wire[tuple[Any, ...]]):
    """The arguments of a callable: one object keyed by parameter names on the wire, a tuple in their order here.

    What is written leaves out the arguments that are their defaults.
    """

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
            return self._into(msgspec.convert(raw, self.form, strict=False, str_keys=True))
        except (msgspec.ValidationError, ValueError, TypeError, RecursionError) as error:
            raise self._explain(raw, error, text=True) from None


def _after(out: Callable[[Any], Any] | None, write: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    return write if out is None else lambda value: write(out(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def _read_anything(data: bytes, decode: Callable[[bytes], Any] = msgspec.json.decode) -> Any:
    try:
        return decode(data)
    except RecursionError:
        reason = "nested too deeply"
    except UnicodeDecodeError:
        reason = "text that is not UTF-8"
    except (msgspec.DecodeError, ValueError) as error:
        reason = plain_message(error).rpartition("is malformed: ")[2]
    raise _malformed(reason)


def _malformed(reason: str) -> InvalidArgument:
    failure = InvalidArgument.of(Problem("$", f"Malformed: {reason}"))
    failure.code = "malformed"
    return failure
