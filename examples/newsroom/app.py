"""The composition root: the only module that knows all parts, puts them together and says who may do what.

mergepoint run newsroom.app:create
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from mergepoint import App, config, tasks
from mergepoint.db import Database, migrations
from mergepoint.errors import Kind
from mergepoint.ids import Ids, NodeLease
from mergepoint.jobs import Engine
from mergepoint.place import Places
from mergepoint.redis import Worklist
from mergepoint.tasks import Queue
from newsroom import db as sql
from newsroom import errors, pages
from newsroom.background import Background
from newsroom.gallery import Drawing, Wall
from newsroom.inspect import inspect
from newsroom.makers import Makers
from newsroom.service.desk import Desk
from newsroom.service.files import Files
from newsroom.service.gallery import Gallery
from newsroom.service.imports import Imports
from newsroom.service.intake import Intake
from newsroom.service.making import Making
from newsroom.service.processed import Processed
from newsroom.service.publishing import Publishing
from newsroom.service.searching import Searching
from newsroom.settings import Settings
from newsroom.store import BlobStore

ERRORS: dict[type[Exception], Kind] = {
    errors.NoSuchFile: "not_found",
    errors.NoSuchVersion: "not_found",
    errors.NoPreview: "not_found",
    errors.NoSuchImport: "not_found",
    errors.NotMade: "not_found",
    errors.NothingToCompare: "failed_precondition",
    errors.NothingToSearch: "invalid_argument",
    errors.NoSuchTask: "not_found",
    errors.NoSuchPublication: "not_found",
    errors.PathTaken: "aborted",
    errors.FileTooLarge: "invalid_argument",
    errors.UnreadableFile: "invalid_argument",
    errors.UnusableName: "invalid_argument",
    errors.FilePublished: "failed_precondition",
    errors.AlreadyPublished: "failed_precondition",
    errors.NothingToPublish: "failed_precondition",
}

ENVELOPE = 100_000
"""Bytes that a form needs around a file."""


class Newsroom(Struct, frozen=True):
    """The parts, put together; commands use them as the app does."""

    app: App
    queue: Queue
    db: Database
    store: BlobStore
    wall: Wall
    records: sql.Files
    files: Files
    imports: Imports
    making: Making
    processed: Processed

    def close(self) -> None:
        """Let go of everything."""
        self.app.close()


def assemble(settings: Settings) -> Newsroom:
    """Put the parts together. Nothing is read or written yet, but for folders that are missing.

    Raises:
        ConfigError: a URL cannot be used.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it complains of every odd PDF; what is broken, we tell
    db = sql.database(settings.database.url)
    if db.url.get_backend_name() == "sqlite" and db.url.database:
        Path(db.url.database).parent.mkdir(parents=True, exist_ok=True)
    app = App("newsroom", errors=ERRORS, places=Places.read(settings.places, settings.key))
    app.add(db)
    queue = Queue(app, _engine(settings, db))
    ids = Ids(NodeLease(db))
    app.add(ids)
    app.around(db.unit_of_work)
    store, makers, wall = BlobStore(settings.store.folder, settings.store.largest), Makers(), Wall(settings.gallery)
    files, steps, publications = sql.Files(db), sql.Steps(db), sql.Publications(db)
    background = Background(queue)
    making = Making(files, steps, sql.Texts(db), store, makers, background.enqueue, db.transaction)
    gallery = Gallery(files, steps, sql.Exhibits(db), store, Drawing(), wall, background.ask_for_index, db.transaction)
    intake = Intake(store, inspect, now, ids.next)
    newsroom = Newsroom(
        app,
        queue,
        db,
        store,
        wall,
        files,
        Files(files, publications, store, intake, making.begin, background.withdraw),
        Imports(files, sql.Imports(db), intake, making.begin, db.transaction, now, ids.next),
        making,
        Processed(files, steps, store, makers, background.ask),
    )
    background.register(app, making, gallery)
    _files(app, app.place(Files, lambda: newsroom.files), largest=settings.store.largest)
    _imports(app, newsroom.imports)  # takes folders and tells its progress, which only works next door
    _processing(app, making, newsroom.processed, Searching(sql.Texts(db)))
    _desk(app, app.place(Desk, lambda: Desk(sql.Tasks(db), files, now, ids.next)))
    _publishing(app, app.place(Publishing, lambda: Publishing(publications, files, now, ids.next)))
    app.include(tasks.api(queue))
    app.mount("/", pages.site(app, settings.gallery))
    return newsroom


