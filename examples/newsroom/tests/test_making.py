"""What is made of files, step by step, on fakes and with the real makers."""

from __future__ import annotations

import logging
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from newsroom.errors import NoSuchFile, NoSuchVersion, NothingToCompare, NothingToSearch, NotMade, UnreadableFile
from newsroom.records import ChangeKind, File, Progressing, StepName, StepState
from newsroom.tests import samples
from newsroom.tests.desk import Newsroom, upload

EVIL = "<script>alert(1)</script>"


def steps(room: Newsroom, file: File) -> list[StepName]:
    """List the steps of the newest version of a file."""
    return [step.name for step in room.processed.pipeline(file.id).steps]


def made(room: Newsroom, file: File, name: StepName) -> bytes | None:
    """Read what a step of the newest version of a file made."""
    [step] = [step for step in room.processed.pipeline(file.id).steps if step.name is name]
    assert step.status.state is StepState.DONE
    return None if step.made is None else room.store.path(step.made).read_bytes()


def picture_in_pdf() -> bytes:
    """Make a PDF with a picture on its second page."""
    target = BytesIO()
    Image.new("1", (30, 30)).save(target, "PDF", save_all=True, append_images=[Image.new("RGB", (400, 300), "teal")])
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("boat.jpg", samples.jpeg(), "thumbnail"),
        ("plan.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', ""),
        ("report.pdf", samples.pdf(), "thumbnail extract"),
        ("tool.py", b"print(1)\n", "highlight extract"),
        ("NOTES", b"words\n", "highlight extract"),
        ("index.html", b"<p>Words", "highlight extract"),
        ("data.bin", b"\0\1", ""),
    ],
)
def test_each_kind_of_file_has_its_steps(room: Newsroom, name: str, content: bytes, expected: str) -> None:
    """Publishing comes last, whatever else is done; a second version of a text is compared, too."""
    file = room.files.upload(upload(name, content))
    assert [step.value for step in steps(room, file)] == [*expected.split(), "publish"]
    again = room.files.upload(upload(name, content.replace(b"1", b"2") + b"\n"))
    assert (StepName.DIFFERENCE in steps(room, again)) == ("highlight" in expected)


def test_a_thumbnail_is_small_and_upright(room: Newsroom) -> None:
    """It fits into a rectangle whatever the picture's shape is."""
    file = room.files.upload(upload("boat.jpg", samples.jpeg(1600, 900)))
    room.work()
    picture = Image.open(BytesIO(made(room, file, StepName.THUMBNAIL) or b""))
    assert (picture.format, picture.size) == ("WEBP", (320, 180))
    assert room.processed.thumbnail(file.id).media_type == "image/webp"


def test_a_pdf_has_the_thumbnail_of_its_first_picture_or_none(room: Newsroom) -> None:
    """One without pictures, or that needs a password, is done all the same."""
    pictured = room.files.upload(upload("plan.pdf", picture_in_pdf()))
    plain = room.files.upload(upload("report.pdf", samples.pdf()))
    secret = room.files.upload(upload("secret.pdf", samples.pdf(password="x")))
    room.work()
    assert made(room, pictured, StepName.THUMBNAIL)
    assert made(room, plain, StepName.THUMBNAIL) is None
    assert made(room, secret, StepName.THUMBNAIL) is None
    with pytest.raises(NotMade, match=f"File {plain.id} has no thumbnail, or not yet"):
        room.processed.thumbnail(plain.id)


def test_a_broken_picture_is_a_declared_error(room: Newsroom) -> None:
    """What is stored was damaged: the step says so, and that is no bug."""
    file = room.files.upload(upload("boat.jpg", samples.jpeg()))
    room.store.path(file.sha256).write_bytes(samples.jpeg()[:300])
    with pytest.raises(UnreadableFile, match="broken picture"):
        room.do(file, StepName.THUMBNAIL)


def test_source_is_coloured_and_escaped(room: Newsroom) -> None:
    """Pygments' classes are there, and a stranger's markup is text."""
    source = room.given("tool.py", f"import this\ntext = '{EVIL}'\n")
    notes = room.given("NOTES", f"{EVIL}\n")
    room.work()
    html = (made(room, source, StepName.HIGHLIGHT) or b"").decode()
    assert '<span class="kn">import</span>' in html
    assert EVIL not in html + (made(room, notes, StepName.HIGHLIGHT) or b"").decode()
    assert room.processed.highlighted(source.id).inline is False


