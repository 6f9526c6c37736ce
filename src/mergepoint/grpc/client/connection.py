"""What the methods of one client share: the connection, what goes along with calls, and what becomes of failures."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any, cast

import grpc

from ... import call as calls
from ...errors import Failure, InvalidArgument, Kind, Unimplemented
from ...faults import ErrorTable
from ...stub import Headers, expires, own_headers
from ..channel import Channel
from ..hints import Kinds
from ..status import REQUEST_ID, Metadata, fault_of, header
from .patience import Patience
from .remote import Directory


class Connection:
    """What the methods of one client share.

    Args:
        what: how messages call the other side.
        url: its address.
        errors: what is declared. No class is ever looked up by a name that came over the wire.
        headers: metadata for every call.
        timeout: the longest a call may take, in seconds.
        package: that of the app, if the other side has several.
    """

    def __init__(
        self, what: str, url: str, errors: ErrorTable, headers: Headers, timeout: float, package: str | None
    ) -> None:
        self.what = what
        self.errors = errors
        self.timeout = timeout
        self.kinds = Kinds()
        self.channel = Channel(what, url)
        self.directory = Directory(self.channel, package)
        self.patience = Patience(what, timeout)
        self._headers = headers

    def expires(self, *, bounded: bool) -> float:
        """Return when the time is over: that of a stream or a download only by the call that is going on."""
        return expires(self.timeout if bounded else inf)

    def metadata(self) -> Metadata:
        """Return what goes along: the client's own headers, and what the call that is going on hands on."""
        headers = own_headers(self._headers)
        if call := calls.current():
            headers = {REQUEST_ID: call.request_id, **call.onward, **headers}
        return header(headers)

    def take_in(self, trailing: Iterable[Any] | None) -> None:
        """Hand what came back with an answer to the call that is going on, and to those that follow."""
        calls.take_in({name: text for name, text in trailing or () if isinstance(text, str) and name != REQUEST_ID})

    def failure(self, error: grpc.RpcError) -> Exception:
        """Return the exception to raise for a failed call: a declared one if its code is declared here."""
        trailing: Any = error.trailing_metadata() or ()
        self.take_in(trailing)
        fault = fault_of(error.code(), error.details() or "", dict(trailing))
        if fault is not None:
            try:
                return self.errors.failure(fault)
            except InvalidArgument as reason:
                return self.bad_answer(f"the fields of `{fault.code}`: {reason}")
        if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED):
            self.directory.forget()
        return self.channel.failure(error) or self._unexplained(error)

    def bad_answer(self, reason: str) -> Failure:
        """Return the failure for an answer that is not what was promised."""
        failure = Failure(f"{self.what}: the answer is not what was expected.", kind="internal", code="bad_answer")
        failure.add_note(reason)
        return failure

    def _unexplained(self, error: grpc.RpcError) -> Failure:
        """Return the failure for a status without details: that of a proxy, or of gRPC itself."""
        code, text = error.code(), error.details() or ""
        if code == grpc.StatusCode.UNIMPLEMENTED:
            return Unimplemented(f"{self.what}: {text}")
        kind = cast(Kind, code.name.lower()) if code != grpc.StatusCode.OK else "unknown"
        failure = Failure(f"{self.what} failed without saying why.", kind=kind, code="bad_answer")
        failure.add_note(f"{code.name}: {text}")
        return failure
