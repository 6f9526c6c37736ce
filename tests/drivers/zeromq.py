"""ZeroMQ with its typed client, and places that are called over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from mergepoint import App, zmq
from mergepoint.place import Host
from mergepoint.testing.conformance import Need

S = TypeVar("S")

ANYWHERE = "tcp://127.0.0.1:*"


class ZeroMQ:
    """Calls over ZeroMQ, with the typed client."""

    lacks: Mapping[Need, str] = {}

    @contextmanager
    def connect(self, app: App, service: type[S], metadata: Mapping[str, str]) -> Iterator[S]:
        """Serve the app and give a client."""
        with zmq.server(app, ANYWHERE) as server:
            yield zmq.client(service, f"zmq+{server.address}", errors=app.errors, headers=metadata)


@contextmanager
def hosted(host: Host) -> Iterator[str]:
    """Serve a host over ZeroMQ; yield the address of the place."""
    with zmq.serve_host(host, ANYWHERE) as server:
        yield f"zmq+{server.address}"
