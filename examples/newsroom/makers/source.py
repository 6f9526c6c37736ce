"""Colour source with Pygments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from pygments import format as write
from pygments.formatters import HtmlFormatter
from pygments.lexers import find_lexer_class
from pygments.lexers.special import TextLexer

from mergepoint import Progress

MOST = 500_000
"""Bytes of a file that are coloured; what is longer was written by a program, for one."""

EVERY = 2000
"""Tokens between two words of progress."""

CUT = '<p class="cut">Only the beginning is shown.</p>\n'


def highlighted(content: Path, language: str | None, progress: Progress) -> str:
    """Make HTML of the source in a file, with classes for colours and no colours.

    Args:
        content: its bytes.
        language: Pygments' name of it; None for plain text.
        progress: told how much was read.
    """
    with content.open("rb") as file:
        source = file.read(MOST)
        is_cut = bool(file.read(1))
    text = source.decode(errors="replace")
    lexer = (find_lexer_class(language) if language else None) or TextLexer
    written = StringIO()
    tokens = lexer(stripnl=False).get_tokens(text)
    write(_counted(tokens, len(text), progress), HtmlFormatter(cssclass="source", wrapcode=True), written)
    return written.getvalue() + (CUT if is_cut else "")


def _counted(tokens: Iterable[tuple[Any, str]], length: int, progress: Progress) -> Iterator[tuple[Any, str]]:
    done = 0
    for number, (kind, text) in enumerate(tokens):
        if number % EVERY == 0:
            progress(done / max(length, 1), "colouring")
        done += len(text)
        yield kind, text
