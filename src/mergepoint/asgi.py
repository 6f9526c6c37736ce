"""ASGI applications in the place of WSGI ones, through a2wsgi."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any, cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from mergepoint.errors import missing

try:
    from a2wsgi import ASGIMiddleware
except ModuleNotFoundError as error:
    raise missing("mergepoint.asgi", error, extra="asgi") from None

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
ASGIApplication = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_TASK = "mergepoint.asgi_task"


def from_asgi(app: ASGIApplication) -> WSGIApplication:
    """Make a WSGI application of an ASGI one.

    It runs on an event loop of its own, in a thread that starts with the first request of each process. HTTP only: no
    websockets, and no lifespan events.

    Args:
        app: the ASGI application, such as a Starlette or FastAPI instance.

    Returns:
        A WSGI application, to be mounted in a `Site` or served by any WSGI server.
    """
    return _FromASGI(app)


class _FromASGI:
    def __init__(self, app: ASGIApplication) -> None:
        self.app = app
        self.lock = threading.Lock()
        self.middleware: dict[int, ASGIMiddleware] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        middleware = self.middleware.get(os.getpid()) or self._begin()
        return _body(middleware, environ, start_response)

    def _begin(self) -> ASGIMiddleware:
        # The thread of a loop does not survive a fork, so each process has its own.
        with self.lock:
            if os.getpid() not in self.middleware:
                self.middleware[os.getpid()] = ASGIMiddleware(cast("Any", self._run))
            return self.middleware[os.getpid()]

    async def _run(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        scope["wsgi_environ"][_TASK] = asyncio.current_task()
        await self.app(scope, receive, send)


def _body(middleware: ASGIMiddleware, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    # a2wsgi has types of its own for WSGI and ASGI.
    wsgi = cast("WSGIApplication", middleware)
    try:
        yield from wsgi(environ, start_response)
    finally:
        # a2wsgi leaves the task waiting forever when the client hangs up in the middle of the body.
        if task := environ.pop(_TASK, None):
            middleware.loop.call_soon_threadsafe(task.cancel)
