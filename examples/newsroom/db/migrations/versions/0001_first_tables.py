"""The newsroom's first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from mergepoint.db import UTCDateTime

revision: str = "0001"
down_revision: str | tuple[str, ...] | None = None
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None

PATH = (
    sa.String(700)
    .with_variant(sa.String(700, collation="C"), "postgresql")
    .with_variant(mysql.VARCHAR(700, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
)
FACTS = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
VALUE = sa.String(16)


def upgrade() -> None:
    """Make the tables; those that others refer to come first."""
    _nodes()
    _files()
    _versions()
    _tags()
    _jobs()
    _skipped()
    _tasks()
    _publications()
    _contents()


def downgrade() -> None:
    """Drop the tables, in the opposite order."""
    children_first = ("contents", "publications", "tasks", "skipped", "jobs", "tags", "versions", "files")
    for table in (*children_first, "mergepoint_nodes"):
        op.drop_table(table)


def _nodes() -> None:
    op.create_table(
        "mergepoint_nodes",
        sa.Column("node", sa.Integer, autoincrement=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False, comment="milliseconds; a later lease may take the node"),
        sa.Column("reserved", sa.BigInteger, nullable=False, comment="milliseconds that may have been used, inclusive"),
        sa.PrimaryKeyConstraint("node", name="pk_mergepoint_nodes"),
    )


def _files() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.BigInteger, autoincrement=False),
        sa.Column("path", PATH, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("kind", VALUE, nullable=False),
        sa.Column("media_type", sa.String(127), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("language", sa.String(100)),
        sa.Column("lines", sa.BigInteger),
        sa.Column("title", sa.String(300)),
        sa.Column("preview", sa.String(64)),
        sa.Column("facts", FACTS),
        sa.Column(
            "words", sa.Text, nullable=False, comment="path and title without case: databases differ in what they fold"
        ),
        sa.Column("added", UTCDateTime, nullable=False),
        sa.Column("changed", UTCDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
        sa.UniqueConstraint("path", name="uq_files_path"),
    )
    for columns in (["kind"], ["media_type"], ["language"], ["size", "id"], ["changed", "id"]):
        op.create_index(f"ix_files_{'_'.join(columns)}", "files", columns)


def _versions() -> None:
    op.create_table(
        "versions",
        sa.Column("file_id", sa.BigInteger),
        sa.Column("number", sa.Integer, autoincrement=False),
        sa.Column("media_type", sa.String(127), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("added", UTCDateTime, nullable=False),
        sa.PrimaryKeyConstraint("file_id", "number", name="pk_versions"),
        _refers_to("files", "versions", "file_id"),
    )


def _tags() -> None:
    op.create_table(
        "tags",
        sa.Column("file_id", sa.BigInteger),
        sa.Column("tag", sa.String(40)),
        sa.PrimaryKeyConstraint("file_id", "tag", name="pk_tags"),
        _refers_to("files", "tags", "file_id"),
    )
    op.create_index("ix_tags_tag", "tags", ["tag"])


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger, autoincrement=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("state", VALUE, nullable=False),
        sa.Column("new", sa.Integer, nullable=False),
        sa.Column("changed", sa.Integer, nullable=False),
        sa.Column("unchanged", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
        sa.Column("started", UTCDateTime, nullable=False),
        sa.Column("finished", UTCDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )


def _skipped() -> None:
    op.create_table(
        "skipped",
        sa.Column("id", sa.Integer),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("path", PATH, nullable=False),
        sa.Column("reason", VALUE, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_skipped"),
        _refers_to("jobs", "skipped", "job_id"),
    )
    op.create_index("ix_skipped_job_id", "skipped", ["job_id"])


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.BigInteger, autoincrement=False),
        sa.Column("file_id", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("state", VALUE, nullable=False),
        sa.Column("created", UTCDateTime, nullable=False),
        sa.Column("done", UTCDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
        _refers_to("files", "tasks", "file_id"),
    )
    op.create_index("ix_tasks_file_id", "tasks", ["file_id"])


def _publications() -> None:
    op.create_table(
        "publications",
        sa.Column("id", sa.BigInteger, autoincrement=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("state", VALUE, nullable=False),
        sa.Column("created", UTCDateTime, nullable=False),
        sa.Column("published", UTCDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_publications"),
    )


def _contents() -> None:
    op.create_table(
        "contents",
        sa.Column("publication_id", sa.BigInteger),
        sa.Column("file_id", sa.BigInteger),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, comment="held since it was published; before that a draft follows its files"),
        sa.PrimaryKeyConstraint("publication_id", "file_id", name="pk_contents"),
        _refers_to("publications", "contents", "publication_id"),
        _refers_to("files", "contents", "file_id"),
    )
    op.create_index("ix_contents_file_id", "contents", ["file_id"])


def _refers_to(target: str, table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE")
