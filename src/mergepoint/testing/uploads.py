"""Uploads: files that callers send, with their names and media types, empty and large."""

from __future__ import annotations

import io
from hashlib import sha256
from typing import Annotated

import msgspec

from ..access import anyone
from ..app import App
from ..errors import InvalidArgument
from ..types import Meta, Upload
from .case import case
from .comparison import fails, same

LARGE = bytes(range(256)) * 12_000
"""Three megabytes: more than an operation takes that does not say so."""


class Weighed(msgspec.Struct, frozen=True):
    """What an operation found in a file."""

    name: str
    media_type: str
    size: int
    digest: str
    note: str = ""


class Uploads:
    """Operations that take files."""

    def weigh(self, file: Upload, note: Annotated[str, Meta(max_length=20)] = "") -> Weighed:
        """Tell what is in a file."""
        return _weighed(file.name, file.media_type, file.file.read(), note)

    def weigh_all(self, files: list[Upload]) -> list[Weighed]:
        """Tell what is in some files."""
        return [self.weigh(file) for file in files]

    def weigh_if_any(self, file: Upload | None = None) -> Weighed | None:
        """Tell what is in a file, if there is one."""
        return None if file is None else self.weigh(file)


def _weighed(name: str, media_type: str, content: bytes, note: str = "") -> Weighed:
    return Weighed(name, media_type, len(content), sha256(content).hexdigest(), note)


def _upload(content: bytes, name: str = "bat.txt", media_type: str = "text/plain") -> Upload:
    return Upload(name, media_type, io.BytesIO(content))


def register(app: App, uploads: Uploads) -> None:
    """Register the operations."""
    app.command(uploads.weigh, allow=anyone, max_body=5_000_000)
    app.command(uploads.weigh_all, allow=anyone)
    app.command(uploads.weigh_if_any, allow=anyone)


# --- what must hold ------------------------------------------------------------------------------------------------


@case("uploads")
def files_arrive(service: Uploads) -> None:
    """A file arrives as it was, with its name and media type, and the values beside it."""
    for content in (b"", b"Bats\r\n are kind.", bytes(range(256)), LARGE):
        same(service.weigh(_upload(content), "a note"), _weighed("bat.txt", "text/plain", content, "a note"))


@case("uploads")
def names_of_files(service: Uploads) -> None:
    """The name and the media type of a file are the caller's."""
    for name, media_type in (("über fledermäuse 🦇.png", "image/png"), ('a "b";c.bin', "application/octet-stream")):
        same(service.weigh(_upload(b"x", name, media_type)), _weighed(name, media_type, b"x"))


@case("uploads")
def several_files(service: Uploads) -> None:
    """Several files arrive in their order."""
    files = [_upload(b"one", "1.txt"), _upload(b"two", "2.txt")]
    same(service.weigh_all(files), [_weighed("1.txt", "text/plain", b"one"), _weighed("2.txt", "text/plain", b"two")])


@case("uploads")
def optional_files(service: Uploads) -> None:
    """A file that may be missing, may."""
    same(service.weigh_if_any(), None)
    same(service.weigh_if_any(_upload(b"x")), _weighed("bat.txt", "text/plain", b"x"))


@case("checks", "errors", "uploads")
def values_beside_files(service: Uploads) -> None:
    """What is wrong with a value beside a file is told."""
    failure = fails(InvalidArgument, service.weigh, _upload(b"x"), "x" * 21)
    same([problem.path for problem in failure.problems], ["$.note"])
