"""What the newsroom asks of whatever keeps its records. `newsroom.db` answers for SQL databases.

Every method takes plain values and returns records. Each runs in the transaction that is open around it. A cursor is
`next` of the page before; a repository refuses one that is not, as invalid input.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mergepoint import Page
from newsroom.records import (
    Counts,
    Entry,
    Exhibit,
    File,
    FileDetails,
    Filter,
    Hit,
    ImportDetails,
    ImportRun,
    ImportState,
    JobOfFile,
    Publication,
    PublicationDetails,
    Skipped,
    Sort,
    Statistics,
    Step,
    StepCount,
    StepName,
    Task,
    TaskState,
    Version,
)


class FileRepository(Protocol):
    """Keeps files, their versions and their tags."""

    def find(self, filter: Filter, sort: Sort, cursor: str | None, limit: int) -> Page[File]:
        """Find a page of the files that pass the filter, in order."""

    def get(self, id: int) -> FileDetails | None:
        """Get all that is known about one file."""

    def by_id(self, ids: Collection[int]) -> Mapping[int, File]:
        """Get the files with these ids, by id; those that there are."""

    def version(self, id: int, number: int) -> Version | None:
        """Get one version of a file."""

    def by_path(self, paths: Collection[str]) -> Mapping[str, File]:
        """Get the files at these paths, by path; without their tags."""

    def add(self, entries: Sequence[Entry]) -> None:
        """Add files with their first version.

        Raises:
            PathTaken: there is a file at one of the paths.
        """

    def revise(self, entries: Sequence[Entry]) -> None:
        """Give files that exist their next version; their tags stay.

        Raises:
            PathTaken: one of them got another version first.
        """

    def tag(self, id: int, tag: str) -> None:
        """Put a tag on a file; nothing happens when it is there."""

    def untag(self, id: int, tag: str) -> None:
        """Take a tag off a file; nothing happens when it is not there."""

    def delete(self, id: int) -> None:
        """Delete a file with its versions, tags and tasks, and take it out of drafts."""

    def statistics(self) -> Statistics:
        """Count what there is."""

    def blobs(self) -> Collection[str]:
        """List the SHA-256 of everything that a version, a preview or a step refers to."""


class StepRepository(Protocol):
    """Keeps the steps of the work on each version of a file."""

    def begin(self, steps: Sequence[Step]) -> None:
        """Write down steps that begin, in place of those that the same versions had."""

    def finish(self, file_id: int, version: int, name: StepName, made: str | None) -> None:
        """Write down that a step is done and what came of it; nothing happens when there is no such step."""

    def of_version(self, file_id: int, version: int) -> Sequence[Step]:
        """List the steps of a version, in the order of their names in `StepName`."""

    def get(self, file_id: int, version: int, name: StepName) -> Step | None:
        """Get one step."""

    def by_job(self, jobs: Collection[str]) -> Mapping[str, JobOfFile]:
        """Get what these jobs work on, by job; those that there are."""

    def counts(self) -> Sequence[StepCount]:
        """Count the steps by name, in the order of `StepName`."""

    def without(self, limit: int) -> Sequence[int]:
        """List the ids of files whose newest version has no steps, some of them."""


class TextRepository(Protocol):
    """Keeps the text of the newest version of each file, for searching."""

    def put(self, file_id: int, version: int, text: str) -> None:
        """Keep the text of a version, unless there is that of a newer one."""

    def find(self, words: Sequence[str], limit: int) -> Sequence[Hit]:
        """Find the texts that have words beginning with all of these, the best first.

        Args:
            words: letters and digits in lower case.
            limit: the most texts.
        """


class ExhibitRepository(Protocol):
    """Keeps what the gallery shows."""

    def put(self, exhibit: Exhibit) -> None:
        """Show a file, in place of the one at its path."""

    def remove(self, path: str) -> None:
        """Show the file at a path no more; nothing happens when it is not shown."""

    def all(self) -> Sequence[Exhibit]:
        """List what is shown, by path."""

    def next_index(self) -> int:
        """Return the number of the index that will show what this transaction changes, and hold it until its end."""

    def begin_index(self, number: int) -> None:
        """Let what changes from now on be shown by a later index than this. Waits for transactions that hold it."""


class ImportRepository(Protocol):
    """Keeps the runs of imports."""

    def add(self, run: ImportRun) -> None:
        """Add an import that begins."""

    def end(self, id: int, state: ImportState, counts: Counts, finished: datetime) -> None:
        """Write down how an import ended."""

    def skip(self, id: int, skipped: Sequence[Skipped]) -> None:
        """Write down what an import left out."""

    def find(self, cursor: str | None, limit: int) -> Page[ImportRun]:
        """Find a page of imports, the newest first."""

    def get(self, id: int) -> ImportDetails | None:
        """Get an import with all that it left out."""


class TaskRepository(Protocol):
    """Keeps what the desk has to do."""

    def add(self, task: Task) -> None:
        """Add a task about a file that exists."""

    def set_state(self, id: int, state: TaskState, done: datetime | None) -> None:
        """Change how far a task has come."""

    def find(self, file_id: int | None, state: TaskState | None, cursor: str | None, limit: int) -> Page[Task]:
        """Find a page of the tasks about a file, or in a state, the newest first."""

    def get(self, id: int) -> Task | None:
        """Get one task."""


class PublicationRepository(Protocol):
    """Keeps named sets of files."""

    def add(self, publication: Publication) -> None:
        """Add a publication without files."""

    def add_file(self, id: int, file_id: int) -> None:
        """Put a file at the end of a publication; nothing happens when it is in it."""

    def remove_file(self, id: int, file_id: int) -> None:
        """Take a file out of a publication; nothing happens when it is not in it."""

    def publish(self, id: int, at: datetime) -> None:
        """Publish a publication, and hold each of its files at the version that it has now."""

    def holds(self, file_id: int) -> bool:
        """Tell whether a file is part of something published."""

    def find(self, cursor: str | None, limit: int) -> Page[Publication]:
        """Find a page of publications, the newest first."""

    def get(self, id: int) -> PublicationDetails | None:
        """Get a publication with its files."""
