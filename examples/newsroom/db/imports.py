"""The runs of imports, and what they left out, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct, structs
from sqlalchemy import bindparam, insert, select, update

from mergepoint import Page
from mergepoint.db import Database
from newsroom.db.tables import imports, skipped
from newsroom.records import Counts, ImportDetails, ImportRun, ImportState, Skipped


class _Row(Struct, frozen=True):
    id: int
    source: str
    state: ImportState
    new: int
    changed: int
    unchanged: int
    skipped: int
    started: datetime
    finished: datetime | None

    def run(self) -> ImportRun:
        counts = Counts(self.new, self.changed, self.unchanged, self.skipped)
        return ImportRun(self.id, self.source, self.state, counts, self.started, self.finished)


class Imports:
    """The `ImportRepository` of a database."""

    def __init__(self, db: Database) -> None:
        columns = [skipped.c[name] for name in Skipped.__struct_fields__]
        of_import = skipped.c.import_id == bindparam("import_id")
        self._add = db.statement(insert(imports))
        self._end = db.statement(update(imports).where(imports.c.id == bindparam("of_import")))
        self._skip = db.statement(insert(skipped))
        self._pages = db.pages(select(imports), _Row, by=[imports.c.id.desc()], parameter="cursor")
        self._import = db.statement(select(imports).where(imports.c.id == bindparam("import_id")), _Row)
        self._skipped = db.statement(select(*columns).where(of_import).order_by(skipped.c.path), Skipped)

    def add(self, run: ImportRun) -> None:
        """See `ImportRepository`."""
        row = structs.asdict(run)
        del row["counts"]
        self._add.run(**row, **structs.asdict(run.counts))

    def end(self, id: int, state: ImportState, counts: Counts, finished: datetime) -> None:
        """See `ImportRepository`."""
        self._end.run(of_import=id, state=state, finished=finished, **structs.asdict(counts))

    def skip(self, id: int, skipped: Sequence[Skipped]) -> None:
        """See `ImportRepository`."""
        if skipped:
            self._skip.run_many([{"import_id": id, **structs.asdict(item)} for item in skipped])

    def find(self, cursor: str | None, limit: int) -> Page[ImportRun]:
        """See `ImportRepository`."""
        page = self._pages.page(cursor, limit)
        return Page([row.run() for row in page.items], page.next)

    def get(self, id: int) -> ImportDetails | None:
        """See `ImportRepository`."""
        row = self._import.one_or_none(import_id=id)
        if row is None:
            return None
        return ImportDetails(row.run(), tuple(self._skipped.all(import_id=id)))
