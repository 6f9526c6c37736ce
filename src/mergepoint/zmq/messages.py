"""What travels between a client and a server: two frames, a header and a body, both MessagePack."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ..errors import Failure, InvalidArgument, Problem, Unimplemented
from ..faults import ErrorTable, Fault
from ..types import Meta

VERSION = 1
"""Of this format."""

WINDOW = 64
"""Items of a stream, or pieces of a file, that may be on their way at once unless the client says otherwise."""

LONGEST_HEADER = 65_536
"""Bytes of a header; what is long belongs into the body."""

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Request(msgspec.Struct, omit_defaults=True, frozen=True):
    """The header of what a client sends.

    Attributes:
        v: the version of the format.
        kind: `call` runs an operation; `ask` and `stream` carry a frame to the host of a place; `more` allows more
            items; `cancel` ends a request.
        id: the client's number for the request; the answers carry it.
        operation: what to call.
        seconds: the time the client still has.
        credit: the items it is ready to receive, or with `more` the further ones.
        metadata: what goes along, such as `authorization`.
        request_id: names the call in logs.
    """

    v: int
    kind: Literal["call", "ask", "stream", "more", "cancel"]
    id: Number
    operation: str = ""
    seconds: Annotated[float, Meta(ge=0)] | None = None
    credit: Number = WINDOW
    metadata: dict[str, str] = {}
    request_id: str | None = None


class Reply(msgspec.Struct, omit_defaults=True, frozen=True):
    """The header of what a server sends.

    Attributes:
        v: the version of the format.
        kind: `value` and `nothing` are results; `item`s and then `end` are a stream; `file`, `chunk`s and then `end` a
            download; `fault` is a failure; `ping` asks nothing and wants no answer.
        id: of the request that it answers; 0 if that could not be read.
        metadata: what comes back along with it.
        request_id: the name of the call in logs.
    """

    v: int
    kind: str
    id: int = 0
    metadata: dict[str, str] = {}
    request_id: str | None = None


class FileHead(msgspec.Struct, omit_defaults=True, frozen=True):
    """The body of a `file`: what the bytes that follow are."""

    media_type: str
    name: str | None = None
    inline: bool = False


Message = tuple[Reply, bytes]
"""A header to be sent with its body."""

_encode = msgspec.msgpack.Encoder().encode
_read_request = msgspec.msgpack.Decoder(Request).decode
_read_reply = msgspec.msgpack.Decoder(Reply).decode
_read_fault = msgspec.msgpack.Decoder(Fault).decode


class _Numbered(msgspec.Struct):
    v: int = VERSION
    id: Number = 0


def request_frames(request: Request, body: bytes = b"") -> list[bytes]:
    """Return a request as frames."""
    return [_encode(request), body]


def reply_frames(reply: Reply, body: bytes = b"") -> list[bytes]:
    """Return an answer as frames."""
    return [_encode(reply), body]


def fault_message(fault: Fault, id: int, *, metadata: dict[str, str] | None = None, name: str | None = None) -> Message:
    """Return the answer that tells of a failure."""
    return Reply(VERSION, "fault", id, metadata or {}, name), _encode(fault)


def failed(failure: Failure, id: int) -> list[bytes]:
    """Return as frames the answer that tells of a failure of the transport."""
    return reply_frames(*fault_message(ErrorTable().fault(failure), id))


def read_request(header: bytes) -> Request:
    """Read the header of a request.

    Raises:
        InvalidArgument: it is none.
        Unimplemented: it has another version.
    """
    if len(header) > LONGEST_HEADER:
        raise _malformed(f"Expected a header of at most {LONGEST_HEADER} bytes, got {len(header)}")
    try:
        request = _read_request(header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if (version := _numbered(header).v) != VERSION:
            raise _other_version(version) from None
        raise _malformed(f"Expected the header of a request: {error}") from None
    if request.v != VERSION:
        raise _other_version(request.v)
    return request


def number_of(header: bytes) -> int:
    """Return the number of a request whose header cannot be read otherwise; 0 if it has none."""
    return _numbered(header).id


def read_reply(frames: list[bytes]) -> Message:
    """Read an answer.

    Raises:
        ValueError: it is none.
    """
    if len(frames) != 2:
        raise ValueError(f"expected a header and a body, got {len(frames)} frames")
    return _read_reply(frames[0]), frames[1]


def read_fault(body: bytes) -> Fault:
    """Read the body of a `fault`.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _read_fault(body)


def _numbered(header: bytes) -> _Numbered:
    try:
        return msgspec.msgpack.decode(header, type=_Numbered)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Numbered()


def _malformed(message: str) -> InvalidArgument:
    failure = InvalidArgument.of(Problem("$", message))
    failure.code = "malformed"
    return failure


def _other_version(version: int) -> Unimplemented:
    return Unimplemented(f"The message has version {version} of the format; this server knows {VERSION}.")
