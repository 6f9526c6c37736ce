"""One method of a client: arguments to a request, an answer to a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError

from ...contract import Contract
from ...errors import Failure, InvalidArgument, Problem, RegistrationError, Unimplemented
from ...stub import RemoteMethod
from ...types import UNSET, Download, Upload
from ...wire import Wire
from ..channel import seconds
from ..codec import Codec
from ..fields import Mismatch
from ..hints import CannotCarry, Kinds
from ..kinds import Part
from ..names import RESULT
from .connection import Connection
from .patience import Answers
from .remote import Target


class _Bound:
    """A method together with what the other side says of it."""

    def __init__(self, target: Target, parts: tuple[Part, ...], result: Part | None) -> None:
        codec = Codec(strict=False)
        self.target = target
        self.fields = frozenset(target.method.input_type.fields_by_name)
        self.parts = parts
        self.content = codec.writer(parts, target.method.input_type)
        self.codec = codec
        self.read = None if result is None else codec.reader([result], target.method.output_type)

    def request(self, values: list[Any], files: Mapping[str, Any]) -> bytes:
        """Return the bytes of a request; a value may be `UNSET`.

        Raises:
            InvalidArgument: a value is not of its type.
            Unimplemented: the other side does not know a field that is given.
        """
        try:
            return cast(bytes, self.target.request(**self.content(*values), **files).SerializeToString())
        except (TypeError, ValueError, AttributeError) as error:
            raise InvalidArgument.of(Problem(f"$.{self._culprit(values)}", str(error))) from error

    def _culprit(self, values: list[Any]) -> str:
        """Return the parameter whose value cannot be written."""
        for part, value in zip(self.parts, values, strict=True):
            try:
                self.target.request(**self.codec.writer([part], self.target.method.input_type)(value))
            except (TypeError, ValueError, AttributeError):
                return part.name
        return "?"


class Method(RemoteMethod):
    """One method of a client.

    Args:
        connection: leads to the other side.
        operation: what the method is called there.
        function: the method of the service; it says what is asked for and given.

    Raises:
        RegistrationError: gRPC cannot carry its contract, or it is `async def`.
    """

    protocol = "gRPC"

    def __init__(self, connection: Connection, operation: str, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._connection = connection
        self._operation = operation
        self._parts, self._result_part = _parts(connection.kinds, self._contract, self._where)
        self._bound: _Bound | None = None
        gives = self._contract.gives
        answers: dict[str, Callable[[Mapping[str, Any]], Any]] = {"stream": self._stream, "download": self._download}
        self._answer = answers.get(gives, self._value)

    def answer(self, given: Mapping[str, Any]) -> Any:
        """Return what the other side gives for these arguments."""
        return self._answer(given)

    # --- by what comes back ---

    def _value(self, given: Mapping[str, Any]) -> Any:
        connection, expires = self._connection, self._connection.expires(bounded=True)
        bound = self._find(expires)
        request = self._request(bound, given)
        call = connection.channel.unary(bound.target.path)
        try:
            answer, done = call.with_call(request, timeout=seconds(expires), metadata=connection.metadata())
        except grpc.RpcError as error:
            raise connection.failure(error) from error
        connection.take_in(done.trailing_metadata())
        return self._decoded(bound, answer)

    def _stream(self, given: Mapping[str, Any]) -> Iterator[Any]:
        bound, answers = self._open(given)
        try:
            while (message := self._next(answers)) is not None:
                yield self._decoded(bound, message)
        finally:
            answers.cancel()

    def _download(self, given: Mapping[str, Any]) -> Download:
        bound, answers = self._open(given)
        parse = bound.target.response.FromString
        first = self._next(answers)
        head = parse(first or b"")
        return Download(
            self._chunks(head.content, parse, answers),
            head.media_type or "application/octet-stream",
            head.name if head.HasField("name") else None,
            head.inline,
        )

    def _chunks(self, first: bytes, parse: Callable[[bytes], Any], answers: Answers) -> Iterator[bytes]:
        try:
            if first:
                yield first
            while (message := self._next(answers)) is not None:
                yield parse(message).content
        finally:
            answers.cancel()

    # --- inside ---

    def _find(self, expires: float) -> _Bound:
        """Return the method as the other side describes it, or find out how it does."""
        wait = min(seconds(expires) or inf, self._connection.timeout)
        target = self._connection.directory.find(self._operation, wait)
        if self._bound is None or self._bound.target.method is not target.method:
            self._bound = self._bind(target)
        return self._bound

    def _bind(self, target: Target) -> _Bound:
        streams = self._contract.gives in ("stream", "download")
        if target.method.server_streaming != streams:
            raise self._differs("one side gives a stream of answers, the other a single one")
        try:
            return _Bound(target, self._parts, self._result_part)
        except Mismatch as reason:
            raise self._differs(str(reason)) from reason

    def _differs(self, reason: str) -> Failure:
        return Unimplemented(
            f"{self._where}: the contract of the other side is another: {reason}. One of the two is older."
        )

    def _open(self, given: Mapping[str, Any]) -> tuple[_Bound, Answers]:
        expires = self._connection.expires(bounded=False)
        bound = self._find(expires)
        request = self._request(bound, given)
        call = self._connection.channel.stream(bound.target.path)
        answers: Any = call(request, timeout=seconds(expires), metadata=self._connection.metadata())
        return bound, answers

    def _next(self, answers: Answers) -> bytes | None:
        try:
            message = self._connection.patience.next(answers)
        except grpc.RpcError as error:
            raise self._connection.failure(error) from error
        if message is None:
            self._connection.take_in(answers.trailing_metadata())
        return message

    def _request(self, bound: _Bound, given: Mapping[str, Any]) -> bytes:
        """Return the request for some arguments, after a look at what the other side takes."""
        values = [given.get(part.name, UNSET) for part in self._parts]
        files: dict[str, Any] = {}
        for parameter in (*self._contract.parameters, *self._contract.uploads):
            missing = given.get(parameter.name, UNSET) is UNSET
            if missing and parameter.required and parameter.name in bound.fields:
                raise TypeError(f"{self._where}() missing the argument {parameter.name!r}")
        for upload in self._contract.uploads:
            if (file := given.get(upload.name)) is not None:
                files[upload.name] = _file(file) if isinstance(file, Upload) else list(map(_file, file))
        known = {part.name for part in self._parts} | {upload.name for upload in self._contract.uploads}
        if foreign := given.keys() - known:
            raise Unimplemented(f"{self._where}: the other side fills `{min(foreign)}` by itself; leave it out.")
        return bound.request(values, files)

    def _decoded(self, bound: _Bound, answer: bytes) -> Any:
        if bound.read is None:
            return None
        wire = cast(Wire[Any], self._contract.result)
        try:
            raw = bound.read(bound.target.response.FromString(answer))
            return wire.convert(raw[RESULT]) if RESULT in raw else self._nothing()
        except (InvalidArgument, DecodeError) as error:
            raise self._connection.bad_answer(f"{self._where} gives {wire.type}: {error}") from error

    def _nothing(self) -> Any:
        raise self._connection.bad_answer(f"{self._where}: there is no result in it")


def _parts(kinds: Kinds, contract: Contract, where: str) -> tuple[tuple[Part, ...], Part | None]:
    """Return parameters and result as protobuf has them; the other side has the defaults, so all may be left out."""
    try:
        parts = tuple(part._replace(default=UNSET) for part in kinds.parts(contract.parameters))
        if contract.result is None or contract.gives not in ("value", "stream"):
            return parts, None
        return parts, Part(RESULT, RESULT, kinds.value(contract.result.type))
    except CannotCarry as reason:
        raise RegistrationError(f"{where}: gRPC cannot carry this: {reason}.") from None


def _file(upload: Upload) -> dict[str, Any]:
    return {"name": upload.name, "media_type": upload.media_type, "content": upload.file.read()}
