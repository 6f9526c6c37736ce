"""The newsroom's records in an SQL database: SQLite, PostgreSQL or MariaDB. No other part knows a table."""

from __future__ import annotations

from pathlib import Path

from mergepoint.db import Database
from newsroom.db.exhibits import Exhibits
from newsroom.db.files import Files
from newsroom.db.imports import Imports
from newsroom.db.publications import Publications
from newsroom.db.steps import Steps
from newsroom.db.tables import metadata
from newsroom.db.tasks import Tasks
from newsroom.db.texts import Texts

__all__ = ["Exhibits", "Files", "Imports", "Publications", "Steps", "Tasks", "Texts", "database"]

MIGRATIONS = Path(__file__).parent / "migrations"


def database(url: str) -> Database:
    """Describe the database at a URL; nothing is opened before the first statement.

    Raises:
        ConfigError: the URL cannot be used.
    """
    return Database(url, metadata=metadata, migrations=MIGRATIONS, name="newsroom")
