"""The vocabulary of signatures: the few types that business code may take from here, all of them inert."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Generic, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta
from msgspec import UnsetType as Unset

__all__ = ["UNSET", "Download", "Id", "Meta", "Page", "Progress", "Sensitive", "Unset", "Upload"]

T = TypeVar("T")

INT64 = (-(2**63), 2**63 - 1)
"""The least and the greatest integer that every protocol carries."""

Id: TypeAlias = Annotated[int, Meta(ge=INT64[0], le=INT64[1], extra={"id": True})]
"""A 64-bit integer in Python and protobuf, a string in every JSON: JavaScript's numbers end at 2^53."""

Sensitive = Meta(extra={"sensitive": True}, extra_json_schema={"writeOnly": True, "format": "password"})
"""Mark a value that must not be shown: `password: Annotated[str, Sensitive]`."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a longer list.

    Attributes:
        items: the records of this page, in order.
        next: the cursor to pass for the page after this one, or None at the end.
    """

    items: list[T]
    next: str | None = None


class Progress(Protocol):
    """What a callable tells its progress to. A parameter of this type is filled in a job; elsewhere it does nothing."""

    def __call__(self, done: float, note: str = "") -> None:
        """Tell how much is done, from 0 to 1, and what is being done.

        Raises:
            Cancelled: somebody wants the work to stop; let it pass.
            DeadlineExceeded: the time for it is over.
        """


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a caller sends.

    Attributes:
        name: the file name the caller gave; never a path, and not to be trusted as one.
        media_type: what the caller says it is, such as `image/png`.
        file: the bytes, to be read once from the start.
    """

    name: str
    media_type: str
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Download:
    """A file that an operation answers with.

    Attributes:
        content: the bytes, a file to send, or chunks of bytes.
        media_type: such as `application/pdf`.
        name: what the caller shall save it as; None for no name.
        inline: True if a browser may show it instead of saving it.
    """

    content: bytes | Path | Iterable[bytes]
    media_type: str = "application/octet-stream"
    name: str | None = None
    inline: bool = False

    def chunks(self, size: int = 65_536) -> Iterator[bytes]:
        """Yield the content in pieces of so many bytes at most."""
        if isinstance(self.content, Path):
            with self.content.open("rb") as file:
                yield from iter(lambda: file.read(size), b"")
            return
        for part in [self.content] if isinstance(self.content, bytes) else self.content:
            for start in range(0, len(part), size):
                yield part[start : start + size]
