"""Import a folder: take in what is new, make versions of what changed, and keep a record of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import BinaryIO, Protocol, TypeAlias

from msgspec.structs import replace

from mergepoint import Id, Page
from newsroom.errors import FileTooLarge, NoSuchImport, UnreadableFile
from newsroom.records import Counts, Cursor, Entry, File, ImportDetails, ImportRun, ImportState, Limit, Reason, Skipped
from newsroom.repositories import FileRepository, ImportRepository
from newsroom.service.intake import Intake
from newsroom.service.needs import Clock, NewId, Process, Transaction

BATCH = 100
"""Files in a transaction. A transaction for each file would make SQLite ten times slower."""


class Source(Protocol):
    """A file that can be taken in."""

    @property
    def path(self) -> str:
        """Where it belongs, with `/`."""

    def open(self) -> BinaryIO:
        """Open it for reading. Raises OSError."""


Progress: TypeAlias = Callable[[Counts], None]
"""Told, after every file, what has been done so far."""


def silent(counts: Counts) -> None:
    """Tell nobody."""


class Imports:
    """Runs imports and remembers them.

    Args:
        files: keeps files.
        runs: keeps what is told of them.
        intake: takes bytes in.
        process: lets the work on what came in begin.
        transaction: what is written together is written in one.
        clock: tells when a run starts and ends.
        new_id: numbers the runs.
    """

    def __init__(
        self,
        files: FileRepository,
        runs: ImportRepository,
        intake: Intake,
        process: Process,
        transaction: Transaction,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._files = files
        self._runs = runs
        self._intake = intake
        self._process = process
        self._transaction = transaction
        self._clock = clock
        self._new_id = new_id

    def run(self, source: str, found: Iterable[Source | Skipped], progress: Progress = silent) -> ImportDetails:
        """Import what was found in a folder. What was taken in before it fails stays.

        Args:
            source: the folder's name.
            found: the files, and what cannot be read among them.
            progress: told after every file.

        Returns:
            The finished run.

        Raises:
            PathTaken: another import adds the same files at this moment.
        """
        run = self._begin(source)
        counts = Counts()
        try:
            for batch in _batches(found):
                counts = self._import(run, batch, counts, progress)
        except BaseException:
            self._end(run, ImportState.FAILED, counts)
            raise
        self._end(run, ImportState.FINISHED, counts)
        with self._transaction():
            return self.import_run(run.id)

    def imports(self, cursor: Cursor | None = None, limit: Limit = 50) -> Page[ImportRun]:
        """List the imports, the newest first."""
        return self._runs.find(cursor, limit)

    def import_run(self, id: Id) -> ImportDetails:
        """Show an import, with every file it left out and why.

        Raises:
            NoSuchImport: there is none with this id.
        """
        details = self._runs.get(id)
        if details is None:
            raise NoSuchImport(id)
        return details

    def _begin(self, source: str) -> ImportRun:
        run = ImportRun(self._new_id(), source, ImportState.RUNNING, Counts(), self._clock())
        with self._transaction():
            self._runs.add(run)
        return run

    def _end(self, run: ImportRun, state: ImportState, counts: Counts) -> None:
        with self._transaction():
            self._runs.end(run.id, state, counts, self._clock())

    def _import(self, run: ImportRun, items: Sequence[Source | Skipped], before: Counts, progress: Progress) -> Counts:
        with self._transaction():
            known = self._files.by_path([item.path for item in items if not isinstance(item, Skipped)])
        # No transaction is open while files are read, so that others can write meanwhile.
        taken = _Taken(before)
        for item in items:
            taken.put(self._take(item, known), is_known=item.path in known)
            progress(taken.counts)
        with self._transaction():
            self._files.add(taken.new)
            self._files.revise(taken.changed)
            self._process([entry.file for entry in (*taken.new, *taken.changed)])
            self._runs.skip(run.id, taken.skipped)
        return taken.counts

    def _take(self, item: Source | Skipped, known: Mapping[str, File]) -> Entry | Skipped | None:
        if isinstance(item, Skipped):
            return item
        try:
            with item.open() as content:
                return self._intake.take(item.path, content, known.get(item.path))
        except OSError as error:
            return Skipped(item.path, Reason.UNREADABLE, (error.strerror or "it cannot be read").lower())
        except FileTooLarge as error:
            return Skipped(item.path, Reason.TOO_LARGE, str(error))
        except UnreadableFile as error:
            return Skipped(item.path, error.reason, error.detail)


class _Taken:
    """What became of the files of one batch, and the counts of the whole run with them."""

    def __init__(self, before: Counts) -> None:
        self.counts = before
        self.new: list[Entry] = []
        self.changed: list[Entry] = []
        self.skipped: list[Skipped] = []

    def put(self, outcome: Entry | Skipped | None, *, is_known: bool) -> None:
        match outcome:
            case None:
                self.counts = replace(self.counts, unchanged=self.counts.unchanged + 1)
            case Skipped():
                self.skipped.append(outcome)
                self.counts = replace(self.counts, skipped=self.counts.skipped + 1)
            case Entry() if is_known:
                self.changed.append(outcome)
                self.counts = replace(self.counts, changed=self.counts.changed + 1)
            case Entry():
                self.new.append(outcome)
                self.counts = replace(self.counts, new=self.counts.new + 1)


def _batches(found: Iterable[Source | Skipped]) -> Iterator[Sequence[Source | Skipped]]:
    remaining = iter(found)
    while batch := tuple(islice(remaining, BATCH)):
        yield batch
