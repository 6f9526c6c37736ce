"""Pages by key: each begins after the last row of the one before, so that no page is slower than the first.

The cursor holds the sort values of that row. It is no secret and needs no store; only its shape is checked, because
whoever changes it could have asked for the same rows anyway.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from sqlalchemy import and_, or_
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import UnaryExpression

from ..errors import InvalidArgument, Problem, RegistrationError
from ..types import Page

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from .records import Maker
    from .unit import Unit

R = TypeVar("R")

MOST = 1000
"""The largest page."""


class Pages(Generic[R]):
    """A SELECT, divided into pages. Made by `Database.pages`.

    Args:
        reading: gives the unit of work to read in.
        statement: a SELECT without ORDER BY and LIMIT.
        make: turns a row into a record; None for a tuple.
        by: the columns to sort by, the last one unique.
        parameter: the operation's parameter that brings the cursor.
    """

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[Unit]],
        statement: Select[*tuple[Any, ...]],
        make: Maker | None,
        *,
        by: Sequence[ColumnElement[Any]],
        parameter: str,
    ) -> None:
        self._reading = reading
        self._make: Maker = make or tuple
        self._parameter = parameter
        self._width = len(statement.selected_columns)
        self._keys = [_Key(column) for column in by]
        self._order = hashlib.blake2b(repr(self._keys).encode(), digest_size=4).hexdigest()
        shape: Any = tuple.__class_getitem__((str, *(key.kind for key in self._keys)))
        self._decoder = msgspec.json.Decoder(shape)
        extra = [key.column.label(f"cursor_{number}") for number, key in enumerate(self._keys)]
        self._statement = statement.order_by(*by).add_columns(*extra)

    def page(self, after: str | None = None, limit: int = 50, /, **values: Any) -> Page[R]:
        """Fetch one page.

        Args:
            after: the `next` of the page before; None for the first page.
            limit: records at most, 1 to 1,000.
            values: the values of the statement's own parameters.

        Raises:
            InvalidArgument: the cursor is none of this listing, or the limit is out of range.
        """
        if not 1 <= limit <= MOST:
            raise InvalidArgument.of(Problem("$.limit", f"expected 1 to {MOST}, got {limit}"))
        statement = self._statement.limit(limit + 1)
        if after is not None:
            statement = statement.where(_beyond(self._keys, self._read(after)))
        with self._reading() as unit:
            rows = unit.execute(statement, values, reads=True).all()
        items = [self._make(row[: self._width]) for row in rows[:limit]]
        return Page(items, self._write(rows[limit - 1][self._width :]) if len(rows) > limit else None)

    def _write(self, values: Sequence[Any]) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode([self._order, *values])).rstrip(b"=").decode()

    def _read(self, cursor: str) -> Sequence[Any]:
        try:
            order, *values = self._decoder.decode(
                base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
            )
        except (binascii.Error, ValueError):
            raise self._refused() from None
        if order != self._order:
            raise self._refused()
        return list(values)

    def _refused(self) -> InvalidArgument:
        return InvalidArgument.of(
            Problem(f"$.{self._parameter}", "expected the cursor of an earlier page of this list, in the same order")
        )


class _Key:
    """A column to sort by, and its direction."""

    def __init__(self, expression: ColumnElement[Any]) -> None:
        self.descending = isinstance(expression, UnaryExpression) and expression.modifier is operators.desc_op
        self.column: Any = expression.element if isinstance(expression, UnaryExpression) else expression
        if getattr(self.column, "nullable", False):
            raise RegistrationError(
                f"Pages cannot be sorted by {self.column}: it may be NULL, which databases sort differently. "
                "Use coalesce(), or declare the column with nullable=False."
            )
        try:
            self.kind: Any = self.column.type.python_type
        except NotImplementedError:
            raise RegistrationError(
                f"Pages cannot be sorted by {self.column}: the type of its values is not known."
            ) from None

    def __repr__(self) -> str:
        return f"{self.column}{' desc' if self.descending else ''}"

    def beyond(self, value: Any) -> ColumnElement[bool]:
        return self.column < value if self.descending else self.column > value  # type: ignore[no-any-return]


def _beyond(keys: Sequence[_Key], values: Sequence[Any]) -> ColumnElement[bool]:
    """Select what sorts after some values: beyond in the first column, or equal there and beyond in the rest."""
    key, value = keys[0], values[0]
    beyond = key.beyond(value)
    if len(keys) == 1:
        return beyond
    # "Beyond or equal" says nothing new, but lets the database start in the index of the first column.
    return and_(or_(beyond, key.column == value), or_(beyond, and_(key.column == value, _beyond(keys[1:], values[1:]))))
