"""A folder in which files appear in one step: whoever reads it meets the old one or the new one, never half of it."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

INCOMING = ".incoming-"


class Wall:
    """A folder of files that are replaced as a whole.

    Args:
        folder: made when something is hung.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hang(self, path: str, content: bytes) -> None:
        """Put a file there, in place of the one that has the name; one with this content is left alone."""
        place = self._folder / path
        if _read(place) == content:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=INCOMING)
        incoming = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            incoming.chmod(0o644)  # a web server of another user reads it
            incoming.replace(place)
        except BaseException:
            incoming.unlink(missing_ok=True)
            raise

    def take(self, path: str) -> None:
        """Take a file away; nothing happens when it is not there."""
        (self._folder / path).unlink(missing_ok=True)

    def sweep(self, older_than: float) -> int:
        """Remove what was left by processes that died while they wrote, in seconds; return how many files."""
        oldest = time.time() - older_than
        left = [place for place in self._folder.rglob(f"{INCOMING}*") if place.stat().st_mtime < oldest]
        for place in left:
            place.unlink(missing_ok=True)
        return len(left)


def _read(place: Path) -> bytes | None:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None
