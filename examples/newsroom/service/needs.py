"""What services are given besides repositories: a clock, a source of ids, transactions, bytes and eyes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

from newsroom.records import Blob, Findings

Clock: TypeAlias = Callable[[], datetime]
"""Tells the time, aware and in UTC."""

NewId: TypeAlias = Callable[[], int]
"""Makes an id that was never used; later ones are greater."""

Transaction: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Opens a transaction; an exception undoes all that happened in it."""

Inspect: TypeAlias = Callable[[Path, str], Findings]
"""Reads out of stored bytes, called by this name, what they have to say."""


class Store(Protocol):
    """Keeps bytes, addressed by their SHA-256."""

    def put(self, content: BinaryIO) -> Blob:
        """Store the bytes of a stream. Raises FileTooLarge."""

    def path(self, sha256: str) -> Path:
        """Say where stored bytes can be read."""
