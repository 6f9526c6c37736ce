"""The newsroom's records in an SQL database: SQLite, PostgreSQL or MariaDB. No other part knows a table."""

from __future__ import annotations

from pathlib import Path

from mergepoint.db import Database
from newsroom.db.files import Files
from newsroom.db.jobs import Jobs
from newsroom.db.publications import Publications
from newsroom.db.tables import metadata
from newsroom.db.tasks import Tasks

__all__ = ["Files", "Jobs", "Publications", "Tasks", "database"]

MIGRATIONS = Path(__file__).parent / "migrations"


def database(url: str) -> Database:
    """Describe the database at a URL; nothing is opened before the first statement.

    Raises:
        ConfigError: the URL cannot be used.
    """
    return Database(url, metadata=metadata, migrations=MIGRATIONS, name="newsroom")
