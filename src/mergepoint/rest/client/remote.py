"""What the client knows of the other side: where each operation is, read from its OpenAPI description."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import msgspec

from ...errors import Failure, Unimplemented
from ..openapi import BODY, NAME
from .transport import Transport


class Target(msgspec.Struct, frozen=True):
    """One operation of the other side.

    Attributes:
        method: such as `GET`.
        path: the template below the address of the API.
        places: where each parameter goes (`path`, `query`, `body` or `form`), by name.
        in_path: what the template calls a parameter.
        whole_body: the parameter that is the whole body, if one is.
    """

    method: str
    path: str
    places: dict[str, str]
    in_path: dict[str, str]
    whole_body: str | None


class _Parameter(msgspec.Struct):
    name: str
    place: str = msgspec.field(name="in")
    own_name: str | None = msgspec.field(name=NAME, default=None)


class _Properties(msgspec.Struct):
    properties: dict[str, Any] = {}


class _Content(msgspec.Struct):
    object: _Properties = msgspec.field(name="schema", default_factory=_Properties)


class _Body(msgspec.Struct):
    content: dict[str, _Content]
    whole: str | None = msgspec.field(name=BODY, default=None)


class _Operation(msgspec.Struct):
    name: str = msgspec.field(name="operationId")
    parameters: list[_Parameter] = []
    body: _Body | None = msgspec.field(name="requestBody", default=None)


class _Document(msgspec.Struct):
    paths: dict[str, dict[str, _Operation]]


class Directory:
    """The operations of the other side, read when the first one is asked for.

    Args:
        transport: what requests are sent with.
        url: the address of the API; the description is beside it, at `openapi.json`.
    """

    def __init__(self, transport: Transport, url: str) -> None:
        self._transport = transport
        self._url = urljoin(url, "/openapi.json") if _is_root(url) else urljoin(url, "openapi.json")
        self._targets: dict[str, Target] | None = None

    def find(self, name: str, *, headers: Callable[[], dict[str, str]], expires: float, wait: float) -> Target:
        """Return where an operation is.

        Raises:
            Unimplemented: the other side has no such operation.
            Failure: the description cannot be had.
        """
        if self._targets is None:
            self._targets = self._read(headers(), expires, wait)
        if target := self._targets.get(name):
            return target
        near = difflib.get_close_matches(name, self._targets, 1)
        self.forget()
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise Unimplemented(f"{self._transport.what}: the other side has no operation `{name}`.{hint}")

    def forget(self) -> None:
        """Read the description again before the next call: the other side has changed."""
        self._targets = None

    def _read(self, headers: dict[str, str], expires: float, wait: float) -> dict[str, Target]:
        answer = self._transport.send("GET", self._url, headers=headers, body=None, expires=expires, wait=wait)
        body = answer.read()
        if answer.status == 200:
            try:
                return _targets(msgspec.json.decode(body, type=_Document))
            except msgspec.DecodeError as error:
                raise self._unreadable(f"it is no OpenAPI description of Mergepoint: {error}") from error
        raise self._unreadable(f"the answer was {answer.status}")

    def _unreadable(self, reason: str) -> Failure:
        failure = Failure(
            f"{self._transport.what}: the description of its operations cannot be read.",
            kind="unavailable",
            code="no_description",
        )
        failure.add_note(f"GET {self._url}: {reason}. The client's url is that of the API, such as http://host/api.")
        return failure


def _is_root(url: str) -> bool:
    return url.rstrip("/").count("/") == 2


def _targets(document: _Document) -> dict[str, Target]:
    return {
        operation.name: _target(method.upper(), path, operation)
        for path, methods in document.paths.items()
        for method, operation in methods.items()
    }


def _target(method: str, path: str, operation: _Operation) -> Target:
    places = {parameter.own_name or parameter.name: parameter.place for parameter in operation.parameters}
    in_path = {p.own_name or p.name: p.name for p in operation.parameters if p.place == "path"}
    body = operation.body
    if body is not None and body.whole is not None:
        places[body.whole] = "body"
    elif body is not None:
        for media_type, content in body.content.items():
            place = "form" if media_type == "multipart/form-data" else "body"
            places.update(dict.fromkeys(content.object.properties, place))
    return Target(method, path, places, in_path, None if body is None else body.whole)
