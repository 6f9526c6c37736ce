"""gRPC with its typed client, and places that are called over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from mergepoint import App, grpc
from mergepoint.place import Host
from mergepoint.testing.conformance import Need

S = TypeVar("S")

ANYWHERE = "127.0.0.1:0"


class Grpc:
    """Calls over gRPC, with the typed client."""

    lacks: Mapping[Need, str] = {}

    @contextmanager
    def connect(self, app: App, service: type[S], metadata: Mapping[str, str]) -> Iterator[S]:
        """Serve the app and give a client."""
        with served(app) as address:
            yield grpc.client(service, address, errors=app.errors, headers=metadata)


@contextmanager
def served(app: App) -> Iterator[str]:
    """Serve an app over gRPC; yield its address."""
    with grpc.server(app, address=ANYWHERE) as server:
        yield f"grpc://127.0.0.1:{server.port}"


@contextmanager
def hosted(host: Host) -> Iterator[str]:
    """Serve a host over gRPC; yield the address of the place."""
    with grpc.server(None, host=host, address=ANYWHERE) as server:
        yield f"grpc://127.0.0.1:{server.port}"
