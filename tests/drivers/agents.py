"""MCP with the client of the official SDK: structured content is read as the values it stands for."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, cast

import msgspec
from anyio.from_thread import start_blocking_portal
from mcp import Client
from mcp.types import CallToolResult
from tests.drivers.stub import Stub, plain, uploads

from mergepoint import App, Upload, mcp
from mergepoint.contract import Contract
from mergepoint.faults import Fault
from mergepoint.mcp.schemas import output_schema
from mergepoint.operation import Operation
from mergepoint.testing.conformance import Need

S = TypeVar("S")


class Agent:
    """Calls tools, as an agent does."""

    lacks: Mapping[Need, str] = {
        "closing": "a tool answers once, with all the items of a stream",
        "downloads": "a file is content of a conversation: whether to show or to save it is not told",
        "nesting": "an agent works on no call of its own",
        "replies": "what comes beside an answer is for the agent's program",
    }

    @contextmanager
    def connect(self, app: App, service: type[S], metadata: Mapping[str, str]) -> Iterator[S]:
        """Give an object that calls tools of a server in this process."""
        server = mcp.server(app, metadata=metadata, everything=True, max_result=5_000_000)
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(Client(server)) as client:

            def ask(operation: Operation, values: tuple[Any, ...]) -> Any:
                arguments = {**plain(operation, values), **_files(operation, values)}
                answer = portal.call(partial(client.call_tool, operation.name, arguments))
                return _answer(app, operation, answer)

            yield cast(S, Stub(app, service, ask))


def _files(operation: Operation, values: tuple[Any, ...]) -> dict[str, Any]:
    given = uploads(operation, values)
    return {name: _file(f) if isinstance(f, Upload) else [_file(file) for file in f] for name, f in given.items()}


def _file(upload: Upload) -> dict[str, str]:
    content = b64encode(upload.file.read()).decode()
    return {"content": content, "name": upload.name, "media_type": upload.media_type}


def _answer(app: App, operation: Operation, answer: CallToolResult) -> Any:
    told: Any = answer.structured_content
    failure = app.errors.failure(_fault(told)) if answer.is_error else None
    contract = operation.contract
    if contract.gives == "stream":
        return _items([_value(contract, item) for item in (told or {}).get("result", [])], failure)
    if failure is not None:
        raise failure
    return _value(contract, told["result"] if output_schema(contract).wrapped else told)


def _value(contract: Contract, told: Any) -> Any:
    return contract.result.decode_json(msgspec.json.encode(told)) if contract.result and told is not None else None


def _fault(told: dict[str, Any]) -> Fault:
    return msgspec.convert({name: value for name, value in told.items() if name != "result"}, Fault)


def _items(items: list[Any], failure: Exception | None) -> Iterator[Any]:
    yield from items
    if failure is not None:
        raise failure
