"""Make HTML of changes, one after the other, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from newsroom.records import Change, ChangeKind, Kind

ELEMENTS = {ChangeKind.SAME: "span", ChangeKind.GONE: "del", ChangeKind.NEW: "ins"}


def marked(changes: Iterable[Change], kind: Kind) -> Iterator[str]:
    """Mark what is gone and new; of long pieces that are the same only their length is told.

    Args:
        changes: the changes.
        kind: of what; words of a web page stand in lines, lines of anything else below each other.
    """
    pieces = "words" if kind is Kind.WEB_PAGE else "lines"
    yield f'<div class="difference {pieces}">'
    for change in changes:
        if change.text is None:
            yield f'<p class="far">{change.items:,} {pieces} unchanged</p>'
        else:
            element = ELEMENTS[change.kind]
            yield f"<{element}>{escape(change.text)}</{element}>"
    yield "</div>\n"
