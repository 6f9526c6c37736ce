"""A newsroom on repositories in memory, with a real store and real inspection, for the tests of services."""

from __future__ import annotations

from io import BytesIO
from itertools import count
from pathlib import Path

from msgspec import Struct

from mergepoint import Upload
from newsroom.inspect import inspect
from newsroom.records import File
from newsroom.service.desk import Desk
from newsroom.service.files import Files
from newsroom.service.imports import Imports
from newsroom.service.intake import Intake
from newsroom.service.publishing import Publishing
from newsroom.store import BlobStore
from newsroom.tests import fakes

LIMIT = 100_000
"""Bytes in a file."""


class Newsroom(Struct, frozen=True):
    """The services, and the store beneath them."""

    files: Files
    imports: Imports
    desk: Desk
    publishing: Publishing
    store: BlobStore

    def given(self, name: str, content: str = "some words\n") -> File:
        """Upload a file that a test needs."""
        return self.files.upload(upload(name, content.encode()))


def upload(name: str, content: bytes, media_type: str = "application/octet-stream") -> Upload:
    """Make an upload as a caller would send it."""
    return Upload(name, media_type, BytesIO(content))


def newsroom(folder: Path) -> Newsroom:
    """Put a newsroom together that keeps its bytes in a folder and its records in memory."""
    clock, ids = fakes.Ticking(), count(1)
    store = BlobStore(folder, LIMIT)
    files, jobs = fakes.Files(), fakes.Jobs()
    publications = fakes.Publications(files)

    def new_id() -> int:
        return next(ids)

    intake = Intake(store, inspect, clock, new_id)
    return Newsroom(
        Files(files, publications, store, intake),
        Imports(files, jobs, intake, fakes.no_transaction, clock, new_id),
        Desk(fakes.Tasks(files), files, clock, new_id),
        Publishing(publications, files, clock, new_id),
        store,
    )
