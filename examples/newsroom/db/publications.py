"""Publications and their contents in the database."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from msgspec import structs
from sqlalchemy import bindparam, delete, exists, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from mergepoint import Page
from mergepoint.db import Database
from newsroom.db.tables import contents, files, publications
from newsroom.records import Publication, PublicationDetails, PublicationState, PublishedFile

PUBLICATION = select(
    publications.c.id,
    publications.c.title,
    publications.c.state,
    select(func.count())
    .select_from(contents)
    .where(contents.c.publication_id == publications.c.id)
    .scalar_subquery()
    .label("files"),
    publications.c.created,
    publications.c.published,
)
"""Publications with the number of their files."""

PUBLISHED_FILE = select(contents.c.file_id, files.c.path, contents.c.version).join_from(contents, files)


class Publications:
    """The `PublicationRepository` of a database."""

    def __init__(self, db: Database) -> None:
        here = contents.c.publication_id == bindparam("of_publication")
        this_file = contents.c.file_id == bindparam("of_file")
        this = publications.c.id == bindparam("of_publication")
        version_now = select(files.c.version).where(files.c.id == contents.c.file_id).scalar_subquery()
        is_published = publications.c.state == PublicationState.PUBLISHED
        self._db = db
        self._add = db.statement(insert(publications))
        self._last = db.statement(select(func.coalesce(func.max(contents.c.position), literal(0))).where(here))
        self._add_file = db.statement(insert(contents))
        self._remove_file = db.statement(delete(contents).where(here, this_file))
        self._publish = db.statement(update(publications).where(this))
        self._hold = db.statement(update(contents).where(here).values(version=version_now))
        self._holds = db.statement(
            select(exists().where(this_file, contents.c.publication_id == publications.c.id, is_published))
        )
        self._pages = db.pages(PUBLICATION, Publication, by=[publications.c.id.desc()], parameter="cursor")
        self._publication = db.statement(PUBLICATION.where(this), Publication)
        self._files = db.statement(PUBLISHED_FILE.where(here).order_by(contents.c.position), PublishedFile)

    def add(self, publication: Publication) -> None:
        """See `PublicationRepository`."""
        row = structs.asdict(publication)
        del row["files"]
        self._add.run(**row)

    def add_file(self, id: int, file_id: int) -> None:
        """See `PublicationRepository`."""
        position = self._last.one(of_publication=id) + 1
        with suppress(IntegrityError), self._db.transaction():
            self._add_file.run(publication_id=id, file_id=file_id, position=position, version=None)

    def remove_file(self, id: int, file_id: int) -> None:
        """See `PublicationRepository`."""
        self._remove_file.run(of_publication=id, of_file=file_id)

    def publish(self, id: int, at: datetime) -> None:
        """See `PublicationRepository`."""
        self._publish.run(of_publication=id, state=PublicationState.PUBLISHED, published=at)
        self._hold.run(of_publication=id)

    def holds(self, file_id: int) -> bool:
        """See `PublicationRepository`."""
        return bool(self._holds.one(of_file=file_id))

    def find(self, cursor: str | None, limit: int) -> Page[Publication]:
        """See `PublicationRepository`."""
        return self._pages.page(cursor, limit)

    def get(self, id: int) -> PublicationDetails | None:
        """See `PublicationRepository`."""
        publication = self._publication.one_or_none(of_publication=id)
        if publication is None:
            return None
        return PublicationDetails(publication, tuple(self._files.all(of_publication=id)))
