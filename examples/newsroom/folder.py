"""Walk a real folder: what is in it to read, and what is not, with the reason. Links are never followed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from newsroom.records import Reason, Skipped

LONGEST_PATH = 700
"""Characters in a path. MariaDB's unique keys end at 3,072 bytes, and a character takes up to four."""

# fmt: off
MACHINE_MADE = (
    ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", "*.egg-info", ".tox", ".nox", ".cache",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".coverage", ".idea", ".vscode", "*.pyc", "*.pyo",
    "*.swp", "*~", ".DS_Store", "Thumbs.db",
)
SECRET = (
    ".env", ".env.*", ".netrc", ".pgpass", ".ssh", ".gnupg", "id_rsa*", "id_ed25519*", "*.pem", "*.key", "*.p12",
)
"""What people do not want to find on a page, however local."""
# fmt: on

VIRTUAL_ENVIRONMENT = "pyvenv.cfg"
"""The file that marks a folder as a Python environment (PEP 405), whatever that is called; it is left out too."""

LEFT_OUT: tuple[str, ...] = (*MACHINE_MADE, *SECRET)
"""Names, as shell patterns, of what is left out without a word."""


class Found(Struct, frozen=True):
    """A regular file below the folder; `path` leads to it from the folder, whose name it begins with."""

    path: str
    place: Path
    size: int

    def open(self) -> BinaryIO:
        """Open it for reading.

        Raises:
            OSError: it went away, became something else, or may not be read.
        """
        # It may have become a link or a pipe since the walk: follow no link, and wait for no writer.
        handle = os.open(self.place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "it is not a regular file any more")
        return os.fdopen(handle, "rb")


def walk(
    root: Path, limit: int, left_out: Collection[str] = LEFT_OUT, never: Collection[Path] = ()
) -> Iterator[Found | Skipped]:
    """List what is below a folder, by name, depth first.

    Args:
        root: the folder.
        limit: the most bytes a file may have.
        left_out: shell patterns of names that are left out without a word.
        never: folders that are left out wherever they are met, such as the newsroom's own.
    """
    walker = _Walk(root.resolve(), limit, tuple(left_out), frozenset(place.resolve() for place in never))
    return walker.folder(walker.root)


class _Walk(Struct, frozen=True):
    root: Path
    limit: int
    left_out: tuple[str, ...]
    never: frozenset[Path]

    def folder(self, folder: Path) -> Iterator[Found | Skipped]:
        try:
            children = sorted(folder.iterdir())
        except OSError as error:
            yield self._skip(folder, Reason.UNREADABLE, _said(error))
            return
        if any(child.name == VIRTUAL_ENVIRONMENT for child in children):
            return
        for child in children:
            if not self._is_left_out(child):
                yield from self._child(child)

    def _is_left_out(self, place: Path) -> bool:
        return place in self.never or any(fnmatch(place.name, pattern) for pattern in self.left_out)

    def _child(self, place: Path) -> Iterator[Found | Skipped]:
        try:
            status = place.lstat()
        except OSError as error:
            yield self._skip(place, Reason.UNREADABLE, _said(error))
            return
        if stat.S_ISDIR(status.st_mode):
            yield from self.folder(place)
        elif stat.S_ISLNK(status.st_mode):
            yield self._link(place)
        else:
            yield self._leaf(place, status)

    def _leaf(self, place: Path, status: os.stat_result) -> Found | Skipped:
        path = self._path(place)
        if not stat.S_ISREG(status.st_mode):
            return self._skip(place, Reason.SPECIAL_FILE, "it is a pipe, a socket or a device")
        if complaint := _complaint(path):
            return self._skip(place, Reason.UNUSABLE_NAME, complaint)
        if status.st_size > self.limit:
            return self._skip(place, Reason.TOO_LARGE, f"{status.st_size:,} bytes are more than {self.limit:,}")
        return Found(path, place, status.st_size)

    def _link(self, place: Path) -> Skipped:
        try:
            target = place.resolve(strict=True)
        except FileNotFoundError:
            return self._skip(place, Reason.SYMLINK, "it leads nowhere")
        except (OSError, RuntimeError):  # Python 3.11 and 3.12 raise RuntimeError for a loop, later ones OSError.
            return self._skip(place, Reason.SYMLINK_LOOP, "it leads back to itself")
        if target in place.parents:
            return self._skip(place, Reason.SYMLINK_LOOP, "it leads back to a folder it lies in")
        if target.is_relative_to(self.root):
            return self._skip(place, Reason.SYMLINK, f"see {self._path(target)}")
        return self._skip(place, Reason.SYMLINK, "it leads out of the folder")

    def _skip(self, place: Path, reason: Reason, detail: str) -> Skipped:
        return Skipped(_printable(self._path(place))[:LONGEST_PATH], reason, _printable(detail))

    def _path(self, place: Path) -> str:
        # With the folder's own name, so that two folders with a README each have two.
        return place.relative_to(self.root.parent).as_posix()


def _complaint(path: str) -> str | None:
    if not path.isprintable():
        return "it has control characters, or is not UTF-8"
    if len(path) > LONGEST_PATH:
        return f"its path has more than {LONGEST_PATH} characters"
    return None


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in text)


def _said(error: OSError) -> str:
    return (error.strerror or "it cannot be read").lower()
