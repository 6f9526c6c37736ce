"""What is made of files in the background; the record of imports is called imports, as jobs are something else now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision: str = "0002"
down_revision: str | tuple[str, ...] | None = "0001"
branch_labels: str | tuple[str, ...] | None = None
depends_on: str | tuple[str, ...] | None = None

PATH = (
    sa.String(700)
    .with_variant(sa.String(700, collation="C"), "postgresql")
    .with_variant(mysql.VARCHAR(700, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
)
LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
VALUE = sa.String(16)

SQLITE = """
CREATE VIRTUAL TABLE texts_index
    USING fts5(content, content='texts', content_rowid='file_id', tokenize='unicode61 remove_diacritics 2')
;;
CREATE TRIGGER texts_added AFTER INSERT ON texts BEGIN
    INSERT INTO texts_index(rowid, content) VALUES (new.file_id, new.content);
END
;;
CREATE TRIGGER texts_removed AFTER DELETE ON texts BEGIN
    INSERT INTO texts_index(texts_index, rowid, content) VALUES ('delete', old.file_id, old.content);
END
;;
CREATE TRIGGER texts_changed AFTER UPDATE ON texts BEGIN
    INSERT INTO texts_index(texts_index, rowid, content) VALUES ('delete', old.file_id, old.content);
    INSERT INTO texts_index(rowid, content) VALUES (new.file_id, new.content);
END
"""
POSTGRESQL = """
CREATE TABLE texts_index (file_id bigint PRIMARY KEY REFERENCES texts ON DELETE CASCADE, words tsvector NOT NULL)
;;
CREATE INDEX ix_texts_index_words ON texts_index USING gin (words)
;;
CREATE FUNCTION texts_indexed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO texts_index VALUES (new.file_id, to_tsvector('simple', new.content))
        ON CONFLICT (file_id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END
$$
;;
CREATE TRIGGER texts_changed AFTER INSERT OR UPDATE ON texts FOR EACH ROW EXECUTE FUNCTION texts_indexed()
"""
MARIADB = """
CREATE TABLE texts_index (
    file_id bigint PRIMARY KEY, content mediumtext NOT NULL, FULLTEXT (content),
    FOREIGN KEY (file_id) REFERENCES texts (file_id) ON DELETE CASCADE
) DEFAULT CHARSET utf8mb4
;;
CREATE TRIGGER texts_added AFTER INSERT ON texts FOR EACH ROW
    INSERT INTO texts_index VALUES (new.file_id, new.content)
;;
CREATE TRIGGER texts_changed AFTER UPDATE ON texts FOR EACH ROW
    UPDATE texts_index SET content = new.content WHERE file_id = new.file_id
"""
INDEXES = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "mysql": MARIADB, "mariadb": MARIADB}


def upgrade() -> None:
    """Rename the record of imports, then make the tables and what each database searches texts with."""
    _rename(("jobs", "imports"), ("job_id", "import_id"))
    _steps()
    _texts()
    _exhibits()
    _gallery()


def downgrade() -> None:
    """Drop the tables, and give the record of imports its old name."""
    for table in ("gallery", "exhibits", "texts_index", "texts", "steps"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION texts_indexed")
    _rename(("imports", "jobs"), ("import_id", "job_id"))


def _rename(tables: tuple[str, str], columns: tuple[str, str]) -> None:
    op.rename_table(*tables)
    # Not by a batch, which on SQLite would copy the table: all three know this statement.
    op.execute(f"ALTER TABLE skipped RENAME COLUMN {columns[0]} TO {columns[1]}")
    # The new index comes first: MariaDB keeps one for the foreign key at any time.
    op.create_index(f"ix_skipped_{columns[1]}", "skipped", [columns[1]])
    op.drop_index(f"ix_skipped_{columns[0]}", "skipped")


def _steps() -> None:
    op.create_table(
        "steps",
        sa.Column("file_id", sa.BigInteger),
        sa.Column("version", sa.Integer, autoincrement=False),
        sa.Column("name", VALUE),
        sa.Column("job", sa.String(24), nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("made", sa.String(64), comment="the SHA-256 of what came of it"),
        sa.PrimaryKeyConstraint("file_id", "version", "name", name="pk_steps"),
        _of_file("steps"),
    )
    op.create_index("ix_steps_job", "steps", ["job"])


def _texts() -> None:
    op.create_table(
        "texts",
        sa.Column("file_id", sa.BigInteger, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column(
            "content", LONG_TEXT, nullable=False, comment="what is searched; the index is the database's own kind"
        ),
        sa.PrimaryKeyConstraint("file_id", name="pk_texts"),
        _of_file("texts"),
    )
    for statement in INDEXES[op.get_bind().dialect.name].split(";;"):
        op.execute(statement)


def _exhibits() -> None:
    op.create_table(
        "exhibits",
        sa.Column("path", PATH),
        sa.Column("page", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("kind", VALUE, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("language", sa.String(100)),
        sa.Column("title", sa.String(300)),
        sa.Column("thumbnail", sa.String(64)),
        sa.Column("highlight", sa.String(64)),
        sa.Column("difference", sa.String(64)),
        sa.PrimaryKeyConstraint("path", name="pk_exhibits"),
    )


def _gallery() -> None:
    gallery = op.create_table(
        "gallery",
        sa.Column("id", sa.Integer, autoincrement=False, comment="always 1"),
        sa.Column("next_index", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gallery"),
    )
    op.bulk_insert(gallery, [{"id": 1, "next_index": 1}])


def _of_file(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=f"fk_{table}_file_id", ondelete="CASCADE")
