"""A protobuf file as the text of a .proto, with its comments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto

SCALARS = {
    Proto.TYPE_BOOL: "bool",
    Proto.TYPE_BYTES: "bytes",
    Proto.TYPE_DOUBLE: "double",
    Proto.TYPE_INT64: "int64",
    Proto.TYPE_STRING: "string",
}

INDENT = "  "


def text(file: FileDescriptorProto) -> str:
    """Return the .proto of a file; protoc makes the same file of it again."""
    return "\n".join(_Printer(file).lines()) + "\n"


class _Printer:
    def __init__(self, file: FileDescriptorProto) -> None:
        self.file = file
        self.comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}

    def lines(self) -> Iterator[str]:
        yield from self.comment(12)
        yield 'syntax = "proto3";'
        yield ""
        yield f"package {self.file.package};"
        if self.file.dependency:
            yield ""
        for dependency in self.file.dependency:
            yield f'import "{dependency}";'
        for index in range(len(self.file.service)):
            yield ""
            yield from self.service(index)
        for index, message in enumerate(self.file.message_type):
            yield ""
            yield from self.message(index, message)

    def comment(self, *path: int, indent: str = "") -> Iterator[str]:
        for line in self.comments.get(path, "").splitlines():
            yield f"{indent}//{line}"

    def service(self, index: int) -> Iterator[str]:
        service = self.file.service[index]
        yield from self.comment(6, index)
        yield f"service {service.name} {{"
        for number, method in enumerate(service.method):
            if number:
                yield ""
            yield from self.comment(6, index, 2, number, indent=INDENT)
            # protoc looks for a type among the methods first.
            takes, gives = (
                full if self.short(full) in {other.name for other in service.method} else self.short(full)
                for full in (method.input_type, method.output_type)
            )
            stream = "stream " if method.server_streaming else ""
            yield f"{INDENT}rpc {method.name}({takes}) returns ({stream}{gives});"
        yield "}"

    def message(self, index: int, message: DescriptorProto) -> Iterator[str]:
        yield from self.comment(4, index)
        body = [*_reserved(message), *self.fields(index, message)]
        if not body:
            yield f"message {message.name} {{}}"
            return
        yield f"message {message.name} {{"
        yield from (f"{INDENT}{line}" if line else "" for line in body)
        yield "}"

    def fields(self, index: int, message: DescriptorProto) -> Iterator[str]:
        opened: int | None = None
        for number, field in enumerate(message.field):
            alternative = field.oneof_index if _is_alternative(field) else None
            if opened is not None and alternative != opened:
                yield "}"
            if alternative is not None and alternative != opened:
                yield f"oneof {message.oneof_decl[alternative].name} {{"
            opened = alternative
            inner = INDENT if alternative is not None else ""
            yield from self.comment(4, index, 2, number, indent=inner)
            yield f"{inner}{self.type(message, field)} {field.name} = {field.number};"
        if opened is not None:
            yield "}"

    def type(self, message: DescriptorProto, field: Proto) -> str:
        name = SCALARS.get(field.type) or self.short(field.type_name)
        for nested in message.nested_type:
            if field.type_name == f".{self.file.package}.{message.name}.{nested.name}":
                key, value = (self.type(nested, part) for part in nested.field)
                return f"map<{key}, {value}>"
        if field.label == Proto.LABEL_REPEATED:
            return f"repeated {name}"
        return f"optional {name}" if field.proto3_optional else name

    def short(self, name: str) -> str:
        """Return how a type of the same package is called there."""
        return name.removeprefix(f".{self.file.package}.").lstrip(".")


def _is_alternative(field: Proto) -> bool:
    return field.HasField("oneof_index") and not field.proto3_optional


def _reserved(message: DescriptorProto) -> Iterator[str]:
    if message.reserved_range:
        yield f"reserved {_listed([str(gap.start) for gap in message.reserved_range])};"
    if message.reserved_name:
        yield f"reserved {_listed([f'{chr(34)}{name}{chr(34)}' for name in message.reserved_name])};"


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts)
