"""Make things of stored bytes: small pictures, coloured source, plain words, differences. One module per library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mergepoint import Progress
from newsroom.makers import comparing, marking, source, thumbnails, words
from newsroom.records import Change, Kind


class Makers:
    """The `Makers` that services ask for. What they make depends on the bytes and on nothing else."""

    def thumbnail(self, content: Path, kind: Kind) -> bytes | None:
        """See `service.needs.Makers`."""
        return thumbnails.of_pdf(content) if kind is Kind.PDF else thumbnails.of_picture(content)

    def highlighted(self, content: Path, language: str | None, progress: Progress) -> str:
        """See `service.needs.Makers`."""
        return source.highlighted(content, language, progress)

    def text(self, content: Path, kind: Kind, progress: Progress) -> str:
        """See `service.needs.Makers`."""
        return words.extract(content, kind, progress)

    def changes(self, older: Path, newer: Path, kind: Kind, progress: Progress) -> Iterator[Change]:
        """See `service.needs.Makers`."""
        return comparing.changes(older, newer, kind, progress)

    def marked(self, changes: Iterable[Change], kind: Kind) -> Iterator[str]:
        """See `service.needs.Makers`."""
        return marking.marked(changes, kind)
