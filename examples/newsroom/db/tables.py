"""The tables. Migrations bring a database to this description; `mergepoint db check` compares the two."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

from mergepoint.db import UTCDateTime
from mergepoint.ids import node_table
from newsroom.db.columns import FactsColumn, LongText, Path, by_value
from newsroom.records import ImportState, Kind, PublicationState, Reason, StepName, TaskState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

nodes = node_table(metadata)

files = Table(
    "files",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("path", Path, nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    Column("kind", by_value(Kind), nullable=False, index=True),
    Column("media_type", String(127), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("language", String(100), index=True),
    Column("lines", BigInteger),
    Column("title", String(300)),
    Column("preview", String(64)),
    Column("facts", FactsColumn),
    Column("words", Text, nullable=False, comment="path and title without case: databases differ in what they fold"),
    Column("added", UTCDateTime, nullable=False),
    Column("changed", UTCDateTime, nullable=False),
    Index(None, "size", "id"),
    Index(None, "changed", "id"),
)

versions = Table(
    "versions",
    metadata,
    Column("file_id", ForeignKey(files.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("media_type", String(127), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("added", UTCDateTime, nullable=False),
)

tags = Table(
    "tags",
    metadata,
    Column("file_id", ForeignKey(files.c.id, ondelete="CASCADE"), primary_key=True),
    Column("tag", String(40), primary_key=True, index=True),
)

imports = Table(
    "imports",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("source", String(255), nullable=False),
    Column("state", by_value(ImportState), nullable=False),
    Column("new", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("started", UTCDateTime, nullable=False),
    Column("finished", UTCDateTime),
)

skipped = Table(
    "skipped",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("import_id", ForeignKey(imports.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("path", Path, nullable=False),
    Column("reason", by_value(Reason), nullable=False),
    Column("detail", Text, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("file_id", ForeignKey(files.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("note", Text, nullable=False),
    Column("state", by_value(TaskState), nullable=False),
    Column("created", UTCDateTime, nullable=False),
    Column("done", UTCDateTime),
)

publications = Table(
    "publications",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("title", String(200), nullable=False),
    Column("state", by_value(PublicationState), nullable=False),
    Column("created", UTCDateTime, nullable=False),
    Column("published", UTCDateTime),
)

contents = Table(
    "contents",
    metadata,
    Column("publication_id", ForeignKey(publications.c.id, ondelete="CASCADE"), primary_key=True),
    Column("file_id", ForeignKey(files.c.id, ondelete="CASCADE"), primary_key=True, index=True),
    Column("position", Integer, nullable=False),
    Column("version", Integer, comment="held since it was published; before that a draft follows its files"),
)

steps = Table(
    "steps",
    metadata,
    Column("file_id", ForeignKey(files.c.id, ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", by_value(StepName), primary_key=True),
    Column("job", String(24), nullable=False, index=True),
    Column("done", Boolean, nullable=False),
    Column("made", String(64), comment="the SHA-256 of what came of it"),
)

texts = Table(
    "texts",
    metadata,
    Column("file_id", ForeignKey(files.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("content", LongText, nullable=False, comment="what is searched; the index is the database's own kind"),
)

exhibits = Table(
    "exhibits",
    metadata,
    Column("path", Path, primary_key=True),
    Column("page", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("kind", by_value(Kind), nullable=False),
    Column("version", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("language", String(100)),
    Column("title", String(300)),
    Column("thumbnail", String(64)),
    Column("highlight", String(64)),
    Column("difference", String(64)),
)

gallery = Table(
    "gallery",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("next_index", Integer, nullable=False),
)
