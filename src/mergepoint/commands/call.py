"""`mergepoint call`: run one operation through its whole policy."""

from __future__ import annotations

from contextlib import closing

import click

from .. import target as targets
from ..cli import Operations
from ..cli.group import headers
from .examples import Command


@click.command(
    cls=Command,
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
@click.argument("target")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[OPERATION [OPTIONS]]")
def call(target: str, arguments: tuple[str, ...], header: tuple[str, ...]) -> None:
    """Run one operation of the app and print what it returns.

    Without an OPERATION the operations are listed; `OPERATION --help` says what one takes. Text is printed as it is,
    all else as JSON, a stream line by line, a file as its bytes.

    The exit code is 0 for success, 2 for wrong input, 3 when something is not found, 4 when the caller may not, and 1
    for every other failure.
    """
    with closing(targets.load(target)) as app:
        operations = Operations(app, metadata=headers(header))
        operations.main(list(arguments or ["--help"]), prog_name=f"mergepoint call {target}", standalone_mode=False)
