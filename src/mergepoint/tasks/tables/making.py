"""Make tables that are missing, once, however many processes find that at the same time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Table

    from .dialect import Dialect


def make(connection: Connection, tables: Sequence[Table], dialect: Dialect) -> bool:
    """Make tables with their indexes, unless the last of them is there.

    Args:
        connection: makes them; MariaDB commits on it.
        tables: the tables, in the order in which they are made.
        dialect: how processes take turns.

    Returns:
        True if they were missing.
    """
    if inspect(connection).has_table(tables[-1].name):
        return False
    with _turn(connection, dialect):
        for table in tables:
            table.create(connection, checkfirst=True)
            for index in table.indexes:
                index.create(connection, checkfirst=True)
    return True


@contextmanager
def _turn(connection: Connection, dialect: Dialect) -> Iterator[None]:
    if dialect.turn is not None:
        connection.execute(dialect.turn)
    try:
        yield
    finally:
        if dialect.turned is not None:
            connection.execute(dialect.turned)
