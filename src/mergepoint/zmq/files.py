"""Uploads among the arguments: an object with the name, the media type and the bytes of each file."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import msgspec

from ..contract import Contract, Parameter, is_optional, takes_several
from ..errors import InvalidArgument, Problem
from ..operation import Read
from ..types import Upload
from ..wire import Wire


class File(msgspec.Struct, frozen=True):
    """A file as it travels."""

    content: bytes
    name: str = ""
    media_type: str = "application/octet-stream"


_file: Wire[File] = Wire(File)
_files: Wire[list[File]] = Wire(list[File])


def read_files(contract: Contract) -> Read:
    """Return what reads arguments with files out of a body, in the order of the contract."""

    def read(body: bytes) -> tuple[Any, ...]:
        fields = _fields(body)
        given = {parameter.name: fields.pop(parameter.name, None) for parameter in contract.uploads}
        values = contract.arguments.decode_msgpack(msgspec.msgpack.encode(fields))
        return (*values, *(_upload(parameter, given[parameter.name]) for parameter in contract.uploads))

    return read


def with_files(body: bytes, contract: Contract, uploads: tuple[Any, ...]) -> bytes:
    """Return arguments with the files beside them."""
    fields: dict[str, Any] = dict(_fields(body))
    for parameter, given in zip(contract.uploads, uploads, strict=True):
        if given is not None:
            fields[parameter.name] = _sent(given) if isinstance(given, Upload) else [_sent(each) for each in given]
    return msgspec.msgpack.encode(fields)


def _fields(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.msgpack.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        failure = InvalidArgument.of(Problem("$", f"Expected an object of arguments: {error}"))
        failure.code = "malformed"
        raise failure from None


def _upload(parameter: Parameter, raw: msgspec.Raw | None) -> Any:
    if raw is None or (bytes(raw) == b"\xc0" and is_optional(parameter.type)):  # MessagePack's nil
        if parameter.required and raw is None:
            raise InvalidArgument.of(Problem(f"$.{parameter.name}", "Missing: a file"))
        return None if raw is not None else parameter.default
    try:
        if takes_several(parameter.type):
            return [_made(file) for file in _files.decode_msgpack(bytes(raw))]
        return _made(_file.decode_msgpack(bytes(raw)))
    except InvalidArgument as error:
        raise InvalidArgument.of(*(_below(parameter.name, problem) for problem in error.problems)) from None


def _below(name: str, problem: Problem) -> Problem:
    return Problem(f"$.{name}{problem.path.removeprefix('$')}", problem.message)


def _made(file: File) -> Upload:
    return Upload(file.name, file.media_type, BytesIO(file.content))


def _sent(upload: Upload) -> File:
    return File(upload.file.read(), upload.name, upload.media_type)
