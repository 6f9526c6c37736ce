"""One suite for every repository: those in memory, and those on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec import Struct, structs
from msgspec.structs import replace

from mergepoint.db import Database, migrations
from mergepoint.errors import InvalidArgument
from newsroom import db as sql
from newsroom.errors import PathTaken
from newsroom.records import (
    Counts,
    Entry,
    Exhibit,
    Facts,
    File,
    Filter,
    ImportRun,
    ImportState,
    JobOfFile,
    Kind,
    Link,
    Pdf,
    Picture,
    Publication,
    PublicationState,
    PublishedFile,
    Reason,
    Share,
    Skipped,
    Sort,
    Step,
    StepCount,
    StepName,
    Task,
    TaskState,
    Version,
    WebPage,
)
from newsroom.repositories import (
    ExhibitRepository,
    FileRepository,
    ImportRepository,
    PublicationRepository,
    StepRepository,
    TaskRepository,
    TextRepository,
)
from newsroom.tests import fakes
from newsroom.tests.servers import new_database

NOW = datetime(2026, 11, 21, 10, 30, 15, 123456, tzinfo=UTC)
BIG = 2**62
"""Ids beyond what JavaScript's numbers hold."""


class Shelves(Struct, frozen=True):
    """The repositories of one keeper."""

    files: FileRepository
    imports: ImportRepository
    tasks: TaskRepository
    publications: PublicationRepository
    steps: StepRepository
    texts: TextRepository
    exhibits: ExhibitRepository
    transaction: Callable[[], AbstractContextManager[object]] = fakes.no_transaction


def in_memory() -> Shelves:
    """Make the fakes."""
    files = fakes.Files()
    return Shelves(
        files,
        fakes.Imports(),
        fakes.Tasks(files),
        fakes.Publications(files),
        fakes.Steps(files),
        fakes.Texts(files),
        fakes.Exhibits(),
    )


@contextmanager
def in_database(url: str) -> Iterator[Shelves]:
    """Make the tables in an empty database, and repositories on it."""
    db = sql.database(url)
    try:
        migrations.upgrade(db)
        yield Shelves(
            sql.Files(db),
            sql.Imports(db),
            sql.Tasks(db),
            sql.Publications(db),
            sql.Steps(db),
            sql.Texts(db),
            sql.Exhibits(db),
            db.unit_of_work,
        )
    finally:
        db.close()


@pytest.fixture(params=["memory", "sqlite", "postgres", "mariadb"])
def shelves(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelves]:
    """Give empty repositories of each keeper in turn."""
    if request.param == "memory":
        yield in_memory()
    elif request.param == "sqlite":
        with in_database(f"sqlite:///{tmp_path}/newsroom.db") as made:
            yield made
    else:
        with new_database(request.getfixturevalue(f"{request.param}_url")) as url, in_database(url) as made:
            yield made


def file(id: int, path: str, **fields: Any) -> File:
    """Make a file that differs from others in what a test says."""
    plain = File(
        id=BIG + id,
        path=path,
        name=path.rpartition("/")[2],
        kind=Kind.TEXT,
        media_type="text/plain",
        size=10 * id,
        sha256=f"{id:064x}",
        version=1,
        lines=id,
        added=NOW,
        changed=NOW + timedelta(microseconds=id),
    )
    return structs.replace(plain, **fields)


def add(shelves: Shelves, *files: File, facts: Facts | None = None) -> list[File]:
    """Add files in one transaction."""
    with shelves.transaction():
        shelves.files.add([Entry(each, facts) for each in files])
    return list(files)


def paths(shelves: Shelves, sort: Sort = Sort.PATH, **wanted: Any) -> list[str]:
    """List the paths of the files that pass a filter."""
    return [each.path for each in shelves.files.find(Filter(**wanted), sort, None, 100).items]


# ---- files


