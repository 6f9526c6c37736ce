"""The service for imports, on fakes and a real folder."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pytest

from newsroom.errors import NoSuchImport
from newsroom.folder import walk
from newsroom.records import Counts, ImportState, Kind, Reason, Skipped
from newsroom.service.imports import BATCH
from newsroom.tests import samples
from newsroom.tests.desk import LIMIT, Newsroom


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with one file of each kind, and one that is broken."""
    root = tmp_path / "desk"
    (root / "pictures").mkdir(parents=True)
    for name, content in {
        "index.html": b"<title>News</title>",
        "report.pdf": samples.pdf(),
        "tool.py": b"print(1)\n",
        "NOTES": b"words\n",
        "data.bin": b"\0\1",
        "pictures/boat.jpg": samples.jpeg(),
        "pictures/cut.jpg": samples.jpeg()[:200],
    }.items():
        (root / name).write_bytes(content)
    return root


def run(room: Newsroom, folder: Path) -> Counts:
    """Import a folder and give the counts."""
    return room.imports.run(folder.name, walk(folder, LIMIT)).run.counts


def test_every_kind_of_file_is_imported_and_broken_ones_are_named(room: Newsroom, folder: Path) -> None:
    """The run tells what it took in and what it left out, and why."""
    details = room.imports.run("desk", walk(folder, LIMIT))
    assert details.run.counts == Counts(new=6, skipped=1)
    assert details.run.state is ImportState.FINISHED
    assert details.run.finished is not None
    assert details.run.finished > details.run.started
    [skipped] = details.skipped
    assert (skipped.path, skipped.reason) == ("desk/pictures/cut.jpg", Reason.BROKEN_PICTURE)
    assert {file.path: file.kind for file in room.files.files().items} == {
        "desk/index.html": Kind.WEB_PAGE,
        "desk/report.pdf": Kind.PDF,
        "desk/tool.py": Kind.SOURCE,
        "desk/NOTES": Kind.TEXT,
        "desk/data.bin": Kind.OTHER,
        "desk/pictures/boat.jpg": Kind.PICTURE,
    }


def test_importing_twice_changes_nothing(room: Newsroom, folder: Path) -> None:
    """The second run finds everything unchanged, and every file is as it was."""
    run(room, folder)
    before = room.files.files().items
    assert run(room, folder) == Counts(unchanged=6, skipped=1)
    assert room.files.files().items == before


def test_a_changed_file_becomes_a_new_version(room: Newsroom, folder: Path) -> None:
    """Its id stays, and the older content can still be fetched."""
    run(room, folder)
    (folder / "NOTES").write_text("words\nmore\n")
    (folder / "new.txt").write_text("new\n")
    assert run(room, folder) == Counts(new=1, changed=1, unchanged=5, skipped=1)
    [notes] = room.files.files(search="notes").items
    assert (notes.version, notes.lines) == (2, 2)
    assert room.files.download(notes.id, version=1).media_type == "text/plain"


def test_more_files_than_fit_into_one_batch_are_all_imported(room: Newsroom, tmp_path: Path) -> None:
    """The counts run on from batch to batch, and progress is told after every file."""
    root = tmp_path / "many"
    root.mkdir()
    for number in range(BATCH + 5):
        (root / f"{number}.txt").write_text(str(number))
    told: list[Counts] = []
    room.imports.run("many", walk(root, LIMIT), told.append)
    assert told == [Counts(new=number) for number in range(1, BATCH + 6)]
    assert room.files.statistics().files == BATCH + 5


class Vanished:
    """A file that goes away before it is read."""

    path = "gone.txt"

    def open(self) -> BinaryIO:
        raise FileNotFoundError(2, "No such file or directory", "a/private/place")


def test_a_file_that_cannot_be_read_is_skipped_without_telling_its_place(room: Newsroom) -> None:
    """The reason is the system's, the path is the one below the folder."""
    details = room.imports.run("desk", [Vanished()])
    assert details.skipped == (Skipped("gone.txt", Reason.UNREADABLE, "no such file or directory"),)


class Unplugged:
    """A file whose reading ends the program."""

    path = "last.txt"

    def open(self) -> BinaryIO:
        raise KeyboardInterrupt


def test_an_import_that_was_stopped_is_remembered_as_failed(room: Newsroom, folder: Path) -> None:
    """Ctrl-C ends the run; its record says so, and the next run does what is left."""
    with pytest.raises(KeyboardInterrupt):
        room.imports.run("desk", [Unplugged()])
    [stopped] = room.imports.imports().items
    assert (stopped.state, stopped.counts) == (ImportState.FAILED, Counts())
    assert run(room, folder) == Counts(new=6, skipped=1)


def test_imports_come_newest_first_in_pages(room: Newsroom) -> None:
    """The list of runs can be read page by page."""
    for name in ("first", "second", "third"):
        room.imports.run(name, [])
    page = room.imports.imports(limit=2)
    assert [run.source for run in page.items] == ["third", "second"]
    rest = room.imports.imports(cursor=page.next, limit=2)
    assert ([run.source for run in rest.items], rest.next) == (["first"], None)


def test_an_import_that_never_was_is_said_with_its_id(room: Newsroom) -> None:
    """Asking for it is a declared error."""
    with pytest.raises(NoSuchImport, match="There is no import 404"):
        room.imports.import_run(404)
