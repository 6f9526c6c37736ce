"""Translations between Python values and messages: functions generated once per type, as `shape` does for JSON.

The way in ends in plain values as JSON has them, so that everything is checked where it is for every other protocol.
Fields are found by name in descriptors: the same code serves the messages of this side and those of another side.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.unknown_fields import UnknownFieldSet

from ..errors import Unimplemented
from ..types import UNSET
from . import translation
from .fields import Descriptor, entry, inner, is_of, is_or_null, message_of, must, table
from .kinds import Choice, Fixed, Kind, Many, Moment, Part, Record, Scalar, Table, Template, Value
from .names import ALTERNATIVE, EMPTY, NOTHING, NULL, VALUE, field_name, snake

Lines: TypeAlias = Iterable[str]
"""The body of a function."""


class Codec:
    """Makes the functions between Python values and messages.

    Args:
        strict: fields that no descriptor knows are kept, under names that no record has, so that they are refused with
            everything else that does not fit. Without it they are ignored.
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._names: dict[str, Any] = {
            "UNSET": UNSET,
            "NOTHING": translation.NOTHING,
            "UnknownFieldSet": UnknownFieldSet,
            **{name: getattr(translation, name) for name in _HELPERS},
        }
        self._made: dict[tuple[str, int, str], str] = {}
        self._kept: list[Any] = []

    def reader(self, parts: Sequence[Part], message: Descriptor) -> Callable[[Any], dict[str, Any]]:
        """Return the function that reads a message with these fields into a dict by wire name.

        Raises:
            Mismatch: a field of the message is of another type.
        """
        return self._define("read", "message", self._reading(parts, None, message))  # type: ignore[no-any-return]

    def writer(self, parts: Sequence[Part], message: Descriptor) -> Callable[..., dict[str, Any]]:
        """Return the function that makes the content of a message, of a value for each field in their order.

        Raises:
            Mismatch: a field of the message is of another type.
        """
        texts = {part.name: f"v{n}" for n, part in enumerate(parts)}
        content = self._content(parts, message, texts)
        return self._define("write", ", ".join(texts.values()), [f"return {content}"])  # type: ignore[no-any-return]

    # --- functions ---

    def _function(self, side: str, kind: Kind, message: Descriptor, body: Callable[[Any, Descriptor], Lines]) -> str:
        """Return the name of the function between a type and a message; it may call itself."""
        key = (side, id(kind), message.full_name)
        if key not in self._made:
            self._kept.append(kind)  # as long as its id is a key
            self._made[key] = name = f"{side}_{len(self._made)}"
            self._define(name, "message" if side == "read" else "value", body(kind, message))
        return self._made[key]

    def _define(self, name: str, parameters: str, body: Lines) -> Any:
        source = f"def {name}({parameters}):\n" + "".join(f"    {line}\n" for line in body)
        # Made of names of the application's own fields, as identifiers or through `repr`, never of input.
        exec(source, self._names)  # noqa: S102
        return self._names[name]

    def _lambda(self, text: str) -> Any:
        return self._define(self._keep(None), "value", [f"return {text}"])

    def _keep(self, value: Any) -> str:
        """Return the name under which generated code finds an object."""
        self._kept.append(value)
        name = f"kept_{len(self._kept)}"
        self._names[name] = value
        return name

    # --- reading ---

    def _reading(self, parts: Sequence[Part], tag: tuple[str, Any] | None, message: Descriptor) -> list[str]:
        lines = [f"raw = {{{tag[0]!r}: {tag[1]!r}}}" if tag else "raw = {}"]
        for part in parts:
            if field := message.fields_by_name.get(field_name(part.wire_name)):
                lines += self._reading_part(part, field)
        if self._strict:
            lines += ["for unknown in UnknownFieldSet(message):", "    raw[f'#{unknown.field_number}'] = None"]
        return [*lines, "return raw"]

    def _reading_part(self, part: Part, field: FieldDescriptor) -> Iterator[str]:
        message: Descriptor = field.containing_type
        fields, kind, here = message.fields_by_name, part.value.kind, _attribute(field.name)
        into = f"raw[{part.wire_name!r}]"
        if field.is_repeated:
            empty = field.name + EMPTY
            told = f"if {here} or {_attribute(empty)}: " if empty in fields else ""
            yield f"{told}{into} = {self._read_each(kind, field, here)}"
            return
        yield f"if message.HasField({field.name!r}): {into} = {self._read(kind, field, here)}"
        if field.name + NULL in fields:
            yield f"elif message.HasField({field.name + NULL!r}): {into} = None"
        elif part.value.nullable:
            yield f"else: {into} = None"

    def _read(self, kind: Kind, field: FieldDescriptor, text: str) -> str:
        """Return the source text that reads a single value."""
        match kind:
            case Scalar():
                must(field.type == kind.scalar, field, kind)
                return _applied(kind.into, text)
            case Moment():
                must(is_of(field, kind.message), field, kind)
                return f"{kind.into}({text})"
            case Many() | Table():
                around = inner(field, kind)
                return self._read_each(kind, around, f"{text}.{around.name}")
            case Record():
                body: Any = self._reading_record
            case Choice():
                body = self._reading_choice
            case Fixed():
                body = self._reading_fixed
        return f"{self._function('read', kind, message_of(field, kind), body)}({text})"

    def _read_each(self, kind: Kind, field: FieldDescriptor, text: str) -> str:
        """Return the source text that reads a list or a dict."""
        if found := table(kind, field):
            item = self._read_item(found.value, entry(field)[1], "v")
            return f"{{k: {item} for k, v in {text}.items()}}"
        assert isinstance(kind, Many)  # noqa: S101 - for the type checker
        item = self._read_item(kind.item, field, "v")
        return f"list({text})" if item == "v" else f"[{item} for v in {text}]"

    def _read_item(self, value: Value, field: FieldDescriptor, text: str) -> str:
        if not is_or_null(field):
            return self._read(value.kind, field, text)
        return f"{self._function('read', value.kind, message_of(field, value.kind), self._reading_or_null)}({text})"

    def _reading_or_null(self, kind: Kind, message: Descriptor) -> Lines:
        read = self._read(kind, message.fields_by_name[VALUE], f"message.{VALUE}")
        yield f"if message.HasField({NOTHING!r}): return None"
        yield f"return {read} if message.HasField({VALUE!r}) else NOTHING"

    def _reading_record(self, record: Record, message: Descriptor) -> Lines:
        return self._reading(record.parts, record.tag, message)

    def _reading_choice(self, choice: Choice, message: Descriptor) -> Lines:
        yield f"which = message.WhichOneof({ALTERNATIVE!r})"
        for name, kind in choice.named().items():
            if field := message.fields_by_name.get(snake(name)):
                yield f"if which == {field.name!r}: return {self._read(kind, field, _attribute(field.name))}"
        yield "return NOTHING"

    def _reading_fixed(self, fixed: Fixed, message: Descriptor) -> Lines:
        *lines, _ = self._reading(fixed.parts, None, message)
        items = ", ".join(f"raw.get({part.wire_name!r}, NOTHING)" for part in fixed.parts)
        return [*lines, f"return [{items}]"]

    # --- writing ---

    def _content(self, parts: Sequence[Part], message: Descriptor, texts: Mapping[str, str]) -> str:
        """Return the source text of the dict that a message is made of; None in it stands for a field left out."""
        return f"{{{', '.join(p for part in parts for p in self._writing_part(part, message, texts[part.name]))}}}"

    def _writing_part(self, part: Part, message: Descriptor, text: str) -> Iterator[str]:
        fields, name, kind = message.fields_by_name, field_name(part.wire_name), part.value.kind
        field = fields.get(name)
        if field is None:
            yield f"**{self._keep(_refusal(part, message))}({text})"
            return
        written = self._write_each(kind, field, text) if field.is_repeated else self._write(kind, field, text)
        absent = [f"{text} is UNSET"] * (part.default is UNSET) + [f"{text} is None"] * part.value.nullable
        yield f"{name!r}: None if {' or '.join(absent)} else {written}" if absent else f"{name!r}: {written}"
        if part.value.nullable:
            must(not field.is_repeated, field, kind)
            if name + NULL in fields:
                yield f"{name + NULL!r}: 0 if {text} is None else None"
        if name + EMPTY in fields:
            yield f"{name + EMPTY!r}: None if {text} else True"

    def _write(self, kind: Kind, field: FieldDescriptor, text: str) -> str:
        """Return the source text that writes a single value."""
        match kind:
            case Scalar():
                must(field.type == kind.scalar, field, kind)
                return _applied(kind.out, text)
            case Moment():
                must(is_of(field, kind.message), field, kind)
                return f"{kind.out}({text})"
            case Many() | Table():
                around = inner(field, kind)
                return f"{{{around.name!r}: {self._write_each(kind, around, text)}}}"
            case Fixed():
                texts = {part.name: f"{text}[{part.name}]" for part in kind.parts}
                return self._content(kind.parts, message_of(field, kind), texts)
            case Record():
                body: Any = self._writing_record
            case Choice():
                body = self._writing_choice
        return f"{self._function('write', kind, message_of(field, kind), body)}({text})"

    def _write_each(self, kind: Kind, field: FieldDescriptor, text: str) -> str:
        """Return the source text that writes a list or a dict."""
        if found := table(kind, field):
            pair = _applied(found.key.out, "k"), self._write_item(found.value, entry(field)[1], "v")
            return text if pair == ("k", "v") else f"{{{pair[0]}: {pair[1]} for k, v in {text}.items()}}"
        assert isinstance(kind, Many)  # noqa: S101 - for the type checker
        item = self._write_item(kind.item, field, "v")
        return text if item == "v" else f"[{item} for v in {text}]"

    def _write_item(self, value: Value, field: FieldDescriptor, text: str) -> str:
        if not is_or_null(field):
            return self._write(value.kind, field, text)
        written = self._write(value.kind, message_of(field, value.kind).fields_by_name[VALUE], text)
        return f"({{{NOTHING!r}: 0}} if {text} is None else {{{VALUE!r}: {written}}})"

    def _writing_record(self, record: Record, message: Descriptor) -> Lines:
        texts = {part.name: _attribute_of(record, part) for part in record.parts}
        return [f"return {self._content(record.parts, message, texts)}"]

    def _writing_choice(self, choice: Choice, message: Descriptor) -> Lines:
        table: dict[type, tuple[str, Any]] = {}
        for member, kind in choice.named().items():
            field = message.fields_by_name.get(snake(member))
            write = _stranger(member, message) if field is None else self._lambda(self._write(kind, field, "value"))
            table.update(dict.fromkeys(kind.classes, (snake(member), write)))
        if float in table:
            table.setdefault(int, table[float])
        return [f"return choose({self._keep(table)}, value)"]


