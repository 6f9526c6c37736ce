"""A newsroom on repositories in memory, with a real store and real inspection, for the tests of services."""

from __future__ import annotations

from io import BytesIO
from itertools import count
from pathlib import Path

from msgspec import Struct

from mergepoint import Upload
from newsroom.gallery import Drawing, Wall
from newsroom.inspect import inspect
from newsroom.makers import Makers
from newsroom.records import File, StepName
from newsroom.service.desk import Desk
from newsroom.service.files import Files
from newsroom.service.gallery import Gallery
from newsroom.service.imports import Imports
from newsroom.service.intake import Intake
from newsroom.service.making import Making
from newsroom.service.processed import Processed
from newsroom.service.publishing import Publishing
from newsroom.service.searching import Searching
from newsroom.store import BlobStore
from newsroom.tests import fakes

LIMIT = 100_000
"""Bytes in a file."""


class Newsroom(Struct, frozen=True):
    """The services, what is beneath them, and the folder that the gallery is shown in."""

    files: Files
    imports: Imports
    desk: Desk
    publishing: Publishing
    making: Making
    processed: Processed
    searching: Searching
    gallery: Gallery
    store: BlobStore
    jobs: fakes.Jobs
    steps: fakes.Steps
    shown: Path

    def given(self, name: str, content: str = "some words\n") -> File:
        """Upload a file that a test needs."""
        return self.files.upload(upload(name, content.encode()))

    def work(self) -> None:
        """Do all steps that were put in so far, in their order, then make the index."""
        for file, name in list(self.jobs.steps.values()):
            self.do(file, name)
        for path in self.jobs.withdrawn:
            self.gallery.publish_file(path)
        for number in dict.fromkeys(self.jobs.indexes):
            self.gallery.render_index(number)

    def do(self, file: File, name: StepName) -> None:
        """Do one step of a version."""
        match name:
            case StepName.THUMBNAIL:
                self.making.make_thumbnail(file.id, file.version, file.kind)
            case StepName.HIGHLIGHT:
                self.making.highlight(file.id, file.version, file.language)
            case StepName.EXTRACT:
                self.making.extract_text(file.id, file.version, file.kind)
            case StepName.DIFFERENCE:
                self.making.compare_versions(file.id, file.version, file.kind)
            case StepName.PUBLISH:
                self.gallery.publish_file(file.path, file.version)


def upload(name: str, content: bytes, media_type: str = "application/octet-stream") -> Upload:
    """Make an upload as a caller would send it."""
    return Upload(name, media_type, BytesIO(content))


def newsroom(folder: Path) -> Newsroom:
    """Put a newsroom together that keeps its bytes in a folder and its records in memory."""
    clock, ids = fakes.Ticking(), count(1)
    store = BlobStore(folder, LIMIT)
    files, jobs = fakes.Files(), fakes.Jobs()
    publications, exhibits = fakes.Publications(files), fakes.Exhibits()
    steps, texts = fakes.Steps(files), fakes.Texts(files)
    makers, wall = Makers(), Wall(folder.parent / "gallery")

    def new_id() -> int:
        return next(ids)

    intake = Intake(store, inspect, clock, new_id)
    making = Making(files, steps, texts, store, makers, jobs.enqueue, fakes.no_transaction)
    gallery = Gallery(files, steps, exhibits, store, Drawing(), wall, jobs.indexes.append, fakes.no_transaction)
    return Newsroom(
        Files(files, publications, store, intake, making.begin, jobs.withdrawn.append),
        Imports(files, fakes.Imports(), intake, making.begin, fakes.no_transaction, clock, new_id),
        Desk(fakes.Tasks(files), files, clock, new_id),
        Publishing(publications, files, clock, new_id),
        making,
        Processed(files, steps, store, makers, jobs.ask),
        Searching(texts),
        gallery,
        store,
        jobs,
        steps,
        folder.parent / "gallery",
    )
