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
    Facts,
    File,
    Filter,
    Job,
    JobState,
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
    Task,
    TaskState,
    Version,
    WebPage,
)
from newsroom.repositories import FileRepository, JobRepository, PublicationRepository, TaskRepository
from newsroom.tests import fakes
from newsroom.tests.servers import new_database

NOW = datetime(2026, 11, 21, 10, 30, 15, 123456, tzinfo=UTC)
BIG = 2**62
"""Ids beyond what JavaScript's numbers hold."""


class Shelves(Struct, frozen=True):
    """The four repositories of one keeper."""

    files: FileRepository
    jobs: JobRepository
    tasks: TaskRepository
    publications: PublicationRepository
    transaction: Callable[[], AbstractContextManager[object]] = fakes.no_transaction


def in_memory() -> Shelves:
    """Make the fakes."""
    files = fakes.Files()
    return Shelves(files, fakes.Jobs(), fakes.Tasks(files), fakes.Publications(files))


@contextmanager
def in_database(url: str) -> Iterator[Shelves]:
    """Make the tables in an empty database, and repositories on it."""
    db = sql.database(url)
    try:
        migrations.upgrade(db)
        yield Shelves(sql.Files(db), sql.Jobs(db), sql.Tasks(db), sql.Publications(db), db.unit_of_work)
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
    assert shelves.jobs.get(404) is None
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


# ---- jobs


def test_a_job_tells_what_it_left_out_by_path(shelves: Shelves) -> None:
    """A job begins without an end, and ends with its counts."""
    job = Job(BIG, "desk", JobState.RUNNING, Counts(), NOW)
    skipped = [Skipped("b", Reason.TOO_LARGE, "large"), Skipped("a", Reason.SYMLINK, "a link")]
    with shelves.transaction():
        shelves.jobs.add(job)
        shelves.jobs.skip(job.id, skipped[:1])
        shelves.jobs.skip(job.id, [])
        shelves.jobs.skip(job.id, skipped[1:])
    running = shelves.jobs.get(job.id)
    assert running is not None
    assert (running.job, running.skipped) == (job, (skipped[1], skipped[0]))
    with shelves.transaction():
        shelves.jobs.end(job.id, JobState.FINISHED, Counts(1, 2, 3, 4), NOW + timedelta(1))
    finished = shelves.jobs.get(job.id)
    assert finished is not None
    assert finished.job == Job(job.id, "desk", JobState.FINISHED, Counts(1, 2, 3, 4), NOW, NOW + timedelta(1))


def test_jobs_come_newest_first_page_by_page(shelves: Shelves) -> None:
    """The cursor leads to the page after."""
    with shelves.transaction():
        for id in (1, 2, 3):
            shelves.jobs.add(Job(id, f"{id}", JobState.RUNNING, Counts(), NOW))
    page = shelves.jobs.find(None, 2)
    assert [job.id for job in page.items] == [3, 2]
    assert page.next is not None
    rest = shelves.jobs.find(page.next, 2)
    assert ([job.id for job in rest.items], rest.next) == ([1], None)


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
