"""`mergepoint grpc`: what an app offers over gRPC."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from .. import lock
from .. import target as targets
from ..cli import Failed
from ..grpc.proto import text
from ..grpc.schema import schema
from .examples import Command, Group


@click.group(cls=Group, examples=["mergepoint grpc proto hello.py"])
def grpc() -> None:
    """What an app offers over gRPC."""


@grpc.command(
    cls=Command,
    examples=["mergepoint grpc proto hello.py", "mergepoint grpc proto hello.py --output hello.proto"],
)
@click.argument("target", type=click.Path())
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to a file.")
def proto(target: str, output: Path | None) -> None:
    """Print the .proto file of the app, for clients in other languages.

    Fields have the numbers that contract.lock records; without one, those of the code. What gRPC cannot carry is left
    out; standard error says what and why.
    """
    with closing(targets.load(target)) as app:
        recorded = lock.read(targets.folder(target) / lock.NAME, app.name)
        described = schema(app, lock.merge(recorded, lock.describe(app)))
    for name, reason in described.left_out.items():
        click.echo(f"Left out: {name}: {reason}", err=True)
    if output is None:
        click.echo(text(described.file), nl=False)
    else:
        _write(output, text(described.file))


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, "utf-8")
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}", 1) from None
