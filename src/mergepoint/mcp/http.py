"""MCP over HTTP ("streamable HTTP"), without sessions: each request stands for itself and says who is calling."""

from __future__ import annotations

import errno
import signal
import socket
from collections.abc import Callable, Collection
from contextlib import closing, suppress
from typing import Any, Unpack

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE, TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..app import App
from ..errors import ConfigError
from .service import Options, server

PATH = "/mcp"
"""Where the command serves MCP, as the clients' examples have it."""

LOCAL = ("127.0.0.1", "localhost", "[::1]")
"""The names of this machine for itself."""

SECURITY = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]
"""On every answer, errors too (OWASP ASVS 5, 3.4)."""

ENVELOPE = 100_000
"""Bytes of a request beside the arguments."""

GRACE = 10
"""Seconds for calls in flight when the server stops."""


def asgi(
    app: App, *, hosts: Collection[str] = (), origins: Collection[str] = (), **options: Unpack[Options]
) -> ASGIApp:
    """Return an ASGI application that serves tools over HTTP at whatever path it is mounted; it needs no lifespan.

    Args:
        app: whose operations become tools.
        hosts: the names it is reached by, such as `tools.example`, beside those of this machine for itself. Requests
            for another name are refused: a page could have given its own name this machine's address (DNS rebinding).
        origins: the sites whose pages may call, such as `https://bats.example`, beside those on this machine.
        options: which operations, and how; see `Options`.

    Raises:
        RegistrationError: nobody said what to serve, or it cannot be served.
    """
    longest = max((operation.policy.max_body for operation in app.operations.values()), default=0) * 4 // 3
    endpoint: ASGIApp = _Endpoint(
        server(app, **options), _security(hosts, origins), max(longest + ENVELOPE, DEFAULT_MAX_REQUEST_BODY_SIZE)
    )
    if not origins:
        return endpoint
    return CORSMiddleware(endpoint, allow_origins=list(origins), allow_methods=["POST"], allow_headers=["*"])


class _Endpoint:
    def __init__(self, mcp: Server[Any], security: TransportSecuritySettings, most: int) -> None:
        self.mcp = mcp
        self.security = security
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # which tells servers that there is no lifespan (ASGI, Lifespan Protocol)
            raise ValueError(f"Expected an HTTP request, got a scope of type {scope['type']!r}")
        send = _with_security(send)
        if scope["method"] != "POST":  # GET would wait for messages that a server without sessions never sends
            return await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
        # A manager for each request: it belongs to one task and event loop, and so needs nobody to start and end it.
        manager = StreamableHTTPSessionManager(
            self.mcp, stateless=True, security_settings=self.security, max_request_body_size=self.most
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)
        return None


def _with_security(send: Send) -> Send:
    # A header that is about one connection is the server's alone: WSGI and HTTP/2 forbid it (RFC 9110, 7.6.1).
    dropped = {b"connection", *(name for name, _ in SECURITY)}

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [header for header in message.get("headers", ()) if header[0].lower() not in dropped]
            message = {**message, "headers": [*kept, *SECURITY]}
        await send(message)

    return sending


def _security(hosts: Collection[str], origins: Collection[str]) -> TransportSecuritySettings:
    names = [*LOCAL, *hosts]
    return TransportSecuritySettings(
        allowed_hosts=[pattern for name in names for pattern in (name, f"{name}:*")],
        allowed_origins=[*(p for name in LOCAL for p in (f"http://{name}", f"http://{name}:*")), *origins],
    )


def serve_http(application: ASGIApp, host: str, port: int, *, tell: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; calls in flight are finished then.

    Args:
        application: what `asgi` made.
        host: the address to listen at.
        port: the port; 0 for any free one.
        tell: told the address once it is there.

    Raises:
        ConfigError: the address cannot be used.
    """
    with closing(_listener(host, port)) as listener, suppress(KeyboardInterrupt):
        # uvicorn raises a signal again when it has stopped; this way both end here, also before it has begun.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        tell(f"http://{_shown(host)}:{listener.getsockname()[1]}{PATH}")
        config = uvicorn.Config(
            Starlette(routes=[Route(PATH, application)]),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
        uvicorn.Server(config).run([listener])


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"Port {port} at {host} is taken by another program; choose another"
        else:
            reason = f"Expected an address of this machine, got {host}:{port}: {error.strerror or error}"
        raise ConfigError(reason.partition(" (")[0]) from None


def _shown(host: str) -> str:
    """Return what a client on this machine writes for an address that is listened at."""
    return {"0.0.0.0": LOCAL[0], "::": LOCAL[2]}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - shown
