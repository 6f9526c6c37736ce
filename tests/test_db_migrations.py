"""Migrations without alembic.ini and env.py, on every database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import insert, inspect, select
from tests.databases import SERVERS, database_url

from mergepoint.db import Database, UTCDateTime, migrations
from mergepoint.errors import ConfigError


def tables(*, wings: bool = False) -> sa.MetaData:
    """Describe two tables, one that refers to the other."""
    metadata = sa.MetaData()
    columns = [sa.Column("wings", sa.Integer, nullable=False, server_default="2")] if wings else []
    sa.Table(
        "bats",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("seen", UTCDateTime),
        *columns,
    )
    sa.Table("food", metadata, sa.Column("bat", sa.ForeignKey("bats.id", ondelete="CASCADE"), primary_key=True))
    return metadata


@pytest.fixture(params=["sqlite", "memory", *SERVERS])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return an empty database of each kind, and a folder for migrations that does not exist yet."""
    with database_url(request.param, tmp_path) as url:
        database = Database(url, metadata=tables(), migrations=tmp_path / "migrations", name="bats")
        yield database
        database.close()


def names(db: Database) -> set[str]:
    """List the tables there are."""
    with db.session() as link:
        return set(inspect(link.connection).get_table_names())


def test_a_schema_goes_up_and_down(db: Database, tmp_path: Path) -> None:
    """A revision is written from the tables, applied, found current, and undone."""
    assert migrations.current(db) is None
    written = migrations.revision(db, "Make bats")
    assert written.parent == tmp_path / "migrations" / "versions"
    assert sorted(path.name for path in written.parent.parent.iterdir()) == ["versions"], (
        "no env.py, no .ini, no template"
    )
    (applied,) = migrations.upgrade(db)
    assert migrations.current(db) == applied
    assert names(db) == {"alembic_version", "bats", "food"}
    assert migrations.upgrade(db) == []
    assert migrations.check(db) == []
    assert migrations.downgrade(db, "base") == [applied]
    assert names(db) == {"alembic_version"}
    assert migrations.current(db) is None


def test_a_change_without_migration_is_found(db: Database) -> None:
    """`check` names what is missing, and a second revision brings it without losing rows or what refers to them."""
    migrations.revision(db, "Make bats")
    migrations.upgrade(db)
    bats, food = db.metadata.tables["bats"], db.metadata.tables["food"]  # type: ignore[union-attr]
    db.statement(insert(bats)).run(id=1, name="Ada")
    db.statement(insert(food)).run(bat=1)
    db.metadata = tables(wings=True)
    assert migrations.check(db) == ["add column: bats wings"]
    migrations.revision(db, "Add wings")
    with pytest.raises(ConfigError, match="bats is behind its migrations"):
        migrations.check(db)
    assert len(migrations.upgrade(db)) == 1
    wings = db.metadata.tables["bats"].c.wings
    assert db.statement(select(wings)).all() == [2]
    assert db.statement(select(food.c.bat)).all() == [1]
    migrations.downgrade(db, "-1")
    assert db.statement(select(food.c.bat)).all() == [1], "remaking a table on SQLite must not delete what refers to it"
    with db.connection() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_failed_upgrade_leaves_nothing_behind(db: Database) -> None:
    """Where DDL is transactional an upgrade that fails half way is undone as a whole."""
    path = migrations.revision(db, "Break", autogenerate=False)
    broken = "op.create_table('half', sa.Column('id', sa.Integer))\n    raise RuntimeError('no')"
    path.write_text(path.read_text().replace("pass", broken, 1))
    with pytest.raises(RuntimeError, match="no"):
        migrations.upgrade(db)
    assert migrations.current(db) is None
    if db.url.get_backend_name() != "mysql":
        assert "half" not in names(db)


def test_two_processes_may_upgrade_at_once(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Starting several servers that all upgrade applies each migration once."""
    for kind in ("sqlite", *SERVERS):
        folder = tmp_path / kind
        folder.mkdir()
        with database_url(kind, folder) as url:
            several = [Database(url, metadata=tables(), migrations=folder / "m") for _ in range(4)]
            migrations.revision(several[0], "Make bats")
            applied: list[list[str]] = []
            failures: list[BaseException] = []

            def up(db: Database, applied: list[list[str]] = applied, failures: list[BaseException] = failures) -> None:
                try:
                    applied.append(migrations.upgrade(db))
                except BaseException as error:  # noqa: BLE001 - shown below
                    failures.append(error)

            threads = [threading.Thread(target=up, args=(db,)) for db in several]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for db in several:
                db.close()
            assert failures == []
            assert sorted(map(len, applied)) == [0, 0, 0, 1]


def test_messages_say_what_is_missing(tmp_path: Path) -> None:
    """No folder, no metadata, no migration yet, no such revision: each has its remedy."""
    bare = Database("sqlite://", name="bats")
    with pytest.raises(ConfigError, match=r"pass Database\(\.\.\., migrations=\.\.\.\)"):
        migrations.upgrade(bare)
    empty = Database("sqlite://", name="bats", migrations=tmp_path)
    with pytest.raises(ConfigError, match="write the first one with `revision`"):
        migrations.upgrade(empty)
    with pytest.raises(ConfigError, match=r"pass Database\(\.\.\., metadata=\.\.\.\)"):
        migrations.revision(empty, "x")
    migrations.revision(empty, "x", autogenerate=False)
    with pytest.raises(ConfigError, match="Can't locate revision identified by 'nonsense'"):
        migrations.upgrade(empty, "nonsense")
    with pytest.raises(ConfigError, match="Target database is not up to date"):
        migrations.revision(Database("sqlite://", metadata=tables(), migrations=tmp_path), "y")
