"""Column types that mean the same on every database where SQLAlchemy's own do not."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, DateTime, Numeric
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine


class UTCDateTime(TypeDecorator[datetime]):
    """A point in time: aware in, aware in UTC out, to the microsecond, sorted as points in time are.

    SQLite and MariaDB keep no time zone; there the column holds UTC.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def __repr__(self) -> str:
        return "UTCDateTime()"

    @property
    def python_type(self) -> type[datetime]:
        """The type of values."""
        return datetime

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Keep microseconds on MariaDB, where a DATETIME drops them unless told."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn a value to UTC.

        Raises:
            ValueError: it has no time zone.
        """
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError(f"A point in time needs a time zone, and {value!r} has none: use datetime.now(UTC).")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give a stored value its time zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal number with a fixed number of places, exact on every database.

    SQLite has no decimals: there the column holds a whole number of the smallest unit.

    Args:
        places: digits after the point.
        digits: digits in all, 18 at most.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, places: int = 2, digits: int = 18) -> None:
        if not 0 <= places <= digits <= 18:
            raise ValueError(
                f"ExactDecimal holds up to 18 digits, of which {places} of {digits} cannot follow the point."
            )
        super().__init__(digits, places)
        self.places = places
        self.digits = digits
        self._unit = Decimal(1).scaleb(-places)

    def __repr__(self) -> str:
        return f"ExactDecimal({self.places}, {self.digits})"

    @property
    def python_type(self) -> type[Decimal]:
        """The type of values."""
        return Decimal

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use whole numbers on SQLite."""
        whole = dialect.name == "sqlite"
        return dialect.type_descriptor(BigInteger() if whole else Numeric(self.digits, self.places))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | int | None:
        """Check a value.

        Raises:
            ValueError: it has more places or digits than the column.
        """
        if value is None:
            return None
        if (
            not value.is_finite()
            or value != value.quantize(self._unit)
            or abs(value) >= 10 ** (self.digits - self.places)
        ):
            raise ValueError(
                f"{value} does not fit a column of {self.digits} digits, {self.places} of them after the point."
            )
        return int(value.scaleb(self.places)) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Give a stored value its point."""
        if value is None:
            return None
        return Decimal(value).scaleb(-self.places) if dialect.name == "sqlite" else Decimal(value)
