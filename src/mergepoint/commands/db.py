"""`mergepoint db`: migrate the databases of an app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import click

from .. import target as targets
from ..cli import Failed
from ..db import Database, migrations
from ..errors import ConfigError
from .examples import Group


@click.group(
    cls=Group,
    examples=[
        'mergepoint db revision news.py -m "add tags"    write a migration',
        "mergepoint db upgrade news.py                   apply it",
    ],
)
def db() -> None:
    """Migrate the databases of the app.

    The app owns a database when it says so: app.add(database). With several, --database says which.
    """


def _on_database(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its TARGET and the option that chooses among several databases."""
    command = click.option("--database", metavar="NAME", help="Which one, if the app has several.")(command)
    return click.argument("target", type=click.Path())(command)


@db.command()
@_on_database
@click.option("--to", "revision", default="head", show_default=True, help="A revision, or a step such as +1.")
def upgrade(target: str, database: str | None, revision: str) -> None:
    """Apply the migrations that are missing."""
    with _opened(target, database) as opened:
        _tell(opened, "applied", migrations.upgrade(opened, revision))


@db.command()
@_on_database
@click.option("--to", "revision", default="-1", show_default=True, help="A revision, `base`, or a step such as -2.")
def downgrade(target: str, database: str | None, revision: str) -> None:
    """Undo the last migration, or back to --to."""
    with _opened(target, database) as opened:
        _tell(opened, "undone", migrations.downgrade(opened, revision))


@db.command()
@_on_database
@click.option("-m", "--message", required=True, help="What the migration does; its file is named after it.")
@click.option("--empty", is_flag=True, help="Leave it to you to fill; do not compare tables.")
def revision(target: str, database: str | None, message: str, empty: bool) -> None:
    """Write a migration from the tables in the code.

    It holds the differences between them and the database.
    """
    with _opened(target, database) as opened:
        click.echo(f"Wrote {migrations.revision(opened, message, autogenerate=not empty)}")


@db.command()
@_on_database
def check(target: str, database: str | None) -> None:
    """Find tables that no migration brings.

    Columns too; the exit code is 1 if something is missing.
    """
    with _opened(target, database) as opened:
        differences = migrations.check(opened)
        for difference in differences:
            click.echo(difference)
        if differences:
            raise Failed(f"{opened.name}: migrations lack this; write one: mergepoint db revision {target} -m ...", 1)
        click.echo(f"{opened.name}: the migrations bring all that the code has.")


@db.command()
@_on_database
def current(target: str, database: str | None) -> None:
    """Print the revision that the database is at."""
    with _opened(target, database) as opened:
        click.echo(f"{opened.name}: {migrations.current(opened) or 'before the first migration'}")


@contextmanager
def _opened(target: str, name: str | None) -> Iterator[Database]:
    with closing(targets.load(target)) as app:
        yield _chosen(target, [r for r in app.resources if isinstance(r, Database)], name)


def _chosen(target: str, databases: list[Database], name: str | None) -> Database:
    found = [database for database in databases if name in (None, database.name)]
    if len(found) == 1:
        return found[0]
    if not databases:
        raise ConfigError(f"The app of {target} owns no database. Add it: app.add(database).")
    names = ", ".join(database.name for database in databases)
    raise ConfigError(f"Say which database, with --database: {names}." if not name else f"There are only: {names}.")


def _tell(database: Database, done: str, revisions: list[Any]) -> None:
    for revision in revisions:
        click.echo(f"{database.name}: {done} {revision}")
    if not revisions:
        click.echo(f"{database.name}: nothing to do, it is at {migrations.current(database)}.")
