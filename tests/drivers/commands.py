"""The command line: options there, JSON back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

import msgspec
from click.testing import CliRunner
from tests.drivers.stub import Stub, plain, uploads

from mergepoint import App, Upload, cli
from mergepoint.cli.options import flag, is_list
from mergepoint.faults import Fault
from mergepoint.operation import Operation
from mergepoint.testing.conformance import Need

S = TypeVar("S")


class CommandLine:
    """Calls commands with their options, and reads what they print."""

    lacks: Mapping[Need, str] = {
        "closing": "the output of a command is read when the command has ended",
        "control characters": "no option can hold NUL",
        "downloads": "a file on standard output has neither name nor media type",
        "empty lists": "an option that is repeated no times is left out",
        "nesting": "a command begins a call of its own",
        "null": "an option is text, and so is `null`",
        "replies": "there is nothing beside the output",
    }

    @contextmanager
    def connect(self, app: App, service: type[S], metadata: Mapping[str, str]) -> Iterator[S]:
        """Give an object that runs commands in this process."""
        commands = cli.group(app, metadata=metadata)
        with TemporaryDirectory() as folder:

            def ask(operation: Operation, values: tuple[Any, ...]) -> Any:
                options = [*_options(operation, values), *_files(operation, values, Path(folder))]
                result = CliRunner().invoke(commands, [operation.name, "--json", *options])
                failure = app.errors.failure(_fault(result.stderr_bytes)) if result.exit_code else None
                return _printed(operation, result.stdout_bytes, failure)

            yield cast(S, Stub(app, service, ask))


def _options(operation: Operation, values: tuple[Any, ...]) -> Iterator[str]:
    parameters = {parameter.name: parameter for parameter in operation.contract.parameters}
    for name, value in plain(operation, values).items():
        if isinstance(value, bool):
            yield flag(name if value else f"no_{name}")
        else:
            for item in value if is_list(parameters[name]) else [value]:
                yield f"{flag(name)}={item if isinstance(item, str) else msgspec.json.encode(item).decode()}"


def _files(operation: Operation, values: tuple[Any, ...], folder: Path) -> Iterator[str]:
    for name, given in uploads(operation, values).items():
        for file in [given] if isinstance(given, Upload) else given:
            (folder / file.name).write_bytes(file.file.read())
            yield f"{flag(name)}={folder / file.name}"


def _fault(error: bytes) -> Fault:
    return msgspec.json.decode(error, type=Fault)


def _printed(operation: Operation, output: bytes, failure: Exception | None) -> Any:
    result = operation.contract.result
    if operation.contract.gives == "stream" and result is not None:
        return _items([result.decode_json(line) for line in output.splitlines()], failure)
    if failure is not None:
        raise failure
    return result.decode_json(output) if operation.contract.gives == "value" and result is not None else None


def _items(items: list[Any], failure: Exception | None) -> Iterator[Any]:
    yield from items
    if failure is not None:
        raise failure
