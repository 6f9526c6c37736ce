"""Ask an app's operations on behalf of somebody who looks at a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import falcon

from mergepoint import App, Call
from mergepoint.faults import Fault


class Asking:
    """Runs operations with the values of a query string, and tells failures as the app tells them.

    Args:
        app: the app; its registration is over when the first question is asked.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    def ask(self, request: falcon.Request, name: str, given: Mapping[str, object] | None = None) -> Any:
        """Run an operation.

        Args:
            request: on whose behalf.
            name: the operation.
            given: its arguments, as texts; they are read as the operation's contract says.

        Raises:
            Failure: the call is refused, or its arguments are wrong.
            Exception: one that the app declares.
        """
        operation = self._app.operations[name]
        metadata = {name.lower(): value for name, value in request.headers.items()}
        call = Call(operation, protocol="http", metadata=metadata)
        return operation.run(call, dict(given or {}), operation.contract.arguments.convert_text)

    def takes(self, name: str) -> frozenset[str]:
        """List the parameters of an operation."""
        return frozenset(parameter.name for parameter in self._app.operations[name].contract.parameters)

    def fault(self, error: BaseException) -> Fault:
        """Say what may be told of an exception."""
        return self._app.errors.fault(error)
