"""A typed client: an object with the methods of a service that calls it over ZeroMQ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from .. import call as calls
from ..errors import Failure, InvalidArgument, Kind
from ..faults import ErrorTable
from ..stub import Headers, RemoteMethod, Stub, expires, own_headers, public_methods
from ..types import UNSET, Download
from ..wire import Wire
from .files import with_files
from .lines import Exchange, Pool, header
from .messages import FileHead, Message, Request, read_fault

S = TypeVar("S")


def client(
    service: Callable[..., S],
    url: str,
    *,
    errors: Mapping[type[Exception], Kind] | ErrorTable | None = None,
    operations: Mapping[str, str] | None = None,
    headers: Headers | None = None,
    timeout: float = 10.0,
) -> S:
    """Return an object with the public methods of a service, which calls them over ZeroMQ.

    Args:
        service: the class of the service, or a Protocol of the methods that are called.
        url: the address, such as `zmq+tcp://roost.internal:5555`; `?key=roost.key` after it names the public key of a
            server that has one.
        errors: the exceptions that its operations declare; a caller gets the same classes. All others are a `Failure`.
        operations: the names of operations that are not called as their methods are.
        headers: metadata to send with every call, such as `authorization`, or a function that returns it.
        timeout: the longest a call may take, in seconds; of a stream or download, the longest wait for more of it.
            A call made within another one never takes longer than that one still has.

    Returns:
        The client. Threads may share it; it opens no connection before the first call.

    Raises:
        ConfigError: the address has another form, or its key cannot be read.
        RegistrationError: a method has no contract that could travel, or is `async def`.
    """
    table = errors if isinstance(errors, ErrorTable) else ErrorTable(errors)
    connection = _Connection(Pool(url, service.__name__), table, headers or {}, timeout)
    methods = {
        name: _Method(connection, (operations or {}).get(name, name), function)
        for name, function in public_methods(service)
    }
    return cast(S, Stub(f"The client of {service.__name__}", methods))


class _Connection(NamedTuple):
    """What the methods of one client share."""

    pool: Pool
    errors: ErrorTable
    headers: Headers
    timeout: float

    def request(self, operation: str) -> Request:
        """Return the header of a call, with what the call that is going on now hands to the calls it makes."""
        call = calls.current()
        own = own_headers(self.headers)
        if call is None:
            return header("call", operation, own)
        return header("call", operation, {**call.onward, **own}, call.request_id)

    def taken(self, message: Message) -> Message:
        """Return an answer, or raise the failure that it tells of."""
        reply, body = message
        calls.take_in(reply.metadata)
        if reply.kind == "fault":
            raise self._failure(body)
        return message

    def _failure(self, body: bytes) -> Exception:
        try:
            return self.errors.failure(read_fault(body))
        except (msgspec.DecodeError, InvalidArgument) as error:
            failure = Failure("The other side failed without saying why.", code="bad_answer")
            failure.add_note(str(error))
            return failure


class _Method(RemoteMethod):
    """One method of a client."""

    protocol = "ZeroMQ"

    def __init__(self, connection: _Connection, operation: str, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._connection = connection
        self._operation = operation
        results: dict[str, Callable[[bytes], Any]] = {
            "value": self._value,
            "nothing": self._nothing,
            "stream": self._stream,
            "download": self._download,
        }
        self._result = results[self._contract.gives]

    def answer(self, given: Mapping[str, Any]) -> Any:
        """Return what the other side gives for these arguments."""
        return self._result(self._body(given))

    def _body(self, given: Mapping[str, Any]) -> bytes:
        """Return the arguments as they travel; those that are their defaults are left out."""
        contract = self._contract
        values = tuple(self._argument(given, parameter) for parameter in contract.parameters)
        uploads = tuple(self._argument(given, parameter) for parameter in contract.uploads)
        if foreign := given.keys() - {parameter.name for parameter in (*contract.parameters, *contract.uploads)}:
            raise TypeError(f"{self._where}() does not take {min(foreign)!r} from its callers: the server fills it")
        body = contract.write(values)
        return with_files(body, contract, uploads) if contract.uploads else body

    def _argument(self, given: Mapping[str, Any], parameter: Any) -> Any:
        value = given.get(parameter.name, UNSET)
        if value is not UNSET:
            return value
        if parameter.required:
            raise TypeError(f"{self._where}() missing the argument {parameter.name!r}")
        return parameter.default

    # --- by what comes back ---

    def _value(self, body: bytes) -> Any:
        return self._decoded(self._asked(body, "value"))

    def _nothing(self, body: bytes) -> None:
        self._asked(body, "nothing")

    def _asked(self, body: bytes, kind: str) -> bytes:
        connection = self._connection
        request = connection.request(self._operation)
        message = connection.pool.ask(request, body, expires=expires(connection.timeout))
        reply, answer = connection.taken(message)
        if reply.kind != kind:
            raise self._unexpected(f"it is a {reply.kind}")
        return answer

    def _stream(self, body: bytes) -> Iterator[Any]:
        exchange = self._begun(body)
        try:
            while (message := self._connection.taken(exchange.next()))[0].kind == "item":
                yield self._decoded(message[1])
            if message[0].kind != "end":
                raise self._unexpected(f"it is a {message[0].kind}")
        finally:
            exchange.close()

    def _download(self, body: bytes) -> Download:
        exchange = self._begun(body)
        try:
            reply, answer = self._connection.taken(exchange.next())
            if reply.kind != "file":
                raise self._unexpected(f"it is a {reply.kind}")
            head = msgspec.msgpack.decode(answer, type=FileHead)
        except BaseException:
            exchange.close()
            raise
        return Download(_Chunks(exchange, self._connection), head.media_type, head.name, head.inline)

    def _begun(self, body: bytes) -> Exchange:
        connection = self._connection
        request = connection.request(self._operation)
        return connection.pool.begin(request, body, expires=expires(inf), wait=connection.timeout)

    def _decoded(self, body: bytes) -> Any:
        wire = cast(Wire[Any], self._contract.result)
        try:
            return wire.tolerate_msgpack(body)
        except InvalidArgument as error:
            raise self._unexpected(str(error)) from error

    def _unexpected(self, reason: str) -> Failure:
        """Return the failure for an answer that is not what the method promises."""
        failure = Failure(f"{self._where}: the answer is not what was expected.", kind="internal", code="bad_answer")
        failure.add_note(f"{self._contract.gives} of {self._contract.result and self._contract.result.type}: {reason}")
        return failure


class _Chunks(Iterator[bytes]):
    """The bytes of a download, as they come. The server stops sending when this is closed, or given up."""

    def __init__(self, exchange: Exchange, connection: _Connection) -> None:
        self._exchange = exchange
        self._connection = connection
        self._over = False

    def __next__(self) -> bytes:
        if self._over:
            raise StopIteration
        self._over = True  # unless it turns out otherwise
        reply, body = self._connection.taken(self._exchange.next())
        if reply.kind != "chunk":
            raise StopIteration
        self._over = False
        return body

    def close(self) -> None:
        """End the download."""
        self._over = True
        self._exchange.close()
