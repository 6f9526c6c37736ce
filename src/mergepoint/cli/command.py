"""One operation as a click command: an option for each parameter, the whole policy around it."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

from ..call import Call
from ..operation import Operation
from ..types import Download
from .failures import Failed, failed
from .options import flag, option, read
from .program import JSON
from .prompts import asked, may_ask
from .results import written


class OperationCommand(click.Command):
    """One operation as a command: an option for each parameter, the whole policy around it.

    Args:
        operation: what it runs.
        metadata: what comes along with the call; `--header` adds to it.
        options: how callers give the parameters; an option for each unless said.
        name: what it is called; the operation's own name unless given.
    """

    takes_headers = True

    def __init__(
        self,
        operation: Operation,
        metadata: Mapping[str, str] | None = None,
        *,
        options: list[click.Parameter] | None = None,
        name: str | None = None,
    ) -> None:
        contract = operation.contract
        parameters = (*contract.parameters, *contract.uploads)
        self.operation = operation
        self.metadata = metadata or {}
        self.taken: list[click.Parameter] = [*map(option, parameters)] if options is None else options
        self.labels = {parameter.name: _label(parameter) for parameter in self.taken if parameter.name}
        super().__init__(
            name or operation.name,
            params=[*self.taken, *self._general_options()],
            help="\n\n".join(filter(None, [contract.summary, contract.description])),
            short_help=contract.summary,
            callback=self._run,
            context_settings={"help_option_names": ["--help"] if self._is_free("--help") else ["-h"]},
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; a value without its option gets the remedy in the message."""
        if not self._is_free("--json"):
            ctx.meta[JSON] = False
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = ctx
            options = [opt for opt in self.labels.values() if opt.startswith("-")]
            if options and "unexpected extra argument" in error.message:
                remedy = f"{error.message}. Every value needs its option, such as {options[0]}."
                raise click.UsageError(remedy, ctx) from None
            raise

    def _run(
        self,
        /,
        mergepoint_header: tuple[str, ...] = (),
        mergepoint_json: bool = False,
        mergepoint_output: str | None = None,
        mergepoint_no_input: bool = False,
        **given: Any,
    ) -> None:
        _must_be_writable(mergepoint_output)
        if may_ask(no_input=mergepoint_no_input):
            given = asked(self.operation.contract, given)
        call = Call(self.operation, protocol="command", metadata={**self.metadata, **headers(mergepoint_header)})
        to_terminal = mergepoint_output in (None, "-") and sys.stdout.isatty()
        with (
            closing(self._answer(call, given, json=mergepoint_json, to_terminal=to_terminal)) as chunks,
            click.open_file(mergepoint_output or "-", "wb", lazy=mergepoint_output not in (None, "-")) as out,
        ):
            for chunk in chunks:
                out.write(chunk)
                out.flush()

    def _answer(
        self, call: Call, given: Mapping[str, Any], *, json: bool, to_terminal: bool
    ) -> Generator[bytes, None, None]:
        contract = self.operation.contract
        try:
            with ExitStack() as files:
                result = self.operation.run(call, given, lambda given: read(contract, given, files))
                if to_terminal and isinstance(result, Download):
                    _must_be_readable(result)
                yield from written(contract, result, json=json, to_terminal=to_terminal)
        except click.ClickException:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a line and an exit code
            _, told = self.operation.settle(call, error)
            raise self._failed(told) from None

    def _failed(self, told: Exception) -> Failed:
        return failed(self.operation.errors.fault(told), self.labels)

    def _general_options(self) -> Iterator[click.Option]:
        """Yield the options that every command has, unless a parameter needs the name."""
        header = click.Option(
            ["mergepoint_header", "--header"], multiple=True, metavar="NAME=VALUE", help="Metadata of the call, such as"
            " authorization='Bearer ...'.  [repeat for more]",
        )  # fmt: skip
        output = click.Option(["mergepoint_output", "--output"], metavar="FILE", help="Write the answer to a file.")
        general = [
            *([header] if self.takes_headers else []),
            click.Option(["mergepoint_json", "--json"], is_flag=True, help="Print JSON in one line, errors too."),
            *([output] if self.takes_headers or self.operation.contract.gives != "nothing" else []),
            click.Option(["mergepoint_no_input", "--no-input"], is_flag=True, help="Ask for nothing, fail instead."),
        ]  # fmt: skip
        return (wish for wish in general if self._is_free(wish.opts[0]))

    def _is_free(self, name: str) -> bool:
        return all(name not in (*option.opts, *option.secondary_opts) for option in self.taken)


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


def _label(parameter: click.Parameter) -> str:
    """Return what messages call a parameter: its option, or the word that stands for it in the usage."""
    return flag(parameter.name or "") if isinstance(parameter, click.Option) else parameter.human_readable_name


def _must_be_writable(output: str | None) -> None:
    """Refuse a file that cannot be made before anything runs: the answer would be lost afterwards."""
    if output in (None, "-"):
        return
    path = Path(output)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.UsageError(f"Expected --output FILE in a folder that can be written, got {output!r}.")


def _must_be_readable(file: Download) -> None:
    if not file.media_type.startswith("text/") and file.media_type != "application/json":
        name = file.name or "FILE"
        raise Failed(f"The answer is a file ({file.media_type}); save it with --output {name}, or pipe it on.", 2)
