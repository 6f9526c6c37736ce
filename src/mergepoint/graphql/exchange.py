"""What goes into a GraphQL schema and what comes out of it: a request, its caller, a result, a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

import msgspec

from ..call import new_request_id


class Request(msgspec.Struct, frozen=True):
    """What a client sends, as "GraphQL over HTTP" names it.

    Attributes:
        query: the text of the document; None for a persisted operation.
        variables: values by name; files stand in them as `Upload`.
        operation_name: which operation of the document to run, where there are several.
        extensions: further wishes, such as `persistedQuery`.
        document_id: the name of a persisted operation.
    """

    query: str | None = None
    variables: dict[str, Any] = {}
    operation_name: str | None = None
    extensions: dict[str, Any] = {}
    document_id: str | None = None


class Caller(msgspec.Struct, frozen=True):
    """Who asks; from this every operation that a request runs gets a `Call` of its own.

    Attributes:
        metadata: what came along with the request, by lower-case name, such as `authorization`.
        request_id: names the request in answers and logs.
        seconds: the time the caller still had when the request came; None if it did not say.
        began: when the request came, in seconds of `time.monotonic()`.
        protocol: what the calls are known as.
    """

    metadata: Mapping[str, str] = {}
    request_id: str = msgspec.field(default_factory=new_request_id)
    seconds: float | None = None
    began: float = msgspec.field(default_factory=monotonic)
    protocol: str = "graphql"

    def remaining(self) -> float | None:
        """Return the seconds the caller still has; None if it did not say."""
        return None if self.seconds is None else self.seconds - (monotonic() - self.began)


class Result(msgspec.Struct, frozen=True):
    """What a request came to.

    Attributes:
        body: the complete response as JSON.
        executed: False if the variables did not fit, so that nothing ran: a request error.
        reply: metadata that the operations send back.
    """

    body: bytes
    executed: bool = True
    reply: dict[str, str] = {}


class RequestError(Exception):
    """A request that is refused before anything of it runs.

    Attributes:
        errors: what the response lists as `errors`.
        status: the HTTP status that goes with them.
    """

    def __init__(self, errors: list[dict[str, Any]], status: int = 400) -> None:
        super().__init__("; ".join(str(error["message"]) for error in errors))
        self.errors = errors
        self.status = status

    @property
    def body(self) -> bytes:
        """The complete response as JSON."""
        return msgspec.json.encode({"errors": self.errors})
