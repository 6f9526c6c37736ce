"""Databases for tests: one of each kind, made for the test and dropped after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from uuid import uuid4

import psycopg
import pymysql
import pytest
from psycopg import sql
from sqlalchemy import make_url

POSTGRES = os.environ.get("MERGEPOINT_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
MARIADB = os.environ.get("MERGEPOINT_TEST_MARIADB", "mysql://root@127.0.0.1:3306/test")
KINDS = ("sqlite", "memory", "postgresql", "mariadb")
SERVERS = ("postgresql", "mariadb")


@contextmanager
def database_url(kind: str, folder: Path) -> Iterator[str]:
    """Make an empty database of a kind and give its URL."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'test.db'}"
    elif kind == "memory":
        yield "sqlite://"
    elif kind == "postgresql":
        with postgresql() as url:
            yield url
    else:
        with mariadb() as url:
            yield url


@contextmanager
def postgresql() -> Iterator[str]:
    """Make an empty PostgreSQL database."""
    name = _unique()
    try:
        admin = psycopg.connect(POSTGRES, autocommit=True)
    except psycopg.OperationalError as error:
        pytest.skip(f"PostgreSQL does not answer; start it, or set MERGEPOINT_TEST_POSTGRES: {error}")
    with closing(admin):
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield _with_database(POSTGRES, name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def mariadb() -> Iterator[str]:
    """Make an empty MariaDB database."""
    name, where = _unique(), make_url(MARIADB)
    try:
        admin = pymysql.connect(
            host=where.host, port=where.port or 3306, user=where.username, password=where.password or ""
        )
    except pymysql.OperationalError as error:
        pytest.skip(f"MariaDB does not answer; start it, or set MERGEPOINT_TEST_MARIADB: {error}")
    with closing(admin), admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{name}`")
        try:
            yield _with_database(MARIADB, name)
        finally:
            cursor.execute(f"DROP DATABASE `{name}`")


def _unique() -> str:
    return f"mp_{os.getpid()}_{uuid4().hex[:8]}"


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@dataclass
class Work:
    """An operation, as far as a unit of work cares."""

    kind: str
    atomic: bool = True


@dataclass
class FakeCall:
    """A call, as far as a unit of work cares."""

    operation: Work
    expires: float = field(default_factory=lambda: monotonic() + 60)
    metadata: dict[str, str] = field(default_factory=dict)
    reply: dict[str, str] = field(default_factory=dict)


def query(seconds: float = 60, **metadata: str) -> FakeCall:
    """Make a call of a query."""
    return _call("query", seconds, metadata)


def command(seconds: float = 60, **metadata: str) -> FakeCall:
    """Make a call of a command."""
    return _call("command", seconds, metadata)


def _call(kind: str, seconds: float, metadata: dict[str, str]) -> FakeCall:
    return FakeCall(Work(kind), monotonic() + seconds, {k.replace("_", "-"): v for k, v in metadata.items()})
