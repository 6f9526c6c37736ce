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
    File,
    FileDetails,
    Filter,
    Job,
    JobDetails,
    JobState,
    Publication,
    PublicationDetails,
    Skipped,
    Sort,
    Statistics,
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
        """List the SHA-256 of everything that a version or a preview refers to."""


class JobRepository(Protocol):
    """Keeps the runs of imports."""

    def add(self, job: Job) -> None:
        """Add a job that begins."""

    def end(self, id: int, state: JobState, counts: Counts, finished: datetime) -> None:
        """Write down how a job ended."""

    def skip(self, id: int, skipped: Sequence[Skipped]) -> None:
        """Write down what a job left out."""

    def find(self, cursor: str | None, limit: int) -> Page[Job]:
        """Find a page of jobs, the newest first."""

    def get(self, id: int) -> JobDetails | None:
        """Get a job with all that it left out."""


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
