"""The composition root: the only module that knows all parts, puts them together and says who may do what.

mergepoint run newsroom.app:create
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from mergepoint import App, config
from mergepoint.db import Database, migrations
from mergepoint.errors import Kind
from mergepoint.ids import Ids, NodeLease
from mergepoint.place import Places
from newsroom import db as sql
from newsroom import errors, pages
from newsroom.inspect import inspect
from newsroom.service.desk import Desk
from newsroom.service.files import Files
from newsroom.service.imports import Imports
from newsroom.service.intake import Intake
from newsroom.service.publishing import Publishing
from newsroom.settings import Settings
from newsroom.store import BlobStore

ERRORS: dict[type[Exception], Kind] = {
    errors.NoSuchFile: "not_found",
    errors.NoSuchVersion: "not_found",
    errors.NoPreview: "not_found",
    errors.NoSuchJob: "not_found",
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

    db: Database
    ids: Ids
    store: BlobStore
    records: sql.Files
    files: Files
    imports: Imports
    desk: Desk
    publishing: Publishing

    def close(self) -> None:
        """Let go of everything."""
        self.ids.close()
        self.db.close()


def assemble(settings: Settings) -> Newsroom:
    """Put the parts together. Nothing is read or written yet, but for folders that are missing.

    Raises:
        ConfigError: the database's URL cannot be used.
    """
    db = sql.database(settings.database.url)
    if db.url.get_backend_name() == "sqlite" and db.url.database:
        Path(db.url.database).parent.mkdir(parents=True, exist_ok=True)
    ids = Ids(NodeLease(db))
    store = BlobStore(settings.store.folder, settings.store.largest)
    intake = Intake(store, inspect, now, ids.next)
    files, publications = sql.Files(db), sql.Publications(db)
    return Newsroom(
        db,
        ids,
        store,
        files,
        Files(files, publications, store, intake),
        Imports(files, sql.Jobs(db), intake, db.transaction, now, ids.next),
        Desk(sql.Tasks(db), files, now, ids.next),
        Publishing(publications, files, now, ids.next),
    )


def build(settings: Settings) -> App:
    """Make the app: what the newsroom does, what may go wrong, and the pages.

    Raises:
        ConfigError: the database's URL cannot be used.
    """
    newsroom = assemble(settings)
    app = App("newsroom", errors=ERRORS, places=Places.read(settings.places, settings.key))
    app.add(newsroom.db)
    app.add(newsroom.ids)
    app.around(newsroom.db.unit_of_work)
    _files(app, app.place(Files, lambda: newsroom.files), largest=settings.store.largest)
    _imports(app, newsroom.imports)  # takes folders and tells its progress, which only works next door
    _desk(app, app.place(Desk, lambda: newsroom.desk))
    _publishing(app, app.place(Publishing, lambda: newsroom.publishing))
    app.mount("/", pages.site(app))
    return app


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
    app.query(imports.jobs, http="GET /jobs")
    app.query(imports.job, http="GET /jobs/{id}")


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
