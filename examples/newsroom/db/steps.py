"""How far the work on each version of a file is, in the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec import structs
from sqlalchemy import ColumnElement, Integer, and_, bindparam, case, delete, exists, func, insert, select, update

from mergepoint.db import Database
from newsroom.db.tables import files, steps
from newsroom.records import JobOfFile, Step, StepCount, StepName

STEP = tuple(steps.c[name] for name in Step.__struct_fields__)
ORDER = {name: place for place, name in enumerate(StepName)}


class Steps:
    """The `StepRepository` of a database."""

    def __init__(self, db: Database) -> None:
        of_version = (steps.c.file_id == bindparam("of_file")) & (steps.c.version == bindparam("of_version"))
        the_step = and_(of_version, steps.c.name == bindparam("of_name"))
        newest = exists().where(steps.c.file_id == files.c.id, steps.c.version == files.c.version)
        self._clear = db.statement(delete(steps).where(of_version))
        self._begin = db.statement(insert(steps))
        self._finish = db.statement(update(steps).where(the_step))
        self._of_version = db.statement(select(*STEP).where(of_version), Step)
        self._get = db.statement(select(*STEP).where(the_step), Step)
        self._by_job = db.statement(
            select(steps.c.job, steps.c.file_id, files.c.path, steps.c.version)
            .join(files)
            .where(steps.c.job.in_(bindparam("jobs", expanding=True)))
        )
        self._counts = db.statement(
            select(steps.c.name, _count(steps.c.done).label("done"), func.count().label("all")).group_by(steps.c.name),
            StepCount,
        )
        self._without = db.statement(select(files.c.id).where(~newest).order_by(files.c.id).limit(bindparam("most")))

    def begin(self, steps: Sequence[Step]) -> None:
        """See `StepRepository`."""
        for file_id, version in {(step.file_id, step.version) for step in steps}:
            self._clear.run(of_file=file_id, of_version=version)
        if steps:
            self._begin.run_many([structs.asdict(step) for step in steps])

    def finish(self, file_id: int, version: int, name: StepName, made: str | None) -> None:
        """See `StepRepository`."""
        self._finish.run(of_file=file_id, of_version=version, of_name=name, done=True, made=made)

    def of_version(self, file_id: int, version: int) -> Sequence[Step]:
        """See `StepRepository`."""
        return sorted(self._of_version.all(of_file=file_id, of_version=version), key=lambda step: ORDER[step.name])

    def get(self, file_id: int, version: int, name: StepName) -> Step | None:
        """See `StepRepository`."""
        return self._get.one_or_none(of_file=file_id, of_version=version, of_name=name)

    def by_job(self, jobs: Collection[str]) -> Mapping[str, JobOfFile]:
        """See `StepRepository`."""
        if not jobs:
            return {}
        return {job: JobOfFile(*about) for job, *about in self._by_job.all(jobs=list(jobs))}

    def counts(self) -> Sequence[StepCount]:
        """See `StepRepository`."""
        return sorted(self._counts.all(), key=lambda count: ORDER[count.name])

    def without(self, limit: int) -> Sequence[int]:
        """See `StepRepository`."""
        return self._without.all(most=limit)


def _count(flag: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((flag, 1), else_=0), type_=Integer)
