"""Ways to knock at an operation with arguments that are wrong, over each protocol, and hear what kind of answer comes.

Each is a context manager; it gives a function of an operation's name and a token. The function returns `ok` or the
kind of the failure, or None if the protocol does not have the operation at all.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from typing import Any, get_origin
from urllib.parse import quote

import msgspec
from anyio.from_thread import start_blocking_portal
from click.testing import CliRunner
from grpc import RpcError, insecure_channel
from mcp import Client
from tests.drivers import graphs
from tests.web import request

from mergepoint import App, Call, Failure, Upload, cli, grpc, mcp, rest, zmq
from mergepoint.grpc.names import method_of, package_of
from mergepoint.operation import Stream
from mergepoint.rest.routes import PLACEHOLDER, routes

Knock = Callable[[str, str | None], str | None]


def metadata(token: str | None) -> dict[str, str]:
    """Return what goes along with the calls of whoever has this token; None for nobody."""
    return {} if token is None else {"authorization": token}


def _kind(app: App, error: Exception) -> str:
    """Return the kind of an answer that is a failure; whatever else was raised is a fault of the way of knocking."""
    if not app.errors.may_travel(error):
        raise error
    return app.errors.kind(error)


@contextmanager
def python(app: App) -> Iterator[Knock]:
    """Run operations from Python, and read arguments that are no object at all."""

    def knock(name: str, token: str | None) -> str:
        operation = app.operations[name]
        call = Call(operation, metadata=metadata(token))
        try:
            result = operation.run(call, b"[", operation.contract.arguments.decode_json)
            if isinstance(result, Stream):
                next(result, None)
        except Exception as error:  # noqa: BLE001 - its kind is the answer
            return _kind(app, error)
        return "ok"

    yield knock


@contextmanager
def http(app: App) -> Iterator[Knock]:
    """Send each operation a request to its path whose body is no JSON."""
    api = rest.wsgi(app)
    known = {route.operation.name: route for route in routes(app)}

    def knock(name: str, token: str | None) -> str:
        route = known[name]
        target = PLACEHOLDER.sub(quote("?"), route.path) + "?no_such_parameter=1"
        body = {} if route.safe else {"body": b"[", "media_type": "application/json"}
        answer = request(api, route.method, target, headers=metadata(token), **body)  # type: ignore[arg-type]  # as named
        return "ok" if answer.status < 400 else str(answer.json["kind"])

    yield knock


@contextmanager
def commands(app: App) -> Iterator[Knock]:
    """Run each operation's command without its options."""
    group = cache(lambda token: cli.group(app, metadata=metadata(token)))

    def knock(name: str, token: str | None) -> str:
        result = CliRunner().invoke(group(token), [name, "--json"])
        return "ok" if not result.exit_code else str(msgspec.json.decode(result.stderr_bytes)["kind"])

    yield knock


@contextmanager
def agents(app: App) -> Iterator[Knock]:
    """Call each operation's tool with an argument that it does not have."""
    with ExitStack() as clients:
        portal = clients.enter_context(start_blocking_portal())

        @cache
        def client(token: str | None) -> Client:
            server = mcp.server(app, metadata=metadata(token), everything=True)
            return clients.enter_context(portal.wrap_async_context_manager(Client(server)))

        def knock(name: str, token: str | None) -> str:
            answer = portal.call(client(token).call_tool, name.replace(".", "-"), {"no_such_parameter": 1})
            return str(answer.structured_content["kind"]) if answer.is_error and answer.structured_content else "ok"

        yield knock


@contextmanager
def graph(app: App) -> Iterator[Knock]:
    """Send a document for each operation; its arguments are of the types that the schema has, and no more than that."""
    server = graphs.Server(app)

    def knock(name: str, token: str | None) -> str | None:
        operation = app.operations[name]
        if name in server.wsgi.schema.left_out:
            return None
        files: dict[str, Any] = {upload.name: _files(upload.type) for upload in operation.contract.uploads}
        try:
            answer = server.ask(operation, server.documents.samples(operation), files, metadata(token))
            if operation.contract.gives == "stream":
                with closing(answer):
                    next(answer, None)
        except Exception as error:  # noqa: BLE001 - its kind is the answer
            return _kind(app, error)
        return "ok"

    yield knock


def _files(hint: Any) -> Any:
    upload = Upload("bat.txt", "text/plain", io.BytesIO(b"bat"))
    return [upload] if get_origin(hint) is list else upload


@contextmanager
def methods(app: App) -> Iterator[Knock]:
    """Send each gRPC method bytes that are no message."""
    package = package_of(app.name, app.version)
    with grpc.server(app, address="127.0.0.1:0") as server, insecure_channel(f"127.0.0.1:{server.port}") as channel:

        def knock(name: str, token: str | None) -> str:
            many = app.operations[name].contract.gives in ("stream", "download")
            make: Any = channel.unary_stream if many else channel.unary_unary
            call = make(method_of(package, app.name, name).path)
            try:
                answer = call(b"\xff", metadata=list(metadata(token).items()), timeout=10)
                if many:
                    next(answer, None)
            except RpcError as error:
                return str(error.code().name).lower()
            return "ok"

        yield knock


@contextmanager
def zeromq(app: App) -> Iterator[Knock]:
    """Ask for each operation with an argument that it does not have."""
    with zmq.server(app, "tcp://127.0.0.1:*") as server:

        @cache
        def client(name: str, token: str | None) -> _Caller:
            headers = metadata(token)
            return zmq.client(_Caller, f"zmq+{server.address}", operations={"call": name}, headers=headers)

        def knock(name: str, token: str | None) -> str:
            try:
                client(name, token).call(1)
            except Failure as error:
                return "ok" if error.code == "bad_answer" else error.kind
            return "ok"

        yield knock


class _Caller:
    def call(self, no_such_parameter: int) -> str:
        """Stand for any operation."""
        raise NotImplementedError
