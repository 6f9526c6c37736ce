"""Tables for a terminal: columns as wide as they need, the widest wrapped until the table fits."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Collection, Iterator, Sequence

Row = Sequence[str]
GAP = "  "
INDENT = "  "
"""What the further lines of a cell begin with."""
NARROWEST = 8
"""A column is not wrapped to less than this; a table that is still too wide is left so."""


def table(rows: Sequence[Row | str], *, width: int | None = None, whole: Collection[int] = ()) -> str:
    """Return rows as a table; the first holds the headings.

    Args:
        rows: the cells as text, each row of the same length; a text instead is a remark on the row before.
        width: the characters a line may have; the terminal's unless given.
        whole: the columns that are never wrapped, such as those with ids, by number.
    """
    width = width or _terminal()
    columns = zip(*(row for row in rows if not isinstance(row, str)), strict=True)
    widths = _fitted([max(map(len, column)) for column in columns], width, whole)
    return "\n".join(line for row in rows for line in _lines(row, widths, width))


def _terminal() -> int:
    return shutil.get_terminal_size().columns


def _fitted(widths: list[int], width: int, whole: Collection[int]) -> list[int]:
    """Take from the widest column until the line fits."""
    widths = list(widths)
    may_wrap = [column for column in range(len(widths)) if column not in whole]
    while may_wrap and sum(widths) + len(GAP) * (len(widths) - 1) > width:
        widest = max(may_wrap, key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    return widths


def _lines(row: Row | str, widths: list[int], width: int) -> Iterator[str]:
    if isinstance(row, str):
        yield from (f"{INDENT}{line}".rstrip() for line in _wrapped(row, width - len(INDENT)))
        return
    cells = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    for parts in itertools.zip_longest(*cells, fillvalue=""):
        yield GAP.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()


def _wrapped(cell: str, width: int) -> list[str]:
    """Break a cell into lines: between words, and within a path after a slash."""
    if len(cell) <= width and "\n" not in cell:
        return [cell]
    longest = max(1, width - len(INDENT) - 1)
    lines = [""]
    for piece in re.findall(rf"[^\s/]{{1,{longest}}}[\s/]?|[\s/]", cell):
        if len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append(INDENT)
        lines[-1] += piece
    return lines
