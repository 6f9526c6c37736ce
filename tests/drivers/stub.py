"""An object that stands for a service where an adapter has no typed client of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from mergepoint import UNSET, App
from mergepoint.operation import Operation
from mergepoint.wire import Wire

Ask = Callable[[Operation, tuple[Any, ...]], Any]
"""Runs an operation with its arguments: the values in the order of the contract, then the uploads."""


class Stub:
    """Has the methods of a service; each asks the operation of its name."""

    def __init__(self, app: App, service: type[Any], ask: Ask) -> None:
        self._operations = app.operations
        self._service = service
        self._ask = ask

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = self._operations[name]
        signature = inspect.signature(getattr(self._service, name))

        def call(*values: Any, **named: Any) -> Any:
            by_name = signature.bind(self, *values, **named).arguments
            del by_name["self"]
            return self._ask(operation, operation.contract.order((), by_name))

        return call


def plain(operation: Operation, values: tuple[Any, ...]) -> dict[str, Any]:
    """Return the arguments as plain values by name, without files and those that are their defaults."""
    pairs = zip(operation.contract.parameters, values, strict=False)
    return {p.name: Wire(p.type).plain(v) for p, v in pairs if v is not UNSET and (p.required or v != p.default)}


def uploads(operation: Operation, values: tuple[Any, ...]) -> dict[str, Any]:
    """Return the files that are given, by name."""
    files = values[len(operation.contract.parameters) :]
    return {p.name: file for p, file in zip(operation.contract.uploads, files, strict=True) if file is not None}
