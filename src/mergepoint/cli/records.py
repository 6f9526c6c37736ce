"""Lists of records for people: a table where it fits the terminal, else one field a line."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from typing import Any, get_origin

import msgspec
import msgspec.inspect as mi

from ..types import Page
from ..wire import Wire
from .table import table

_LISTS = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters that would move the cursor or colour the terminal."""


def shown(wire: Wire[Any], value: Any) -> str | None:
    """Return a list or a page of records as a table; None for all else.

    Args:
        wire: how such values travel.
        value: one of them.
    """
    info, is_page = mi.type_info(wire.form), get_origin(wire.type) is Page
    if is_page and isinstance(info, mi.StructType):
        info = next(field.type for field in info.fields if field.name == "items")
    columns = _columns(info)
    if columns is None:
        return None
    plain = wire.plain(value)
    if not is_page:
        return _laid_out(columns, plain)
    more = f"\nMore after: {cell(plain['next'])}" if plain["next"] else ""
    return _laid_out(columns, plain["items"]) + more


def _columns(info: mi.Type) -> list[str] | None:
    """Return the names of the fields that each item of a list has; None if they are no records of one type."""
    while isinstance(info, mi.Metadata):
        info = info.type
    fields = getattr(info.item_type, "fields", None) if isinstance(info, _LISTS) else None
    return [field.encode_name for field in fields] if fields else None


def _laid_out(columns: Sequence[str], items: list[dict[str, Any]]) -> str:
    rows = [[cell(item.get(column)) for column in columns] for item in items]
    if not rows:
        return "(none)"
    width = shutil.get_terminal_size().columns
    text = table([[column.upper() for column in columns], *rows], width=width)
    if max(map(len, text.splitlines())) <= width:
        return text
    return "\n\n".join(table(list(zip(columns, row, strict=True)), width=width) for row in rows)


def cell(value: Any) -> str:
    """Return a value for people, with nothing in it that a terminal would obey."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
