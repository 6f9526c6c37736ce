"""What holds for a whole program of commands: its exit codes, and how every failure leaves it."""

from __future__ import annotations

import os
from typing import Any

import click

from ..errors import MergepointError
from .failures import INTERRUPTED, as_json, cannot_work

JSON = "mergepoint.json"
"""Under this name the context of a program knows whether failures are told as JSON."""


class Program(click.Group):
    """A group of commands that ends as scripts expect it.

    A failure is one clear line, or one JSON object after `--json`; Ctrl+C ends with 130; what is wrong with the app
    ends with 2. Text that is not UTF-8 never reaches a command.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look at all arguments of the program before any of its commands does."""
        if not ctx.resilient_parsing:
            _must_be_text(ctx, args)
        ctx.meta[JSON] = "--json" in args
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise as_json(error) if ctx.meta[JSON] else error from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; see the class for how it may end."""
        try:
            return super().invoke(ctx)
        except (click.Abort, KeyboardInterrupt) as error:
            if isinstance(error, click.Abort) and not isinstance(error.__context__, KeyboardInterrupt):
                raise  # the answer to a question was no
            click.echo(err=True)  # ends the line in which the terminal shows ^C
            raise click.exceptions.Exit(INTERRUPTED) from None
        except MergepointError as error:
            failure: click.ClickException = cannot_work(error)
        except click.ClickException as error:
            failure = error
        raise as_json(failure) if ctx.meta[JSON] else failure

    def run_within(self, ctx: click.Context, name: str, args: list[str]) -> None:
        """Run in the place of another program's command.

        Args:
            ctx: that of the command.
            name: what this program is called in messages.
            args: what is left for it.
        """
        ctx.meta[JSON] = False  # failures are told here
        with self.make_context(name, args) as inner:
            self.invoke(inner)


def _must_be_text(ctx: click.Context, args: list[str]) -> None:
    """Refuse bytes that are not UTF-8: Python hands them over as halves of characters that nothing can write."""
    for arg in args:
        try:
            arg.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(arg).decode("utf-8", "backslashreplace")
            raise click.UsageError(f"Expected text in UTF-8, got '{shown}'.", ctx) from None
