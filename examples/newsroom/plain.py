"""Plain words: what strangers wrote, made fit to be kept; and numbers of bytes, for people."""

from __future__ import annotations

LONGEST = 300


def plain(text: object, longest: int = LONGEST) -> str:
    """Put a text on one line of printable characters, cut to `longest`.

    PostgreSQL keeps no NUL, no database keeps half a surrogate pair, and a terminal obeys escape sequences.
    """
    words = str(text)[: longest * 4].split()
    line = " ".join(words)
    return "".join(character for character in line if character.isprintable())[:longest]


def size(count: int) -> str:
    """Write a number of bytes for people: `18.3 MB`."""
    if count < 1000:
        return f"{count} B"
    amount, units = count / 1000, iter(("kB", "MB", "GB", "TB"))
    unit = next(units)
    while amount >= 999.95:
        amount, unit = amount / 1000, next(units)
    return f"{amount:.1f} {unit}"
