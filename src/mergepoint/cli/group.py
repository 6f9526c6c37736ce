"""The operations of an app as a group of click commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click
from click.shell_completion import CompletionItem

from ..app import App
from .command import OperationCommand
from .program import Program


class Operations(Program):
    """All operations of an app, one command each; those of an included app are a group too.

    `bats adopt` and `bats.adopt` are the same command, and a hyphen may stand for an underscore.

    Args:
        app: whose operations these are.
        metadata: what comes along with each call, by lower-case name, such as `authorization`.
        within: leaves out all operations but those of this included app.
    """

    def __init__(self, app: App, *, metadata: Mapping[str, str] | None = None, within: str = "") -> None:
        prefix = within and f"{within}."
        commands = {
            name.removeprefix(prefix): OperationCommand(operation, metadata)
            for name, operation in app.operations.items()
            if name.startswith(prefix)
        }
        super().__init__(
            within.rpartition(".")[2] or app.name,
            commands=dict(commands),
            options_metavar="",
            subcommand_metavar="OPERATION [OPTIONS]",
            help=f"The operations of {within or app.name}. `OPERATION --help` says what each takes.",
        )
        first = dict.fromkeys(name.partition(".")[0] for name in commands if "." in name)
        self.groups = {
            name: Operations(app, metadata=metadata, within=prefix + name) for name in first if name not in commands
        }

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the operation or the group of a name."""
        name = cmd_name.replace("-", "_")
        return self.commands.get(name) or self.groups.get(name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of registration, which is the author's; groups come last."""
        return [*(name for name in self.commands if name.partition(".")[0] not in self.groups), *self.groups]

    def entries(self, width: int) -> Iterator[tuple[str, str]]:
        """Yield each operation as it is called here, and what it does in at most `width` characters."""
        for name, command in self.commands.items():
            grouped = name.partition(".")[0] in self.groups
            yield (" ".join(self._path(name)) if grouped else name), command.get_short_help_str(width)

    def _path(self, name: str) -> list[str]:
        first, _, rest = name.partition(".")
        if first not in self.groups:
            return [name]
        return [first, *self.groups[first]._path(rest)]  # noqa: SLF001 - a group of this very class

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the operations by their own name."""
        if not self.commands:
            formatter.write_paragraph()
            formatter.write_text(f"{self.name} has no operations yet. Register one: @app.query above a function.")
            return
        width = formatter.width - 6 - max(map(len, self.commands))
        with formatter.section("Operations"):
            formatter.write_dl(list(self.entries(width)))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a name; one with a dot is completed as it was begun."""
        found = super().shell_complete(ctx, incomplete)
        if "." not in incomplete:
            return found
        begun = ((name, command) for name, command in self.commands.items() if name.startswith(incomplete))
        return [*found, *(CompletionItem(name, help=command.get_short_help_str()) for name, command in begun)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find an operation, or say which one could have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand:
            message = f"There is no operation {args[0]!r}."
            possible = [*self.commands, *self.groups]
            raise click.NoSuchCommand(args[0], message, possibilities=possible, ctx=ctx) from None
