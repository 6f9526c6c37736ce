"""The standard health service (grpc.health.v1), which asks the resources of an app as `/health` does over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import SERVICE_NAME, HealthServicer

from ..app import App
from ..health import health

__all__ = ["SERVICE_NAME", "Health"]

EVERY = 5.0
"""Seconds between two looks at the resources, for those who watch."""


class Health(HealthServicer):
    """Tells whether services serve: they do if every resource of the app works.

    Args:
        app: the app; None if there is nothing to ask.
        services: the names of its services; the server as a whole is `""`.
    """

    def __init__(self, app: App | None, services: Iterable[str]) -> None:
        super().__init__()
        self._ask = None if app is None else health(app)
        self._needs_looking = app is not None and bool(app.resources)
        self._services = ["", *services]
        self._stopped = threading.Event()
        self._tell(well=True)

    def begin(self) -> None:
        """Look at the resources from time to time, for those who watch."""
        if self._needs_looking:
            threading.Thread(target=self._look, name="mergepoint-grpc-health", daemon=True).start()

    def end(self) -> None:
        """Say that nothing is served any more."""
        self._stopped.set()
        self.enter_graceful_shutdown()

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the standard's name
        """Tell the status of a service, as it is now."""
        self._refresh()
        return super().Check(request, context)

    def _look(self) -> None:
        while not self._stopped.wait(EVERY):
            self._refresh()

    def _refresh(self) -> None:
        if self._needs_looking and self._ask is not None:
            told: list[str] = []
            self._ask({"REQUEST_METHOD": "GET"}, lambda status, *_: told.append(status))  # type: ignore[arg-type]  # it writes nothing
            self._tell(well=told[0].startswith("200"))

    def _tell(self, *, well: bool) -> None:
        responses = health_pb2.HealthCheckResponse
        for service in self._services:
            self.set(service, responses.SERVING if well else responses.NOT_SERVING)
