"""What is made of each version of a file in the background, step by step. Every step can be done again: same result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BufferedReader, BytesIO, RawIOBase
from typing import BinaryIO

from mergepoint import Id, Progress
from newsroom.errors import NoSuchFile
from newsroom.records import File, Kind, Step, StepName
from newsroom.repositories import FileRepository, StepRepository, TextRepository
from newsroom.service.needs import Enqueue, Makers, Store, Transaction, silent

TEXTS = frozenset({Kind.SOURCE, Kind.TEXT, Kind.WEB_PAGE})
DRAWN = "image/svg+xml"
"""An SVG is a program as much as a picture, and is not run to see what it draws."""

BATCH = 100
"""Files in a transaction when many begin."""


class Making:
    """Begins the work on files, and does its steps.

    The bytes that a step makes are kept under their SHA-256 and noted in its row, both in place of what was there. So a
    step that is done twice, as its worker died, leaves what one that is done once leaves.

    Args:
        files: knows the versions.
        steps: keeps how far each version is.
        texts: where texts can be searched.
        store: keeps the bytes, those that are made too.
        makers: make them.
        enqueue: puts in the jobs.
        transaction: what is written together is written in one; none is open while a step computes.
    """

    def __init__(
        self,
        files: FileRepository,
        steps: StepRepository,
        texts: TextRepository,
        store: Store,
        makers: Makers,
        enqueue: Enqueue,
        transaction: Transaction,
    ) -> None:
        self._files = files
        self._steps = steps
        self._texts = texts
        self._store = store
        self._makers = makers
        self._enqueue = enqueue
        self._transaction = transaction

    def begin(self, files: Sequence[File]) -> None:
        """Put in the jobs for these versions and write down their steps, in the transaction that is open."""
        for file in files:
            jobs = self._enqueue(file, steps_of(file))
            self._steps.begin([Step(file.id, file.version, name, job) for name, job in jobs.items()])

    def process(self, id: Id) -> None:
        """Let the work on the newest version of a file begin again.

        Raises:
            NoSuchFile: there is none with this id.
        """
        details = self._files.get(id)
        if details is None:
            raise NoSuchFile(id)
        with self._transaction():
            self.begin([details.file])

    def catch_up(self) -> int:
        """Begin the work on files that were kept before there was any; return how many."""
        count = 0
        while True:
            with self._transaction():
                missing = self._files.by_id(self._steps.without(BATCH))
                self.begin(list(missing.values()))
            if not missing:
                return count
            count += len(missing)

    def make_thumbnail(self, file_id: Id, version: int, kind: Kind) -> None:
        """Make a small picture of a picture or a PDF.

        Raises:
            UnreadableFile: it cannot be read as one.
        """
        if known := self._files.version(file_id, version):
            small = self._makers.thumbnail(self._store.path(known.sha256), kind)
            self._done(file_id, version, StepName.THUMBNAIL, None if small is None else BytesIO(small))

    def highlight(self, file_id: Id, version: int, language: str | None, progress: Progress = silent) -> None:
        """Make coloured HTML of source or text."""
        if known := self._files.version(file_id, version):
            html = self._makers.highlighted(self._store.path(known.sha256), language, progress)
            self._done(file_id, version, StepName.HIGHLIGHT, BytesIO(html.encode()))

    def extract_text(self, file_id: Id, version: int, kind: Kind, progress: Progress = silent) -> None:
        """Read the words out of a file, so that they can be searched.

        Raises:
            UnreadableFile: it cannot be read as what it is.
        """
        if known := self._files.version(file_id, version):
            text = self._makers.text(self._store.path(known.sha256), kind, progress)
            blob = self._store.put(BytesIO(text.encode()))
            with self._transaction():
                self._texts.put(file_id, version, text)
                self._steps.finish(file_id, version, StepName.EXTRACT, blob.sha256)

    def compare_versions(self, file_id: Id, version: int, kind: Kind, progress: Progress = silent) -> None:
        """Make HTML of what differs between a version and the one before."""
        older, newer = self._files.version(file_id, version - 1), self._files.version(file_id, version)
        if older and newer:
            contents = self._store.path(older.sha256), self._store.path(newer.sha256)
            html = self._makers.marked(self._makers.changes(*contents, kind, progress), kind)
            self._done(file_id, version, StepName.DIFFERENCE, stream(html))

    def _done(self, file_id: int, version: int, name: StepName, made: BinaryIO | None) -> None:
        sha256 = None if made is None else self._store.put(made).sha256
        with self._transaction():
            self._steps.finish(file_id, version, name, sha256)


def steps_of(file: File) -> list[StepName]:
    """List the steps for a version, those that need nothing of each other first, then what waits for all of them."""
    is_text = file.kind in TEXTS
    wanted = {
        StepName.THUMBNAIL: file.kind in (Kind.PICTURE, Kind.PDF) and file.media_type != DRAWN,
        StepName.HIGHLIGHT: is_text,
        StepName.EXTRACT: is_text or file.kind is Kind.PDF,
        StepName.DIFFERENCE: is_text and file.version > 1,
        StepName.PUBLISH: True,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def stream(texts: Iterable[str]) -> BinaryIO:
    """Make a stream of bytes of texts; they are asked for as the stream is read."""
    return BufferedReader(_Stream(texts))


class _Stream(RawIOBase):
    def __init__(self, texts: Iterable[str]) -> None:
        self._chunks = (text.encode() for text in texts if text)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader passes
        chunk = self._left or next(self._chunks, b"")
        count = min(len(chunk), len(buffer))
        buffer[:count] = chunk[:count]
        self._left = chunk[count:]
        return count
