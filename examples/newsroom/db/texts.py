"""The texts of files, and searching them with what each database has for it: FTS5, tsvector, FULLTEXT."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    bindparam,
    column,
    func,
    insert,
    literal_column,
    select,
    table,
    update,
)
from sqlalchemy.dialects.mysql import match
from sqlalchemy.exc import IntegrityError

from mergepoint.db import Database
from newsroom.db.tables import files, texts
from newsroom.records import Hit, Piece

BEGIN, END = "\x02", "\x03"
"""What a database puts around the words it found; `extract` lets no control character into a text."""

AROUND = 90
"""Characters of a text shown on each side of a word, where the database does not choose the place."""

SHORTEST = 3
"""Letters of the shortest word that MariaDB indexes."""


class Texts:
    """The `TextRepository` of a database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._search = SEARCHES[db.url.get_backend_name()]
        there = select(files.c.id, bindparam("number"), bindparam("text")).where(files.c.id == bindparam("of_file"))
        self._update = db.statement(
            update(texts).where(texts.c.file_id == bindparam("of_file"), texts.c.version <= bindparam("number"))
        )
        self._insert = db.statement(insert(texts).from_select(["file_id", "version", "content"], there))

    def put(self, file_id: int, version: int, text: str) -> None:
        """See `TextRepository`."""
        if not self._update.run(of_file=file_id, number=version, version=version, content=text):
            # There is none, or that of a newer version, which stays; or the file is gone, and nothing is inserted.
            with suppress(IntegrityError), self._db.transaction():
                self._insert.run(of_file=file_id, number=version, text=text)

    def find(self, words: Sequence[str], limit: int) -> Sequence[Hit]:
        """See `TextRepository`."""
        found = self._db.fetch(self._search(words).limit(limit))
        return [Hit(id, path, kind, version, tuple(_pieces(text, words))) for id, path, kind, version, text in found]


def _hits(snippet: ColumnElement[str]) -> Select[Any]:
    about = (files.c.id, files.c.path, files.c.kind, texts.c.version)
    return select(*about, snippet.label("snippet")).join_from(texts, files)


def _sqlite(words: Sequence[str]) -> Select[Any]:
    index = table("texts_index", column("rowid"))
    name: ColumnElement[str] = literal_column("texts_index")
    asked = " ".join(f'"{word}"*' for word in words)
    return (
        _hits(func.snippet(name, 0, BEGIN, END, "…", 24))
        .join(index, index.c.rowid == texts.c.file_id)
        .where(name.op("MATCH")(asked))
        .order_by(func.bm25(name), files.c.path)
    )


def _postgresql(words: Sequence[str]) -> Select[Any]:
    asked = func.to_tsquery("simple", " & ".join(f"{word}:*" for word in words))
    options = f"StartSel={BEGIN}, StopSel={END}, MinWords=12, MaxWords=28"
    index = table("texts_index", column("file_id"), column("words"))
    return (
        _hits(func.ts_headline("simple", texts.c.content, asked, options))
        .join(index, index.c.file_id == texts.c.file_id)
        .where(index.c.words.op("@@")(asked))
        .order_by(func.ts_rank(index.c.words, asked).desc(), files.c.path)
    )


def _mariadb(words: Sequence[str]) -> Select[Any]:
    known = [word for word in words if len(word) >= SHORTEST] or list(words)
    index = table("texts_index", column("file_id"), column("content", Text))
    found = match(index.c.content, against=" ".join(f"+{word}*" for word in known)).in_boolean_mode()
    begin = func.greatest(func.locate(known[0], texts.c.content) - AROUND, 1)
    return (
        _hits(func.substring(texts.c.content, begin, 2 * AROUND))
        .join(index, index.c.file_id == texts.c.file_id)
        .where(found)
        .order_by(found.desc(), files.c.path)
    )


SEARCHES = {"sqlite": _sqlite, "postgresql": _postgresql, "mysql": _mariadb, "mariadb": _mariadb}


def _pieces(snippet: str, words: Sequence[str]) -> Iterator[Piece]:
    """Divide a snippet where the database marked a word; where it marks none, the words are looked for."""
    if BEGIN not in snippet:
        pattern = rf"\b({'|'.join(map(re.escape, words))})"
        snippet = re.sub(pattern, rf"{BEGIN}\1{END}", snippet, flags=re.IGNORECASE)
    for number, part in enumerate(re.split(f"[{BEGIN}{END}]", " ".join(snippet.split()))):
        if part:
            yield Piece(part, found=number % 2 == 1)
