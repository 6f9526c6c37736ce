"""The pages of jobs in a real browser: they change by themselves, and their buttons work without leaving the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.chromium import chromium

from mergepoint.testing.processes import running
from newsroom.app import Newsroom, assemble
from newsroom.settings import DatabaseSettings, Settings, StoreSettings
from newsroom.tests.desk import upload
from newsroom.tests.killing import working


@pytest.fixture
def set_up(tmp_path: Path) -> Settings:
    """Give the settings of a newsroom on SQLite."""
    url = f"sqlite:///{tmp_path}/newsroom.db"
    return Settings(DatabaseSettings(url), StoreSettings(tmp_path / "files"), gallery=tmp_path / "gallery")


@pytest.fixture
def address(set_up: Settings) -> Iterator[str]:
    """Serve it without a worker, and give the address."""
    environ = {
        "NEWSROOM_DATABASE__URL": set_up.database.url,
        "NEWSROOM_STORE__FOLDER": str(set_up.store.folder),
        "NEWSROOM_GALLERY": str(set_up.gallery),
        "PYTHONPATH": "examples",
    }
    with running("newsroom.app:create", "web", "--port", "0", "--grpc-port", "0", environ=environ) as server:
        words = server.output.read_text().split()
        yield next(word for word in words if word.startswith("http://")).removesuffix("/api")


@pytest.fixture
def newsroom(set_up: Settings, address: str) -> Iterator[Newsroom]:
    """Give the same newsroom from within."""
    with closing(assemble(set_up)) as made:
        yield made


def test_a_page_of_jobs_follows_them(address: str, newsroom: Newsroom, set_up: Settings) -> None:
    """A file comes in, a job is cancelled and put back by its buttons, a worker does all; nobody reloads the page."""
    with chromium() as browser:
        browser.open(f"{address}/jobs")
        browser.run("window.loaded = true")
        newsroom.files.upload(upload("a.txt", b"words\n"))
        browser.wait_for("document.querySelectorAll('.jobs li').length === 3")
        page = "[...document.querySelectorAll('.jobs li')].find((job) => job.textContent.includes('Page in'))"
        browser.run(f"{page}.querySelector('button').click()")
        browser.wait_for("document.querySelector('.jobs .state.cancelled')")
        browser.click(".jobs button", "Retry")
        browser.wait_for("!document.querySelector('.jobs .state.cancelled')")
        with working(set_up):
            browser.wait_for("document.querySelector('.sum').textContent.startsWith('3 of 3')")
        assert browser.run("window.loaded") is True
        assert browser.complaints == []
        assert all(url.startswith(address) for url in browser.requested)


def test_the_page_of_a_job_hears_of_its_end(address: str, newsroom: Newsroom, set_up: Settings) -> None:
    """Over server-sent events; the steps on the page of its file change, too."""
    file = newsroom.files.upload(upload("a.txt", b"words\n"))
    job = newsroom.processed.pipeline(file.id).steps[0].job
    with chromium() as browser:
        browser.open(f"{address}/jobs/{job}")
        browser.wait_for("document.querySelector('h1 .state.waiting')")
        with working(set_up):
            browser.wait_for("document.querySelector('h1 .state.done')")
        browser.open(f"{address}/files/{file.id}")
        browser.click("[data-live] button", "Process again")
        browser.wait_for("document.querySelector('.steps .state.waiting')")
        with working(set_up):
            browser.wait_for("document.querySelectorAll('.steps .state.done').length === 3")
        assert browser.complaints == []
