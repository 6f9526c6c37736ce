"""The MCP server of an app: lists the tools that a caller may use, and calls them in threads."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import CancelledError
from typing import Any, TypedDict, TypeVar, Unpack

import anyio
from anyio import from_thread, to_thread
from anyio.lowlevel import RunVar
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
)

from ..app import App
from ..call import ONWARD, Call, new_request_id
from ..errors import PermissionDenied, Unauthenticated
from ..operation import Identify
from .results import MOST_BYTES, told
from .tools import Tool, tools

T = TypeVar("T")

Context = ServerRequestContext[Any, Any]

THREADS = 40
"""Calls that are worked on at a time; further ones wait, and the wait counts for their deadlines."""

PATIENCE = 1.0
"""Seconds for which a word of progress waits to be read; then it is left out, as nobody needs old news."""

LONGEST_ECHO = 100
"""Characters of a caller's words that come back in a message."""

_REQUEST_ID = re.compile(r"[\w.\-]{1,64}", re.ASCII).fullmatch
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII).fullmatch


class Options(TypedDict, total=False):
    """What an app serves over MCP.

    Attributes:
        only: the operations that become tools, by name; without it, all of those that know who is calling.
        everything: True for all, those that anybody can call too because the app cannot tell users apart.
        instructions: what agents are told of the whole.
        max_result: the most bytes of one result, 400,000 unless said.
    """

    only: Collection[str] | None
    everything: bool
    instructions: str | None
    max_result: int


def server(app: App, *, metadata: Mapping[str, str] | None = None, **options: Unpack[Options]) -> Server[Any]:
    """Return an MCP server whose tools are operations of an app, for any transport of the official SDK.

    Args:
        app: whose operations become tools.
        metadata: what comes along with each call where the transport brings nothing, such as `authorization`. Over
            HTTP it is not used: there, each request says for itself who is calling.
        options: which operations, and how; see `Options`.

    Raises:
        RegistrationError: nobody said what to serve, or it cannot be served.
    """
    service = _Service(app, metadata or {}, options)
    return Server(
        app.name,
        version=app.version,
        instructions=options.get("instructions"),
        on_list_tools=service.list_tools,
        on_call_tool=service.call_tool,
        get_tool_input_schema=lambda name: None,  # no argument of ours comes in a header, so there is nothing to check
    )


class _Service:
    def __init__(self, app: App, metadata: Mapping[str, str], options: Options) -> None:
        self.metadata = metadata
        self.limiter: RunVar[anyio.CapacityLimiter | None] = RunVar("mergepoint.mcp.limiter")  # one for each event loop
        self.tools = tools(
            app,
            only=options.get("only"),
            everything=options.get("everything", False),
            most=options.get("max_result", MOST_BYTES),
        )

    async def list_tools(self, context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        shown = await self._in_thread(lambda: list(self._shown(self._metadata(context))))
        return ListToolsResult(tools=[tool.listed for tool in shown])

    async def call_tool(self, context: Context, params: CallToolRequestParams) -> CallToolResult:
        tool = self.tools.get(params.name)
        if tool is None:
            message = f"Unknown tool: {params.name[:LONGEST_ECHO]!r}. List the tools to see what there is."
            raise MCPError(INVALID_PARAMS, message)
        call = _call(tool, self._metadata(context))

        async def report(count: int, item: str) -> None:
            # A report that begins just as the client goes away is cancelled by nobody, and read by nobody.
            with anyio.move_on_after(PATIENCE):
                await context.session.report_progress(count, None, item)

        def progress(count: int, item: str) -> None:
            try:
                from_thread.run(report, count, item)
            except CancelledError:  # which is no cancellation in a thread, and no bug of the operation either
                call.check()

        async with anyio.create_task_group() as group:
            group.start_soon(_end_with_its_caller, call)
            result = await self._in_thread(tool.answer, call, params.arguments or {}, progress)
            group.cancel_scope.cancel()
        return result

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        # Not on the threads that everything shares: words to the client need one of those, and calls wait for them.
        limiter = self.limiter.get(None)
        if limiter is None:
            limiter = anyio.CapacityLimiter(THREADS)
            self.limiter.set(limiter)
        return await to_thread.run_sync(function, *arguments, limiter=limiter)

    def _metadata(self, context: Context) -> dict[str, str]:
        """Return what came along: the headers of this very request, or over a pipe what the server was started with."""
        given = self.metadata if context.request is None else context.request.headers
        trace = {name: value for name in ONWARD[:3] if isinstance(value := (context.meta or {}).get(name), str)}
        return {**given, **trace}

    def _shown(self, metadata: Mapping[str, str]) -> Iterator[Tool]:
        """Yield the tools that the caller may call; who that is, is asked once for each way of finding out."""
        calls: dict[Identify | None, Call] = {}
        for tool in self.tools.values():
            identify = tool.operation.identify
            if identify not in calls:
                calls[identify] = _identified(_call(tool, metadata))
            call = calls[identify]
            call.operation = tool.operation
            if _may(call):
                yield tool


def _call(tool: Tool, metadata: Mapping[str, str]) -> Call:
    name, seconds = metadata.get("x-request-id", ""), metadata.get("mergepoint-timeout", "")
    return Call(
        tool.operation,
        "mcp",
        metadata,
        name if _REQUEST_ID(name) else new_request_id(),
        float(seconds) if _SECONDS(seconds) else None,
    )


async def _end_with_its_caller(call: Call) -> None:
    """Leave a call no time once nobody waits for it: its stream ends, and what comes too late has not happened."""
    try:
        await anyio.sleep_forever()
    finally:
        call.seconds = 0.0


def _identified(call: Call) -> Call:
    """Find out who is calling.

    Raises:
        MCPError: that failed; it says what the caller may learn.
    """
    try:
        if call.operation.identify is not None:
            _ = call.user
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
        fault = told(call, error)
        code = INTERNAL_ERROR if fault.kind == "internal" else INVALID_REQUEST
        raise MCPError(code, fault.message, {"kind": fault.kind, "code": fault.code}) from None
    return call


def _may(call: Call) -> bool:
    try:
        call.operation.permit(call)
    except (Unauthenticated, PermissionDenied):
        return False
    except Exception as error:  # noqa: BLE001 - a rule that fails lets nobody in
        told(call, error)
        return False
    return True
