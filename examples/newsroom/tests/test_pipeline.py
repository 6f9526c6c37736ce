"""The whole pipeline: files come in, workers process them, and what they make is there, whatever happens to workers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from mergepoint.db import migrations
from mergepoint.jobs import Backoff
from mergepoint.site import site
from mergepoint.tasks import Worker
from newsroom.app import Newsroom, assemble
from newsroom.folder import walk
from newsroom.records import StepName, StepState
from newsroom.settings import Settings
from newsroom.tests import samples
from newsroom.tests.browser import get, send, upload
from newsroom.tests.killing import corpus, outcome, process, settings
from newsroom.tests.servers import new_database, new_worklist, server

PATIENCE = 60.0
"""Seconds; what is waited for comes in far less."""


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def set_up(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Give the settings of a newsroom on each engine of jobs in turn."""
    with ExitStack() as stack:
        url = None
        if request.param == "postgres":
            url = stack.enter_context(new_database(request.getfixturevalue("postgres_url")))
        jobs = "database"
        if request.param == "redis":
            jobs = stack.enter_context(new_worklist(server("MERGEPOINT_TEST_REDIS", "redis://127.0.0.1:6379/0")))
        yield settings(tmp_path, url, jobs)


@pytest.fixture
def newsroom(set_up: Settings) -> Iterator[Newsroom]:
    """Give an empty newsroom, in which nobody works yet."""
    with closing(assemble(set_up)) as made:
        migrations.upgrade(made.db)
        yield made


@contextmanager
def working(newsroom: Newsroom) -> Iterator[None]:
    """Let a worker run in this process."""
    worker = Worker(newsroom.queue, threads=2, backoff=Backoff(first=0.1))
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


def is_idle(newsroom: Newsroom) -> bool:
    """Tell whether every job is done, or will never be."""
    left = {state for (_, state), count in newsroom.queue.engine.counts().items() if count}
    return not left & {"waiting", "running"}


def test_what_comes_in_is_processed_and_published(newsroom: Newsroom, set_up: Settings, tmp_path: Path) -> None:
    """An import and an upload: thumbnails, coloured source, search, differences, a gallery."""
    root = corpus(tmp_path / "from", 12)
    newsroom.imports.run("desk", walk(root, set_up.store.largest))
    web = site(newsroom.app)
    upload(web, "ship.txt", b"A ship\nat the quay\n")
    file = upload(web, "ship.txt", b"A submarine\nat the quay\n").json["id"]
    with working(newsroom):
        wait_for(lambda: is_idle(newsroom))
    backlog = get(web, "/api/backlog").json
    assert backlog["done"] == backlog["all"] == newsroom.processed.backlog().all > 12
    [hit] = get(web, "/api/search?text=submarine").json
    assert (hit["file_id"], hit["version"]) == (file, 2)
    pipeline = get(web, f"/api/files/{file}/pipeline").json
    assert {step["name"]: step["status"]["state"] for step in pipeline["steps"]} == dict.fromkeys(
        ("highlight", "extract", "difference", "publish"), "done"
    )
    assert b'class="source"' in get(web, f"/api/files/{file}/highlighted").body
    assert get(web, f"/api/files/{file}/difference").text.splitlines() == [
        '{"kind":"gone","items":1,"text":"A ship\\n"}',
        '{"kind":"new","items":1,"text":"A submarine\\n"}',
        '{"kind":"same","items":1,"text":"at the quay\\n"}',
    ]
    index = (set_up.gallery / "index.html").read_text()
    assert "13 files" in index
    assert index.count("<img") == 4


def test_a_file_that_is_deleted_leaves_the_gallery(newsroom: Newsroom, set_up: Settings) -> None:
    """Its page goes, and the index no longer has it."""
    web = site(newsroom.app)
    ids = [upload(web, name, b"words").json["id"] for name in ("a.txt", "b.txt")]
    with working(newsroom):
        wait_for(lambda: is_idle(newsroom))
        assert send(web, "DELETE", f"/api/files/{ids[0]}").status == 204
        wait_for(lambda: is_idle(newsroom))
    assert len(list((set_up.gallery / "files").iterdir())) == 1
    assert "1 file<" in (set_up.gallery / "index.html").read_text()


