"""Bytes in a folder, addressed by what they are: `ab/cdef…`, the SHA-256. No name of a stranger's is a path here."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from newsroom.errors import FileTooLarge
from newsroom.records import Blob

CHUNK = 1 << 20
INCOMING = "incoming-"
"""What the name of a blob begins with while it is written."""

SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """Content-addressed files in one folder.

    Args:
        folder: made when it is missing.
        limit: the most bytes one blob may have.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, content: BinaryIO) -> Blob:
        """Store the bytes of a stream, once however often they come.

        Raises:
            FileTooLarge: the stream is longer than the limit; nothing is kept of it.
        """
        # Written under another name and renamed: a reader, or a crash, never meets half a blob.
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=INCOMING)
        incoming = Path(name)
        try:
            with os.fdopen(handle, "wb") as target:
                blob = self._copy(content, target)
            self._settle(incoming, self.path(blob.sha256))
        finally:
            incoming.unlink(missing_ok=True)
        return blob

    def _copy(self, content: BinaryIO, target: BinaryIO) -> Blob:
        digest, size = hashlib.sha256(), 0
        for chunk in _chunks(content):
            size += len(chunk)
            if size > self._limit:
                raise FileTooLarge(self._limit)
            digest.update(chunk)
            target.write(chunk)
        return Blob(digest.hexdigest(), size)

    def _settle(self, incoming: Path, place: Path) -> None:
        try:
            os.utime(place)  # Young again: `sweep` must not take what is about to be referred to.
        except FileNotFoundError:
            place.parent.mkdir(exist_ok=True)
            incoming.replace(place)

    def path(self, sha256: str) -> Path:
        """Say where the blob with this SHA-256, 64 hexadecimal digits, lies or would lie."""
        if not SHA256.fullmatch(sha256):
            raise ValueError(f"expected 64 hexadecimal digits, got {sha256!r}")
        return self._folder / sha256[:2] / sha256[2:]

    def sweep(self, in_use: Collection[str], older_than: float) -> int:
        """Remove the blobs that nothing refers to, and those that a process left half written.

        Args:
            in_use: the SHA-256 of every blob that must stay.
            older_than: leave younger ones, in seconds: what refers to them may be on its way.

        Returns:
            How many blobs were removed.
        """
        oldest = time.time() - older_than
        unused = [
            place
            for place in self._folder.glob("??/*")
            if place.parent.name + place.name not in in_use and place.stat().st_mtime < oldest
        ]
        unused += [left for left in self._folder.glob(f"{INCOMING}*") if left.stat().st_mtime < oldest]
        for place in unused:
            place.unlink(missing_ok=True)
        return len(unused)


def _chunks(content: BinaryIO) -> Iterator[bytes]:
    while chunk := content.read(CHUNK):
        yield chunk
