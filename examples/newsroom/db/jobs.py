"""The runs of imports, and what they left out, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct, structs
from sqlalchemy import bindparam, insert, select, update

from mergepoint import Page
from mergepoint.db import Database
from newsroom.db.tables import jobs, skipped
from newsroom.records import Counts, Job, JobDetails, JobState, Skipped


class _Row(Struct, frozen=True):
    id: int
    source: str
    state: JobState
    new: int
    changed: int
    unchanged: int
    skipped: int
    started: datetime
    finished: datetime | None

    def job(self) -> Job:
        counts = Counts(self.new, self.changed, self.unchanged, self.skipped)
        return Job(self.id, self.source, self.state, counts, self.started, self.finished)


class Jobs:
    """The `JobRepository` of a database."""

    def __init__(self, db: Database) -> None:
        columns = [skipped.c[name] for name in Skipped.__struct_fields__]
        of_job = skipped.c.job_id == bindparam("job_id")
        self._add = db.statement(insert(jobs))
        self._end = db.statement(update(jobs).where(jobs.c.id == bindparam("of_job")))
        self._skip = db.statement(insert(skipped))
        self._pages = db.pages(select(jobs), _Row, by=[jobs.c.id.desc()], parameter="cursor")
        self._job = db.statement(select(jobs).where(jobs.c.id == bindparam("job_id")), _Row)
        self._skipped = db.statement(select(*columns).where(of_job).order_by(skipped.c.path), Skipped)

    def add(self, job: Job) -> None:
        """See `JobRepository`."""
        row = structs.asdict(job)
        del row["counts"]
        self._add.run(**row, **structs.asdict(job.counts))

    def end(self, id: int, state: JobState, counts: Counts, finished: datetime) -> None:
        """See `JobRepository`."""
        self._end.run(of_job=id, state=state, finished=finished, **structs.asdict(counts))

    def skip(self, id: int, skipped: Sequence[Skipped]) -> None:
        """See `JobRepository`."""
        if skipped:
            self._skip.run_many([{"job_id": id, **structs.asdict(item)} for item in skipped])

    def find(self, cursor: str | None, limit: int) -> Page[Job]:
        """See `JobRepository`."""
        page = self._pages.page(cursor, limit)
        return Page([row.job() for row in page.items], page.next)

    def get(self, id: int) -> JobDetails | None:
        """See `JobRepository`."""
        row = self._job.one_or_none(job_id=id)
        if row is None:
            return None
        return JobDetails(row.job(), tuple(self._skipped.all(job_id=id)))
