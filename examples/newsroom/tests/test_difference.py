"""The stream diff, and comparing texts and web pages with it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from io import StringIO
from pathlib import Path

import pytest

from newsroom.difference import difference
from newsroom.makers.comparing import CHUNK, changes, lines, tokens
from newsroom.makers.marking import marked
from newsroom.records import Change, ChangeKind, Kind
from newsroom.service.needs import silent

SAME, GONE, NEW = ChangeKind.SAME, ChangeKind.GONE, ChangeKind.NEW


def compared(old: Sequence[object], new: Sequence[object], **options: int) -> int:
    """Compare, check that both sides come out whole, and return how many items are gone or new."""
    runs = list(difference(iter(old), iter(new), **options))
    assert [item for run in runs if run.kind is not NEW for item in run.items] == list(old)
    assert [item for run in runs if run.kind is not GONE for item in run.items] == list(new)
    return sum(len(run.items) for run in runs if run.kind is not SAME)


@pytest.mark.parametrize(
    ("old", "new", "differ"),
    [
        ("", "", 0),
        ("abc", "abc", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("abcdef", "abXdef", 2),
        ("abcdef", "bcdefg", 2),
        ("aaaa", "aabaa", 1),
        ("abcabc", "bcabca", 2),
    ],
)
def test_what_is_gone_and_new_is_found(old: str, new: str, differ: int) -> None:
    """Letters are items as well as lines are."""
    assert compared(old, new) == differ


def test_any_two_streams_come_out_whole() -> None:
    """Whatever the windows are, what is the same or gone is the older stream, what is the same or new the newer."""
    chance = random.Random(1)  # noqa: S311 - nothing secret
    for _ in range(400):
        old = chance.choices(range(12), k=chance.randrange(40))
        new = [item for item in old if chance.random() < 0.9]
        new[len(new) // 2 : len(new) // 2] = chance.choices(range(20), k=chance.randrange(5))
        compared(old, new)
        compared(old, new, window=4, most=8)


def test_few_changes_in_a_long_text_are_few(record_property: Callable[[str, object], None]) -> None:
    """As many as difflib finds, which holds both sides in memory, or hardly more."""
    chance = random.Random(2)  # noqa: S311 - nothing secret
    old = [f"line {number // 3}" for number in range(6000)]
    new = list(old)
    for _ in range(40):
        new[chance.randrange(len(new))] = f"changed {chance.random()}"
    del new[1000:1100]
    new[3000:3000] = [f"inserted {number}" for number in range(700)]
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    least = len(old) + len(new) - 2 * sum(block.size for block in blocks)
    found = compared(old, new)
    record_property("items that differ", f"{found}, difflib {least}")
    assert found <= least * 1.05


def test_neither_side_is_read_further_than_it_must_be() -> None:
    """The first difference is told when a small part was read, and what is read is let go."""
    read = 0

    def counted() -> Iterator[int]:
        nonlocal read
        for number in range(1_000_000):
            read += 1
            yield number

    runs = difference(counted(), (number for number in range(1_000_000) if number != 500))
    assert next(run for run in runs if run.kind is GONE).items == [500]
    assert read < 2000


def test_only_hashable_items_are_asked_for() -> None:
    """Tuples, or anything else that can be looked up."""
    assert compared([(1, "a"), (2, "b")], [(1, "a"), (3, "c")]) == 2


def test_a_web_page_is_divided_into_tags_and_words_wherever_a_chunk_ends() -> None:
    """No piece is lost, and a tag, a comment and a word stay whole."""
    page = "<p class='a b'>One  two</p><!-- three <b> four -->\n" * (3 * CHUNK // 50)
    found = list(tokens(StringIO(page)))
    assert "".join(found) == page
    assert set(found) == {"<p class='a b'>", "One", "  ", "two", "</p>", "<!-- three <b> four -->", "\n"}


@pytest.mark.parametrize("page", ["< a <", "<" * 3, "a<b>c", "<!-- never ended", "<p" + "x" * (3 * CHUNK), "", ">>"])
def test_what_is_no_html_comes_out_whole_too(page: str) -> None:
    """Tags that never end do not keep all the rest in memory."""
    assert "".join(tokens(StringIO(page))) == page


def test_an_endless_line_is_divided() -> None:
    """So that no file is one item."""
    found = list(lines(StringIO("x" * 10_000)))
    assert len(found) == 5
    assert "".join(found) == "x" * 10_000


def told(folder: Path, old: str, new: str, kind: Kind = Kind.TEXT) -> list[Change]:
    """Compare two texts as files."""
    before, after = folder / "old", folder / "new"
    before.write_text(old)
    after.write_text(new)
    return list(changes(before, after, kind, silent))


def test_texts_are_compared_by_lines_with_three_around(tmp_path: Path) -> None:
    """What is far from any change is only counted."""
    old = "".join(f"{number}\n" for number in range(20))
    assert told(tmp_path, old, old.replace("10\n", "ten\n")) == [
        Change(SAME, 7),
        Change(SAME, 3, "7\n8\n9\n"),
        Change(GONE, 1, "10\n"),
        Change(NEW, 1, "ten\n"),
        Change(SAME, 3, "11\n12\n13\n"),
        Change(SAME, 6),
    ]


def test_the_same_text_is_one_piece(tmp_path: Path) -> None:
    """And an empty one is none."""
    assert told(tmp_path, "a\nb\n", "a\nb\n") == [Change(SAME, 2)]
    assert told(tmp_path, "", "") == []


def test_web_pages_are_compared_by_words(tmp_path: Path) -> None:
    """One word is told, not its line."""
    found = told(tmp_path, "<p>a red boat</p>", "<p>a blue boat</p>", Kind.WEB_PAGE)
    assert [change.text for change in found if change.kind is not SAME] == ["red", "blue"]


def test_progress_is_told_while_it_compares(tmp_path: Path) -> None:
    """It rises to the whole of both files."""
    for name in ("old", "new"):
        (tmp_path / name).write_text("".join(f"{number}\n" for number in range(50_000)))
    heard: list[float] = []
    list(changes(tmp_path / "old", tmp_path / "new", Kind.TEXT, lambda done, note="": heard.append(done)))
    assert heard == sorted(heard)
    assert heard[-1] == 1


def test_marks_are_html_with_everything_escaped() -> None:
    """Whatever a file says, it stays text."""
    html = "".join(marked([Change(SAME, 4), Change(GONE, 1, "<b>"), Change(NEW, 1, "&")], Kind.TEXT))
    assert html == (
        '<div class="difference lines"><p class="far">4 lines unchanged</p><del>&lt;b&gt;</del><ins>&amp;</ins></div>\n'
    )