@pytest.mark.parametrize(
    "facts",
    [
        None,
        Picture(60, 40, "JPEG", 2, {"Model": "Box 1"}),
        WebPage((Link("/a", "A “new” one"), Link("/b", ""))),
        Pdf(3, "The desk"),
        Pdf(encrypted=True),
    ],
)
def test_a_file_comes_back_as_it_was(shelves: Shelves, facts: Facts | None) -> None:
    """Every field survives: ids beyond 2^53, microseconds, enums, and what only this kind of file has."""
    whole = file(1, "bilder/Bøth – 船.jpg", language="HTML", title="Ein “Titel”", preview="f" * 64)
    add(shelves, whole, facts=facts)
    details = shelves.files.get(whole.id)
    assert details is not None
    assert (details.file, details.facts) == (whole, facts)
    assert details.versions == (Version(1, "text/plain", 10, whole.sha256, whole.changed),)


def test_what_is_not_there_is_none(shelves: Shelves) -> None:
    """Nothing found is an answer, not an error."""
    assert shelves.files.get(404) is None
    assert shelves.files.version(404, 1) is None
    assert shelves.files.by_path(["nowhere"]) == {}
    assert shelves.files.by_path([]) == {}
    assert shelves.imports.get(404) is None
    assert shelves.tasks.get(404) is None
    assert shelves.publications.get(404) is None


def test_files_are_found_by_their_exact_paths(shelves: Shelves) -> None:
    """README and readme are two files, on every database."""
    upper, lower = add(shelves, file(1, "README"), file(2, "readme"))
    assert shelves.files.by_path(["README", "readme", "Readme"]) == {"README": upper, "readme": lower}


def test_many_files_are_got_by_their_ids(shelves: Shelves) -> None:
    """Each with its tags, as the lists show it; an id that no file has is left out."""
    first, second, _ = add(shelves, file(1, "a"), file(2, "b"), file(3, "c"))
    shelves.files.tag(second.id, "draft")
    found = shelves.files.by_id([second.id, 404, first.id])
    assert found == {first.id: first, second.id: replace(second, tags=("draft",))}
    assert shelves.files.by_id([]) == {}


def test_a_path_is_taken_once(shelves: Shelves) -> None:
    """Of two files at one path the second is refused by name, whatever was added with it."""
    add(shelves, file(1, "a.txt"))
    with pytest.raises(PathTaken, match=r"a\.txt"), shelves.transaction():
        shelves.files.add([Entry(file(3, "a.txt"))])


def test_a_new_version_keeps_the_tags_and_the_old_one(shelves: Shelves) -> None:
    """Revising changes the file and adds to its versions."""
    [first] = add(shelves, file(1, "a.txt"))
    second = structs.replace(first, version=2, size=99, sha256="e" * 64, changed=NOW + timedelta(days=1))
    with shelves.transaction():
        shelves.files.tag(first.id, "front")
        shelves.files.revise([Entry(second, Pdf(1))])
    details = shelves.files.get(first.id)
    assert details is not None
    assert details.file == structs.replace(second, tags=("front",))
    assert [version.number for version in details.versions] == [2, 1]
    assert shelves.files.version(first.id, 1) == details.versions[1]


def test_filters_narrow_and_can_be_combined(shelves: Shelves) -> None:
    """Each filter alone, and two together."""
    add(
        shelves,
        file(1, "a.py", kind=Kind.SOURCE, language="Python", media_type="text/x-python"),
        file(2, "b.py", kind=Kind.SOURCE, language="Python", media_type="text/x-python"),
        file(3, "c.txt"),
    )
    with shelves.transaction():
        for id in (2, 3):
            shelves.files.tag(BIG + id, "front")
    assert paths(shelves, kind=Kind.SOURCE) == ["a.py", "b.py"]
    assert paths(shelves, media_type="text/plain") == ["c.txt"]
    assert paths(shelves, language="Python") == ["a.py", "b.py"]
    assert paths(shelves, tag="front") == ["b.py", "c.txt"]
    assert paths(shelves, min_size=20) == ["b.py", "c.txt"]
    assert paths(shelves, max_size=20) == ["a.py", "b.py"]
    assert paths(shelves, min_size=20, kind=Kind.SOURCE, tag="front") == ["b.py"]
    assert paths(shelves, kind=Kind.PDF) == []