def test_texts_of_every_kind_can_be_searched(room: Newsroom) -> None:
    """Words of texts, of source and of web pages, but not what browsers do not show; all of them must be there."""
    notes = room.given("NOTES", "The harbour at night\n")
    page = room.given("index.html", f"<title>News</title><p>A <b>harbour</b> by day<script>night</script>{EVIL}")
    room.work()
    assert {hit.file_id for hit in room.searching.search("harbour")} == {notes.id, page.id}
    [hit] = room.searching.search("Harb, NIGHT!")
    assert hit.path == "uploads/NOTES"
    assert [piece.text.casefold() for piece in hit.snippet if piece.found] == ["harb", "night"]
    with pytest.raises(NothingToSearch, match=r"Expected a word of letters or digits, got '\?!'"):
        room.searching.search("?!")


def test_control_characters_stay_out_of_what_is_searched(room: Newsroom) -> None:
    """No database takes a NUL, and some mark what was found with others."""
    file = room.given("NOTES", "har\x02bour\x03\x0b\n")
    room.work()
    assert made(room, file, StepName.EXTRACT) == b"harbour\n"


def test_two_versions_are_compared(room: Newsroom) -> None:
    """By a job, as HTML, and for whoever asks, as a stream; by lines or by words."""
    room.given("a.txt", "one\ntwo\n")
    file = room.given("a.txt", "one\n2\n")
    room.given("a.html", "<p>one two</p>")
    page = room.given("a.html", "<p>one 2</p>")
    room.work()
    html = (made(room, file, StepName.DIFFERENCE) or b"").decode()
    assert '<div class="difference lines">' in html
    assert "<del>two\n</del><ins>2\n</ins>" in html
    assert "<del>two</del><ins>2</ins>" in (made(room, page, StepName.DIFFERENCE) or b"").decode()
    told = list(room.processed.difference(file.id, older=1, newer=2))
    assert [(change.kind, change.text) for change in told] == [
        (ChangeKind.SAME, "one\n"),
        (ChangeKind.GONE, "two\n"),
        (ChangeKind.NEW, "2\n"),
    ]


def test_what_cannot_be_compared_is_said(room: Newsroom) -> None:
    """One version, a picture, a version that never was."""
    text = room.given("a.txt", "one\n")
    picture = room.files.upload(upload("boat.jpg", samples.jpeg()))
    for file in (text, picture):
        with pytest.raises(NothingToCompare, match=f"File {file.id} has nothing to compare"):
            room.processed.difference(file.id)
    with pytest.raises(NoSuchVersion, match="has no version 7"):
        room.processed.difference(text.id, older=1, newer=7)


def test_every_step_done_twice_makes_the_same(room: Newsroom) -> None:
    """The same bytes, rows and pages: a job may run again when its worker died."""
    for name, content in {
        "boat.jpg": samples.jpeg(),
        "report.pdf": picture_in_pdf(),
        "tool.py": b"print(1)\n",
        "index.html": b"<p>One",
    }.items():
        room.files.upload(upload(name, content))
    room.given("tool.py", "print(2)\n")
    room.work()
    before = state(room)
    for _ in range(2):
        room.work()
        assert state(room) == before


def state(room: Newsroom) -> object:
    """Return all that was made, bytes and rows."""
    folders = (room.shown, room.store.path("0" * 64).parents[1])
    places = [place for folder in folders for place in folder.rglob("*") if place.is_file()]
    pipelines = [room.processed.pipeline(file.id) for file in room.files.files().items]
    return pipelines, {place: place.read_bytes() for place in places}, room.searching.search("print")


