"""What the newsroom's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsroom.tests.desk import Newsroom, newsroom
from newsroom.tests.servers import server


@pytest.fixture
def room(tmp_path: Path) -> Newsroom:
    """Give a newsroom without a database or a server."""
    return newsroom(tmp_path / "blobs")


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """Give the URL of a PostgreSQL server on which tests may create databases."""
    return server("MERGEPOINT_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


@pytest.fixture(scope="session")
def mariadb_url() -> str:
    """Give the URL of a MariaDB server on which tests may create databases."""
    return server("MERGEPOINT_TEST_MARIADB", "mysql://root@127.0.0.1:3306/test")