def test_every_word_must_be_in_the_path_or_the_title(shelves: Shelves) -> None:
    """Search takes no notice of case, also outside ASCII, and no character of it is a wildcard."""
    add(shelves, file(1, "Ärger/100%_sure.txt", title="The RIVER"), file(2, "quiet/1000-sure.txt"))
    assert paths(shelves, words=("ÄRGER",)) == ["Ärger/100%_sure.txt"]
    assert paths(shelves, words=("river", "sure")) == ["Ärger/100%_sure.txt"]
    assert paths(shelves, words=("river", "quiet")) == []
    assert paths(shelves, words=("100%",)) == ["Ärger/100%_sure.txt"]
    assert paths(shelves, words=("%_s",)) == ["Ärger/100%_sure.txt"]
    assert paths(shelves, words=("'; drop table files; --",)) == []


def test_paths_are_sorted_by_code_points_everywhere(shelves: Shelves) -> None:
    """The order does not depend on how a database was installed."""
    names = ["B", "_", "a", "a/b", "a b", "b", "é", "z"]
    add(shelves, *(file(number, name) for number, name in enumerate(names, 1)))
    assert paths(shelves) == sorted(names)
    assert paths(shelves, Sort.PATH_DOWN) == sorted(names, reverse=True)


@pytest.mark.parametrize("sort", Sort)
def test_pages_follow_each_other_without_gap_or_repetition(shelves: Shelves, sort: Sort) -> None:
    """Every order can be read page by page, also where many values are equal, with the tags of each file."""
    add(shelves, *(file(id, f"{id}.txt", size=id % 3, changed=NOW + timedelta(id % 2)) for id in range(1, 8)))
    with shelves.transaction():
        shelves.files.tag(BIG + 4, "front")
    whole = shelves.files.find(Filter(), sort, None, 100)
    assert whole.next is None
    assert whole.items == sorted(
        whole.items, key=lambda each: (getattr(each, sort.field), each.id), reverse=sort.descending
    )
    page = shelves.files.find(Filter(), sort, None, 2)
    read = page.items
    while page.next is not None:
        page = shelves.files.find(Filter(), sort, page.next, 2)
        read += page.items
    assert read == whole.items
    assert [each.tags for each in read if each.tags] == [("front",)]


def test_tags_are_sorted_and_each_there_once(shelves: Shelves) -> None:
    """Putting a tag on twice or taking off one that is not there changes nothing."""
    [tagged] = add(shelves, file(1, "a.txt"))
    with shelves.transaction():
        for tag in ("b", "a", "b", "c"):
            shelves.files.tag(tagged.id, tag)
        for tag in ("c", "c", "never"):
            shelves.files.untag(tagged.id, tag)
    details = shelves.files.get(tagged.id)
    assert details is not None
    assert details.file.tags == ("a", "b")


def test_a_deleted_file_takes_everything_along(shelves: Shelves) -> None:
    """Versions, tags and tasks go with it, and it leaves drafts; its path is free again."""
    gone, stays = add(shelves, file(1, "a.txt"), file(2, "b.txt"))
    with shelves.transaction():
        shelves.files.tag(gone.id, "front")
        shelves.tasks.add(Task(7, gone.id, gone.path, "Check.", TaskState.OPEN, NOW))
        shelves.publications.add(Publication(8, "Monday", PublicationState.DRAFT, 0, NOW))
        for each in (gone, stays):
            shelves.publications.add_file(8, each.id)
        shelves.files.delete(gone.id)
    assert shelves.files.get(gone.id) is None
    assert shelves.tasks.get(7) is None
    draft = shelves.publications.get(8)
    assert draft is not None
    assert draft.files == (PublishedFile(stays.id, "b.txt"),)
    assert shelves.files.statistics().tags == ()
    add(shelves, file(3, "a.txt"))


