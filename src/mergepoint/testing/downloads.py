"""Downloads: files that operations answer with, with their names and media types, empty and large."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from ..access import anyone
from ..app import App
from ..types import Download
from .case import case
from .comparison import same

LARGE = bytes(range(256)) * 12_000


class Downloads:
    """Operations that give files."""

    def leaflet(self, name: str = "leaflet.txt") -> Download:
        """Give a small file."""
        return Download(b"Bats are kind.\n", "text/plain", name)

    def picture(self) -> Download:
        """Give a file that may be shown, and has no name."""
        return Download(b"", "image/png", inline=True)

    def archive(self) -> Download:
        """Give a large file in pieces."""
        return Download(_pieces(), "application/zip", "archive.zip")


def _pieces() -> Iterator[bytes]:
    for start in range(0, len(LARGE), 100_000):
        yield LARGE[start : start + 100_000]


def _content(file: Download) -> bytes:
    if isinstance(file.content, Path):
        return file.content.read_bytes()
    return file.content if isinstance(file.content, bytes) else b"".join(file.content)


def register(app: App, downloads: Downloads) -> None:
    """Register the operations."""
    app.query(downloads.leaflet, allow=anyone)
    app.query(downloads.picture, allow=anyone)
    app.query(downloads.archive, allow=anyone)


# --- what must hold ------------------------------------------------------------------------------------------------


@case("downloads")
def files_come_back(service: Downloads) -> None:
    """A file that an operation gives has its bytes, media type and name."""
    for name in ("leaflet.txt", "über fledermäuse 🦇.txt", 'a "b";c.txt'):
        file = service.leaflet(name)
        same((file.media_type, file.name, file.inline), ("text/plain", name, False))
        same(_content(file), b"Bats are kind.\n")


@case("downloads")
def files_to_show(service: Downloads) -> None:
    """A file may be empty, have no name and be meant to be shown."""
    file = service.picture()
    same((file.media_type, file.name, file.inline, _content(file)), ("image/png", None, True, b""))


@case("downloads")
def large_files(service: Downloads) -> None:
    """A large file is complete."""
    same(sha256(_content(service.archive())).hexdigest(), sha256(LARGE).hexdigest())
