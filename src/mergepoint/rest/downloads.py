"""Files as answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from ..types import Download

CHUNK = 65_536
"""Bytes sent at a time."""


def file_response(environ: dict[str, Any], file: Download) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
    """Return the headers and the body that send a file.

    Args:
        environ: the WSGI environment; its server may know a quicker way to send a file.
        file: what to send.
    """
    headers = [("Content-Type", file.media_type), ("Content-Disposition", disposition(file))]
    if isinstance(file.content, bytes):
        return [*headers, ("Content-Length", str(len(file.content)))], [file.content]
    if isinstance(file.content, Path):
        opened = file.content.open("rb")
        length = str(file.content.stat().st_size)
        wrap = environ.get("wsgi.file_wrapper", FileChunks)
        return [*headers, ("Content-Length", length)], wrap(opened, CHUNK)
    return headers, file.content


def disposition(file: Download) -> str:
    """Return how a browser shall treat a file, and under which name (RFC 6266)."""
    kind = "inline" if file.inline else "attachment"
    if file.name is None:
        return kind
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_. ") else "_" for c in file.name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name, safe='')}"


class FileChunks:
    """A file in chunks, closed at the end (PEP 3333, "Optional Platform-Specific File Handling")."""

    def __init__(self, file: BinaryIO, size: int = CHUNK) -> None:
        self._file = file
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._file.read(self._size):
            yield chunk

    def close(self) -> None:
        """Close the file; the server calls this also when the caller has gone."""
        self._file.close()
