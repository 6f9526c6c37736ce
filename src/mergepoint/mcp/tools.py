"""Operations as tools: which of an app's become some, what an agent is told of each, and how one answers."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from mcp.types import CallToolResult, ToolAnnotations
from mcp.types import Tool as Listed

from ..app import App
from ..call import Call
from ..errors import Failure, InvalidArgument, Problem, RegistrationError
from ..operation import Operation
from .files import arguments, opened
from .results import Progress, failed, told, writer
from .schemas import input_schema, output_schema

LONGEST_NAME = 64
"""Characters of a tool's name. The specification allows 128, many models 64."""

LONGEST_TITLE = 60

REPLY = "mergepoint/reply"
"""Where the metadata that goes back with an answer stands in its `_meta`."""


class Tool:
    """One operation as a tool.

    Attributes:
        operation: what it runs.
        listed: what agents are told of it.
    """

    def __init__(self, operation: Operation, *, most: int) -> None:
        """Prepare a tool.

        Args:
            operation: what it runs.
            most: the most bytes of one result.

        Raises:
            RegistrationError: it cannot be a tool.
        """
        contract = operation.contract
        output = output_schema(contract)
        self.operation = operation
        self._arguments = arguments(contract)
        self._write = writer(operation, wrapped=output.wrapped, most=most)
        # A file travels in base64 here, and its limit is of its bytes.
        self._most_input = operation.policy.max_body * (4 if contract.uploads else 3) // 3
        docs = {parameter.name: parameter.doc for parameter in (*contract.parameters, *contract.uploads)}
        self.listed = Listed(
            name=tool_name(operation.name),
            title=_title(operation),
            description="\n\n".join(filter(None, [contract.summary, contract.description])) or None,
            input_schema=input_schema(self._arguments.form, docs),
            output_schema=output.schema,
            annotations=_annotations(operation),
        )

    def answer(self, call: Call, given: Mapping[str, Any], progress: Progress) -> CallToolResult:
        """Run the operation and return its answer, a failure too; it blocks, so it belongs in a thread.

        Args:
            call: the call.
            given: the arguments as they came.
            progress: told of the items of a stream as they come.
        """
        try:
            answer = self._write(call, self.operation.run(call, given, self._read), progress)
        except SystemExit as error:  # in this thread it would end the server
            answer = failed(told(call, RuntimeError(f"the operation wanted to end the process: {error!r}")))
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            answer = failed(told(call, error))
        if call.replies:
            answer.meta = {REPLY: dict(call.reply)}
        return answer

    def _read(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        try:  # the SDK has read it as Python reads JSON, which takes more for JSON than there is
            body = json.dumps(given, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            message = "Malformed: a number that is none, text that is no Unicode, or nested too deeply"
            raise InvalidArgument.of(Problem("$", message)) from None
        if len(body) > self._most_input:
            message = f"The arguments are longer than {self.operation.policy.max_body} bytes."
            raise Failure(message, kind="out_of_range", code="body_too_large")
        values = self._arguments.decode_json(body)
        known = len(self.operation.contract.parameters)
        return (*values[:known], *map(opened, values[known:]))


def tools(app: App, *, only: Collection[str] | None, everything: bool, most: int) -> dict[str, Tool]:
    """Return the tools of an app by name; `mergepoint.mcp.server` explains the arguments.

    Raises:
        RegistrationError: nobody said what to serve, or it cannot be served.
    """
    made = (Tool(operation, most=most) for operation in _chosen(app, only, everything=everything))
    return {tool.listed.name: tool for tool in made}


def tool_name(operation: str) -> str:
    """Return the name of a tool: `bats-adopt` for `bats.adopt`; no operation has a hyphen of its own.

    Raises:
        RegistrationError: agents could not use the name.
    """
    name = operation.replace(".", "-")
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}", name):
        raise RegistrationError(
            f"{operation}: the name of a tool has at most {LONGEST_NAME} characters, of A-Z, a-z, 0-9, _ and -."
            " Give the operation another one, name=..., or choose others with only=[...]."
        )
    return name


def _chosen(app: App, only: Collection[str] | None, *, everything: bool) -> Iterable[Operation]:
    operations = app.operations
    if only is not None:
        if everything:
            raise RegistrationError(f"{app.name}: only= and everything=True contradict each other; drop one.")
        return [operations[_known(app, name)] for name in ([only] if isinstance(only, str) else only)]
    chosen = [operation for operation in operations.values() if everything or operation.identify is not None]
    if not chosen:
        some = next(iter(operations), "greet")
        raise RegistrationError(
            f"{app.name}: no operation becomes a tool by itself, for the app cannot tell users apart and an agent could"
            f" call anything. Name some: only=[{some!r}], or everything=True (--tool {some}, or --all); or tell users"
            " apart: app.identify(...)."
        )
    return chosen


def _known(app: App, name: str) -> str:
    for candidate in (name, name.replace("-", ".")):
        if candidate in app.operations:
            return candidate
    near = difflib.get_close_matches(name, app.operations, 1)
    meant = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(app.operations) or 'none'}."
    raise RegistrationError(f"{app.name}: there is no operation {name!r} to make a tool of{meant}")


def _title(operation: Operation) -> str:
    title = operation.contract.summary.rstrip(".")
    if 0 < len(title) <= LONGEST_TITLE:
        return title
    return operation.name.rpartition(".")[2].replace("_", " ").strip().capitalize()


def _annotations(operation: Operation) -> ToolAnnotations:
    if operation.kind == "query":
        return ToolAnnotations(read_only_hint=True)
    # Nobody says of a command that it destroys nothing, so clients shall ask their users.
    return ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=operation.policy.idempotent)