def test_statistics_count_bytes_beyond_32_bits(shelves: Shelves) -> None:
    """Sums are whole numbers, also large ones, and shares come with the most files first."""
    add(
        shelves,
        file(1, "a.py", kind=Kind.SOURCE, language="Python", size=2**40),
        file(2, "b.py", kind=Kind.SOURCE, language="Python", size=2**40),
        file(3, "c.bin", kind=Kind.OTHER, media_type="application/octet-stream", lines=None, size=0),
    )
    with shelves.transaction():
        shelves.files.tag(BIG + 1, "front")
    found = shelves.files.statistics()
    assert (found.files, found.size, found.lines) == (3, 2**41, 3)
    assert found.kinds == (Share("source", 2, 2**41), Share("other", 1, 0))
    assert found.languages == (Share("Python", 2, 2**41),)
    assert found.media_types == (Share("text/plain", 2, 2**41), Share("application/octet-stream", 1, 0))
    assert found.tags == (Share("front", 1, 2**40),)


def test_statistics_of_nothing_are_zeros(shelves: Shelves) -> None:
    """An empty collection has figures too."""
    found = shelves.files.statistics()
    assert (found.files, found.size, found.lines, found.kinds) == (0, 0, 0, ())


def test_blobs_in_use_are_those_of_every_version_and_preview(shelves: Shelves) -> None:
    """What a sweep of the store must leave."""
    [first] = add(shelves, file(1, "a.jpg", preview="a" * 64))
    with shelves.transaction():
        shelves.files.revise([Entry(structs.replace(first, version=2, sha256="b" * 64, preview="c" * 64))])
    assert set(shelves.files.blobs()) == {first.sha256, "b" * 64, "c" * 64}


# ---- what is made in the background


def begin(shelves: Shelves, version: int = 1) -> File:
    """Add a file with three steps."""
    [text] = add(shelves, file(1, "a.txt", version=version))
    names = (StepName.HIGHLIGHT, StepName.EXTRACT, StepName.PUBLISH)
    with shelves.transaction():
        shelves.steps.begin([Step(text.id, version, name, f"{version}-{name.value}") for name in reversed(names)])
    return text


def test_steps_begin_and_are_done_each_by_itself(shelves: Shelves) -> None:
    """They come in their order; a step that is not there is not made by finishing it."""
    text = begin(shelves)
    with shelves.transaction():
        shelves.steps.finish(text.id, 1, StepName.EXTRACT, "a" * 64)
        shelves.steps.finish(text.id, 1, StepName.THUMBNAIL, "b" * 64)
        shelves.steps.finish(text.id, 2, StepName.EXTRACT, "c" * 64)
    assert [(step.name.value, step.done, step.made) for step in shelves.steps.of_version(text.id, 1)] == [
        ("highlight", False, None),
        ("extract", True, "a" * 64),
        ("publish", False, None),
    ]
    assert shelves.steps.get(text.id, 1, StepName.THUMBNAIL) is None
    assert shelves.steps.of_version(text.id, 2) == []
    assert shelves.steps.counts() == [
        StepCount(StepName.HIGHLIGHT, 0, 1),
        StepCount(StepName.EXTRACT, 1, 1),
        StepCount(StepName.PUBLISH, 0, 1),
    ]


def test_steps_that_begin_again_replace_those_there_were(shelves: Shelves) -> None:
    """Other versions keep theirs, and jobs lead to what they work on."""
    text = begin(shelves)
    with shelves.transaction():
        shelves.steps.begin([Step(text.id, 2, StepName.PUBLISH, "other")])
        shelves.steps.begin([Step(text.id, 1, StepName.PUBLISH, "again")])
    assert [step.job for step in shelves.steps.of_version(text.id, 1)] == ["again"]
    assert shelves.steps.by_job(["again", "other", "1-extract"]) == {
        "again": JobOfFile(text.id, "a.txt", 1),
        "other": JobOfFile(text.id, "a.txt", 2),
    }
    assert shelves.steps.by_job([]) == {}


