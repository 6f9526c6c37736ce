"""Show the beginning of a source or text file, coloured by Pygments."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import find_lexer_class
from pygments.lexers.special import TextLexer

MOST_BYTES = 24_000
MOST_LINES = 200


def highlighted(place: Path, language: str | None) -> Markup:
    """Make HTML of the first lines of a file, as they are when the language is not known.

    Args:
        place: the bytes.
        language: Pygments' name of it.
    """
    with place.open("rb") as file:
        text = file.read(MOST_BYTES).decode(errors="replace")
    lines = text.splitlines()[:MOST_LINES]
    lexer = find_lexer_class(language) if language else None
    # Pygments escapes what it marks up; there is nothing else in its output but spans with classes.
    formatter = HtmlFormatter(cssclass="source", wrapcode=True)
    return Markup(highlight("\n".join(lines), (lexer or TextLexer)(stripnl=False), formatter))  # noqa: S704
