"""Completion in a shell: the command that prints the script for it, and what a word could become."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from .failures import Failed

SHELLS = {
    "bash": 'eval "$({name} completion bash)"      in ~/.bashrc',
    "zsh": 'eval "$({name} completion zsh)"       in ~/.zshrc, after compinit',
    "fish": "{name} completion fish | source       in ~/.config/fish/config.fish",
}
"""What to write for each shell, and where."""


class Completion(click.Command):
    """Prints the script that completes the program it belongs to."""

    def __init__(self) -> None:
        super().__init__(
            "completion",
            params=[click.Argument(["shell"], type=click.Choice(list(SHELLS)))],
            help="Print the script that completes this command in a shell.\n\nTab then completes commands, options and"
            " values. The script asks this command, so it need not be made again.",
            short_help="Print the script that completes this command in a shell.",
            callback=_print_script,
        )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say where the script belongs."""
        with formatter.section("Write once"):
            for line in SHELLS.values():
                text = line.format(name=ctx.find_root().info_name)
                formatter.write(f"{'':{formatter.current_indent}}{text}\n")


@click.pass_context
def _print_script(ctx: click.Context, shell: str) -> None:
    root = ctx.find_root()
    name = root.info_name or ""
    if not name or " " in name:
        raise Failed(f"A shell completes a command of one word, and this is `{name}`. Give it a name of its own:"
                     " an executable file, or [project.scripts] in pyproject.toml.", 2)  # fmt: skip
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows all SHELLS
    variable = f"_{name}_COMPLETE".replace("-", "_").replace(".", "_").upper()  # where click will look
    click.echo(kind(root.command, {}, name, variable).source())


def completions(program: click.Command, args: list[str], incomplete: str) -> list[CompletionItem]:
    """Return what the last word of a command line could become.

    Args:
        program: the command.
        args: what stands before that word.
        incomplete: as much of it as there is.
    """
    return ShellComplete(program, {}, program.name or "", "").get_completions(args, incomplete)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep everything silent: whatever is printed while a shell completes a word stands in the user's line."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
