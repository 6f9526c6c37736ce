"""`mergepoint graphql`: what an app offers over GraphQL."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from .. import target as targets
from ..cli import Failed
from ..graphql import Schema
from .examples import Command, Group


@click.group(cls=Group, examples=["mergepoint graphql schema hello.py"])
def graphql() -> None:
    """What an app offers over GraphQL."""


@graphql.command(
    cls=Command,
    examples=["mergepoint graphql schema hello.py", "mergepoint graphql schema hello.py --output schema.graphql"],
)
@click.argument("target", type=click.Path())
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to a file.")
def schema(target: str, output: Path | None) -> None:
    """Print the schema of the app in the schema definition language.

    What GraphQL cannot carry is left out; standard error says what and why.
    """
    with closing(targets.load(target)) as app:
        described = Schema(app)
    for name, reason in described.left_out.items():
        click.echo(f"Left out: {name}: {reason}", err=True)
    text = described.sdl.rstrip("\n") + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}", 1) from None
