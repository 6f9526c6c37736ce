"""Drivers that need no adapter: the service itself, its operations called from Python, and a service at a place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar, cast

from ..app import App
from ..call import Call, current
from ..operation import Operation
from ..place import Host, Places
from .case import Need

S = TypeVar("S")

KEY = "what calls between the suite's processes are signed with"

Serve = Callable[[Host], AbstractContextManager[str]]
"""Serves a host, and gives the address at which it is reached."""


class Direct:
    """Calls the service itself: what holds without Mergepoint."""

    lacks: Mapping[Need, str] = {
        "borders": "there is no border",
        "checks": "Python does not check arguments",
        "copies": "nothing is copied where nothing travels",
        "metadata": "a method takes its arguments and nothing else",
        "nesting": "there is no call",
        "policy": "there is no app",
        "replies": "there is no call",
    }

    @contextmanager
    def connect(self, app: App, service: type[S], metadata: Mapping[str, str]) -> Iterator[S]:
        """Give the service."""
        yield service()


class Called:
    """Calls operations from Python, as tests and other business code do."""

    lacks: Mapping[Need, str] = {
        "borders": "an error is raised as it is",
        "checks": "arguments come from Python, not from a wire",
        "copies": "nothing is copied where nothing travels",
    }

    @contextmanager
    def connect(self, app: App, service: type[S], metadata: Mapping[str, str]) -> Iterator[S]:
        """Give an object that runs the operations."""
        yield cast(S, _Operations(app, metadata))


class Placed(Called):
    """Calls operations of an app whose service is at a place.

    Args:
        build: makes the app with such places.
        address: `local` or `loopback`; for another process, what serves the other side and gives its address.
        lacks: what such a place cannot do, each with its reason.
    """

    def __init__(
        self, build: Callable[[Places], App], address: str | Serve, lacks: Mapping[Need, str] | None = None
    ) -> None:
        self.lacks = lacks or {}
        self._build = build
        self._serve: Serve = (lambda host: nullcontext(address)) if isinstance(address, str) else address

    @contextmanager
    def connect(self, app: App, service: type[S], metadata: Mapping[str, str]) -> Iterator[S]:
        """Serve an app that hosts the service, and give an object that calls it by way of another one."""
        hosting = self._build(Places({}, KEY))
        with self._serve(hosting.host) as address:
            calling = self._build(Places({"*": address}, KEY))
            try:
                with super().connect(calling, service, metadata) as connected:
                    yield connected
            finally:
                calling.close()


class _Operations:
    """Has a method for each operation; a call made within another one goes on with its id, its time and its reply."""

    def __init__(self, app: App, metadata: Mapping[str, str]) -> None:
        self._app = app
        self._metadata = metadata

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(self._run, self._app.operations[name])

    def _run(self, operation: Operation, *values: Any, **named: Any) -> Any:
        outer = current()
        if outer is None:
            return operation(Call(operation, metadata=self._metadata), *values, **named)
        call = Call(operation, "python", self._metadata, outer.request_id, outer.remaining())
        try:
            return operation(call, *values, **named)
        finally:
            outer.reply.update(call.reply)
