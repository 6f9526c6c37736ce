"""The messages of a protobuf file, laid out one by one as types lead to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto

from ..lock import AppLock, Message
from .kinds import FILE, Choice, Fixed, Kind, Many, Moment, Part, Record, Scalar, Table, Value, word_of
from .names import (
    ALTERNATIVE,
    CHUNK,
    EMPTY,
    ENTRIES,
    ITEMS,
    NOTHING,
    NULL,
    NULL_VALUE,
    UPLOAD,
    VALUE,
    camel,
    field_name,
    json_name,
    snake,
)
from .remarks import remarks

COMPANION = 100_000
"""What is added to a field's number for the field beside it that tells of a null or of an empty list."""

FILES = {
    "google.protobuf.Timestamp": timestamp_pb2.DESCRIPTOR.name,
    "google.protobuf.Duration": duration_pb2.DESCRIPTOR.name,
    NULL_VALUE: struct_pb2.DESCRIPTOR.name,
}
"""The files of Google's own types."""

OPTIONAL, REPEATED = Proto.LABEL_OPTIONAL, Proto.LABEL_REPEATED


class Layout:
    """A protobuf file in the making.

    Args:
        package: its package.
        lock: the numbers of records and unions.
        taken: names of messages and services that no record may have.

    Attributes:
        file: what there is of it.
        lock: as given.
    """

    def __init__(self, package: str, lock: AppLock, taken: Collection[str]) -> None:
        self.file = FileDescriptorProto(name=f"{package.replace('.', '/')}.proto", package=package, syntax="proto3")
        self.lock = lock
        self._indexes: dict[str, int] = {}
        self._files: set[str] = set()
        self._taken = {UPLOAD, CHUNK, *taken}
        self._records = {self._record_name(name) for name in lock.records}
        self._unions = {frozenset(union.fields): (camel(name), union) for name, union in lock.unions.items()}

    def finished(self) -> FileDescriptorProto:
        """Return the file with the files that it needs."""
        self.file.dependency.extend(sorted(self._files))
        for message in self.file.message_type:
            _close(message)
        return self.file

    def comment(self, path: Sequence[int], text: str) -> None:
        """Write something above a part of the file; `path` is that of SourceCodeInfo in descriptor.proto."""
        if text:
            lines = "".join(f" {line}".rstrip() + "\n" for line in text.splitlines())
            self.file.source_code_info.location.add(path=path, span=[0, 0, 0], leading_comments=lines)

    # --- messages ---

    def add(self, full_name: str, doc: str, parts: Sequence[Part], numbers: Message | None = None) -> None:
        """Add a message with some fields; without numbers they stand in their order.

        Args:
            full_name: its name with the package.
            doc: what to write above it.
            parts: its fields.
            numbers: their numbers, and those that are reserved.
        """
        message = self._begin(full_name.removeprefix(f"{self.file.package}."), doc)
        if message is not None:
            self._add_parts(message, parts, numbers)

    def add_chunk(self) -> None:
        """Add the message of downloads."""
        message = self._begin(CHUNK, "A piece of a file that an operation answers with; the first tells what it is.")
        if message is not None:
            for number, (name, type) in enumerate(
                [("media_type", Proto.TYPE_STRING), ("name", Proto.TYPE_STRING), ("inline", Proto.TYPE_BOOL)], 1
            ):
                self._field(message, name, number, type=type, proto3_optional=True)
            self._field(message, "content", 4, type=Proto.TYPE_BYTES)

    def _begin(self, name: str, doc: str) -> DescriptorProto | None:
        """Begin a message, or return None if it is there already."""
        if name in self._indexes:
            return None
        self._indexes[name] = len(self.file.message_type)
        message = self.file.message_type.add(name=name)
        self.comment([4, self._indexes[name]], doc)
        return message

    def _record_name(self, name: str) -> str:
        return f"{name}Record" if name in self._taken else name

    def _free(self, name: str) -> str:
        """Return a name for a message of ours that is not the name of a record."""
        while name in self._records or name in self._taken:
            name += "_"
        return name

    def _add_record(self, record: Record) -> str:
        name = self._record_name(record.word)
        message = self._begin(name, record.doc)
        if message is not None:
            self._add_parts(message, record.parts, self.lock.records.get(record.word))
        return name

    def _add_choice(self, choice: Choice) -> str:
        members = choice.named()
        name, numbers = self._unions.get(frozenset(members), (choice.word, None))
        name = self._free(name)
        message = self._begin(name, "One of several.")
        if message is not None:
            message.oneof_decl.add(name=ALTERNATIVE)
            for number, (member, kind) in enumerate(members.items(), 1):
                field = self._field(message, snake(member), _number(numbers, member, number))
                field.oneof_index = 0
                self._give_type(field, kind)
            _reserve(message, numbers)
        return name

    def _add_or_null(self, value: Value) -> str:
        name = self._free(word_of(value))
        message = self._begin(name, "A value, or null.")
        if message is not None:
            message.oneof_decl.add(name=ALTERNATIVE)
            self._give_type(self._field(message, VALUE, 1, oneof_index=0), value.kind)
            self._make_null(self._field(message, NOTHING, 2, oneof_index=0))
        return name

    def _add_around(self, kind: Many | Table | Fixed) -> str:
        name = self._free(kind.word)
        if isinstance(kind, Fixed):
            if (message := self._begin(name, "Values in a fixed order.")) is not None:
                self._add_parts(message, kind.parts)
        elif (message := self._begin(name, "A list that may be absent.")) is not None:
            self._repeat(message, self._field(message, ITEMS if isinstance(kind, Many) else ENTRIES, 1), kind)
        return name

    def _add_upload(self) -> str:
        message = self._begin(UPLOAD, "A file that a caller sends.")
        if message is not None:
            for number, (name, type) in enumerate(
                [("name", Proto.TYPE_STRING), ("media_type", Proto.TYPE_STRING), ("content", Proto.TYPE_BYTES)], 1
            ):
                self._field(message, name, number, type=type)
        return UPLOAD

    # --- fields ---

    def _add_parts(self, message: DescriptorProto, parts: Sequence[Part], numbers: Message | None = None) -> None:
        numbered = [(_number(numbers, part.wire_name, n), part) for n, part in enumerate(parts, 1)]
        for number, part in sorted(numbered, key=lambda pair: pair[0]):
            if numbers is not None:
                self.comment([4, self._indexes[message.name], 2, len(message.field)], remarks(part))
            self._add_part(message, part, number)
        _reserve(message, numbers)

    def _add_part(self, message: DescriptorProto, part: Part, number: int) -> None:
        name = field_name(part.wire_name)
        field = self._field(message, name, number)
        kind = part.value.kind
        if part.repeats and not part.wrapped:
            self._repeat(message, field, kind)
            if part.tells_empty:
                self.comment([4, self._indexes[message.name], 2, len(message.field)], f"True: `{name}` is empty.")
                beside = number + COMPANION
                self._field(message, name + EMPTY, beside, type=Proto.TYPE_BOOL, proto3_optional=True)
            return
        self._give_type(field, kind)
        if part.tells_null:
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"{name}_or_null")
            self._make_null(self._field(message, name + NULL, number + COMPANION, oneof_index=field.oneof_index))
        elif field.type != Proto.TYPE_MESSAGE:
            field.proto3_optional = True

    def _field(self, message: DescriptorProto, name: str, number: int, **settings: Any) -> Proto:
        return message.field.add(name=name, json_name=json_name(name), number=number, label=OPTIONAL, **settings)

    def _repeat(self, message: DescriptorProto, field: Proto, kind: Kind) -> None:
        field.label = REPEATED
        if isinstance(kind, Many):
            self._give_item_type(field, kind.item)
        elif isinstance(kind, Table):
            entry = message.nested_type.add(name=f"{camel(field.name)}Entry")
            entry.options.map_entry = True
            self._give_type(self._field(entry, "key", 1), kind.key)
            self._give_item_type(self._field(entry, "value", 2), kind.value)
            field.type = Proto.TYPE_MESSAGE
            field.type_name = f".{self.file.package}.{message.name}.{entry.name}"

    def _give_item_type(self, field: Proto, value: Value) -> None:
        if value.nullable:
            self._give_message(field, self._add_or_null(value))
        else:
            self._give_type(field, value.kind)

    def _give_type(self, field: Proto, kind: Kind) -> None:
        match kind:
            case Scalar():
                field.type = kind.scalar
            case Moment():
                self._files.add(FILES[kind.message])
                field.type, field.type_name = Proto.TYPE_MESSAGE, f".{kind.message}"
            case Record():
                self._give_message(field, self._add_upload() if kind is FILE else self._add_record(kind))
            case Choice():
                self._give_message(field, self._add_choice(kind))
            case _:
                self._give_message(field, self._add_around(kind))

    def _give_message(self, field: Proto, name: str) -> None:
        field.type, field.type_name = Proto.TYPE_MESSAGE, f".{self.file.package}.{name}"

    def _make_null(self, field: Proto) -> None:
        self._files.add(FILES[NULL_VALUE])
        field.type, field.type_name = Proto.TYPE_ENUM, f".{NULL_VALUE}"


def _number(numbers: Message | None, name: str, otherwise: int) -> int:
    return numbers.fields[name].number if numbers is not None and name in numbers.fields else otherwise


def _reserve(message: DescriptorProto, numbers: Message | None) -> None:
    """Keep the numbers and names of what was removed from being used again."""
    kept = {field.name for field in message.field}
    for name, number in numbers.reserved.items() if numbers is not None else ():
        message.reserved_range.add(start=number, end=number + 1)
        if (reserved := field_name(name)) not in kept:
            message.reserved_name.append(reserved)


def _close(message: DescriptorProto) -> None:
    """Give each optional scalar an oneof of its own; they come last, as descriptor.proto says of `proto3_optional`."""
    taken = {field.name for field in message.field} | {oneof.name for oneof in message.oneof_decl}
    for field in message.field:
        if field.proto3_optional:
            name = field.name if field.name.startswith("_") else f"_{field.name}"
            while name in taken:  # as protoc makes it another one
                name = f"X{name}"
            taken.add(name)
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=name)
