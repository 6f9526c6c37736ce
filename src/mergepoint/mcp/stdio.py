"""MCP over standard input and output: a client starts the server and talks to it through pipes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TextIO

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

CHUNK = 65_536
"""Bytes read at a time."""


class Streams(NamedTuple):
    """The pipes that carry the protocol: a file descriptor to read, and a file to write."""

    input: int
    output: TextIO


@contextmanager
def protocol_streams() -> Iterator[Streams]:
    """Keep standard input and output for the protocol, from before an app is loaded until its end.

    Meanwhile, whatever else the process reads from there ends at once, and what it prints goes to standard error.
    """
    sys.stdout.flush()
    given, taken = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    output = os.fdopen(taken, "w", encoding="utf-8", closefd=False)
    try:
        yield Streams(given, output)
    finally:
        with suppress(OSError, ValueError):  # the client has gone: there is nobody to write to
            output.close()
        sys.stdout.flush()
        os.dup2(given, 0)
        os.dup2(taken, 1)
        os.close(given)
        os.close(taken)


def serve_stdio(server: Server[Any], streams: Streams) -> None:
    """Serve one client until it closes its end, or until SIGINT or SIGTERM.

    Args:
        server: what `mergepoint.mcp.server` made.
        streams: what `protocol_streams` kept.
    """
    try:
        anyio.run(_serve, server, streams)
    except* (BrokenPipeError, anyio.BrokenResourceError, anyio.ClosedResourceError, KeyboardInterrupt):
        pass  # the client has gone, or somebody asked for the end


async def _serve(server: Server[Any], streams: Streams) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_end_with_a_signal, group.cancel_scope)
        source: Any = _lines(streams.input)  # all the SDK does with it is to iterate
        async with stdio_server(source, anyio.wrap_file(streams.output)) as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
        group.cancel_scope.cancel()


async def _end_with_a_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


async def _lines(descriptor: int) -> AsyncIterator[str]:
    """Yield the lines that come in.

    The SDK reads them in a thread, which cannot be stopped: Ctrl+C would wait for the next line.
    """
    rest = b""
    while chunk := await _chunk(descriptor):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


async def _chunk(descriptor: int) -> bytes:
    with suppress(PermissionError):  # a file on disk: it can always be read, so there is nothing to wait for
        await anyio.wait_readable(descriptor)
    return os.read(descriptor, CHUNK)