def test_files_without_steps_are_found(shelves: Shelves) -> None:
    """Those whose newest version has none, and not those that were deleted."""
    begin(shelves)
    bare = add(shelves, file(2, "b.txt"), file(3, "c.txt"))
    assert shelves.steps.without(10) == [each.id for each in bare]
    assert shelves.steps.without(1) == [bare[0].id]
    with shelves.transaction():
        shelves.files.delete(bare[0].id)
    assert shelves.steps.without(10) == [bare[1].id]


def put(shelves: Shelves, id: int, version: int, text: str) -> None:
    """Keep a text; MariaDB finds what is committed."""
    with shelves.transaction():
        shelves.texts.put(id, version, text)


def found(shelves: Shelves, *words: str) -> list[str]:
    """List the paths of what has words."""
    return sorted(hit.path for hit in shelves.texts.find(words, 10))


def test_texts_are_found_by_words_and_their_beginnings(shelves: Shelves) -> None:
    """All words must be there, in any order and any case of letters; the place is shown with them marked."""
    one, two = add(shelves, file(1, "one.txt"), file(2, "two.txt"))
    put(shelves, one.id, 1, "The harbour master sees\n the Ships come in. " + "More words follow. " * 50)
    put(shelves, two.id, 1, "No ship, but a harbour at night; Grüße vom Meer.")
    assert found(shelves, "harbour") == ["one.txt", "two.txt"]
    assert found(shelves, "ships", "harbour") == ["one.txt"]
    assert found(shelves, "harb", "grüße") == ["two.txt"]
    assert found(shelves, "submarine") == []
    assert len(shelves.texts.find(["harbour"], 1)) == 1
    [hit] = shelves.texts.find(["ships"], 10)
    assert (hit.file_id, hit.kind, hit.version) == (one.id, Kind.TEXT, 1)
    assert "Ships" in [piece.text for piece in hit.snippet if piece.found]


def test_the_text_of_the_newest_version_is_kept(shelves: Shelves) -> None:
    """An older one that comes late changes nothing, the same one again neither; a deleted file is not found."""
    [text] = add(shelves, file(1, "a.txt"))
    put(shelves, text.id, 1, "first morning")
    put(shelves, text.id, 3, "third evening")
    put(shelves, text.id, 2, "second midday")
    put(shelves, text.id, 3, "third evening")
    assert (found(shelves, "evening"), found(shelves, "morning"), found(shelves, "midday")) == (["a.txt"], [], [])
    with shelves.transaction():
        shelves.files.delete(text.id)
        shelves.texts.put(text.id, 4, "fourth night")
    assert (found(shelves, "evening"), found(shelves, "night")) == ([], [])


def test_what_the_gallery_shows_is_replaced_and_removed_by_path(shelves: Shelves) -> None:
    """Putting the same one again changes nothing."""
    old = Exhibit("b.txt", "page", "b.txt", Kind.TEXT, 1, 10, "a" * 64)
    new = replace(old, version=2, language="Python", title="B", thumbnail="b" * 64)
    other = replace(old, path="a.txt")
    with shelves.transaction():
        for exhibit in (old, other, new, new):
            shelves.exhibits.put(exhibit)
    assert shelves.exhibits.all() == [other, new]
    with shelves.transaction():
        shelves.exhibits.remove("a.txt")
        shelves.exhibits.remove("a.txt")
    assert shelves.exhibits.all() == [new]


def test_an_index_that_began_is_followed_by_the_next(shelves: Shelves) -> None:
    """Beginning one again, or an older one, changes nothing."""

    def number() -> int:
        with shelves.transaction():
            return shelves.exhibits.next_index()

    assert (number(), number()) == (1, 1)
    for begun in (1, 1, 3, 2):
        with shelves.transaction():
            shelves.exhibits.begin_index(begun)
    assert number() == 4


# ---- the runs of imports


