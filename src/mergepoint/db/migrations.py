"""Migrations, by Alembic, without its files: an application's folder holds `versions/*.py` and nothing else.

These functions are what `mergepoint db …` runs. Two processes that upgrade at once take turns.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import func, select

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from .database import Database

ENVIRONMENT = Path(__file__).parent / "environment"
LOCK = 0x6D65726765  # "merge": the number of the advisory lock that upgrades take
LOCK_NAME = "mergepoint migrations"
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
    _folder(db, create=True)
    with _session(db) as connection:
        made = _told(db, lambda config: command.revision(config, message, autogenerate=autogenerate), connection)
    script = made[0] if isinstance(made, list) else made
    return Path(script.path)


def check(db: Database) -> list[str]:
    """Find what the tables in the code have that no migration brings.

    Returns:
        Each difference in a few words; empty if there is none.

    Raises:
        ConfigError: the database is behind its migrations, or has no metadata.
    """
    with _session(db) as connection:
        behind = sorted(set(_scripts(db).get_heads()) - set(_applied(connection)))
        if behind:
            raise ConfigError(f"{db.name} is behind its migrations (missing: {', '.join(behind)}): upgrade it first.")
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [_describe(difference) for difference in compare_metadata(context, _metadata(db))]


def current(db: Database) -> str | None:
    """Return the revision that the database is at, or None before the first."""
    with db.connection() as connection:
        return ", ".join(_applied(connection)) or None
