"""What is read out of files, and what is said of broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from newsroom.errors import UnreadableFile
from newsroom.inspect import inspect
from newsroom.records import Findings, Kind, Link, Pdf, Picture, Reason, WebPage
from newsroom.tests import samples


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a path without a telling name, as in the store."""
    return tmp_path / "blob"


def look(place: Path, name: str, content: bytes) -> Findings:
    """Inspect some bytes under a name."""
    place.write_bytes(content)
    return inspect(place, name)


def test_a_picture_tells_its_dimensions_format_and_exif(place: Path) -> None:
    """Dimensions, format and EXIF of a photograph are read."""
    found = look(place, "boat.jpg", samples.jpeg(60, 40, "Box 1"))
    assert (found.kind, found.media_type) == (Kind.PICTURE, "image/jpeg")
    assert found.facts == Picture(60, 40, "JPEG", 1, {"Model": "Box 1"})


def test_exif_is_made_printable(place: Path) -> None:
    """Line ends, escapes and NULs in EXIF do not reach a database or a terminal."""
    found = look(place, "boat.jpg", samples.jpeg(camera="Box\x1b[31m\n 1"))
    assert isinstance(found.facts, Picture)
    assert found.facts.exif == {"Model": "Box[31m 1"}


def test_a_picture_has_a_small_webp_that_keeps_its_transparency(place: Path) -> None:
    """The preview fits into 640 × 640 pixels, in the picture's proportions, and stays transparent."""
    preview = look(place, "logo.png", samples.png(1300, 650)).preview
    assert preview is not None
    place.write_bytes(preview)
    with Image.open(place) as small:
        assert (small.format, small.size, small.mode) == ("WEBP", (640, 320), "RGBA")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.png", samples.png(300, 300)[:150]),
        ("cut.jpg", samples.jpeg(900, 900)[:900]),
        ("words.gif", b"no picture at all"),
        ("empty.png", b""),
        ("words.svg", b"no picture at all"),
        ("other.svg", b"<html/>"),
    ],
)
def test_a_broken_picture_is_refused_with_the_reason(place: Path, name: str, content: bytes) -> None:
    """A picture that could not be shown is no picture, and the complaint holds no path of ours."""
    with pytest.raises(UnreadableFile, match="The file is a broken picture: ") as refused:
        look(place, name, content)
    assert refused.value.reason is Reason.BROKEN_PICTURE
    assert str(place) not in str(refused.value)


def test_a_picture_of_too_many_pixels_is_not_unpacked(place: Path) -> None:
    """A few kilobytes that claim to be half a gigabyte of pixels are refused."""
    Image.new("1", (40_000, 4_000)).save(place, "PNG")
    with pytest.raises(UnreadableFile, match="40000 × 4000 are more than 100,000,000 pixels"):
        inspect(place, "bomb.png")


def test_an_svg_tells_its_dimensions_but_is_never_shown(place: Path) -> None:
    """An SVG may run scripts, so it has no preview; entities in it are not resolved."""
    found = look(
        place,
        "plan.svg",
        b'<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 80"><title>Plan&e;</title></svg>',
    )
    assert found == Findings(Kind.PICTURE, "image/svg+xml", title="Plan", facts=Picture(120, 80, "SVG"))


def test_source_tells_its_language_and_lines(place: Path) -> None:
    """Pygments knows the language by the name; the last line counts without a line end."""
    found = look(place, "news.py", b"import this\n\nprint(1)")
    assert found == Findings(Kind.SOURCE, "text/x-python", language="Python", lines=3)


@pytest.mark.parametrize(("content", "lines"), [(b"", 0), (b"one", 1), (b"one\n", 1), (b"one\ntwo", 2)])
def test_lines_are_counted_as_an_editor_does(place: Path, content: bytes, lines: int) -> None:
    """An empty file has no line, and a line end begins none."""
    assert look(place, "NOTES", content).lines == lines


def test_text_is_known_by_being_utf_8(place: Path) -> None:
    """Text without a known ending is text if it decodes, even when what is looked at ends within a character."""
    assert look(place, "NOTES", "ä".encode() * 5000).kind is Kind.TEXT
    assert look(place, "NOTES", b"a" + "ä".encode() * 5000).kind is Kind.TEXT
    assert look(place, "NOTES", b"\xff\xfe\xfd").kind is Kind.OTHER


def test_a_name_that_promises_source_does_not_make_source_of_bytes(place: Path) -> None:
    """A video with the ending of TypeScript is something else."""
    assert look(place, "film.ts", b"G\0\0\1").kind is Kind.OTHER


def test_the_content_decides_before_the_name(place: Path) -> None:
    """A PNG is a picture under any name."""
    assert look(place, "harmless.txt", samples.png()).media_type == "image/png"


def test_a_web_page_tells_its_title_and_links(place: Path) -> None:
    """Each address is listed once, with the first words on it; links within the page are not."""
    page = b"""<title> The
      news </title><a href="/a">A <b>new</b> one</a><p><a href="/a">again</a><a href="#top">up</a><a href='/b'>"""
    found = look(place, "index.html", page)
    assert found.title == "The news"
    assert found.facts == WebPage((Link("/a", "A new one"), Link("/b", "")))


@pytest.mark.parametrize("content", [b"", b" ", b"\0", b"<", b"<!-- only this -->", b"\xff" * 50])
def test_any_bytes_are_a_web_page_of_sorts(place: Path, content: bytes) -> None:
    """A page without content has no title and no links, and is no error."""
    assert look(place, "index.html", content).facts == WebPage()


def test_a_pdf_tells_its_pages_title_and_author(place: Path) -> None:
    """Pages, title and author of a PDF are read."""
    found = look(place, "report.pdf", samples.pdf(3))
    assert (found.title, found.facts) == ("The annual report", Pdf(3, "The desk"))


def test_an_encrypted_pdf_is_kept_without_looking_into_it(place: Path) -> None:
    """A PDF that needs a password is not broken."""
    assert look(place, "secret.pdf", samples.pdf(password="open sesame")).facts == Pdf(encrypted=True)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\n", b"%PDF-1.7\n" + b"x" * 500, samples.pdf()[:300]])
def test_a_broken_pdf_is_refused_with_the_reason(place: Path, content: bytes) -> None:
    """A PDF whose pages cannot be counted is refused."""
    with pytest.raises(UnreadableFile, match="The file is a broken pdf: ") as refused:
        look(place, "report.pdf", content)
    assert refused.value.reason is Reason.BROKEN_PDF


def test_anything_else_is_kept_as_it_is(place: Path) -> None:
    """Bytes of no known kind have a media type by name and nothing more."""
    assert look(place, "old.zip", b"PK\3\4\0") == Findings(Kind.OTHER, "application/zip")
    assert look(place, "x.unknown", b"\0\1") == Findings(Kind.OTHER, "application/octet-stream")
