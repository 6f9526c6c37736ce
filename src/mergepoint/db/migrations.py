"""Migrations, by Alembic, without its files: an application's folder holds `versions/*.py` and nothing else.

These functions are what `mergepoint db …` runs. Two processes that upgrade at once take turns.
"""

from __future__ import annotations

import io
from argparse import Namespace
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import func, select

from ..errors import ConfigError
from . import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alembic.autogenerate.api import AutogenContext
    from alembic.runtime.migration import MigrationInfo
    from sqlalchemy import Connection, MetaData

    from .database import Database

ENVIRONMENT = Path(__file__).parent / "environment"
LOCK = 0x6D65726765  # "merge": the number of the advisory lock that upgrades take
OURS = "mergepoint_"
"""What the names of tables begin with that parts of Mergepoint make, such as those of jobs."""

PATIENCE = 600
"""Seconds to wait for another process that is migrating."""


def upgrade(db: Database, revision: str = "head") -> list[str]:
    """Bring the database to a revision.

    Args:
        db: the database; its `migrations` names the folder.
        revision: a revision, `head`, or a step such as `+1`.

    Returns:
        The revisions that were applied, oldest first; empty if there was nothing to do.

    Raises:
        ConfigError: there is no folder, or no such revision.
    """
    return _move(db, revision, command.upgrade)


def downgrade(db: Database, revision: str = "-1") -> list[str]:
    """Take the database back to a revision.

    Args:
        db: the database.
        revision: a revision, `base`, or a step such as `-1`.

    Returns:
        The revisions that were undone, newest first.

    Raises:
        ConfigError: there is no folder, or no such revision.
    """
    return _move(db, revision, command.downgrade)


def revision(db: Database, message: str, *, autogenerate: bool = True) -> Path:
    """Write a new migration.

    Args:
        db: the database; with `autogenerate` it must be at the newest revision.
        message: what the migration does; its file is named after it.
        autogenerate: fill it with the differences between the database and `db.metadata`.

    Returns:
        The new file.

    Raises:
        ConfigError: the database has no metadata or folder, or is behind.
    """
    versions = _versions(db)
    if autogenerate:
        _metadata(db)
    versions.mkdir(parents=True, exist_ok=True)
    with db.session() as link, _plain_errors(db):
        config = _config(db, link.connection, [])
        made = command.revision(config, message, autogenerate=autogenerate)
    script = made[0] if isinstance(made, list) else made
    if script is None:
        raise ConfigError(f"Alembic wrote no migration into {versions}.")
    return Path(script.path)


def check(db: Database) -> list[str]:
    """Find what the tables in the code have that no migration brings.

    Returns:
        Each difference in a few words; empty if there is none.

    Raises:
        ConfigError: the database is behind its migrations, or has no metadata.
    """
    metadata = _metadata(db)
    with db.session() as link:
        opts = {"compare_type": True, "include_object": _all(_described, _fitting(link.connection))}
        context = MigrationContext.configure(link.connection, opts=opts)
        behind = set(_scripts(db).get_heads()) - set(context.get_current_heads())
        if behind:
            raise ConfigError(
                f"{db.name} is behind its migrations (missing: {', '.join(sorted(behind))}): upgrade it first."
            )
        return [_in_words(difference) for difference in compare_metadata(context, metadata)]


def current(db: Database) -> str | None:
    """Return the revision that the database is at, or None before the first."""
    with db.session() as link:
        return ", ".join(MigrationContext.configure(link.connection).get_current_heads()) or None


def _move(db: Database, target: str, move: Callable[[Config, str], None]) -> list[str]:
    steps: list[str] = []
    _scripts(db)
    with db.session() as link, link.driver.migrating(link.dbapi):
        _take_turns(db, link.connection)
        link.begin(writes=True)
        try:
            with _plain_errors(db):
                move(_config(db, link.connection, steps), target)
            link.commit()
        except BaseException:
            link.rollback()
            raise
    return steps


