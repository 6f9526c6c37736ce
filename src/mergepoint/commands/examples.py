"""Commands and groups whose help ends with examples, kept line by line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click


class _WithExamples(click.Command):
    """Adds a section to the help of a command.

    Args:
        examples: the lines of the section.
        settings: what the command takes otherwise.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples at the end of the help."""
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Command(_WithExamples):
    """A command with examples in its help."""


class Group(_WithExamples, click.Group):
    """A group with examples in its help."""