def _engine(settings: Settings, db: Database) -> Engine | Database:
    """Choose what keeps the jobs; either way they come with the transaction that asks for them."""
    if settings.jobs == "database":
        return db
    url, _, prefix = settings.jobs.partition("#")
    return tasks.Outbox(Worklist(url, prefix=prefix or "newsroom"), db)


def build(settings: Settings) -> App:
    """Make the app: what the newsroom does, what may go wrong, and the pages.

    Raises:
        ConfigError: a URL cannot be used.
    """
    return assemble(settings).app


def create() -> App:
    """Make the app with the settings of the environment; `mergepoint run` calls this.

    An SQLite file is made, or brought up to date: it is nobody else's. A database server is upgraded when a new version
    is rolled out: `mergepoint db upgrade newsroom.app:create`.

    Raises:
        ConfigError: the settings cannot be used; the message lists every problem.
    """
    app = build(load())
    for resource in app.resources:
        if isinstance(resource, Database) and resource.url.get_backend_name() == "sqlite":
            migrations.upgrade(resource)
    return app


def load() -> Settings:
    """Read the settings: etc/config.json, then variables such as NEWSROOM_DATABASE__URL.

    Raises:
        ConfigError: they cannot be used; the message lists every problem.
    """
    return config.load(Settings, prefix="NEWSROOM")


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def _files(app: App, files: Files, *, largest: int) -> None:
    app.query(files.files, http="GET /files")
    app.query(files.file, http="GET /files/{id}")
    app.query(files.files_by_id, http="GET /files-by-id", joins="Task.file(file_id)")
    app.query(files.download, http="GET /files/{id}/download")
    app.query(files.preview, http="GET /files/{id}/preview", cache=60)
    app.query(files.statistics, http="GET /statistics")
    app.command(
        files.upload, http="POST /files", status=201, location="/files/{id}", max_body=largest + ENVELOPE, deadline=60
    )
    app.command(files.tag, http="PUT /files/{id}/tags/{tag}")
    app.command(files.untag, http="DELETE /files/{id}/tags/{tag}")
    app.command(files.delete, http="DELETE /files/{id}")


def _imports(app: App, imports: Imports) -> None:
    # Running one is not an operation: nobody outside shall name a folder of this machine.
    app.query(imports.imports, http="GET /imports")
    app.query(imports.import_run, http="GET /imports/{id}")


def _processing(app: App, making: Making, processed: Processed, searching: Searching) -> None:
    app.query(searching.search, http="GET /search")
    app.query(processed.pipeline, http="GET /files/{id}/pipeline")
    app.query(processed.backlog, http="GET /backlog")
    app.query(processed.files_of_jobs, http="GET /files-of-jobs")
    app.query(processed.thumbnail, http="GET /files/{id}/thumbnail", cache=60)
    app.query(processed.highlighted, http="GET /files/{id}/highlighted")
    app.query(processed.difference, http="GET /files/{id}/difference", deadline=300)
    app.command(making.process, http="POST /files/{id}/process")


def _desk(app: App, desk: Desk) -> None:
    app.query(desk.tasks, http="GET /tasks")
    app.command(desk.create_task, http="POST /tasks", status=201)
    app.command(desk.finish_task, http="POST /tasks/{id}/finish")
    app.command(desk.reopen_task, http="POST /tasks/{id}/reopen")


def _publishing(app: App, publishing: Publishing) -> None:
    app.query(publishing.publications, http="GET /publications")
    app.query(publishing.publication, http="GET /publications/{id}")
    app.command(publishing.create_publication, http="POST /publications", status=201)
    app.command(publishing.add_to_publication, http="PUT /publications/{id}/files/{file_id}")
    app.command(publishing.remove_from_publication, http="DELETE /publications/{id}/files/{file_id}")
    app.command(publishing.publish, http="POST /publications/{id}/publish")
