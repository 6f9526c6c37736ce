"""Take bytes in: store them, look into them, and make of them a new file or a new version of one that is there."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import PurePosixPath
from typing import BinaryIO

from newsroom.records import Blob, Entry, File, Findings
from newsroom.service.needs import Clock, Inspect, NewId, Store

CHUNK = 1 << 20


class Intake:
    """Makes entries of bytes; writing them to a repository is up to the caller, who may write many at once.

    Args:
        store: where the bytes go.
        inspect: reads out of them what they have to say.
        clock: tells when they came.
        new_id: numbers new files.
    """

    def __init__(self, store: Store, inspect: Inspect, clock: Clock, new_id: NewId) -> None:
        self._store = store
        self._inspect = inspect
        self._clock = clock
        self._new_id = new_id

    def take(self, path: str, content: BinaryIO, known: File | None) -> Entry | None:
        """Take the bytes of a file in.

        Args:
            path: where the file belongs.
            content: its bytes, from the start; seekable.
            known: the file that is at this path now.

        Returns:
            What to add, or to revise when the file is known; None when the known file has these very bytes.

        Raises:
            FileTooLarge: there are more bytes than are kept.
            UnreadableFile: they are not what they claim to be.
        """
        if known is not None and _has(known, content):
            return None
        blob = self._store.put(content)
        # What was stored is read, not what was sent: a file that changes meanwhile cannot be described wrongly.
        findings = self._inspect(self._store.path(blob.sha256), PurePosixPath(path).name)
        return Entry(self._file(path, blob, findings, known), findings.facts)

    def _file(self, path: str, blob: Blob, findings: Findings, known: File | None) -> File:
        now = self._clock()
        return File(
            id=known.id if known else self._new_id(),
            path=path,
            name=PurePosixPath(path).name,
            kind=findings.kind,
            media_type=findings.media_type,
            size=blob.size,
            sha256=blob.sha256,
            version=known.version + 1 if known else 1,
            language=findings.language,
            lines=findings.lines,
            title=findings.title,
            preview=self._store.put(BytesIO(findings.preview)).sha256 if findings.preview else None,
            tags=known.tags if known else (),
            added=known.added if known else now,
            changed=now,
        )


def _has(file: File, content: BinaryIO) -> bool:
    """Tell whether a file has these very bytes. Reading them is far cheaper than storing them again."""
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK):
        digest.update(chunk)
    content.seek(0)
    return digest.hexdigest() == file.sha256
