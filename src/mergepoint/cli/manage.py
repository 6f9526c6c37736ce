"""An application's own command: its operations, and what only a terminal may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import Any, TypeVar, overload

import click
from click.shell_completion import CompletionItem

from .. import target as targets
from ..app import App
from ..errors import Kind, MergepointError, RegistrationError
from .completion import Completion, quiet
from .functions import FunctionCommand
from .group import Operations
from .program import Program

F = TypeVar("F", bound=Callable[..., Any])

COMPLETION = "completion"
"""The command that every program has, unless it has another one of this name."""


class Manage(Program):
    """The command of an application: call it to run what the command line says.

    The app is made when a command needs it: for an operation, for a command that takes it, to list or complete the
    operations. It is closed at the end.

    Args:
        app: the app, or a function without arguments that makes it.
        help: what the command is for.
        errors: the exceptions that the own commands tell as they are, and the kind of each: best the app's own table.
        metadata: what comes along with each call of an operation, by lower-case name, such as `authorization`.
    """

    def __init__(
        self,
        app: App | Callable[[], App],
        *,
        help: str = "The commands of this application. `COMMAND --help` says what each takes.",
        errors: Mapping[type[Exception], Kind] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__("manage", help=help)
        self.errors = errors
        self.metadata = metadata
        self.completion = Completion()
        self._source = app
        self._running: App | None = None
        self._known: Operations | None = None

    @overload  # type: ignore[override]  # the function is returned unchanged, as app.command does
    def command(self, name: F, /) -> F: ...
    @overload
    def command(self, name: str | None = None, /) -> Callable[[F], F]: ...
    def command(self, name: F | str | None = None, /) -> F | Callable[[F], F]:
        """Add a plain typed function as a command; decorate with this.

        It goes before an operation of the same name.

        Args:
            name: what it is called; the function's own name unless given.

        Raises:
            RegistrationError: a command line could not carry a parameter or the result; the message says what to do.
        """
        if callable(name):
            return self.command()(name)

        def add(function: F) -> F:
            made = FunctionCommand(function, name, errors=self.errors, app=self._app)
            if made.name in self.commands:
                raise RegistrationError(f"manage.{made.name}: there are two commands of this name; rename one.")
            self.add_command(made)
            return function

        return add

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return an own command, which needs no app, or an operation."""
        own = self.commands.get(cmd_name) or self.commands.get(cmd_name.replace("-", "_"))
        if own or cmd_name == COMPLETION:
            return own or self.completion
        operations = self._listed(ctx) if ctx.resilient_parsing else self._operations(ctx)
        return operations and operations.get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names: the own commands and the operations, each in the order of registration."""
        operations = self._listed(ctx)
        found = operations.list_commands(ctx) if operations else []
        return list(dict.fromkeys([*self.commands, COMPLETION, *found]))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a name; that of an operation with a dot as it was begun."""
        found = super().shell_complete(ctx, incomplete)
        operations = self._listed(ctx) if "." in incomplete else None
        return operations.shell_complete(ctx, incomplete) if operations else found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or say which one could have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand:
            operations = self._operations(ctx)
            possible = [*self.commands, *operations.commands, *operations.groups]
            message = f"There is no command {args[0]!r}."
            raise click.NoSuchCommand(args[0], message, possibilities=possible, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the own commands, then the operations; without an app, why there are none."""
        own = {**self.commands, COMPLETION: self.commands.get(COMPLETION, self.completion)}
        width = formatter.width - 6 - max(map(len, own))
        with formatter.section("Commands"):
            formatter.write_dl([(name, own[name].get_short_help_str(width)) for name in own if not own[name].hidden])
        try:
            self._operations(ctx).format_commands(ctx, formatter)
        except (click.ClickException, MergepointError) as error:
            with formatter.section("Operations"):
                formatter.write_text(f"They cannot be listed. {error}")

    def _operations(self, ctx: click.Context) -> Operations:
        return Operations(self._app(ctx), metadata=self.metadata)

    def _listed(self, ctx: click.Context) -> Operations | None:
        """Return the operations for a shell that completes a word; None if there is no app to ask.

        Whatever was printed now would stand in the user's line.
        """
        if self._known is None:
            with suppress(MergepointError), quiet(), closing(_made(self._source)) as app:
                self._known = Operations(app, metadata=self.metadata)
        return self._known

    def _app(self, ctx: click.Context | None = None) -> App:
        """Return the app, made for this run of the program and closed at its end."""
        if self._running is None:
            self._running = _made(self._source)
            (ctx or click.get_current_context()).find_root().call_on_close(self._close)
        return self._running

    def _close(self) -> None:
        app, self._running = self._running, None
        if app is not None:
            app.close()


def _made(source: App | Callable[[], App]) -> App:
    if isinstance(source, App):
        return source
    name = getattr(source, "__name__", repr(source))
    try:
        app = source()
    except MergepointError:
        raise
    except Exception as error:  # noqa: BLE001 - it is the user's own code, and told as that
        raise targets.TargetError(f"{name}() could not make the app:\n{targets.account(error)}") from None
    if not isinstance(app, App):
        raise RegistrationError(f"cli.manage: {name}() returned {type(app).__name__}, expected an App.")
    return app
