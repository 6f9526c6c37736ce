"""Calls to a service in another process: one request and its answer over a link, with all that a caller relies on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from time import monotonic, sleep, time
from typing import Any, Protocol

import msgspec

from .. import call as calls
from ..call import Call, new_request_id
from ..contract import Contract
from ..errors import DeadlineExceeded, Failure, InvalidArgument, Unavailable
from ..faults import ErrorTable
from ..lock import fingerprint
from ..operation import Policy
from ..stub import expires
from ..types import Download, Upload
from .frames import VERSION, Envelope, File, Reply, read_fault, read_reply, seal
from .resilience import FAIR, Breaker, Budget, Resilience


class Link(Protocol):
    """Carries frames to another process, whatever they are, and its answers back.

    Threads share a link, and a process that was forked may go on with it. It never waits longer than it is told.
    """

    def ask(self, frame: bytes, seconds: float) -> bytes:
        """Send a frame and return its answer.

        Raises:
            Unavailable: the other side cannot be reached, or went away.
            DeadlineExceeded: it did not answer in time.
        """

    def stream(self, frame: bytes, seconds: float) -> Iterator[bytes]:
        """Send a frame and yield the answers as they come; to close the iterator ends it at the other side too."""

    def close(self) -> None:
        """Let go of all connections."""


class Head(msgspec.Struct, array_like=True):
    """The first item of a download: what its bytes are."""

    media_type: str
    name: str | None
    inline: bool


class Callee:
    """One method as it is called from afar.

    Args:
        operation: such as `roost.bat`.
        contract: what it asks for and gives.
        repeatable: True if it may be called again when nobody knows whether it ran.
        policy: of the operation at the other side, as far as it is known here.
    """

    def __init__(self, operation: str, contract: Contract, *, repeatable: bool, policy: Policy) -> None:
        self.operation = operation
        self.contract = contract
        self.repeatable = repeatable
        self.deadline = policy.deadline
        self.fingerprint = fingerprint(contract)


class Remote:
    """The other side of a place.

    Args:
        what: how messages call the service, such as `Roost`.
        link: carries the frames.
        key: signs them.
        errors: what the application declares.
        resilience: how failures are borne.
    """

    def __init__(
        self, what: str, link: Link, *, key: bytes, errors: Callable[[], ErrorTable], resilience: Resilience
    ) -> None:
        self.link = link
        self.breaker = Breaker(what, resilience.failures, resilience.probe)
        self._what = what
        self._key = key
        self._errors = errors
        self._resilience = resilience
        self._budget = Budget(resilience.budget)

    def value(self, method: Callee, values: tuple[Any, ...]) -> Any:
        """Call a method that returns a value, or nothing."""
        answer = self._asked(method, values)
        if answer.kind == "f":
            raise self._failure(answer)
        calls.take_in(answer.metadata)
        if method.contract.gives == "nothing":
            return None
        return self._decoded(method, answer.body)

    def stream(self, method: Callee, values: tuple[Any, ...]) -> Iterator[Any]:
        """Call a method that returns a stream, and yield its items."""
        for answer in self._answers(method, values):
            yield self._decoded(method, answer.body)

    def download(self, method: Callee, values: tuple[Any, ...]) -> Download:
        """Call a method that returns a file; its bytes come as they are read."""
        answers = self._answers(method, values)
        head = msgspec.msgpack.decode(next(answers).body, type=Head)
        return Download((answer.body for answer in answers), head.media_type, head.name, head.inline)

    def contracts(self, seconds: float) -> dict[str, str]:
        """Return the operations that the other side hosts, and the fingerprints of their contracts."""
        frame = self._frame("", "", seconds, b"", [])
        try:
            answer = self._read(self.link.ask(frame, seconds))
        except (Unavailable, DeadlineExceeded) as error:
            raise self._named(error) from error
        if answer.kind == "f":
            raise self._failure(answer)
        return msgspec.msgpack.decode(answer.body, type=dict[str, str])

    # --- the way there ---

    def _asked(self, method: Callee, values: tuple[Any, ...]) -> Reply:
        """Send a call until it is answered, as often as it may be sent."""
        until, arguments, files = expires(method.deadline), *_parts(method, values)
        waits = self._resilience.waits() if method.repeatable else iter(())
        self._budget.earn()
        while True:
            seconds = _left(until)
            self.breaker.enter()
            frame = self._frame(method.operation, method.fingerprint, seconds, arguments, files)
            try:
                answer = self.link.ask(frame, seconds)
            except (Unavailable, DeadlineExceeded) as error:
                self._count(error, seconds)
                wait = next(waits, None)
                if wait is None or monotonic() + wait >= until or not self._budget.spend():
                    raise self._named(error) from error
                sleep(wait)
            else:
                self.breaker.succeeded()
                return self._read(answer)

    def _answers(self, method: Callee, values: tuple[Any, ...]) -> Iterator[Reply]:
        """Send a call and yield its answers. It is sent once: who has seen a part of a stream cannot see it anew."""
        seconds = _left(expires(method.deadline))
        self.breaker.enter()
        frame = self._frame(method.operation, method.fingerprint, seconds, *_parts(method, values))
        with closing(self.link.stream(frame, seconds)) as frames:  # type: ignore[type-var]  # it is a generator
            for answer in map(self._read, self._counted(frames, seconds)):
                if answer.kind == "e":
                    return
                if answer.kind == "f":
                    raise self._failure(answer)
                yield answer
        raise Unavailable(f"{self._what} went away in the middle of its answer.")

    def _counted(self, frames: Iterable[bytes], seconds: float) -> Iterator[bytes]:
        try:
            for frame in frames:
                self.breaker.succeeded()
                yield frame
        except (Unavailable, DeadlineExceeded) as error:
            self._count(error, seconds)
            raise self._named(error) from error

    def _named(self, error: Failure) -> Failure:
        """Return a link's failure in words that say which service it was; a link knows an address at most."""
        if isinstance(error, Unavailable):
            return Unavailable(f"{self._what} cannot be reached, or went away.")
        return DeadlineExceeded(f"{self._what} did not answer in time.")

    def _count(self, error: Failure, seconds: float) -> None:
        if isinstance(error, Unavailable) or seconds >= FAIR:
            self.breaker.failed()

    def _frame(self, operation: str, contract: str, seconds: float, arguments: bytes, files: list[list[File]]) -> bytes:
        call = calls.current()
        context = (new_request_id(), {}, None) if call is None else (call.request_id, call.onward, _user_of(call))
        return seal(Envelope(VERSION, time(), operation, contract, seconds, *context, arguments, files), self._key)

    # --- the way back ---

    def _read(self, frame: bytes) -> Reply:
        try:
            return read_reply(frame)
        except msgspec.DecodeError as error:
            failure = Unavailable(f"{self._what}: what answers there is no service of ours.")
            failure.add_note(f"{len(frame)} bytes that are no answer: {error}")
            raise failure from error

    def _failure(self, answer: Reply) -> Exception:
        return self._errors().failure(read_fault(answer))

    def _decoded(self, method: Callee, body: bytes) -> Any:
        wire = method.contract.result
        assert wire is not None  # noqa: S101 - only a download has none
        try:
            return wire.tolerate_msgpack(body)
        except InvalidArgument as error:
            failure = Failure(
                f"{method.operation}: its answer is not what is expected here, so the other side is of another version:"
                f" {error.message}",
                kind="internal",
                code="contract_mismatch",
            )
            raise failure from None


def _user_of(call: Call) -> bytes | None:
    wire = call.operation.users
    return None if wire is None or call.user is None else wire.encode_msgpack(call.user)


def _left(until: float) -> float:
    """Return the seconds until a moment.

    Raises:
        DeadlineExceeded: there are none.
    """
    seconds = until - monotonic()
    if seconds <= 0:
        raise DeadlineExceeded
    return seconds


def _parts(method: Callee, values: tuple[Any, ...]) -> tuple[bytes, list[list[File]]]:
    """Return the arguments as they travel: values as one object, uploads as lists of files."""
    count = len(method.contract.parameters)
    return method.contract.write(values[:count]), [_files(given) for given in values[count:]]


def _files(given: Upload | list[Upload] | None) -> list[File]:
    uploads = [given] if isinstance(given, Upload) else given or []
    return [(upload.name, upload.media_type, upload.file.read()) for upload in uploads]
