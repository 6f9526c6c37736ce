"""One operation, ready to answer calls: read the request, run it through its policy, write the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from functools import partial
from io import BytesIO
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from ..call import Call, new_request_id
from ..contract import Parameter, takes_several
from ..errors import Failure, InvalidArgument, Problem
from ..operation import Operation
from ..types import Download, Upload
from .codec import Codec
from .kinds import Part
from .messages import Messages
from .names import RESULT
from .schema import Method
from .status import REQUEST_ID, Metadata, header, refusal

Context: TypeAlias = grpc.ServicerContext
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

SLACK = 65_536
"""Bytes that a request may have beside the files in it."""

FOREVER = 1e9
"""Seconds that no deadline has: without one, grpcio tells of the end of all time."""

_REQUEST_ID = re.compile(r"[\w.\-]{1,64}", re.ASCII).fullmatch


def handler(method: Method, domain: str, messages: Messages, codec: Codec) -> Handler:
    """Return what answers the calls of a method.

    Args:
        method: the method.
        domain: the name of the app, for its failures.
        messages: has the messages of the app.
        codec: reads and writes them.
    """
    read, give = reader(method, messages, codec), method.operation.contract.gives
    response = messages.message(method.response)
    if give == "download":
        answer: Any = Answers(method.operation, domain, read, partial(_chunks, response))
    elif give == "stream":
        answer = Answers(method.operation, domain, read, partial(_items, _writer(method, messages, codec)))
    else:
        answer = Answer(method.operation, domain, read, _writer(method, messages, codec))
    make = grpc.unary_stream_rpc_method_handler if method.streams else grpc.unary_unary_rpc_method_handler
    return make(answer)


class Answer:
    """Answers a call with one message. It takes bytes: what cannot be read is the caller's fault, not the server's."""

    def __init__(
        self, operation: Operation, domain: str, read: Callable[[bytes], Any], write: Callable[[Any], bytes]
    ) -> None:
        self.operation = operation
        self.run = operation.run
        self.domain = domain
        self.read = read
        self.write = write

    def __call__(self, request: bytes, context: Context) -> bytes:
        """Answer one call, as grpcio has it."""
        call = call_of(self.operation, context)
        try:
            answer = self.write(self.run(call, request, self.read))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the caller gets a status
            refuse(self.domain, call, context, error)
        context.set_trailing_metadata(replied(call))
        return answer


class Answers:
    """Answers a call with a stream of messages, which ends when the caller wants no more."""

    def __init__(
        self,
        operation: Operation,
        domain: str,
        read: Callable[[bytes], Any],
        write: Callable[[Any], Generator[bytes]],
    ) -> None:
        self.operation = operation
        self.domain = domain
        self.read = read
        self.write = write

    def __call__(self, request: bytes, context: Context) -> Iterator[bytes]:
        """Answer one call, as grpcio has it."""
        call = call_of(self.operation, context)
        if not context.add_callback(partial(_gone, call)):
            return
        try:
            with closing(self.write(self.operation.run(call, request, self.read))) as messages:
                yield from messages
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the caller gets a status
            refuse(self.domain, call, context, error)
        context.set_trailing_metadata(replied(call))


def _gone(call: Call) -> None:
    """Let the work stop at its next look at the clock: the caller has gone."""
    call.seconds = 0.0


# --- the call ------------------------------------------------------------------------------------------------------


def call_of(operation: Operation, context: Context) -> Call:
    """Return the call that an RPC makes, with what the caller sent along."""
    pairs = context.invocation_metadata()
    metadata = {name: value for name, value in pairs if type(value) is str}
    if len(metadata) < len(pairs):
        metadata = _joined(pairs)
    given = metadata.get(REQUEST_ID)
    seconds = context.time_remaining()
    return Call(
        operation,
        "grpc",
        metadata,
        given if given is not None and _REQUEST_ID(given) else new_request_id(),
        None if seconds > FOREVER else seconds,
    )


def _joined(pairs: Any) -> dict[str, str]:
    """Return metadata by name without what is binary; what was sent twice is joined as in HTTP (RFC 9110, 5.3)."""
    metadata: dict[str, str] = {}
    for name, value in pairs:
        if isinstance(value, str):
            metadata[name] = f"{metadata[name]}, {value}" if name in metadata else value
    return metadata


def replied(call: Call) -> Metadata:
    """Return the metadata that goes back with an answer."""
    own = ((REQUEST_ID, call.request_id),)
    return (*own, *header(call.reply)) if call.replies else own


def refuse(domain: str, call: Call, context: Context, error: Exception | SystemExit) -> NoReturn:
    """End a call with what its caller may learn of an exception; this raises what grpcio wants raised."""
    if isinstance(error, SystemExit):  # which would end the thread, and leave the caller waiting
        error = RuntimeError(f"the operation wanted to end the process: {error!r}")
    _, told = call.operation.settle(call, error)
    context.abort_with_status(refusal(call.operation.errors.fault(told), call.request_id, domain, replied(call)))


# --- what comes and goes -------------------------------------------------------------------------------------------


def reader(method: Method, messages: Messages, codec: Codec) -> Callable[[bytes], tuple[Any, ...]]:
    """Return the function that reads the arguments of a method out of its request.

    It raises InvalidArgument with everything that is wrong, or a Failure if the request is too long.
    """
    parse = messages.message(method.request).FromString
    raw = codec.reader(method.parts, messages.descriptor(method.request))
    convert = method.operation.contract.arguments.convert
    uploads = method.operation.contract.uploads
    most = method.operation.policy.max_body + (SLACK if uploads else 0)

    def read(data: bytes) -> tuple[Any, ...]:
        return convert(raw(_parsed(parse, data, most)))

    def read_with_files(data: bytes) -> tuple[Any, ...]:
        message = _parsed(parse, data, most)
        return convert(raw(message)) + tuple(_file(message, upload) for upload in uploads)

    return read_with_files if uploads else read


def _parsed(parse: Callable[[bytes], Any], data: bytes, most: int) -> Any:
    if len(data) > most:
        raise Failure(f"The request is longer than {most} bytes.", kind="out_of_range", code="body_too_large")
    try:
        return parse(data)
    except DecodeError as error:
        reason = "text that is not UTF-8" if "UTF-8" in str(error) else "no such message, or nested too deeply"
        failure = InvalidArgument.of(Problem("$", f"Malformed: {reason}"))
        failure.code = "malformed"
        raise failure from None


def _file(message: Any, parameter: Parameter) -> Any:
    """Return what a parameter asked for: a file, several, or its default."""
    if takes_several(parameter.type):
        files = [_upload(file) for file in getattr(message, parameter.name)]
        return files if files or parameter.required else parameter.default
    if message.HasField(parameter.name):
        return _upload(getattr(message, parameter.name))
    if parameter.required:
        raise InvalidArgument.of(Problem(f"$.{parameter.name}", "Missing: a file"))
    return parameter.default


def _upload(file: Any) -> Upload:
    return Upload(file.name, file.media_type or "application/octet-stream", BytesIO(file.content))


def _writer(method: Method, messages: Messages, codec: Codec) -> Callable[[Any], bytes]:
    """Return the function that writes a result, or an item of a stream."""
    message = messages.message(method.response)
    if method.result is None:
        nothing = message().SerializeToString()
        return lambda result: nothing
    content = codec.writer([Part(RESULT, RESULT, method.result)], messages.descriptor(method.response))
    return lambda result: message(**content(result)).SerializeToString()


def _items(write: Callable[[Any], bytes], stream: Any) -> Generator[bytes]:
    with closing(stream):
        for item in stream:
            yield write(item)


def _chunks(message: Any, file: Download) -> Generator[bytes]:
    """Yield a file in pieces; what it is goes with the first one, even when there are no bytes."""
    head: Mapping[str, Any] = {"media_type": file.media_type, "name": file.name, "inline": file.inline}
    content = file.chunks()
    try:
        yield message(**head, content=next(content, b"")).SerializeToString()
        for piece in content:
            yield message(content=piece).SerializeToString()
    finally:
        for opened in (content, file.content):
            if close := getattr(opened, "close", None):
                close()
