"""Repositories in memory. They pass the suite that the SQL ones pass, so that services tested on them are tested."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar

from msgspec.structs import replace

from mergepoint import Page
from newsroom.errors import PathTaken
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
    Piece,
    Progressing,
    Publication,
    PublicationDetails,
    PublicationState,
    PublishedFile,
    Share,
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

T = TypeVar("T")

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class Ticking:
    """A clock that moves on by a second each time it is asked."""

    def __init__(self) -> None:
        self._seconds = count()

    def __call__(self) -> datetime:
        return BEGINNING + timedelta(seconds=next(self._seconds))


def no_transaction() -> AbstractContextManager[object]:
    """Open nothing: memory forgets nothing."""
    return nullcontext()


class Files:
    """Files in memory."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.versions: dict[int, list[Version]] = {}
        self.tags: dict[int, set[str]] = {}
        self.tasks: dict[int, Task] = {}
        self.contents: dict[int, list[PublishedFile]] = {}

    def find(self, filter: Filter, sort: Sort, cursor: str | None, limit: int) -> Page[File]:
        def place(file: File) -> tuple[object, int]:
            return getattr(file, sort.field), file.id

        files = [self._file(number) for number in self.entries]
        found = sorted((file for file in files if _passes(file, filter)), key=place, reverse=sort.descending)
        return _page(found, cursor, limit)

    def get(self, id: int) -> FileDetails | None:
        if id not in self.entries:
            return None
        return FileDetails(self._file(id), self.entries[id].facts, tuple(reversed(self.versions[id])))

    def by_id(self, ids: Collection[int]) -> Mapping[int, File]:
        return {id: self._file(id) for id in ids if id in self.entries}

    def version(self, id: int, number: int) -> Version | None:
        return next((version for version in self.versions.get(id, ()) if version.number == number), None)

    def by_path(self, paths: Collection[str]) -> Mapping[str, File]:
        return {entry.file.path: entry.file for entry in self.entries.values() if entry.file.path in paths}

    def add(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if self.by_path([entry.file.path]):
                raise PathTaken(entry.file.path)
            self.tags[entry.file.id] = set()
            self.versions[entry.file.id] = []
            self.revise([entry])

    def revise(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            file = entry.file
            self.entries[file.id] = entry
            self.versions[file.id].append(Version(file.version, file.media_type, file.size, file.sha256, file.changed))

    def tag(self, id: int, tag: str) -> None:
        self.tags[id].add(tag)

    def untag(self, id: int, tag: str) -> None:
        self.tags[id].discard(tag)

    def delete(self, id: int) -> None:
        del self.entries[id], self.versions[id], self.tags[id]
        self.tasks = {number: task for number, task in self.tasks.items() if task.file_id != id}
        self.contents = {
            number: [file for file in files if file.file_id != id] for number, files in self.contents.items()
        }

    def statistics(self) -> Statistics:
        files = [self._file(number) for number in self.entries]
        return Statistics(
            len(files),
            sum(file.size for file in files),
            sum(file.lines or 0 for file in files),
            _shares((file.kind.value, file) for file in files),
            _shares((file.language, file) for file in files if file.language),
            _shares((file.media_type, file) for file in files),
            _shares((tag, file) for file in files for tag in file.tags),
        )

    def blobs(self) -> Collection[str]:
        previews = {entry.file.preview for entry in self.entries.values() if entry.file.preview}
        return previews | {version.sha256 for versions in self.versions.values() for version in versions}

    def _file(self, id: int) -> File:
        return replace(self.entries[id].file, tags=tuple(sorted(self.tags[id])))


def _passes(file: File, filter: Filter) -> bool:
    text = f"{file.path} {file.title or ''}".casefold()
    return (
        all(word.casefold() in text for word in filter.words)
        and filter.kind in (None, file.kind)
        and filter.media_type in (None, file.media_type)
        and filter.language in (None, file.language)
        and (filter.tag is None or filter.tag in file.tags)
        and (filter.min_size is None or file.size >= filter.min_size)
        and (filter.max_size is None or file.size <= filter.max_size)
    )


def _shares(pairs: Iterable[tuple[str, File]]) -> tuple[Share, ...]:
    counted: dict[str, list[int]] = {}
    for value, file in pairs:
        counted.setdefault(value, []).append(file.size)
    shares = [Share(value, len(sizes), sum(sizes)) for value, sizes in counted.items()]
    return tuple(sorted(shares, key=lambda share: (-share.files, share.value)))


class Imports:
    """Imports in memory."""

    def __init__(self) -> None:
        self.runs: dict[int, ImportRun] = {}
        self.skipped: dict[int, list[Skipped]] = {}

    def add(self, run: ImportRun) -> None:
        self.runs[run.id] = run
        self.skipped[run.id] = []

    def end(self, id: int, state: ImportState, counts: Counts, finished: datetime) -> None:
        self.runs[id] = replace(self.runs[id], state=state, counts=counts, finished=finished)

    def skip(self, id: int, skipped: Sequence[Skipped]) -> None:
        self.skipped[id] += skipped

    def find(self, cursor: str | None, limit: int) -> Page[ImportRun]:
        return _page(_newest(self.runs), cursor, limit)

    def get(self, id: int) -> ImportDetails | None:
        if id not in self.runs:
            return None
        return ImportDetails(self.runs[id], tuple(sorted(self.skipped[id], key=lambda skipped: skipped.path)))


class Steps:
    """Steps in memory, of files there."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.steps: dict[tuple[int, int, StepName], Step] = {}

    def begin(self, steps: Sequence[Step]) -> None:
        again = {(step.file_id, step.version) for step in steps}
        self.steps = {key: step for key, step in self.steps.items() if key[:2] not in again}
        self.steps |= {(step.file_id, step.version, step.name): step for step in steps}

    def finish(self, file_id: int, version: int, name: StepName, made: str | None) -> None:
        if step := self.get(file_id, version, name):
            self.steps[file_id, version, name] = replace(step, done=True, made=made)

    def of_version(self, file_id: int, version: int) -> Sequence[Step]:
        return [step for name in StepName if (step := self.get(file_id, version, name))]

    def get(self, file_id: int, version: int, name: StepName) -> Step | None:
        return self._there().get((file_id, version, name))

    def by_job(self, jobs: Collection[str]) -> Mapping[str, JobOfFile]:
        return {
            step.job: JobOfFile(step.file_id, self._files.entries[step.file_id].file.path, step.version)
            for step in self._there().values()
            if step.job in jobs
        }

    def counts(self) -> Sequence[StepCount]:
        named = [(name, [step for step in self._there().values() if step.name is name]) for name in StepName]
        return [StepCount(name, sum(step.done for step in steps), len(steps)) for name, steps in named if steps]

    def without(self, limit: int) -> Sequence[int]:
        known = {key[:2] for key in self.steps}
        files = sorted((number, entry.file.version) for number, entry in self._files.entries.items())
        return [number for number, version in files if (number, version) not in known][:limit]

    def _there(self) -> dict[tuple[int, int, StepName], Step]:
        return {key: step for key, step in self.steps.items() if key[0] in self._files.entries}


class Texts:
    """Texts in memory, of files there."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.texts: dict[int, tuple[int, str]] = {}

    def put(self, file_id: int, version: int, text: str) -> None:
        if file_id in self._files.entries and version >= self.texts.get(file_id, (0, ""))[0]:
            self.texts[file_id] = (version, text)

    def find(self, words: Sequence[str], limit: int) -> Sequence[Hit]:
        hits = [self._hit(id, version, text, words) for id, (version, text) in self.texts.items()]
        return [hit for hit in hits if hit][:limit]

    def _hit(self, id: int, version: int, text: str, words: Sequence[str]) -> Hit | None:
        entry = self._files.entries.get(id)
        begin = [re.search(rf"\b{word}", text, re.IGNORECASE) for word in words]
        if entry is None or not all(begin):
            return None
        pieces = re.split(rf"\b({'|'.join(words)})", text, flags=re.IGNORECASE)
        snippet = tuple(Piece(piece, number % 2 == 1) for number, piece in enumerate(pieces) if piece)
        return Hit(id, entry.file.path, entry.file.kind, version, snippet)


class Exhibits:
    """What a gallery shows, in memory."""

    def __init__(self) -> None:
        self.exhibits: dict[str, Exhibit] = {}
        self.number = 1

    def put(self, exhibit: Exhibit) -> None:
        self.exhibits[exhibit.path] = exhibit

    def remove(self, path: str) -> None:
        self.exhibits.pop(path, None)

    def all(self) -> Sequence[Exhibit]:
        return [self.exhibits[path] for path in sorted(self.exhibits)]

    def next_index(self) -> int:
        return self.number

    def begin_index(self, number: int) -> None:
        self.number = max(self.number, number + 1)


class Jobs:
    """Puts jobs in a list. A test runs them when it likes, again too."""

    def __init__(self) -> None:
        self.steps: dict[str, tuple[File, StepName]] = {}
        self.withdrawn: list[str] = []
        self.indexes: list[int] = []
        self.known: dict[str, Progressing] = {}

    def enqueue(self, file: File, names: Sequence[StepName]) -> Mapping[StepName, str]:
        jobs = {name: f"{len(self.steps) + place:024x}" for place, name in enumerate(names)}
        self.steps |= {job: (file, name) for name, job in jobs.items()}
        return jobs

    def ask(self, jobs: Sequence[str]) -> Mapping[str, Progressing]:
        return {job: self.known[job] for job in jobs if job in self.known}


class Tasks:
    """Tasks in memory, about files there."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def add(self, task: Task) -> None:
        self._files.tasks[task.id] = task

    def set_state(self, id: int, state: TaskState, done: datetime | None) -> None:
        self._files.tasks[id] = replace(self._files.tasks[id], state=state, done=done)

    def find(self, file_id: int | None, state: TaskState | None, cursor: str | None, limit: int) -> Page[Task]:
        tasks = _newest(self._files.tasks)
        found = [task for task in tasks if file_id in (None, task.file_id) and state in (None, task.state)]
        return _page(found, cursor, limit)

    def get(self, id: int) -> Task | None:
        return self._files.tasks.get(id)


class Publications:
    """Publications in memory, of files there."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.publications: dict[int, Publication] = {}

    def add(self, publication: Publication) -> None:
        self.publications[publication.id] = publication
        self._files.contents[publication.id] = []

    def add_file(self, id: int, file_id: int) -> None:
        contents = self._files.contents[id]
        if all(file.file_id != file_id for file in contents):
            contents.append(PublishedFile(file_id, self._files.entries[file_id].file.path))

    def remove_file(self, id: int, file_id: int) -> None:
        contents = self._files.contents
        contents[id] = [file for file in contents[id] if file.file_id != file_id]

    def publish(self, id: int, at: datetime) -> None:
        self.publications[id] = replace(self.publications[id], state=PublicationState.PUBLISHED, published=at)
        self._files.contents[id] = [
            replace(file, version=self._files.entries[file.file_id].file.version) for file in self._files.contents[id]
        ]

    def holds(self, file_id: int) -> bool:
        return any(
            file.file_id == file_id
            for number, files in self._files.contents.items()
            for file in files
            if self.publications[number].state is PublicationState.PUBLISHED
        )

    def find(self, cursor: str | None, limit: int) -> Page[Publication]:
        return _page([self._counted(publication) for publication in _newest(self.publications)], cursor, limit)

    def get(self, id: int) -> PublicationDetails | None:
        if id not in self.publications:
            return None
        return PublicationDetails(self._counted(self.publications[id]), tuple(self._files.contents[id]))

    def _counted(self, publication: Publication) -> Publication:
        return replace(publication, files=len(self._files.contents[publication.id]))


def _newest(records: Mapping[int, T]) -> list[T]:
    return [records[number] for number in sorted(records, reverse=True)]


def _page(found: Sequence[T], cursor: str | None, limit: int) -> Page[T]:
    begin = int(cursor or 0)
    end = begin + limit
    return Page(list(found[begin:end]), str(end) if end < len(found) else None)
