"""Databases and worklists on real servers, made for one test and dropped after it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import uuid4

import pytest
import redis
import sqlalchemy as sa

DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}


def server(variable: str, default: str) -> str:
    """Give the URL of a server; without one the test is skipped, or fails where CI=true."""
    url = os.environ.get(variable, default)
    where = sa.make_url(url)
    try:
        socket.create_connection((where.host, where.port), timeout=2).close()
    except OSError:
        message = f"no server answers at {where.host}:{where.port}; start one, or set {variable}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    return url


@contextmanager
def new_database(url: str) -> Iterator[str]:
    """Create a database on a server, and drop it at the end."""
    name = f"newsroom_{os.getpid()}_{uuid4().hex[:8]}"
    driver = DRIVERS[sa.make_url(url).drivername]
    engine = sa.create_engine(sa.make_url(url).set(drivername=driver), isolation_level="AUTOCOMMIT")
    force = " WITH (FORCE)" if driver.startswith("postgresql") else ""
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield sa.make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name}{force}"))
        engine.dispose()


@contextmanager
def new_worklist(url: str) -> Iterator[str]:
    """Give the URL of a worklist of its own on a Redis server; its keys go at the end."""
    prefix = f"mp_test_{os.getpid()}_{uuid4().hex[:8]}"
    try:
        yield f"{url}#{prefix}"
    finally:
        with closing(redis.Redis.from_url(url)) as client:
            for key in client.scan_iter(f"{{{prefix}}}:*", count=10_000):
                client.delete(key)