def test_an_import_tells_what_it_left_out_by_path(shelves: Shelves) -> None:
    """An import begins without an end, and ends with its counts."""
    run = ImportRun(BIG, "desk", ImportState.RUNNING, Counts(), NOW)
    skipped = [Skipped("b", Reason.TOO_LARGE, "large"), Skipped("a", Reason.SYMLINK, "a link")]
    with shelves.transaction():
        shelves.imports.add(run)
        shelves.imports.skip(run.id, skipped[:1])
        shelves.imports.skip(run.id, [])
        shelves.imports.skip(run.id, skipped[1:])
    running = shelves.imports.get(run.id)
    assert running is not None
    assert (running.run, running.skipped) == (run, (skipped[1], skipped[0]))
    with shelves.transaction():
        shelves.imports.end(run.id, ImportState.FINISHED, Counts(1, 2, 3, 4), NOW + timedelta(1))
    finished = shelves.imports.get(run.id)
    assert finished is not None
    assert finished.run == ImportRun(run.id, "desk", ImportState.FINISHED, Counts(1, 2, 3, 4), NOW, NOW + timedelta(1))


def test_imports_come_newest_first_page_by_page(shelves: Shelves) -> None:
    """The cursor leads to the page after."""
    with shelves.transaction():
        for id in (1, 2, 3):
            shelves.imports.add(ImportRun(id, f"{id}", ImportState.RUNNING, Counts(), NOW))
    page = shelves.imports.find(None, 2)
    assert [run.id for run in page.items] == [3, 2]
    assert page.next is not None
    rest = shelves.imports.find(page.next, 2)
    assert ([run.id for run in rest.items], rest.next) == ([1], None)


# ---- tasks


def test_tasks_are_found_by_file_and_state(shelves: Shelves) -> None:
    """Each comes with the path of its file, the newest first."""
    a, b = add(shelves, file(1, "a.txt"), file(2, "b.txt"))
    tasks = [Task(id, of.id, of.path, f"{id}", TaskState.OPEN, NOW) for id, of in ((1, a), (2, b), (3, a))]
    with shelves.transaction():
        for task in tasks:
            shelves.tasks.add(task)
        shelves.tasks.set_state(1, TaskState.DONE, NOW)
    assert shelves.tasks.get(3) == tasks[2]
    assert shelves.tasks.get(1) == structs.replace(tasks[0], state=TaskState.DONE, done=NOW)
    assert [task.id for task in shelves.tasks.find(None, None, None, 9).items] == [3, 2, 1]
    assert [task.id for task in shelves.tasks.find(a.id, None, None, 9).items] == [3, 1]
    assert [task.id for task in shelves.tasks.find(a.id, TaskState.DONE, None, 9).items] == [1]
    page = shelves.tasks.find(None, None, None, 2)
    assert [task.id for task in shelves.tasks.find(None, None, page.next, 2).items] == [1]
    with shelves.transaction():
        shelves.tasks.set_state(1, TaskState.OPEN, None)
    assert shelves.tasks.get(1) == tasks[0]


# ---- publications


def test_a_publication_holds_its_files_in_order_and_at_their_versions(shelves: Shelves) -> None:
    """A draft follows its files; what is published does not."""
    a, b = add(shelves, file(1, "a.txt"), file(2, "b.txt", version=5))
    with shelves.transaction():
        shelves.publications.add(Publication(BIG, "Monday", PublicationState.DRAFT, 0, NOW))
        for id in (b.id, a.id, b.id):
            shelves.publications.add_file(BIG, id)
    draft = shelves.publications.get(BIG)
    assert draft is not None
    assert draft.files == (PublishedFile(b.id, "b.txt"), PublishedFile(a.id, "a.txt"))
    assert not shelves.publications.holds(a.id)
    with shelves.transaction():
        shelves.publications.publish(BIG, NOW)
    published = shelves.publications.get(BIG)
    assert published is not None
    assert published.publication == Publication(BIG, "Monday", PublicationState.PUBLISHED, 2, NOW, NOW)
    assert published.files == (PublishedFile(b.id, "b.txt", 5), PublishedFile(a.id, "a.txt", 1))
    assert shelves.publications.holds(a.id)