def _take_turns(db: Database, connection: Connection) -> None:
    """Wait until no other process migrates this database. The lock goes with the connection; SQLite's is its BEGIN."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_lock(LOCK)))
    elif connection.dialect.name in ("mysql", "mariadb"):
        name = f"mergepoint migrations {db.url.database}"[:64]
        if connection.scalar(select(func.get_lock(name, PATIENCE))) != 1:
            raise ConfigError(f"Another process has been migrating {db.name} for {PATIENCE} s. Is it stuck?")


def _config(db: Database, connection: Connection, steps: list[str]) -> Config:
    def tell(*, step: MigrationInfo, **_: Any) -> None:
        steps.append(str(step.up_revision_id))

    config = Config(stdout=io.StringIO(), cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", str(ENVIRONMENT).replace("%", "%%"))
    config.set_main_option("version_locations", str(_versions(db)).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes |= {"connection": connection, "metadata": db.metadata, "tell": tell, "render": _render}
    config.attributes["include"] = _all(_not_ours, _fitting(connection))
    return config


def _render(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """Write a column type that is not SQLAlchemy's own into a migration, and the import that it needs."""
    if kind != "type" or type(item).__module__.startswith("sqlalchemy."):
        return False
    if type(item).__module__ == columns.__name__:
        context.imports.add("from mergepoint import db")
        return f"db.{item!r}"
    context.imports.add(f"import {type(item).__module__}")
    return False


def _described(_: Any, __: str | None, kind: str, reflected: bool, counterpart: Any) -> bool:
    """Tell whether a check compares this: a table that the code does not describe may be somebody else's."""
    return kind != "table" or not reflected or counterpart is not None


def _not_ours(item: Any, name: str | None, kind: str, reflected: bool, counterpart: Any) -> bool:
    """Tell whether a written migration may touch this: tables of Mergepoint's own parts make themselves."""
    return _described(item, name, kind, reflected, counterpart) or not str(name).startswith(OURS)


def _fitting(connection: Connection) -> Callable[..., bool]:
    """Make the function that tells whether an index or constraint is for this kind of database (`ddl_if`)."""

    def fits(item: Any, *_: Any) -> bool:
        condition = getattr(item, "_ddl_if", None)  # there is no public way to it, and Alembic does not look
        return condition is None or bool(condition._should_execute(item, item, connection))  # noqa: SLF001

    return fits


def _all(*conditions: Callable[..., bool]) -> Callable[..., bool]:
    return lambda *item: all(condition(*item) for condition in conditions)


def _scripts(db: Database) -> ScriptDirectory:
    versions = _versions(db)
    if not versions.is_dir():
        raise ConfigError(f"{db.name} has no migrations in {versions}: write the first one with `revision`.")
    return ScriptDirectory(ENVIRONMENT, version_locations=[versions])


def _versions(db: Database) -> Path:
    if db.migrations is None:
        raise ConfigError(f"{db.name} has no folder of migrations: pass Database(..., migrations=...).")
    return Path(db.migrations).absolute() / "versions"


def _metadata(db: Database) -> MetaData:
    if db.metadata is None:
        raise ConfigError(f"{db.name} does not know its tables: pass Database(..., metadata=...).")
    return db.metadata


@contextmanager
def _plain_errors(db: Database) -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise ConfigError(f"{db.name}: {error}") from error


def _in_words(difference: Any) -> str:
    """Describe one of Alembic's differences, a tuple such as `("add_column", schema, table, column)`."""
    if isinstance(difference, list):
        return "; ".join(_in_words(part) for part in difference)
    what, *subjects = difference
    named = [subject for subject in subjects if subject is not None and not isinstance(subject, dict)]
    names = [str(getattr(subject, "name", None) or subject) for subject in named]
    return f"{what.replace('_', ' ')}: {' '.join(names)}"
