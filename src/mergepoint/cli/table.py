"""Tables for a terminal: columns as wide as they need, the widest wrapped until the table fits."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator, Sequence

Row = Sequence[str]
GAP = "  "
INDENT = "  "
"""What the further lines of a cell begin with."""
NARROWEST = 8
"""A column is not wrapped to less than this; a table that is still too wide is left so."""


def table(rows: Sequence[Row], *, width: int | None = None) -> str:
    """Return rows as a table; the first holds the headings.

    Args:
        rows: the cells as text, each row of the same length.
        width: the characters a line may have; the terminal's unless given.
    """
    widths = _fitted([max(map(len, column)) for column in zip(*rows, strict=True)], width or _terminal())
    return "\n".join(line for row in rows for line in _lines(row, widths))


def _terminal() -> int:
    return shutil.get_terminal_size().columns


def _fitted(widths: list[int], width: int) -> list[int]:
    """Take from the widest column until the line fits."""
    widths = list(widths)
    while sum(widths) + len(GAP) * (len(widths) - 1) > width and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _lines(row: Row, widths: list[int]) -> Iterator[str]:
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