def test_a_file_is_taken_out_and_the_next_one_comes_last(shelves: Shelves) -> None:
    """A gap in the order does no harm."""
    files = add(shelves, *(file(id, f"{id}") for id in (1, 2, 3)))
    with shelves.transaction():
        shelves.publications.add(Publication(1, "Monday", PublicationState.DRAFT, 0, NOW))
        shelves.publications.add_file(1, files[0].id)
        shelves.publications.add_file(1, files[1].id)
        for _ in range(2):
            shelves.publications.remove_file(1, files[0].id)
        shelves.publications.add_file(1, files[2].id)
    draft = shelves.publications.get(1)
    assert draft is not None
    assert [each.path for each in draft.files] == ["2", "3"]


def test_publications_come_newest_first_with_the_number_of_their_files(shelves: Shelves) -> None:
    """Each is counted for itself."""
    [only] = add(shelves, file(1, "a.txt"))
    with shelves.transaction():
        for id in (1, 2, 3):
            shelves.publications.add(Publication(id, f"{id}", PublicationState.DRAFT, 0, NOW))
        shelves.publications.add_file(2, only.id)
    page = shelves.publications.find(None, 2)
    assert [(each.id, each.files) for each in page.items] == [(3, 0), (2, 1)]
    assert [each.id for each in shelves.publications.find(page.next, 2).items] == [1]


# ---- what only databases do


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give an upgraded database of each kind in turn."""
    if request.param == "sqlite":
        database = sql.database(f"sqlite:///{tmp_path}/newsroom.db")
        migrations.upgrade(database)
        yield database
        database.close()
        return
    with new_database(request.getfixturevalue(f"{request.param}_url")) as url:
        database = sql.database(url)
        migrations.upgrade(database)
        yield database
        database.close()


def test_migrations_make_the_tables_that_the_code_describes(db: Database) -> None:
    """Nothing is missing, and downgrading leaves nothing behind."""
    assert migrations.check(db) == []
    migrations.downgrade(db, "base")
    with db.connection() as connection:
        assert set(sa.inspect(connection).get_table_names()) <= {"alembic_version"}


def test_an_exception_undoes_all_that_happened_in_a_transaction(db: Database) -> None:
    """Half a batch is never kept."""
    files = sql.Files(db)
    with db.unit_of_work():
        files.add([Entry(file(1, "a.txt"))])
    with pytest.raises(PathTaken), db.unit_of_work():
        files.add([Entry(file(2, "b.txt")), Entry(file(3, "a.txt"))])
    assert files.statistics().files == 1


def test_a_version_that_somebody_else_made_first_is_not_overwritten(db: Database) -> None:
    """Of two who revise the same version, the second is refused."""
    files = sql.Files(db)
    first = file(1, "a.txt")
    second = structs.replace(first, version=2)
    with db.unit_of_work():
        files.add([Entry(first)])
        files.revise([Entry(second)])
    with pytest.raises(PathTaken, match=r"a\.txt"), db.unit_of_work():
        files.revise([Entry(second)])


def test_a_cursor_that_was_made_up_or_is_of_another_order_is_invalid_input(db: Database) -> None:
    """Nothing that is sent as a cursor leads to anything but the name of the parameter."""
    files = sql.Files(db)
    with db.unit_of_work():
        files.add([Entry(file(id, f"{id}")) for id in (1, 2)])
    of_size = files.find(Filter(), Sort.SIZE, None, 1).next
    assert of_size is not None
    for cursor in ("", "x", "!!!", "bnVsbA", "é", "A" * 5000, of_size):
        with pytest.raises(InvalidArgument, match=r"\$\.cursor"):
            files.find(Filter(), Sort.PATH, cursor, 1)


@pytest.mark.parametrize("count", [1, 40])
def test_a_page_of_files_takes_two_statements_however_long(db: Database, count: int) -> None:
    """The files, and the tags of all of them: never one statement for each file."""
    files = sql.Files(db)
    with db.unit_of_work():
        files.add([Entry(file(id, f"{id}")) for id in range(1, count + 1)])
    statements: list[str] = []
    with db.unit_of_work(), db.connection() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *event: statements.append(event[2]))
        assert len(files.find(Filter(), Sort.PATH, None, 100).items) == count
    assert len(statements) == 2
