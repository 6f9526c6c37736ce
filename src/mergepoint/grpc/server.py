"""The server: an app's operations, health, reflection, and the host of a place, on one port."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Self, TypeAlias

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from ..app import App
from ..errors import ConfigError
from ..lock import AppLock, describe
from ..place import Host
from . import reflection as reflecting
from .codec import Codec
from .health import SERVICE_NAME, Health
from .link import SERVICE as PLACE
from .messages import GOOGLES, Messages, file_of
from .names import camel
from .schema import Schema, schema
from .service import SLACK, handler
from .tls import Tls
from .workers import Workers

THREADS = 8
"""Calls that are worked on at a time; a stream keeps its thread until it ends."""

CLEAN_UP = 1.0
"""Seconds that cancelled calls have after the grace period; one that takes no notice must not keep the process."""

LEAST_MESSAGE = 4 * 1024 * 1024
"""Bytes of a message that gRPC lets in anyway."""

PLACE_MESSAGE = 64 * 1024 * 1024
"""Bytes of a frame of a place."""

Handlers: TypeAlias = "Mapping[str, grpc.RpcMethodHandler[Any, Any]]"

logger = logging.getLogger("mergepoint")


def server(
    app: App | None,
    *,
    address: str = "127.0.0.1:50051",
    threads: int = THREADS,
    tls: Tls | None = None,
    lock: AppLock | None = None,
    host: Host | None = None,
    max_message: int | None = None,
    reflection: bool = True,
    reuse_port: bool = False,
) -> Server:
    """Return a server for the operations of an app; see `Server` for the arguments."""
    return Server(
        app,
        address=address,
        threads=threads,
        tls=tls,
        lock=lock,
        host=host,
        max_message=max_message,
        reflection=reflection,
        reuse_port=reuse_port,
    )


class Server:
    """Serves operations over gRPC.

    Nothing runs before `start`, which belongs into the process that serves: gRPC's threads do not survive a fork.

    Attributes:
        schema: what is served, as protobuf has it; None without an app.
        port: the port it listens at, once it is started.
    """

    def __init__(
        self,
        app: App | None,
        *,
        address: str,
        threads: int,
        tls: Tls | None,
        lock: AppLock | None,
        host: Host | None,
        max_message: int | None,
        reflection: bool,
        reuse_port: bool,
    ) -> None:
        """Prepare a server.

        Args:
            app: whose operations to serve; None to serve the host of a place alone.
            address: host and port to listen at; port 0 takes any free one, `unix:/path` a socket.
            threads: calls that are worked on at a time.
            tls: the certificates; without them nothing is encrypted.
            lock: gives the fields their numbers: what `contract.lock` records, merged with what the code says. From the
                code alone unless given.
            host: what answers the calls of other services to places in this process.
            max_message: the most bytes of a request; by the operations' `max_body` unless given.
            reflection: tell callers what is served. The Python client needs it.
            reuse_port: let several processes listen at the same port, and the kernel spread the connections.

        Raises:
            ConfigError: the address is none.
            RegistrationError: the app cannot be served.
        """
        self.schema = None if app is None else schema(app, describe(app) if lock is None else lock)
        self.port = 0
        self._address = _checked(address)
        self._threads = threads
        self._tls = tls
        self._mutual = tls is not None and tls.client_ca is not None
        self._app = app
        self._handlers: dict[str, Handlers] = {}
        if app is not None and self.schema is not None:
            self._add_app(app, self.schema, reflection)
        if host is not None:
            self._handlers[PLACE] = self._hosting(host)
        self._options = [
            ("grpc.so_reuseport", int(reuse_port)),
            ("grpc.max_receive_message_length", max_message or _most(app, host)),
            ("grpc.max_send_message_length", -1),
            # Clients ask every ten seconds of silence whether somebody is there; the default takes that for an attack.
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
        self._server: grpc.Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop(grace=0)

    def start(self) -> None:
        """Listen and serve, on threads of its own.

        Raises:
            ConfigError: the address cannot be had, or a certificate cannot be read.
        """
        if self._server is not None:
            raise ConfigError(f"This server listens at port {self.port} already.")
        workers = Workers(self._threads)
        served = grpc.server(workers, options=self._options)
        served.add_generic_rpc_handlers((_Unknown({name: list(of) for name, of in self._handlers.items()}),))
        for service, handlers in self._handlers.items():
            served.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, dict(handlers)),))
            served.add_registered_method_handlers(service, dict(handlers))
        health = Health(self._app, self.schema.services if self.schema else [])
        add_HealthServicer_to_server(health, served)
        self.port = self._listen(served)
        served.start()
        health.begin()
        self._server, self._workers, self._health = served, workers, health

    def stop(self, grace: float = 30.0) -> None:
        """Take no new calls, give those in flight some seconds to finish, and return when all are over.

        Args:
            grace: the seconds; calls that need longer are ended.
        """
        if self._server is not None:
            self._health.end()
            self._server.stop(grace).wait()
            self._workers.end(CLEAN_UP)
            self._server = None

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the server has stopped; False if it still runs after some seconds."""
        return self._server is None or not self._server.wait_for_termination(seconds)

    # --- inside ---

    def _add_app(self, app: App, schema: Schema, reflection: bool) -> None:
        messages = Messages([*map(file_of, [*GOOGLES, health_pb2]), *reflecting.files(), schema.file])
        codec = Codec(strict=True)
        for name, reason in schema.left_out.items():
            logger.warning("gRPC leaves out %s: %s.", name, reason)
        for service in schema.services:
            self._handlers[service] = {
                method.name.method: handler(method, app.name, messages, codec)
                for method in schema.methods.values()
                if method.name.full_service == service
            }
        if reflection:
            told = [*schema.services, SERVICE_NAME, reflecting.V1, reflecting.V1ALPHA]
            self._handlers |= reflecting.handlers(told, messages.pool)

    def _hosting(self, host: Host) -> Handlers:
        mutual = self._mutual

        def ask(frame: bytes, context: grpc.ServicerContext) -> bytes:
            return host.ask(frame, verified=mutual)

        def stream(frame: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            with closing(host.stream(frame, verified=mutual)) as answers:  # type: ignore[type-var]  # a generator
                yield from answers

        return {
            "Ask": grpc.unary_unary_rpc_method_handler(ask),
            "Stream": grpc.unary_stream_rpc_method_handler(stream),
        }

    def _listen(self, served: grpc.Server) -> int:
        try:
            if self._tls is None:
                return served.add_insecure_port(self._address)
            return served.add_secure_port(self._address, self._tls.credentials())
        except RuntimeError:
            raise ConfigError(
                f"gRPC cannot listen at {self._address}: another program has the port, or it is no address of this"
                " machine, such as 127.0.0.1:50051. Port 0 takes any that is free."
            ) from None


def _checked(address: str) -> str:
    """Refuse what gRPC would silently take for another address: it reads `:99999` as a port of its own choice."""
    host, colon, port = str(address).rpartition(":")
    if not address.startswith("unix:") and not (host and colon and port.isdecimal() and int(port) <= 65_535):
        raise ConfigError(
            f"gRPC: expected an address such as 127.0.0.1:50051, 0.0.0.0:0 or unix:/path, got {address!r}."
        )
    return address


def _most(app: App | None, host: Host | None) -> int:
    """Return the most bytes of a message: a little more than an operation takes, which says so in its own words."""
    bodies = [operation.policy.max_body for operation in app.operations.values()] if app else []
    frames = [max(PLACE_MESSAGE, host.max_frame)] if host else []
    return max([LEAST_MESSAGE, *bodies, *frames]) + 2 * SLACK


class _Unknown(grpc.GenericRpcHandler):
    """Answers calls of methods that are not there."""

    def __init__(self, known: Mapping[str, list[str]]) -> None:
        self._known = known

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return what says which method could have been meant, if there is none of this name."""
        service, _, method = handler_call_details.method.lstrip("/").partition("/")
        if service == SERVICE_NAME or method in self._known.get(service, ()):
            return None
        return grpc.unary_unary_rpc_method_handler(self._refusing(service, method))

    def _refusing(self, service: str, method: str) -> Any:
        near = difflib.get_close_matches(camel(method), self._known.get(service, ()), 1)
        others = difflib.get_close_matches(service, self._known, 1)
        hint = f" Did you mean {service}/{near[0]}?" if near else f" Did you mean {others[0]}?" if others else ""

        def refuse(request: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"There is no {service}/{method} here.{hint}")

        return refuse
