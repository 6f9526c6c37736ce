"""Files, their versions and their tags in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import structs
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    String,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    type_coerce,
    union,
    update,
)
from sqlalchemy.exc import IntegrityError

from mergepoint import Page
from mergepoint.db import Database, Statement
from newsroom.db.tables import files, steps, tags, versions
from newsroom.errors import PathTaken
from newsroom.records import Entry, File, FileDetails, Filter, Share, Sort, Statistics, Version

FILE = tuple(files.c[name] for name in File.__struct_fields__ if name != "tags")
"""The columns that make a `File`; its tags come from another table."""

VERSION = tuple(versions.c[name] for name in Version.__struct_fields__)


class Files:
    """The `FileRepository` of a database."""

    def __init__(self, db: Database) -> None:
        the_file = files.c.id == bindparam("file_id")
        the_tag = (tags.c.file_id == bindparam("of_file")) & (tags.c.tag == bindparam("of_tag"))
        of_file = versions.c.file_id == bindparam("file_id")
        self._db = db
        self._file = db.statement(select(*FILE).where(the_file), File)
        self._facts = db.statement(select(files.c.facts).where(the_file))
        self._versions = db.statement(select(*VERSION).where(of_file).order_by(versions.c.number.desc()), Version)
        self._version = db.statement(
            select(*VERSION).where(of_file, versions.c.number == bindparam("version")), Version
        )
        self._by_path = db.statement(select(*FILE).where(files.c.path.in_(bindparam("paths", expanding=True))), File)
        self._by_id = db.statement(select(*FILE).where(files.c.id.in_(bindparam("ids", expanding=True))), File)
        self._tags = db.statement(
            select(tags.c.file_id, tags.c.tag)
            .where(tags.c.file_id.in_(bindparam("file_ids", expanding=True)))
            .order_by(tags.c.tag)
        )
        self._add = db.statement(insert(files))
        self._add_version = db.statement(insert(versions))
        self._revise = db.statement(
            update(files).where(files.c.id == bindparam("of_file"), files.c.version == bindparam("of_version"))
        )
        self._tag = db.statement(insert(tags))
        self._untag = db.statement(delete(tags).where(the_tag))
        self._delete = db.statement(delete(files).where(the_file))
        self._totals = db.statement(
            select(func.count(), _total(files.c.size), _total(files.c.lines)).select_from(files)
        )
        self._kinds = _shares(db, files.c.kind)
        self._languages = _shares(db, files.c.language)
        self._media_types = _shares(db, files.c.media_type)
        self._tag_shares = _shares(db, tags.c.tag)
        previews = select(files.c.preview).where(files.c.preview.is_not(None))
        made = select(steps.c.made).where(steps.c.made.is_not(None))
        self._blobs = db.statement(union(select(versions.c.sha256), previews, made))

    def find(self, filter: Filter, sort: Sort, cursor: str | None, limit: int) -> Page[File]:
        """See `FileRepository`."""
        column, key = files.c[sort.field], files.c.id
        order = (column.desc(), key.desc()) if sort.descending else (column, key)
        # Any combination of filters may come, so this one statement is not known before.
        pages = self._db.pages(select(*FILE).where(*_conditions(filter)), File, by=order, parameter="cursor")
        page = pages.page(cursor, limit)
        return Page(self._with_tags(page.items), page.next)

    def get(self, id: int) -> FileDetails | None:
        """See `FileRepository`."""
        file = self._file.one_or_none(file_id=id)
        if file is None:
            return None
        [file] = self._with_tags([file])
        return FileDetails(file, self._facts.one(file_id=id), tuple(self._versions.all(file_id=id)))

    def by_id(self, ids: Collection[int]) -> Mapping[int, File]:
        """See `FileRepository`."""
        return {file.id: file for file in self._with_tags(self._by_id.all(ids=list(ids)))} if ids else {}

    def version(self, id: int, number: int) -> Version | None:
        """See `FileRepository`."""
        return self._version.one_or_none(file_id=id, version=number)

    def by_path(self, paths: Collection[str]) -> Mapping[str, File]:
        """See `FileRepository`."""
        return {file.path: file for file in self._by_path.all(paths=list(paths))} if paths else {}

    def add(self, entries: Sequence[Entry]) -> None:
        """See `FileRepository`."""
        if not entries:
            return
        try:
            with self._db.transaction():
                self._add.run_many([_row(entry) for entry in entries])
        except IntegrityError as error:
            paths = [entry.file.path for entry in entries]
            raise PathTaken(min(self.by_path(paths), default=paths[0])) from error
        self._add_version.run_many([_version_row(entry.file) for entry in entries])

    def revise(self, entries: Sequence[Entry]) -> None:
        """See `FileRepository`."""
        for entry in entries:
            row = _row(entry)
            if not self._revise.run(of_file=row.pop("id"), of_version=entry.file.version - 1, **row):
                raise PathTaken(entry.file.path)
        if entries:
            self._add_version.run_many([_version_row(entry.file) for entry in entries])

    def tag(self, id: int, tag: str) -> None:
        """See `FileRepository`."""
        # Not asked before: whoever asks and then inserts meets somebody else in between.
        with suppress(IntegrityError), self._db.transaction():
            self._tag.run(file_id=id, tag=tag)

    def untag(self, id: int, tag: str) -> None:
        """See `FileRepository`."""
        self._untag.run(of_file=id, of_tag=tag)

    def delete(self, id: int) -> None:
        """See `FileRepository`."""
        self._delete.run(file_id=id)  # What refers to it goes with it: ON DELETE CASCADE.

    def statistics(self) -> Statistics:
        """See `FileRepository`."""
        count, size, lines = self._totals.one()
        return Statistics(
            count,
            size,
            lines,
            _ordered(self._kinds.all()),
            _ordered(self._languages.all()),
            _ordered(self._media_types.all()),
            _ordered(self._tag_shares.all()),
        )

    def blobs(self) -> Collection[str]:
        """See `FileRepository`."""
        return set(self._blobs.all())

    def _with_tags(self, found: Sequence[File]) -> list[File]:
        if not found:
            return []
        by_file: dict[int, list[str]] = defaultdict(list)
        for file_id, tag in self._tags.all(file_ids=[file.id for file in found]):
            by_file[file_id].append(tag)
        return [structs.replace(file, tags=tuple(by_file[file.id])) if file.id in by_file else file for file in found]


def _conditions(filter: Filter) -> Iterator[ColumnElement[bool]]:
    for word in filter.words:
        yield files.c.words.contains(word.casefold(), autoescape=True)
    for name in ("kind", "media_type", "language"):
        value = getattr(filter, name)
        if value is not None:
            yield files.c[name] == value
    if filter.tag is not None:
        yield files.c.id.in_(select(tags.c.file_id).where(tags.c.tag == filter.tag))
    if filter.min_size is not None:
        yield files.c.size >= filter.min_size
    if filter.max_size is not None:
        yield files.c.size <= filter.max_size


def _row(entry: Entry) -> dict[str, Any]:
    row = structs.asdict(entry.file)
    del row["tags"]
    words = f"{entry.file.path} {entry.file.title or ''}".casefold()
    return row | {"facts": entry.facts, "words": words}


def _version_row(file: File) -> dict[str, Any]:
    return {
        "file_id": file.id,
        "number": file.version,
        "media_type": file.media_type,
        "size": file.size,
        "sha256": file.sha256,
        "added": file.changed,
    }


def _shares(db: Database, column: Column[Any]) -> Statement[Share]:
    source = files if column.table is files else files.join(tags)
    value = type_coerce(column, String)  # an enum's value, not its member
    return db.statement(
        select(value.label("value"), func.count().label("files"), _total(files.c.size).label("size"))
        .select_from(source)
        .where(column.is_not(None))
        .group_by(column),
        Share,
    )


def _total(column: Column[int]) -> ColumnElement[int]:
    # The sum of a BIGINT is a decimal number in PostgreSQL and MariaDB.
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def _ordered(shares: Iterable[Share]) -> tuple[Share, ...]:
    return tuple(sorted(shares, key=lambda share: (-share.files, share.value)))
