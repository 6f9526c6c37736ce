"""A group of commands that are imported when they are asked for, and tell of every failure in one line."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..cli import Failed, Program
from ..errors import MissingExtra
from .examples import Group


class Commands(Program, Group):
    """A group that knows its commands by name and summary, and imports the one that runs.

    Args:
        name: the group's own name.
        places: for each command, where it is (`package.module:name`) and one line on what it does.
        settings: further settings of the group.
    """

    def __init__(self, name: str, places: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(name, subcommand_metavar="COMMAND TARGET ...", **settings)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order they were given."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; what is missing for it is said in its own name."""
        if cmd_name not in self.places:
            return None
        module, _, name = self.places[cmd_name][0].partition(":")
        try:
            return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
        except MissingExtra as error:
            if ctx.resilient_parsing:  # a shell completes a word, and nobody would see why not
                return None
            needs = str(error).partition(" needs ")[2]
            raise Failed(f"`{ctx.command_path} {cmd_name}` needs {needs}", 1) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command without importing any."""
        if incomplete.startswith("-"):
            return super(click.Group, self).shell_complete(ctx, incomplete)
        found = ((name, summary) for name, (_, summary) in self.places.items() if name.startswith(incomplete))
        return [CompletionItem(name, help=summary) for name, summary in found]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or say which one could have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand:
            message = f"There is no command {args[0]!r}."
            if args[0].endswith(".py"):
                raise click.UsageError(f"{message} To serve an app, write: {ctx.command_path} run {args[0]}") from None
            raise click.NoSuchCommand(args[0], message, possibilities=self.places, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.places.items()])
