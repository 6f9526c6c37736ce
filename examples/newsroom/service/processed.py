"""What came of the work on files: how far it is, and what it made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

from mergepoint import Download, Id, Meta, Progress
from newsroom.errors import NoSuchFile, NoSuchVersion, NothingToCompare, NotMade
from newsroom.records import (
    Backlog,
    Change,
    File,
    JobOfFile,
    Pipeline,
    Progressing,
    Step,
    StepName,
    StepState,
    StepStatus,
    Version,
)
from newsroom.repositories import FileRepository, StepRepository
from newsroom.service.making import TEXTS
from newsroom.service.needs import Ask, Makers, Store, silent

MOST_JOBS = 200
"""The most jobs that are asked for at once."""

Number: TypeAlias = Annotated[int, Meta(ge=1, description="A version, counted from 1.")]


class Processed:
    """Shows what was made of files, and how far the rest is.

    Args:
        files: knows them.
        steps: keeps how far each version is.
        store: keeps what was made.
        makers: compare versions while somebody waits.
        ask: tells how far a job is.
    """

    def __init__(self, files: FileRepository, steps: StepRepository, store: Store, makers: Makers, ask: Ask) -> None:
        self._files = files
        self._steps = steps
        self._store = store
        self._makers = makers
        self._ask = ask

    def pipeline(self, id: Id) -> Pipeline:
        """Show how far the work on the newest version of a file is.

        Raises:
            NoSuchFile: there is none with this id.
        """
        file = self._file(id)
        steps = self._steps.of_version(id, file.version)
        known = self._ask([step.job for step in steps if not step.done])
        return Pipeline(file, tuple(_status(step, known.get(step.job)) for step in steps))

    def backlog(self) -> Backlog:
        """Count what is done of the work on all files."""
        counts = tuple(self._steps.counts())
        return Backlog(sum(count.done for count in counts), sum(count.all for count in counts), counts)

    def files_of_jobs(self, jobs: Annotated[list[str], Meta(max_length=MOST_JOBS)]) -> dict[str, JobOfFile]:
        """Show which file and version each of these jobs works on; a job that works on none is left out.

        Args:
            jobs: the ids of jobs.
        """
        return dict(self._steps.by_job(jobs)) if jobs else {}

    def thumbnail(self, id: Id, version: Number | None = None) -> Download:
        """Fetch a small WebP of a picture or a PDF.

        Args:
            id: which file.
            version: which version; the newest unless said.

        Raises:
            NoSuchFile: there is none with this id.
            NotMade: none was made of it, or not yet.
        """
        file = self._file(id)
        return Download(self._made(file, version, StepName.THUMBNAIL), "image/webp", None, True)

    def highlighted(self, id: Id, version: Number | None = None) -> Download:
        """Fetch the source of a file in HTML, coloured by classes as Pygments names them.

        Args:
            id: which file.
            version: which version; the newest unless said.

        Raises:
            NoSuchFile: there is none with this id.
            NotMade: it is no source, or it is not made yet.
        """
        file = self._file(id)
        return Download(self._made(file, version, StepName.HIGHLIGHT), "text/html", f"{file.name}.html")

    def difference(
        self, id: Id, older: Number | None = None, newer: Number | None = None, progress: Progress = silent
    ) -> Iterator[Change]:
        """Compare two versions of a text or a web page: a run of what is the same, gone or new after the other.

        Args:
            id: which file.
            older: a version; the one before the newer unless said.
            newer: the other; the newest unless said.
            progress: told how far it is.

        Raises:
            NoSuchFile: there is none with this id.
            NoSuchVersion: it never had one of these versions.
            NothingToCompare: it is no text, or has one version only.
        """
        file = self._file(id)
        newer = newer or file.version
        older = older or newer - 1
        if file.kind not in TEXTS or older < 1:
            raise NothingToCompare(id)
        before, after = (self._store.path(self._version(id, number).sha256) for number in (older, newer))
        return self._makers.changes(before, after, file.kind, progress)

    def _file(self, id: int) -> File:
        details = self._files.get(id)
        if details is None:
            raise NoSuchFile(id)
        return details.file

    def _version(self, id: int, number: int) -> Version:
        version = self._files.version(id, number)
        if version is None:
            raise NoSuchVersion(id, number)
        return version

    def _made(self, file: File, version: int | None, name: StepName) -> Path:
        step = self._steps.get(file.id, version or file.version, name)
        if step is None or step.made is None:
            raise NotMade(file.id, name)
        return self._store.path(step.made)


def _status(step: Step, known: Progressing | None) -> StepStatus:
    if step.done:
        known = Progressing(StepState.DONE, 1.0)
    return StepStatus(step.name, step.version, step.job, known or Progressing(StepState.FORGOTTEN), step.made)