def test_a_late_job_of_an_older_version_does_not_undo_the_newer(room: Newsroom) -> None:
    """Its text is not searched, and its page is not shown."""
    old = room.given("a.txt", "morning\n")
    new = room.given("a.txt", "evening\n")
    for name in (StepName.EXTRACT, StepName.HIGHLIGHT, StepName.DIFFERENCE, StepName.PUBLISH):
        room.do(new, name)
    for name in (StepName.EXTRACT, StepName.HIGHLIGHT, StepName.PUBLISH):
        room.do(old, name)
    assert room.searching.search("morning") == ()
    assert [hit.version for hit in room.searching.search("evening")] == [2]
    [page] = (room.shown / "files").iterdir()
    assert "<dd>2</dd>" in page.read_text()


def test_a_job_whose_file_is_gone_does_nothing(room: Newsroom) -> None:
    """It is done: there is nothing left to make."""
    file = room.given("a.txt", "words\n")
    room.files.delete(file.id)
    room.work()
    assert room.searching.search("words") == ()
    assert list((room.shown / "files").glob("*")) == []


def test_a_pipeline_tells_of_jobs_that_run_wait_fail_or_are_forgotten(room: Newsroom) -> None:
    """What is done is done, whatever is known of its job."""
    file = room.given("tool.py", "print(1)\n")
    highlight, extract, publish = room.processed.pipeline(file.id).steps
    room.jobs.known = {
        highlight.job: Progressing(StepState.RUNNING, 0.5, "colouring"),
        extract.job: Progressing(StepState.DEAD, 0.0, "", "It is broken."),
    }
    states = [step.status.state.value for step in room.processed.pipeline(file.id).steps]
    assert states == ["running", "dead", "forgotten"]
    room.do(file, StepName.HIGHLIGHT)
    assert room.processed.pipeline(file.id).steps[0].status == Progressing(StepState.DONE, 1.0)
    assert room.processed.files_of_jobs([publish.job, "nobody's"])[publish.job].path == "uploads/tool.py"
    backlog = room.processed.backlog()
    assert (backlog.done, backlog.all) == (1, 3)


def test_a_file_is_processed_again_when_somebody_asks(room: Newsroom) -> None:
    """Its steps begin anew, with new jobs."""
    file = room.given("a.txt", "words\n")
    room.work()
    before = {step.job for step in room.processed.pipeline(file.id).steps}
    room.making.process(file.id)
    again = room.processed.pipeline(file.id).steps
    assert not before & {step.job for step in again}
    assert [step.status.state for step in again] == [StepState.FORGOTTEN] * 3
    with pytest.raises(NoSuchFile):
        room.making.process(404)


def test_files_from_before_are_caught_up_with(room: Newsroom) -> None:
    """Those whose newest version has no steps, once."""
    files = [room.given(f"{number}.txt") for number in range(3)]
    room.steps.steps.clear()
    assert room.making.catch_up() == len(files)
    assert room.processed.backlog().all == 3 * len(files)
    assert room.making.catch_up() == 0


def test_pdfs_are_read_without_a_word_to_the_log(room: Newsroom, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody but the reader of a broken one hears of it."""
    with caplog.at_level(logging.ERROR):
        file = room.files.upload(upload("report.pdf", samples.pdf(12)))
        room.work()
    assert made(room, file, StepName.EXTRACT) == b"\n" * 11
    assert not caplog.records


def test_the_gallery_shows_every_file_and_forgets_what_is_deleted(room: Newsroom) -> None:
    """A page for each, an index of all, small pictures; the same bytes in another newsroom."""
    picture = room.files.upload(upload("boat.jpg", samples.jpeg()))
    room.given("a.txt", f"{EVIL}\n")
    room.work()
    index = (room.shown / "index.html").read_text()
    pages = {place.name: place.read_text() for place in (room.shown / "files").iterdir()}
    assert len(pages) == index.count('href="files/') - 1 == 2
    assert all(f'href="files/{name}"' in index for name in pages)
    assert len(list((room.shown / "thumbnails").iterdir())) == 1
    assert EVIL not in index + "".join(pages.values())
    room.files.delete(picture.id)
    room.work()
    assert len(list((room.shown / "files").iterdir())) == 1
    assert list((room.shown / "thumbnails").iterdir()) == []


def test_what_hangs_appears_whole(room: Newsroom, tmp_path: Path) -> None:
    """Nothing half written is left beside it."""
    room.given("a.txt")
    room.work()
    assert not [place for place in room.shown.rglob("*") if place.name.startswith(".")]
