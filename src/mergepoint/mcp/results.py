"""What tools answer: results and failures as content for agents and as structured data for programs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec
from mcp.types import CallToolResult, ContentBlock, TextContent

from ..call import Call
from ..errors import Failure
from ..faults import Fault
from ..operation import Operation, Stream
from ..wire import Wire
from .files import content_of

MOST_BYTES = 400_000
"""Bytes of one result unless said. As text and as data, with escapes, it stays below 1 MiB, which is the most that
clients on the official SDK read of one event."""

MOST_ITEMS = 1_000
"""Items of a stream that are collected; an agent does not read more of them."""

LONGEST_MESSAGE = 2_000
"""Characters of an item that a progress notification carries."""

Progress = Callable[[int, str], None]
"""Told of each item of a stream as it comes: how many there are, and the item as JSON."""

Write = Callable[[Call, Any, Progress], CallToolResult]
"""Makes the answer of a tool of what its operation returned."""


def writer(operation: Operation, *, wrapped: bool, most: int) -> Write:
    """Return what writes the results of an operation.

    Args:
        operation: whose results.
        wrapped: True if a value stands in the field `result`.
        most: the most bytes of one result.
    """
    contract = operation.contract
    if contract.result is None:
        return lambda call, file, progress: _download(operation, call, file, most)
    wire = contract.result
    match contract.gives:
        case "nothing":
            return lambda call, result, progress: CallToolResult(content=[_text("Done.")])
        case "stream":
            return lambda call, stream, progress: _stream(operation, wire, call, stream, progress, most)
        case _:
            return lambda call, result, progress: _value(operation, wire, result, wrapped=wrapped, most=most)


def failed(fault: Fault, *, before: list[Any] | None = None) -> CallToolResult:
    """Return a failure as a tool's answer; agents read it and may do better.

    Args:
        fault: what the caller may learn.
        before: the items of a stream that came before it failed.
    """
    told = msgspec.json.decode(msgspec.json.encode(fault, enc_hook=str))
    lines = [f"{problem.path}: {problem.message}" for problem in fault.problems] or [fault.message]
    content: list[ContentBlock] = [_text("\n".join([f"{fault.code}: {lines[0]}", *lines[1:]]))]
    if before:
        told["result"] = before
        content.append(_text(msgspec.json.encode(before).decode()))
    return CallToolResult(content=content, structured_content=told, is_error=True)


def told(call: Call, error: Exception) -> Fault:
    """Return what the caller may learn of an exception; a bug goes to the log."""
    _, failure = call.operation.settle(call, error)
    return call.operation.errors.fault(failure)


def _text(text: str) -> TextContent:
    return TextContent(text=text)


def _value(operation: Operation, wire: Wire[Any], result: Any, *, wrapped: bool, most: int) -> CallToolResult:
    body = wire.encode_json(result)
    if len(body) > most:
        raise _too_large(operation, f"has {len(body):,} bytes", most)
    value = msgspec.json.decode(body)
    text = value if isinstance(value, str) else body.decode()
    return CallToolResult(content=[_text(text)], structured_content={"result": value} if wrapped else value)


def _stream(
    operation: Operation, wire: Wire[Any], call: Call, stream: Stream, progress: Progress, most: int
) -> CallToolResult:
    """Collect the items of a stream, as many as there is room for."""
    items: list[Any] = []
    left, truncated = most, False
    try:
        with closing(stream):
            for item in stream:
                body = wire.encode_json(item)
                left -= len(body) + 1
                if truncated := left < 0 or len(items) == MOST_ITEMS:
                    break
                items.append(msgspec.json.decode(body))
                progress(len(items), body[:LONGEST_MESSAGE].decode(errors="ignore"))
    except Exception as error:  # noqa: BLE001 - what came before it is the caller's all the same
        return failed(told(call, error), before=items)
    if truncated and not items:
        raise _too_large(operation, "begins with an item that is too long", most)
    text = msgspec.json.encode(items).decode()
    content = [_text(text), *([_text("There was more than this.")] if truncated else [])]
    return CallToolResult(content=list(content), structured_content={"result": items, "truncated": truncated})


def _download(operation: Operation, call: Call, file: Any, most: int) -> CallToolResult:
    block = content_of(file, call, name=operation.name, most=most)
    if block is None:
        raise _too_large(operation, "is a longer file", most)
    return CallToolResult(content=[block])


def _too_large(operation: Operation, what: str, most: int) -> Failure:
    done = "The command has run, but its result" if operation.kind == "command" else "The result"
    message = f"{done} {what}; at most {most:,} bytes go over MCP. Ask for less."
    return Failure(message, kind="out_of_range", code="result_too_large")
