"""The operations of an app as a group of click commands."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import click

from ..app import App
from ..call import Call
from ..faults import Fault
from ..operation import Operation
from ..types import Download
from .options import flag, option, read
from .results import written

EXIT_CODES: dict[str, int] = {
    "invalid_argument": 2,
    "out_of_range": 2,
    "not_found": 3,
    "permission_denied": 4,
    "unauthenticated": 4,
}
"""The exit code for a kind of failure; that of every other kind is 1."""


class Failed(click.ClickException):
    """A failure as the command line tells it: one line for each thing that is wrong, and an exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it of the instance too


class Operations(click.Group):
    """All operations of an app, one command each.

    Args:
        app: whose operations these are.
        metadata: what comes along with each call, by lower-case name, such as `authorization`.
    """

    def __init__(self, app: App, *, metadata: Mapping[str, str] | None = None) -> None:
        commands = {
            name: OperationCommand(app, operation, metadata or {}) for name, operation in app.operations.items()
        }
        super().__init__(
            app.name,
            commands=dict(commands),
            options_metavar="",
            subcommand_metavar="OPERATION [OPTIONS]",
            help=f"The operations of {app.name}. `OPERATION --help` says what each takes.",
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of registration, which is the author's."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the operations by their own name."""
        if not self.commands:
            formatter.write_paragraph()
            formatter.write_text(f"{self.name} has no operations yet. Register one: @app.query above a function.")
            return
        width = formatter.width - 6 - max(map(len, self.commands))
        with formatter.section("Operations"):
            formatter.write_dl([(name, command.get_short_help_str(width)) for name, command in self.commands.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find an operation, or say which one could have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand:
            message = f"There is no operation {args[0]!r}."
            raise click.NoSuchCommand(args[0], message, possibilities=self.commands, ctx=ctx) from None


class OperationCommand(click.Command):
    """One operation as a command: an option for each parameter, the whole policy around it.

    Args:
        app: the app it belongs to.
        operation: what it runs.
        metadata: what comes along with the call; `--header` adds to it.
    """

    def __init__(self, app: App, operation: Operation, metadata: Mapping[str, str]) -> None:
        contract = operation.contract
        options = [option(parameter) for parameter in (*contract.parameters, *contract.uploads)]
        super().__init__(
            operation.name,
            params=[*options, *_general_options(options)],
            help="\n\n".join(filter(None, [contract.summary, contract.description])),
            short_help=contract.summary,
            callback=self._run,
            context_settings={"help_option_names": ["--help"] if _is_free("--help", options) else ["-h"]},
        )
        self.app = app
        self.operation = operation
        self.metadata = metadata

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; a value without its option gets the remedy in the message."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = ctx
            names = [p.name for p in self.operation.contract.parameters]
            if names and "unexpected extra argument" in error.message:
                remedy = f"{error.message}. Every value needs its option, such as {flag(names[0])}."
                raise click.UsageError(remedy, ctx) from None
            raise

    def _run(
        self,
        /,
        mergepoint_header: tuple[str, ...] = (),
        mergepoint_json: bool = False,
        mergepoint_output: str | None = None,
        **given: Any,
    ) -> None:
        call = Call(self.operation, protocol="command", metadata={**self.metadata, **headers(mergepoint_header)})
        chunks = self._answer(call, given, json=mergepoint_json, to_terminal=_is_terminal(mergepoint_output))
        with click.open_file(mergepoint_output or "-", "wb", lazy=mergepoint_output not in (None, "-")) as out:
            for chunk in chunks:
                out.write(chunk)
                out.flush()

    def _answer(self, call: Call, given: Mapping[str, Any], *, json: bool, to_terminal: bool) -> Iterator[bytes]:
        contract = self.operation.contract
        try:
            with ExitStack() as files:
                result = self.operation.run(call, given, lambda given: read(contract, given, files))
                if to_terminal and isinstance(result, Download):
                    _must_be_text(result)
                yield from written(contract, result, json=json)
        except click.ClickException:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a line and an exit code
            _, told = self.operation.settle(call, error)
            raise failed(self.app.errors.fault(told)) from None


def headers(given: Iterable[str]) -> dict[str, str]:
    """Read metadata from the command line: `name=value` or `name: value`.

    Raises:
        click.UsageError: there is no name.
    """
    found = {}
    for text in given:
        at = min((at for at in (text.find("="), text.find(":")) if at > 0), default=0)
        if not at:
            raise click.UsageError(f"Expected --header NAME=VALUE, such as authorization='Bearer ...', got {text!r}.")
        found[text[:at].strip().lower()] = text[at + 1 :].strip()
    return found


def failed(fault: Fault) -> Failed:
    """Return what the command line tells of a fault: every problem with the option it is about, or the message."""
    lines = [f"{_option_at(problem.path)}{problem.message}" for problem in fault.problems]
    return Failed("\n".join(lines) or fault.message, EXIT_CODES.get(fault.kind, 1))


def _option_at(path: str) -> str:
    """Return `--bat.wings[2]: ` for `$.bat.wings[2]`."""
    name, dot, rest = path.removeprefix("$").removeprefix(".").partition(".")
    name, bracket, index = name.partition("[")
    return f"{flag(name)}{bracket}{index}{dot}{rest}: " if name else ""


def _general_options(options: list[click.Option]) -> Iterator[click.Option]:
    """Yield the options that every command has, unless a parameter needs the name."""
    general = [
        click.Option(
            ["mergepoint_header", "--header"], multiple=True, metavar="NAME=VALUE", help="Metadata of the call, such as"
            " authorization='Bearer ...'.  [repeat for more]",
        ),
        click.Option(["mergepoint_json", "--json"], is_flag=True, help="Print JSON in one line, text too."),
        click.Option(["mergepoint_output", "--output"], metavar="FILE", help="Write the answer to a file."),
    ]  # fmt: skip
    return (wish for wish in general if _is_free(wish.opts[0], options))


def _is_free(name: str, options: list[click.Option]) -> bool:
    return all(name not in (*option.opts, *option.secondary_opts) for option in options)


def _is_terminal(output: str | None) -> bool:
    return output in (None, "-") and sys.stdout.isatty()


def _must_be_text(file: Download) -> None:
    if not file.media_type.startswith("text/") and file.media_type != "application/json":
        name = file.name or "FILE"
        raise Failed(f"The answer is a file ({file.media_type}); save it with --output {name}, or pipe it on.", 2)
