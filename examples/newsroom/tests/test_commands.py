"""The commands, as a newcomer runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mergepoint.site import site
from newsroom.app import create
from newsroom.commands import main
from newsroom.tests import samples
from newsroom.tests.browser import send
from newsroom.tests.servers import new_database

EXAMPLES = Path(__file__).parents[2]
WIDE = {"COLUMNS": "120"}


def run(*arguments: str, **variables: str) -> Result:
    """Run a command in the current folder."""
    return CliRunner().invoke(main, arguments, env=WIDE | variables)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder that holds the newsroom's own data too, once it has some."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boat.jpg").write_bytes(samples.jpeg())
    (tmp_path / "cut.jpg").write_bytes(samples.jpeg()[:200])
    (tmp_path / "[red]tool.py").write_text("print(1)\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    return tmp_path


def test_a_folder_is_imported_and_the_second_time_nothing_changes(desk: Path) -> None:
    """The database is made on the way, what was skipped is told, and the newsroom's own data is left out."""
    first = run("import", ".")
    assert first.exit_code == 0, first.output
    assert "Database ready (sqlite)." in first.stdout
    assert "2 new, 0 changed, 0 unchanged, 2 skipped" in first.stdout
    assert "Skipped: 1 × broken picture, 1 × symlink loop" in first.stdout
    assert (desk / "var/newsroom/newsroom.db").exists()
    second = run("import", ".")
    assert "0 new, 0 changed, 2 unchanged, 2 skipped" in second.stdout


def test_one_variable_moves_it_to_postgresql(desk: Path, postgres_url: str) -> None:
    """Nothing else changes, and no SQLite file appears."""
    with new_database(postgres_url) as url:
        done = run("import", ".", NEWSROOM_DATABASE__URL=url)
        assert "Database ready (postgresql)." in done.stdout
        assert "2 new, 0 changed, 0 unchanged, 2 skipped" in done.stdout
    assert not list(desk.rglob("*.db"))


@pytest.mark.parametrize(
    ("arguments", "variables", "complaint"),
    [
        (("import", "nowhere"), {}, "'nowhere' does not exist"),
        (("import", "boat.jpg"), {}, "'boat.jpg' is a file"),
        (("import", "."), {"NEWSROOM_DATABASE__URL": "oracle://x"}, "begins with oracle://"),
        (("import", "."), {"NEWSROOM_STORE__LARGEST": "0"}, "NEWSROOM_STORE__LARGEST"),
        (("import", "."), {"NEWSROOM_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/x"}, "127.0.0.1"),
    ],
)
def test_a_mistake_is_told_in_plain_words(
    desk: Path, arguments: tuple[str, ...], variables: dict[str, str], complaint: str
) -> None:
    """One message that says what to do, and no traceback."""
    done = run(*arguments, **variables)
    assert done.exit_code != 0
    assert complaint in done.stderr
    assert isinstance(done.exception, SystemExit)


def test_a_sweep_leaves_what_is_young_or_in_use(desk: Path) -> None:
    """Right after an import there is nothing to remove."""
    run("import", ".")
    assert run("sweep").stdout == "Removed 0 files from the store.\n"


def test_an_upgrade_says_when_there_is_nothing_to_do(desk: Path) -> None:
    """Doing it twice does no harm."""
    assert run("upgrade").stdout == "Database ready (sqlite).\n"
    assert run("upgrade").stdout == "The database is up to date.\n"


def test_the_package_is_a_program(desk: Path) -> None:
    """`python -m newsroom` works from any folder, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "newsroom", "import", "."],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLES), *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "2 new, 0 changed, 0 unchanged, 2 skipped" in done.stdout
    assert (desk / "var/newsroom/newsroom.db").exists()


def test_the_app_makes_its_own_sqlite_database(desk: Path) -> None:
    """Who serves before importing gets an empty newsroom, not an error."""
    app = create()
    assert send(site(app), "GET", "/api/statistics").json["files"] == 0
    app.close()
