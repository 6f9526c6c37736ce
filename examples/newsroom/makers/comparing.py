"""Compare two texts line by line, or two web pages by tags and words, without holding either in memory."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from mergepoint import Progress
from newsroom.difference import Run, difference
from newsroom.records import Change, ChangeKind, Kind

LONGEST_LINE = 2000
"""Characters of a line; a longer one is divided, so that no file is one endless item."""

CHUNK = 65_536
TOKEN = re.compile(r"<!--.*?-->|<[^<>]*>|[^\s<>]+|\s+|[<>]", re.DOTALL)
"""A comment, a tag, a word, a space between words, or a `<` that begins nothing."""

BORDERS = "<> \n\r\t\f"

LINES_AROUND = 3
TOKENS_AROUND = 12
"""Items shown on each side of a change."""


def changes(older: Path, newer: Path, kind: Kind, progress: Progress) -> Iterator[Change]:
    """Compare two files.

    Args:
        older: a version.
        newer: a later one.
        kind: what they are.
        progress: told how much of both was read.
    """
    items, around = (tokens, TOKENS_AROUND) if kind is Kind.WEB_PAGE else (lines, LINES_AROUND)
    with older.open("rb") as old, newer.open("rb") as new:
        texts = _text(old), _text(new)  # held here: a wrapper that nobody holds closes what it wraps
        all_bytes = max(older.stat().st_size + newer.stat().st_size, 1)
        runs = difference(items(texts[0]), items(texts[1]))
        told = _telling(runs, lambda: progress((old.tell() + new.tell()) / all_bytes, "comparing"))
        yield from condensed(told, around)


def lines(text: TextIO) -> Iterator[str]:
    """Divide a text into lines, with their ends."""
    return iter(lambda: text.readline(LONGEST_LINE), "")


def tokens(text: TextIO) -> Iterator[str]:
    """Divide a web page into tags, words and the spaces between them."""
    held = ""
    while chunk := text.read(CHUNK):
        held += chunk
        end = _end(held)
        yield from TOKEN.findall(held[:end])
        held = held[end:]
    yield from TOKEN.findall(held)


def condensed(runs: Iterable[Run[str]], around: int) -> Iterator[Change]:
    """Tell runs as changes, with the texts of those that are the same only near to others."""
    near, far, shown = deque[str](), 0, 0
    for kind, items in runs:
        if kind is not ChangeKind.SAME:
            yield from _same(far, near)
            near.clear()
            far, shown = 0, around
            yield Change(kind, len(items), "".join(items))
            continue
        yield from _same(0, items[:shown])
        near.extend(items[shown:])
        shown = max(shown - len(items), 0)
        while len(near) > around:
            near.popleft()
            far += 1
    yield from _same(far + len(near), ())


def _same(far: int, near: Iterable[str]) -> Iterator[Change]:
    if far:
        yield Change(ChangeKind.SAME, far)
    if items := list(near):
        yield Change(ChangeKind.SAME, len(items), "".join(items))


def _end(text: str) -> int:
    """Return up to where a text can be divided, whatever comes after it: the next chunk may go on with the rest."""
    comment, tag = text.rfind("<!--"), text.rfind("<")
    if comment > text.rfind("-->"):
        end = comment
    elif tag > text.rfind(">"):
        end = tag
    elif text[-1].isspace():
        end = len(text.rstrip())
    else:
        end = max(text.rfind(border) for border in BORDERS) + 1
    return end if len(text) - end <= CHUNK else len(text)  # a tag that never ends must not fill the memory


def _text(content: BinaryIO) -> TextIO:
    return TextIOWrapper(content, encoding="utf-8", errors="replace", newline="")


def _telling(runs: Iterable[Run[str]], tell: Callable[[], None]) -> Iterator[Run[str]]:
    for run in runs:
        tell()
        yield run
