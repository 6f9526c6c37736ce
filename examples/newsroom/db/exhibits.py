"""What the gallery shows, in the database."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs
from sqlalchemy import Integer, bindparam, case, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from mergepoint.db import Database
from newsroom.db.tables import exhibits, gallery
from newsroom.records import Exhibit

COLUMNS = tuple(exhibits.c[name] for name in Exhibit.__struct_fields__)


class Exhibits:
    """The `ExhibitRepository` of a database."""

    def __init__(self, db: Database) -> None:
        of_path = exhibits.c.path == bindparam("of_path")
        next_index, number = gallery.c.next_index, bindparam("number", type_=Integer)
        later = case((next_index <= number, number + 1), else_=next_index)
        self._db = db
        self._update = db.statement(update(exhibits).where(of_path))
        self._insert = db.statement(insert(exhibits))
        self._remove = db.statement(delete(exhibits).where(of_path))
        self._all = db.statement(select(*COLUMNS).order_by(exhibits.c.path), Exhibit)
        self._hold = db.statement(update(gallery).values(next_index=next_index))
        self._next = db.statement(select(next_index))
        self._begin = db.statement(update(gallery).values(next_index=later))

    def put(self, exhibit: Exhibit) -> None:
        """See `ExhibitRepository`."""
        row = structs.asdict(exhibit)
        if not self._update.run(of_path=exhibit.path, **row):
            try:
                with self._db.transaction():
                    self._insert.run(**row)
            except IntegrityError:
                self._update.run(of_path=exhibit.path, **row)

    def remove(self, path: str) -> None:
        """See `ExhibitRepository`."""
        self._remove.run(of_path=path)

    def all(self) -> Sequence[Exhibit]:
        """See `ExhibitRepository`."""
        return self._all.all()

    def next_index(self) -> int:
        """See `ExhibitRepository`."""
        self._hold.run()  # An UPDATE of the one row: its lock is held until the end of the transaction.
        number: int = self._next.one()
        return number

    def begin_index(self, number: int) -> None:
        """See `ExhibitRepository`."""
        self._begin.run(number=number)
