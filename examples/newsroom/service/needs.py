"""What services are given besides repositories: a clock, a source of ids, transactions, bytes and eyes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

from mergepoint import Progress
from newsroom.records import Blob, Change, Exhibit, File, Findings, Kind, Progressing, StepName

Clock: TypeAlias = Callable[[], datetime]
"""Tells the time, aware and in UTC."""

NewId: TypeAlias = Callable[[], int]
"""Makes an id that was never used; later ones are greater."""

Transaction: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Opens a transaction; an exception undoes all that happened in it."""

Inspect: TypeAlias = Callable[[Path, str], Findings]
"""Reads out of stored bytes, called by this name, what they have to say."""


Process: TypeAlias = Callable[[Sequence[File]], None]
"""Lets the work on these versions begin, with the transaction in which they came."""

Withdraw: TypeAlias = Callable[[str], None]
"""Lets the gallery forget what it shows of a path, with the transaction in which that went."""

Enqueue: TypeAlias = Callable[[File, Sequence[StepName]], Mapping[StepName, str]]
"""Puts in a job for each step, the last of which begins when the others are done; gives their ids."""

Ask: TypeAlias = Callable[[Sequence[str]], Mapping[str, Progressing]]
"""Tells how far jobs are, by their ids; of those that are remembered."""

AskForIndex: TypeAlias = Callable[[int], None]
"""Lets the index of the gallery with this number be made soon, once however often it is asked for."""


def silent(done: float, note: str = "") -> None:
    """Tell nobody how far something is: what a job's progress is outside of jobs."""


class Makers(Protocol):
    """Makes things of stored bytes."""

    def thumbnail(self, content: Path, kind: Kind) -> bytes | None:
        """Make a small WebP of a picture, or of the first picture in a PDF. Raises UnreadableFile."""

    def highlighted(self, content: Path, language: str | None, progress: Progress) -> str:
        """Make HTML of source."""

    def text(self, content: Path, kind: Kind, progress: Progress) -> str:
        """Read the words out of a text, a web page or a PDF. Raises UnreadableFile."""

    def changes(self, older: Path, newer: Path, kind: Kind, progress: Progress) -> Iterator[Change]:
        """Compare two texts or web pages, piece by piece, never all of them in memory."""

    def marked(self, changes: Iterable[Change], kind: Kind) -> Iterator[str]:
        """Make HTML of changes."""


class Drawing(Protocol):
    """Draws the pages of the gallery."""

    def page(self, exhibit: Exhibit, read: Callable[[str], str]) -> bytes:
        """Draw the page of a file; `read` gives the text with a SHA-256."""

    def index(self, exhibits: Sequence[Exhibit]) -> bytes:
        """Draw the list of all files."""

    def style(self) -> bytes:
        """Draw the style sheet."""


class Wall(Protocol):
    """Where the gallery hangs."""

    def hang(self, path: str, content: bytes) -> None:
        """Put a file there in one step, in place of the one there is."""

    def take(self, path: str) -> None:
        """Take a file away; nothing happens when it is not there."""


class Store(Protocol):
    """Keeps bytes, addressed by their SHA-256."""

    def put(self, content: BinaryIO) -> Blob:
        """Store the bytes of a stream. Raises FileTooLarge."""

    def path(self, sha256: str) -> Path:
        """Say where stored bytes can be read."""