def test_an_upload_that_fails_asks_for_no_job(newsroom: Newsroom) -> None:
    """Jobs come with the transaction, on every engine."""
    web = site(newsroom.app)
    assert upload(web, "boat.png", b"no picture").json["code"] == "unreadable_file"
    assert newsroom.queue.jobs() == []
    file = int(upload(web, "a.txt", b"words").json["id"])
    jobs = {job.id for job in newsroom.queue.jobs()}
    assert jobs == {step.job for step in newsroom.processed.pipeline(file).steps}
    with suppress(ZeroDivisionError), newsroom.db.transaction():
        newsroom.making.process(file)
        raise ZeroDivisionError
    assert {job.id for job in newsroom.queue.jobs()} == jobs


def test_a_broken_picture_is_dead_at_once_with_its_reason(newsroom: Newsroom) -> None:
    """It is tried once; its page waits until a person has mended it and puts the job back."""
    file = int(upload(site(newsroom.app), "boat.jpg", samples.jpeg()).json["id"])
    place = newsroom.store.path(newsroom.files.file(file).file.sha256)
    content = place.read_bytes()
    place.write_bytes(content[:300])
    with working(newsroom):
        wait_for(lambda: is_idle(newsroom))
        thumbnail, publish = newsroom.processed.pipeline(file).steps
        assert (thumbnail.status.state, publish.status.state) == (StepState.DEAD, StepState.BLOCKED)
        assert thumbnail.status.problem is not None
        assert thumbnail.status.problem.startswith("The file is a broken picture")
        assert newsroom.queue.job(thumbnail.job).attempts == 1
        place.write_bytes(content)
        assert newsroom.queue.retry(thumbnail.job) == [thumbnail.job]
        wait_for(lambda: all(step.status.state is StepState.DONE for step in newsroom.processed.pipeline(file).steps))


def test_many_files_that_finish_make_few_indexes(newsroom: Newsroom) -> None:
    """The job for the index is there once, however many files ask for it; the last one shows them all."""
    web = site(newsroom.app)
    for number in range(20):
        upload(web, f"{number}.txt", b"words")
    with working(newsroom):
        wait_for(lambda: is_idle(newsroom))
    jobs = newsroom.queue.jobs(operation="render_index", limit=100)
    assert 1 <= len(jobs) <= 6
    assert all(job.state == "done" for job in jobs)


def test_steps_done_again_change_nothing(newsroom: Newsroom, set_up: Settings, tmp_path: Path) -> None:
    """Every job run twice leaves the bytes and rows of one."""
    newsroom.imports.run("desk", walk(corpus(tmp_path / "from", 6), set_up.store.largest))
    with working(newsroom):
        wait_for(lambda: is_idle(newsroom))
        before = outcome(set_up)
        for file in newsroom.files.files().items:
            newsroom.making.process(file.id)
        wait_for(lambda: is_idle(newsroom))
    assert outcome(set_up) == before
    assert any(name.endswith(StepName.PUBLISH.value) for name in before)


def test_killed_workers_leave_no_trace(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Kill -9 three times while jobs run: all files, rows and pages are those of an undisturbed run."""
    files = corpus(tmp_path / "from", 72)
    outcomes = []
    for kills in (0, 3):
        set_up = settings(tmp_path / f"{kills}")
        root = Path(shutil.copytree(files, tmp_path / f"{kills}" / "desk"))
        figures = process(set_up, root, kills)
        assert (figures.kills, figures.dead) == (kills, 0)
        outcomes.append(outcome(set_up))
        record_property(f"{kills} kills", f"{figures.steps} steps, {figures.cut} jobs cut off")
    assert outcomes[0] == outcomes[1]