_HELPERS = ("choose", "duration", "from_duration", "from_timestamp", "plain", "timestamp")


def _applied(template: Template | None, text: str) -> str:
    return template(text) if template else text


def _attribute(name: str) -> str:
    """Return the source text of a field of `message`, whatever it is called."""
    return f"getattr(message, {name!r})" if keyword.iskeyword(name) else f"message.{name}"


def _attribute_of(record: Record, part: Part) -> str:
    if not record.keyed:
        return f"value.{part.name}"
    return f"value.get({part.name!r}, UNSET)" if part.default is UNSET else f"value[{part.name!r}]"


# --- what the other side does not know -----------------------------------------------------------------------------


def _refusal(part: Part, message: Descriptor) -> Callable[[Any], dict[str, Any]]:
    """Return what stands for a field that the other side does not know: it may only be left out."""

    def refuse(value: Any) -> dict[str, Any]:
        if value is UNSET or (not part.required and value == part.default):
            return {}
        raise _unknown(part.wire_name, message)

    return refuse


def _stranger(member: str, message: Descriptor) -> Callable[[Any], Any]:
    def refuse(value: Any) -> Any:
        raise _unknown(member, message)

    return refuse


def _unknown(name: str, message: Descriptor) -> Unimplemented:
    what = message.name.removesuffix("Request")
    return Unimplemented(f"The other side does not know `{name}` of `{what}`: its contract is another, perhaps older.")
