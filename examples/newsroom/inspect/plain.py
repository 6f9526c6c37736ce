"""Text that strangers wrote into their files, made fit to be kept: one line, no control characters, not too long."""

from __future__ import annotations

LONGEST = 300


def plain(text: object, longest: int = LONGEST) -> str:
    """Put a text on one line of printable characters, cut to `longest`.

    PostgreSQL keeps no NUL, no database keeps half a surrogate pair, and a terminal obeys escape sequences.
    """
    words = str(text)[: longest * 4].split()
    line = " ".join(words)
    return "".join(character for character in line if character.isprintable())[:longest]
