"""What operations answer to requests. Knows no socket: a worker carries the answers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import msgspec

from ..call import Call, new_request_id
from ..errors import Failure, InvalidArgument, Problem, Unimplemented
from ..faults import ErrorTable
from ..operation import Operation, Read
from ..types import Download
from .files import read_files
from .messages import VERSION, FileHead, Message, Reply, Request, fault_message

STALL = 60.0
"""Seconds that a download waits for its reader to take more of it."""

_REQUEST_ID = re.compile(r"[\w.\-]{1,64}", re.ASCII).fullmatch


class Host(Protocol):
    """Answers frames that are opaque here; `mergepoint.hosting.Host` is one."""

    def ask(self, frame: bytes) -> bytes:
        """Answer a frame with one."""

    def stream(self, frame: bytes) -> Iterator[bytes]:
        """Answer a frame with many."""


class Answers(msgspec.Struct):
    """Many answers to one request.

    Attributes:
        messages: those that wait for the client to be ready, each made when it is asked for.
        told: makes the last one, of what went wrong on the way.
        expires: until when the client may keep them waiting, in seconds of `time.monotonic()`; None for a limit on
            each wait instead.
    """

    messages: Iterator[Message]
    told: Callable[[Exception], Message]
    expires: float | None = None

    def wait(self) -> float:
        """Return the seconds that the next wait for the client may take."""
        return STALL if self.expires is None else max(self.expires - monotonic(), 0.0)


class Answering:
    """Runs the operations of an app, and what a host of places answers.

    Args:
        operations: by name.
        host: answers `ask` and `stream`; None if no service is hosted here.
    """

    def __init__(self, operations: Mapping[str, Operation], host: Host | None = None) -> None:
        self._operations = operations
        self._host = host
        self._readers = {name: _reader(operation) for name, operation in operations.items()}
        self.repeatable = [o.name for o in operations.values() if o.kind == "query" or o.policy.idempotent]

    def answer(self, request: Request, body: bytes) -> Message | Answers:
        """Return what answers a request; failures are answers too."""
        if request.kind == "call":
            return self._call(request, body)
        try:
            return self._hosted(request, body)
        except Failure as failure:
            return fault_message(ErrorTable().fault(failure), request.id)

    def _hosted(self, request: Request, frame: bytes) -> Message | Answers:
        if self._host is None:
            raise Unimplemented("No service is hosted here.")
        if request.kind == "ask":
            return Reply(VERSION, "value", request.id), self._host.ask(frame)
        return Answers(_items(self._host.stream(frame), request.id), _broken(request.id))

    # --- operations ---

    def _call(self, request: Request, body: bytes) -> Message | Answers:
        operation = self._operations.get(request.operation)
        name = _name(request.request_id)
        if operation is None:
            fault = ErrorTable().fault(self._unknown(request.operation))
            return fault_message(fault, request.id, name=name)
        metadata = {key.lower(): value for key, value in request.metadata.items()}
        call = Call(operation, "zmq", metadata, name, request.seconds)
        try:
            result = operation.run(call, body, self._readers[operation.name])
            return _result(call, request.id, result)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a fault
            return _told(call, request.id, error)

    def _unknown(self, name: str) -> Failure:
        near = difflib.get_close_matches(name[:80], self._operations, 1)
        shown = "".join(char if char.isprintable() else "?" for char in name[:80])
        return Unimplemented(f"There is no operation `{shown}`." + (f" Did you mean `{near[0]}`?" if near else ""))


def _name(given: str | None) -> str:
    """Return the id that the caller gave the request, if it is fit for logs, or a new one."""
    return given if given and _REQUEST_ID(given) else new_request_id()


def _reader(operation: Operation) -> Read:
    """Return what reads the arguments of an operation out of a body."""
    most, contract = operation.policy.max_body, operation.contract
    decode: Read = read_files(contract) if contract.uploads else contract.arguments.decode_msgpack

    def read(body: bytes) -> tuple[Any, ...]:
        if len(body) > most:
            failure = InvalidArgument.of(Problem("$", f"Expected at most {most} bytes, got {len(body)}"))
            failure.kind, failure.code = "out_of_range", "body_too_large"
            raise failure
        return decode(body or b"\x80")  # nothing is as good as an object without fields

    return read


def _result(call: Call, id: int, result: Any) -> Message | Answers:
    contract = call.operation.contract
    told = _teller(call, id)
    if contract.gives == "download":
        return Answers(_pieces(call, id, result), told)
    if contract.gives == "nothing" or contract.result is None:
        return Reply(VERSION, "nothing", id, *_replied(call)), b""
    encode = contract.result.encode_msgpack
    if contract.gives == "stream":
        return Answers(_encoded(result, encode, call, id), told, call.expires)
    return Reply(VERSION, "value", id, *_replied(call)), encode(result)


def _replied(call: Call) -> tuple[dict[str, str], str]:
    return (call.reply if call.replies else {}), call.request_id


def _encoded(stream: Any, encode: Callable[[Any], bytes], call: Call, id: int) -> Iterator[Message]:
    with closing(stream):
        for item in stream:
            yield Reply(VERSION, "item", id), encode(item)
    yield Reply(VERSION, "end", id, *_replied(call)), b""


def _pieces(call: Call, id: int, file: Download) -> Iterator[Message]:
    content = file.content
    try:
        head = FileHead(file.media_type, file.name, file.inline)
        yield Reply(VERSION, "file", id, *_replied(call)), msgspec.msgpack.encode(head)
        for piece in file.chunks():
            yield Reply(VERSION, "chunk", id), piece
        yield Reply(VERSION, "end", id), b""
    finally:
        if not isinstance(content, bytes | Path) and (close := getattr(content, "close", None)):
            close()


def _items(frames: Iterator[bytes], id: int) -> Iterator[Message]:
    with closing(frames):  # type: ignore[type-var]  # a host answers with a generator
        for frame in frames:
            yield Reply(VERSION, "item", id), frame
    yield Reply(VERSION, "end", id), b""


# --- failures ---


def _told(call: Call, id: int, error: Exception) -> Message:
    _, told = call.operation.settle(call, error)
    metadata, name = _replied(call)
    return fault_message(call.operation.errors.fault(told), id, metadata=metadata, name=name)


def _teller(call: Call, id: int) -> Callable[[Exception], Message]:
    return lambda error: _told(call, id, error)


def _broken(id: int) -> Callable[[Exception], Message]:
    return lambda error: fault_message(ErrorTable().fault(error), id)
