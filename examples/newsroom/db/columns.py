"""Column types of the newsroom: paths in one order everywhere, enums by value, facts as JSON."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator

from newsroom.folder import LONGEST_PATH
from newsroom.records import Facts

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

Path: TypeEngine[str] = (
    # By code points: a database's own order depends on how it was installed, and MariaDB's takes README for readme.
    sa.String(LONGEST_PATH)
    .with_variant(sa.String(LONGEST_PATH, collation="C"), "postgresql")
    .with_variant(mysql.VARCHAR(LONGEST_PATH, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
)
"""A file's path, compared and sorted by code points on every database."""

LongText: TypeEngine[str] = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
"""A text of any length; a TEXT ends at 64 kB on MariaDB."""


def by_value(kind: type[Enum]) -> sa.Enum:
    """Make the type of a column that holds the values of an enum, as short texts."""
    return sa.Enum(kind, values_callable=_values, native_enum=False, length=16, create_constraint=False)


def _values(kind: type[Enum]) -> list[str]:
    return [member.value for member in kind]


class FactsColumn(TypeDecorator[Facts]):
    """What only one kind of file has, as JSON."""

    impl = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")  # a TEXT ends at 64 kB there
    cache_ok = True

    def process_bind_param(self, value: Facts | None, dialect: Dialect) -> str | None:
        """Write facts as JSON."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Facts | None:
        """Read facts from JSON."""
        return None if value is None else msgspec.json.decode(value, type=Facts)
