"""The other end of a place: hosted services, answering the frames that a transport brings."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from io import BytesIO
from typing import Any

import msgspec

from ..call import Call
from ..contract import takes_several
from ..errors import Failure, InvalidArgument, Problem, Unimplemented
from ..faults import ErrorTable
from ..lock import fingerprint
from ..operation import Operation
from ..types import Download, Upload
from .frames import END, Envelope, File, Reply, fault_reply, reply, unseal
from .remote import Head

PROTOCOL = "place"
"""What `Call.protocol` says of a call from another service."""


class _Hosted:
    """One operation, ready to be called from afar."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.fingerprint = fingerprint(operation.contract)

    def call(self, envelope: Envelope) -> Call:
        users = self.operation.users
        user = None if envelope.user is None or users is None else users.tolerate_msgpack(envelope.user)
        return Call(self.operation, PROTOCOL, envelope.metadata, envelope.request_id, envelope.seconds, _user=user)

    def read(self, envelope: Envelope) -> tuple[Any, ...]:
        contract = self.operation.contract
        try:
            values = contract.arguments.decode_msgpack(envelope.arguments)
            return (*values, *map(_upload, contract.uploads, envelope.files))
        except InvalidArgument as error:
            if envelope.fingerprint == self.fingerprint:
                raise
            raise _mismatch(self.operation.name, error) from error


class Host:
    """Answers the calls of other services. A transport brings frames and takes answers, and reads neither.

    Args:
        operations: what is hosted, by name: `roost.bat`.
        key: the key that callers sign with.

    Attributes:
        key: the same.
    """

    def __init__(self, operations: Mapping[str, Operation], key: bytes) -> None:
        self._hosted = {name: _Hosted(operation) for name, operation in operations.items()}
        self.key = key

    @property
    def operations(self) -> list[str]:
        """The names of what is hosted."""
        return list(self._hosted)

    @property
    def max_frame(self) -> int:
        """The most bytes that a frame can sensibly have, by the bodies that the operations allow."""
        return 100_000 + max((hosted.operation.policy.max_body for hosted in self._hosted.values()), default=0)

    def ask(self, frame: bytes, *, verified: bool = False) -> bytes:
        """Answer a call with one frame; failures are answers too.

        Args:
            frame: what the caller's link was given.
            verified: True if the transport has proved that the caller is a service of ours (mTLS).
        """
        try:
            envelope = self._unsealed(frame, verified)
            if not envelope.operation:
                contracts = {name: hosted.fingerprint for name, hosted in self._hosted.items()}
                return reply(Reply("v", msgspec.msgpack.encode(contracts)))
            hosted = self._find(envelope.operation, ("value", "nothing"))
            call = hosted.call(envelope)
        except Failure as refusal:
            return fault_reply(ErrorTable().fault(refusal), {})
        try:
            body = _written(hosted.operation, hosted.operation.run(call, envelope, hosted.read))
            return reply(Reply("v", body, call.reply if call.replies else {}))
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a fault
            return _told(hosted.operation, call, error)

    def stream(self, frame: bytes, *, verified: bool = False) -> Iterator[bytes]:
        """Answer a call with as many frames as it gives items, and one that says it is over; as `ask` in all else."""
        try:
            envelope = self._unsealed(frame, verified)
            hosted = self._find(envelope.operation, ("stream", "download"))
            call = hosted.call(envelope)
        except Failure as refusal:
            yield fault_reply(ErrorTable().fault(refusal), {})
            return
        try:
            for body in _bodies(hosted, call, envelope):
                yield reply(Reply("v", body))
            yield reply(END)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a fault
            yield _told(hosted.operation, call, error)

    def _unsealed(self, frame: bytes, verified: bool) -> Envelope:
        return unseal(frame, None if verified else self.key)

    def _find(self, name: str, gives: Iterable[str]) -> _Hosted:
        hosted = self._hosted.get(name)
        if hosted is None:
            near = difflib.get_close_matches(name, self._hosted, 1)
            hint = f" Did you mean `{near[0]}`?" if near else " Is this the process that hosts it?"
            raise Unimplemented(f"There is no `{name}` here.{hint}")
        if hosted.operation.contract.gives not in gives:
            raise Unimplemented(f"{name} gives a {hosted.operation.contract.gives} here: the versions differ.")
        return hosted


def _written(operation: Operation, result: Any) -> bytes:
    wire = operation.contract.result
    return b"" if operation.contract.gives == "nothing" or wire is None else wire.encode_msgpack(result)


def _bodies(hosted: _Hosted, call: Call, envelope: Envelope) -> Iterator[bytes]:
    result = hosted.operation.run(call, envelope, hosted.read)
    if isinstance(result, Download):
        yield msgspec.msgpack.encode(Head(result.media_type, result.name, result.inline))
        yield from result.chunks()
        return
    with closing(result):
        for item in result:
            yield _written(hosted.operation, item)


def _told(operation: Operation, call: Call, error: Exception) -> bytes:
    _, told = operation.settle(call, error)
    return fault_reply(operation.errors.fault(told), call.reply if call.replies else {})


def _upload(parameter: Any, files: list[File]) -> Any:
    uploads = [Upload(name, media_type, BytesIO(content)) for name, media_type, content in files]
    if takes_several(parameter.type):
        return uploads
    if uploads:
        return uploads[0]
    if parameter.required:
        raise InvalidArgument.of(Problem(f"$.{parameter.name}", "Missing: a file"))
    return parameter.default


def _mismatch(operation: str, error: InvalidArgument) -> Failure:
    """Say whose contract is behind, as far as what came shows it."""
    newer = any(problem.message.startswith("Unknown field") for problem in error.problems)
    side = "newer than this service" if newer else "of another version than this service"
    return Failure(
        f"{operation}: the caller is {side}, and what it sent does not fit here: {error.message}",
        kind="unimplemented",
        code="contract_mismatch",
    )
