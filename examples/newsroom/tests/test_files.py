"""The service for files, on fakes: no server, no database."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsroom.errors import (
    FilePublished,
    FileTooLarge,
    NoPreview,
    NoSuchFile,
    NoSuchVersion,
    UnreadableFile,
    UnusableName,
)
from newsroom.records import Kind
from newsroom.tests import samples
from newsroom.tests.desk import LIMIT, Newsroom, upload


def read(content: object) -> bytes:
    """Read what a download holds."""
    assert isinstance(content, Path)
    return content.read_bytes()


def test_an_upload_is_described_by_its_content(room: Newsroom) -> None:
    """What the sender says it is does not count."""
    file = room.files.upload(upload("boat.jpg", samples.jpeg(), "text/html"))
    assert (file.path, file.kind, file.media_type, file.version) == ("uploads/boat.jpg", Kind.PICTURE, "image/jpeg", 1)
    assert room.files.file(file.id).file == file


def test_uploading_changed_content_under_a_name_makes_a_version(room: Newsroom) -> None:
    """The file keeps its id, its tags and its older version."""
    first = room.given("a.txt", "one\n")
    room.files.tag(first.id, "front-page")
    second = room.given("a.txt", "one\ntwo\n")
    assert (second.id, second.version, second.lines, second.tags) == (first.id, 2, 2, ("front-page",))
    assert [version.number for version in room.files.file(first.id).versions] == [2, 1]
    assert read(room.files.download(first.id, version=1).content) == b"one\n"
    assert read(room.files.download(first.id).content) == b"one\ntwo\n"


def test_uploading_the_same_content_changes_nothing(room: Newsroom) -> None:
    """The second upload answers with the file as it was."""
    assert room.given("a.txt") == room.given("a.txt")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\boat.jpg.txt", "boat.jpg.txt"),
        ("/absolute", "absolute"),
        (" a b .txt ", "a b .txt"),
        ("..hidden", "..hidden"),
        ("naïve – 新聞.txt", "naïve – 新聞.txt"),
    ],
)
def test_a_name_is_never_a_path(room: Newsroom, sent: str, kept: str) -> None:
    """Only the last part of what a sender calls a file counts, whichever system it comes from."""
    assert room.given(sent).path == f"uploads/{kept}"


@pytest.mark.parametrize("name", ["", ".", "..", "a/..", "a/", " ", "line\nend", "nul\0", "half \ud800", "x" * 201])
def test_a_name_that_cannot_be_one_is_refused(room: Newsroom, name: str) -> None:
    """The refusal says what to do, and nothing is kept."""
    with pytest.raises(UnusableName, match=r"cannot be the name of a file: (give|leave|use)"):
        room.given(name)
    assert room.files.files().items == []


def test_a_file_beyond_the_limit_is_refused(room: Newsroom) -> None:
    """The limit is on what arrives, not on what is promised."""
    with pytest.raises(FileTooLarge, match="100,000 bytes"):
        room.files.upload(upload("film", b"x" * (LIMIT + 1)))


def test_a_broken_picture_is_refused(room: Newsroom) -> None:
    """An upload that could not be shown is refused as a whole."""
    with pytest.raises(UnreadableFile, match="The file is a broken picture"):
        room.files.upload(upload("boat.png", b"no picture"))
    assert room.files.files().items == []


def test_tags_are_put_on_and_taken_off(room: Newsroom) -> None:
    """Doing either twice is the same as doing it once."""
    file = room.given("a.txt")
    for _ in range(2):
        assert room.files.tag(file.id, "draft").tags == ("draft",)
    assert room.files.tag(file.id, "boats").tags == ("boats", "draft")
    for _ in range(2):
        assert room.files.untag(file.id, "draft").tags == ("boats",)


def test_only_harmless_media_types_are_shown_by_a_browser(room: Newsroom) -> None:
    """A web page or an SVG is sent to be saved: opened here, it would run in the newsroom's name."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    contents = {"a.html": b"<script>", "a.svg": svg, "a.xhtml": b"<script>", "a.jpg": samples.jpeg(), "a.txt": b"words"}
    shown = {
        name: room.files.download(room.files.upload(upload(name, content)).id).inline
        for name, content in contents.items()
    }
    assert shown == {"a.html": False, "a.svg": False, "a.xhtml": False, "a.jpg": True, "a.txt": True}


def test_a_picture_has_a_preview_and_a_text_has_none(room: Newsroom) -> None:
    """The preview is a WebP of its own."""
    picture = room.files.upload(upload("boat.jpg", samples.jpeg()))
    preview = room.files.preview(picture.id)
    assert preview.media_type == "image/webp"
    assert read(preview.content)[8:12] == b"WEBP"
    text = room.given("a.txt")
    with pytest.raises(NoPreview, match=f"File {text.id} has no preview"):
        room.files.preview(text.id)


def test_deleting_a_file_takes_its_tasks_along(room: Newsroom) -> None:
    """Nothing is left that speaks of it."""
    file = room.given("a.txt")
    room.desk.create_task(file.id, "Check the names.")
    room.files.delete(file.id)
    assert room.files.files().items == []
    assert room.desk.tasks().items == []


def test_a_published_file_cannot_be_deleted(room: Newsroom) -> None:
    """A draft lets go of a file; what is published holds it."""
    file = room.given("a.txt")
    draft = room.publishing.create_publication("Monday").publication
    room.publishing.add_to_publication(draft.id, file.id)
    room.publishing.publish(draft.id)
    with pytest.raises(FilePublished, match=f"File {file.id} is published"):
        room.files.delete(file.id)


def test_what_is_not_there_is_said_with_its_id(room: Newsroom) -> None:
    """Every operation on a file says the same when it does not exist."""
    for operation in (room.files.file, room.files.download, room.files.preview, room.files.delete):
        with pytest.raises(NoSuchFile, match="There is no file 404") as missing:
            operation(404)
        assert missing.value.id == 404
    for tagging in (room.files.tag, room.files.untag):
        with pytest.raises(NoSuchFile):
            tagging(404, "draft")
    with pytest.raises(NoSuchVersion, match="has no version 2"):
        room.files.download(room.given("a.txt").id, version=2)


def test_many_files_are_shown_by_their_ids(room: Newsroom) -> None:
    """Those that there are; that one is missing is no error for the others."""
    first, second = room.given("a.txt"), room.given("b.txt")
    assert room.files.files_by_id([second.id, 404, first.id]) == {first.id: first, second.id: second}


def test_statistics_count_every_file_once_and_every_tag(room: Newsroom) -> None:
    """Shares come with the most files first."""
    for name, content in (("a.py", "1\n2\n"), ("b.py", "1\n"), ("c.txt", "1\n")):
        room.files.tag(room.given(name, content).id, "all")
    figures = room.files.statistics()
    assert (figures.files, figures.size, figures.lines) == (3, 8, 4)
    assert [(share.value, share.files, share.size) for share in figures.kinds] == [("source", 2, 6), ("text", 1, 2)]
    assert [(share.value, share.files) for share in figures.languages] == [("Python", 2)]
    assert [(share.value, share.files) for share in figures.tags] == [("all", 3)]
