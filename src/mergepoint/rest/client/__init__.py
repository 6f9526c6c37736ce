"""A typed client: an object with the methods of a service that calls it over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from math import inf
from time import monotonic
from typing import Any, TypeVar, cast
from urllib.parse import unquote

import msgspec

from ... import call as calls
from ...errors import Failure, InvalidArgument, Kind, Unimplemented
from ...faults import ErrorTable
from ...stub import Headers, RemoteMethod, Stub, expires, own_headers, public_methods
from ...types import UNSET, Download, Upload
from ...wire import Wire
from .failed import failure_of
from .remote import Directory, Target
from .sending import request
from .transport import Answer, Transport

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
    """Return an object with the public methods of a service, which calls them over HTTP.

    Args:
        service: the class of the service, or a Protocol of the methods that are called.
        url: the address of its API, such as `http://roost.internal:8000/api`.
        errors: the exceptions that its operations declare; a caller gets the same classes. All others are a `Failure`.
        operations: the names of operations that are not called as their methods are.
        headers: to send with every call, such as `authorization`, or a function that returns them.
        timeout: the longest a call may take, in seconds; of a stream or download, the longest wait for more of it.
            A call made within another one never takes longer than that one still has.

    Returns:
        The client. Threads may share it; it opens no connection before the first call.

    Raises:
        RegistrationError: a method has no contract that could travel, or is `async def`.
    """
    table = errors if isinstance(errors, ErrorTable) else ErrorTable(errors)
    connection = _Connection(service.__name__, url.rstrip("/"), table, headers or {}, timeout)
    methods = {
        name: _Method(connection, (operations or {}).get(name, name), function)
        for name, function in public_methods(service)
    }
    return cast(S, Stub(f"The client of {service.__name__}", methods))


class _Connection:
    """What the methods of one client share."""

    def __init__(self, what: str, url: str, errors: ErrorTable, headers: Headers, timeout: float) -> None:
        self.errors = errors
        self.timeout = timeout
        self._url = url
        self._headers = headers
        self._transport = Transport(what)
        self._directory = Directory(self._transport, url)

    def target(self, operation: str, expires: float) -> Target:
        return self._directory.find(operation, headers=self._own_headers, expires=expires, wait=self.timeout)

    def send(
        self, target: Target, values: dict[str, Any], files: dict[str, list[Upload]], accept: str, expires: float
    ) -> Answer:
        with ExitStack() as copies:
            path, body, headers = request(target, values, files, copies)
            answer = self._transport.send(
                target.method,
                self._url + path,
                headers={"accept": accept, **headers, **self._own_headers(), **_passed_on(expires)},
                body=body,
                expires=expires,
                wait=self.timeout,
            )
        if 200 <= answer.status < 300:
            return answer
        failure = failure_of(answer, self.errors)
        if isinstance(failure, Unimplemented):
            self._directory.forget()
        raise failure

    def _own_headers(self) -> dict[str, str]:
        return own_headers(self._headers)


def _passed_on(expires: float) -> dict[str, str]:
    """Return what the call that is going on now hands to the calls it makes."""
    headers = {} if expires == inf else {"mergepoint-timeout": f"{max(expires - monotonic(), 0.001):.3f}"}
    if call := calls.current():
        headers["x-request-id"] = call.request_id
        headers.update(call.onward)
    return headers


class _Method(RemoteMethod):
    """One method of a client."""

    protocol = "HTTP"

    def __init__(self, connection: _Connection, operation: str, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._connection = connection
        self._operation = operation
        self._wires: dict[str, Wire[Any]] = {
            parameter.name: Wire(parameter.type) for parameter in self._contract.parameters
        }
        results: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "value": self._value,
            "nothing": self._nothing,
            "stream": self._stream,
            "download": self._download,
        }
        self._result = results[self._contract.gives]

    def answer(self, given: Mapping[str, Any]) -> Any:
        """Return what the other side gives for these arguments."""
        return self._result(given)

    # --- by what comes back ---

    def _value(self, given: Mapping[str, Any]) -> Any:
        answer = self._send(given, "application/json", self._expires(bounded=True))
        body = answer.read()
        result = cast(Wire[Any], self._contract.result)
        if answer.media_type != "application/json":
            raise self._unexpected(f"its media type is {answer.media_type or 'missing'}")
        return self._decoded(result, body)

    def _nothing(self, given: Mapping[str, Any]) -> None:
        self._send(given, "application/json", self._expires(bounded=True)).read()

    def _stream(self, given: Mapping[str, Any]) -> Iterator[Any]:
        answer = self._send(given, "application/x-ndjson", self._expires(bounded=False))
        result = cast(Wire[Any], self._contract.result)
        for line in answer.lines():
            if line.startswith(b'{"problem":{"title":') and (last := _last_line(line)):
                raise failure_of(answer, self._connection.errors, last)
            yield self._decoded(result, line)

    def _download(self, given: Mapping[str, Any]) -> Download:
        answer = self._send(given, "*/*", self._expires(bounded=False))
        media_type = answer.headers.get("Content-Type", "application/octet-stream")
        disposition = answer.headers.get("Content-Disposition", "attachment")
        inline = disposition.lower().startswith("inline")
        return Download(answer.chunks(), media_type, _file_name(disposition), inline)

    # --- inside ---

    def _expires(self, *, bounded: bool) -> float:
        """Return when the time is over: that of a stream or a download only by the call that is going on."""
        return expires(self._connection.timeout if bounded else inf)

    def _send(self, given: Mapping[str, Any], accept: str, expires: float) -> Answer:
        target = self._connection.target(self._operation, expires)
        return self._connection.send(target, *self._arguments(given, target), accept, expires)

    def _arguments(self, given: Mapping[str, Any], target: Target) -> tuple[dict[str, Any], dict[str, list[Upload]]]:
        """Return the plain values to send, and the files, after a look at what the other side takes."""
        values: dict[str, Any] = {}
        files: dict[str, list[Upload]] = {}
        for parameter in (*self._contract.parameters, *self._contract.uploads):
            name = parameter.name
            value = given.get(name, parameter.default)
            if name not in given or value is UNSET:
                if parameter.required and name in target.places:
                    raise TypeError(f"{self._where}() missing the argument {name!r}")
            elif name not in target.places:
                self._must_not_matter(name, value, parameter.default)
            elif wire := self._wires.get(name):
                if not (value is parameter.default or value == parameter.default) or target.places[name] == "body":
                    values[name] = wire.plain(value)
            elif value is not None:
                files[name] = [value] if isinstance(value, Upload) else list(value)
        if foreign := given.keys() - self._wires.keys() - {upload.name for upload in self._contract.uploads}:
            raise self._filled_there(min(foreign))
        return values, files

    def _must_not_matter(self, name: str, value: Any, default: Any) -> None:
        if value is not default and value != default:
            raise self._filled_there(name)

    def _filled_there(self, name: str) -> Failure:
        return Unimplemented(
            f"{self._where}: the other side does not take `{name}` from its callers; leave it out. If it fills it from"
            " the call's context, describe the methods without it in a Protocol."
        )

    def _decoded(self, wire: Wire[Any], body: bytes) -> Any:
        try:
            return wire.tolerate_json(body)
        except InvalidArgument as error:
            raise self._unexpected(str(error)) from error

    def _unexpected(self, reason: str) -> Failure:
        """Return the failure for an answer that is not what the method promises."""
        failure = Failure(f"{self._where}: the answer is not what was expected.", kind="internal", code="bad_answer")
        failure.add_note(f"{self._contract.gives} of {self._contract.result and self._contract.result.type}: {reason}")
        return failure


def _file_name(disposition: str) -> str | None:
    """Return the name that a file shall have; the extended form goes first (RFC 6266, 4.3)."""
    if found := re.search(r"filename\*=UTF-8''([^;\s]+)", disposition, re.IGNORECASE):
        return unquote(found[1])
    found = re.search(r'filename="((?:[^"\\]|\\.)*)"', disposition, re.IGNORECASE)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else None


class _LastLine(msgspec.Struct):
    problem: msgspec.Raw


def _last_line(line: bytes) -> bytes | None:
    """Return the problem that ended a stream, if this line tells of one."""
    try:
        return bytes(msgspec.json.decode(line, type=_LastLine).problem)
    except msgspec.DecodeError:
        return None
