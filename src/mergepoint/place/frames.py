"""What travels between a caller and a service at a place: signed requests and their answers, as MessagePack.

A frame is 32 bytes of signature (HMAC-SHA256 with the shared key) and an `Envelope`; an answer is one `Reply`.
"""

from __future__ import annotations

import hmac
from time import time

import msgspec

from ..errors import Unauthenticated, Unimplemented
from ..faults import Fault

VERSION = 1
DRIFT = 300
"""Seconds by which the clocks of two machines may differ; a frame that is older was caught and sent again."""

SIGNATURE = 32
"""Bytes of a signature."""

File = tuple[str, str, bytes]
"""An upload: name, media type, content."""


class Envelope(msgspec.Struct, array_like=True):
    """A request.

    Attributes:
        version: of this format.
        sent: when, in seconds since 1970.
        operation: such as `roost.bat`; empty to ask what there is.
        fingerprint: of the contract that the caller knows.
        seconds: the time the caller still has.
        request_id: names the call in logs.
        metadata: what goes along: trace, and what the database wrote.
        user: who is calling, as MessagePack of the application's user record; None for nobody.
        arguments: MessagePack of the object of arguments.
        files: the uploads, in the order of the contract: a list of files for each parameter.
    """

    version: int
    sent: float
    operation: str
    fingerprint: str
    seconds: float
    request_id: str
    metadata: dict[str, str]
    user: bytes | None
    arguments: bytes
    files: list[list[File]] = []


class Reply(msgspec.Struct, array_like=True):
    """An answer: `v` with a value or an item of a stream, `f` with a fault, `e` for the end of a stream."""

    kind: str
    body: bytes = b""
    metadata: dict[str, str] = {}


END = Reply("e")

_envelope = msgspec.msgpack.Encoder().encode
_read_envelope = msgspec.msgpack.Decoder(Envelope).decode
_read_reply = msgspec.msgpack.Decoder(Reply).decode
_read_fault = msgspec.msgpack.Decoder(Fault).decode


def seal(envelope: Envelope, key: bytes) -> bytes:
    """Return a signed frame."""
    body = _envelope(envelope)
    return hmac.digest(key, body, "sha256") + body


def unseal(frame: bytes, key: bytes | None) -> Envelope:
    """Return the envelope of a frame.

    Args:
        frame: what came.
        key: the shared key; None if the transport has proved who is calling.

    Raises:
        Unauthenticated: it was not signed with this key, or too long ago.
        Unimplemented: it has another version.
    """
    body = memoryview(frame)[SIGNATURE:]
    if key is not None and not hmac.compare_digest(hmac.digest(key, body, "sha256"), frame[:SIGNATURE]):
        raise Unauthenticated("The call is not signed with the key of this service: both sides need the same one.")
    try:
        envelope = _read_envelope(body)
    except msgspec.DecodeError:
        raise Unimplemented("The call has a form that is unknown here: the other side is newer or older.") from None
    if envelope.version != VERSION:
        raise Unimplemented(f"The call has version {envelope.version} of the format, known here is {VERSION}.")
    if abs(time() - envelope.sent) > DRIFT:
        raise Unauthenticated(f"The call was signed more than {DRIFT} s from now: compare the clocks of both machines.")
    return envelope


def reply(answer: Reply) -> bytes:
    """Return an answer as bytes."""
    return _envelope(answer)


def read_reply(frame: bytes) -> Reply:
    """Read an answer.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _read_reply(frame)


def fault_reply(fault: Fault, metadata: dict[str, str]) -> bytes:
    """Return the answer that tells of a failure."""
    return _envelope(Reply("f", _envelope(fault), metadata))


def read_fault(answer: Reply) -> Fault:
    """Return the failure that an answer tells of."""
    return _read_fault(answer.body)
