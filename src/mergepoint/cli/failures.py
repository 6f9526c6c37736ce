"""What goes wrong, as the command line tells it: a line for people or an object for programs, and an exit code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import click
import msgspec

from ..errors import Failure, MergepointError
from ..faults import ErrorTable, Fault, code_of
from .options import flag

EXIT_CODES: dict[str, int] = {
    "invalid_argument": 2,
    "out_of_range": 2,
    "not_found": 3,
    "permission_denied": 4,
    "unauthenticated": 4,
}
"""The exit code for a kind of failure; that of every other kind is 1."""

INTERRUPTED = 130
"""The exit code after Ctrl+C, as shells have it: 128 and the number of the signal."""


class Failed(click.ClickException):
    """A failure as the command line tells it: one line for each thing that is wrong, and an exit code.

    Args:
        message: the lines.
        exit_code: what the process ends with.
        fault: the same for programs, where more is known of it than the message.
    """

    def __init__(self, message: str, exit_code: int, fault: Fault | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it of the instance too
        self.fault = fault


class FailedAsJson(Failed):
    """A failure as programs read it: one JSON object in one line."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the object to standard error."""
        click.echo(msgspec.json.encode(self.fault), file=file, err=True)


def failed(fault: Fault, labels: Mapping[str, str] | None = None) -> Failed:
    """Return what the command line tells of a fault: every problem with the option it is about, or the message.

    Args:
        fault: what happened.
        labels: how each parameter is called in messages, if not by its option.
    """
    lines = _lines(fault, labels or {})
    return Failed("\n".join(lines) or fault.message, EXIT_CODES.get(fault.kind, 1), fault)


def cannot_work(error: MergepointError) -> Failed:
    """Return what is told of an error to those who look after the app: settings, a database that is out of reach."""
    if isinstance(error, Failure):
        fault = ErrorTable().fault(error)
        return Failed(str(error), EXIT_CODES.get(fault.kind, 1), fault)
    return Failed(str(error), 2, Fault("failed_precondition", code_of(type(error)), str(error)))


def as_json(error: click.ClickException) -> FailedAsJson:
    """Return the same failure, told as JSON."""
    message = error.format_message()
    fault = error.fault if isinstance(error, Failed) else None
    if fault is None and error.exit_code == EXIT_CODES["invalid_argument"]:
        fault = Fault("invalid_argument", "usage", message)
    return FailedAsJson(message, error.exit_code, fault or Fault("unknown", "unknown", message))


def _lines(fault: Fault, labels: Mapping[str, str]) -> list[str]:
    missing = [_where(p.path, labels) for p in fault.problems if p.message == "Missing" and _is_parameter(p.path)]
    others = [p for p in fault.problems if p.message != "Missing" or not _is_parameter(p.path)]
    first = [f"Missing: {', '.join(missing)}."] if missing else []
    return [*first, *(f"{_before(_where(p.path, labels))}{p.message}" for p in others)]


def _is_parameter(path: str) -> bool:
    return path.startswith("$.") and path[2:].isidentifier()


def _where(path: str, labels: Mapping[str, str]) -> str:
    """Return `--bat.wings[2]` for `$.bat.wings[2]`."""
    name, dot, rest = path.removeprefix("$").removeprefix(".").partition(".")
    name, bracket, index = name.partition("[")
    return f"{labels.get(name) or flag(name)}{bracket}{index}{dot}{rest}" if name else ""


def _before(where: str) -> str:
    return f"{where}: " if where else ""
