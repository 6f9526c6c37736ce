"""REST with its typed client, and places that are called over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any, TypeVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from mergepoint import App, rest, rpc
from mergepoint.place import Host
from mergepoint.rest import docs
from mergepoint.testing.conformance import Need
from mergepoint.wsgi import Site

S = TypeVar("S")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(wsgi: Any) -> Iterator[str]:
    """Serve a WSGI application from a thread; yield its address."""
    with make_server("127.0.0.1", 0, wsgi, server_class=_Server, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)


@contextmanager
def hosted(host: Host) -> Iterator[str]:
    """Serve a host over HTTP; yield the address of the place."""
    with served(Site({"/place": rpc.wsgi(host)})) as address:
        yield address


class Rest:
    """Calls over HTTP, with the typed client."""

    lacks: Mapping[Need, str] = {
        "replies": "the client keeps the headers of answers to itself",
        "typed queries": "a query string has neither null nor an empty list",
    }

    @contextmanager
    def connect(self, app: App, service: type[S], metadata: Mapping[str, str]) -> Iterator[S]:
        """Serve the app and give a client."""
        api = Site({"/": rest.wsgi(app, prefix="/api"), "/openapi.json": docs.description(app, "/api")})
        with served(api) as address:
            yield rest.client(service, f"{address}/api", errors=app.errors, headers=metadata)
