"""`mergepoint call`: run one operation through its whole policy."""

from __future__ import annotations

from contextlib import closing, suppress

import click
from click.shell_completion import CompletionItem

from .. import target as targets
from ..cli import Operations, completions, headers, quiet
from ..errors import MergepointError
from .examples import Command


class Call(Command):
    """The command, which completes what comes after its TARGET as the app would."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete its own options before the TARGET, those of the operation after it."""
        return complete(ctx, incomplete) if ctx.params.get("target") else super().shell_complete(ctx, incomplete)


def complete(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Complete an operation, its options and their values; the app is loaded for it, as it is for a call."""
    with suppress(MergepointError), quiet(), closing(targets.load(ctx.params["target"])) as app:
        return completions(Operations(app), list(ctx.params["arguments"] or ()), incomplete)
    return []


@click.command(
    cls=Call,
    examples=[
        "mergepoint call hello.py",
        "mergepoint call hello.py greet --help",
        "mergepoint call hello.py greet --name Bat",
        "mergepoint call bats.py adopt --name Flap --header authorization='Bearer wing'",
    ],
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
    options_metavar="[--header NAME=VALUE]",
)
@click.option("--header", multiple=True, metavar="NAME=VALUE", help="Metadata of the call.  [repeat for more]")
@click.argument("target", type=click.Path())
@click.argument(
    "arguments",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="[OPERATION [OPTIONS]]",
    shell_complete=lambda ctx, param, incomplete: complete(ctx, incomplete),
)
@click.pass_context
def call(ctx: click.Context, target: str, arguments: tuple[str, ...], header: tuple[str, ...]) -> None:
    """Run one operation of the app and print what it returns.

    Without an OPERATION the operations are listed; `OPERATION --help` says what one takes. Text is printed as it is,
    all else as JSON, a stream line by line, a file as its bytes. A terminal shows lists of records as tables, and is
    asked for what was left out.

    The exit code is 0 for success, 2 for wrong input, 3 when something is not found, 4 when the caller may not, and 1
    for every other failure.
    """
    with closing(targets.load(target)) as app:
        operations = Operations(app, metadata=headers(header))
        operations.run_within(ctx, f"{ctx.command_path} {target}", list(arguments or ["--help"]))
