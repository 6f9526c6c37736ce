"""The pages, over HTTP, on SQLite."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from wsgiref.types import WSGIApplication

import pytest

from mergepoint.db import migrations
from mergepoint.site import site
from mergepoint.tasks import Worker
from newsroom.app import Newsroom, assemble
from newsroom.settings import DatabaseSettings, Settings, StoreSettings
from newsroom.tests import samples
from newsroom.tests.browser import Answer, get, post, press, send, upload
from newsroom.tests.test_app import LARGEST, serve

EVIL = "<img src=x onerror=alert(1)>"
OURS = '<script src="/static/live.js" defer></script>'
"""The only script of the pages."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WSGIApplication]:
    """Give the site of an empty newsroom."""
    url = f"sqlite:///{tmp_path}/newsroom.db"
    yield from serve(
        Settings(DatabaseSettings(url), StoreSettings(tmp_path / "files", LARGEST), gallery=tmp_path / "gallery")
    )


def names(page: Answer) -> list[str]:
    """List the file names that a page shows."""
    return [unescape(name) for name in re.findall(r'<span class="name">(.*?)</span>', page.text)]


def following(page: Answer) -> str | None:
    """Give the address of the next page."""
    link = re.search(r'href="([^"]*)" rel="next"', page.text)
    return "/" + unescape(link[1]) if link else None


def test_an_empty_newsroom_says_how_to_fill_it(web: WSGIApplication) -> None:
    """A newcomer learns the command."""
    page = get(web, "/")
    assert page.status == 200
    assert "python -m newsroom import" in page.text


def test_files_are_searched_and_filtered(web: WSGIApplication) -> None:
    """The form's blank fields do not count, and what was chosen stays chosen."""
    upload(web, "boat.jpg", samples.jpeg())
    upload(web, "report.pdf", samples.pdf(title="The river"))
    assert names(get(web, "/")) == ["boat.jpg", "report.pdf"]
    page = get(web, "/?search=RIVER&kind=&language=&tag=&sort=-size&min_size=&max_size=")
    assert names(page) == ["report.pdf"]
    assert 'value="RIVER"' in page.text
    assert '<option value="-size" selected>' in page.text
    assert names(get(web, "/?kind=picture")) == ["boat.jpg"]
    assert "No file passes" in get(web, "/?kind=other").text


def test_pages_lead_to_the_last_file_and_back(web: WSGIApplication) -> None:
    """The filters travel along."""
    for number in range(90):
        upload(web, f"{number:02}.txt", b"words")
    upload(web, "other.py", b"print(1)")
    read: list[str] = []
    address: str | None = "/?kind=text&sort=-path"
    while address:
        page = get(web, address)
        read += names(page)
        address = following(page)
    assert read == [f"{number:02}.txt" for number in reversed(range(90))]
    assert 'href="?kind=text&amp;sort=-path"' in page.text or 'href="?sort=-path&amp;kind=text"' in page.text


def test_everything_that_strangers_wrote_is_escaped(web: WSGIApplication) -> None:
    """Names, titles, links, content and search words never become markup."""
    page = f"<title>{EVIL}</title><a href='javascript:alert(1)'>{EVIL}</a>".encode()
    file = upload(web, f"{EVIL}.html", page).json["id"]
    for address in ("/", f"/files/{file}", "/?search=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"):
        shown = get(web, address)
        assert shown.status == 200
        assert "<img src=x" not in shown.text
        assert 'href="javascript:' not in shown.text
        assert "<script" not in shown.text.replace(OURS, "")


def test_a_picture_is_shown_with_its_facts(web: WSGIApplication) -> None:
    """Preview, dimensions, camera, tags and download stand on its page."""
    file = upload(web, "boat.jpg", samples.jpeg(1600, 900)).json["id"]
    send(web, "PUT", f"/api/files/{file}/tags/front")
    page = get(web, f"/files/{file}").text
    for piece in (f"/files/{file}/preview", f"/files/{file}/download", "1\u2009600 × 900", "Box 1", "/?tag=front"):
        assert piece in page
    assert get(web, f"/files/{file}/preview").headers["content-type"] == "image/webp"


@pytest.mark.parametrize(
    ("name", "content", "piece"),
    [
        ("tool.py", b"import this\n", '<span class="kn">import</span>'),
        ("NOTES", b"a < b\n", "a &lt; b"),
        ("report.pdf", samples.pdf(12), "<dd>12</dd>"),
        ("secret.pdf", samples.pdf(password="x"), "It needs a password"),
        ("index.html", b"<a href='/a'>One</a>", "<code>/a</code>"),
        ("data.bin", b"\0\1", "There is nothing to show"),
        ("empty.txt", b"", "There is nothing to show"),
        ("plan.svg", b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 12 8"/>', "12 × 8 pixels"),
    ],
)
def test_each_kind_of_file_has_its_page(web: WSGIApplication, name: str, content: bytes, piece: str) -> None:
    """What was read out of it is shown."""
    file = upload(web, name, content).json["id"]
    page = get(web, f"/files/{file}")
    assert page.status == 200
    assert piece in page.text


def test_stored_bytes_do_nothing_in_a_browser(web: WSGIApplication) -> None:
    """A page is saved, not opened; whatever it is, it has no origin and is not guessed at."""
    file = upload(web, "Über – uns.html", b"<script>alert(1)</script>").json["id"]
    answer = get(web, f"/files/{file}/download")
    assert answer.body == b"<script>alert(1)</script>"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%9Cber%20%E2%80%93%20uns.html"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_older_version_can_be_downloaded(web: WSGIApplication) -> None:
    """Its page links to every version."""
    upload(web, "a.txt", b"one")
    file = upload(web, "a.txt", b"two").json["id"]
    assert "download?version=1" in get(web, f"/files/{file}").text
    assert get(web, f"/files/{file}/download?version=1").body == b"one"


def test_pages_run_no_script_but_our_own_and_load_nothing_from_elsewhere(web: WSGIApplication) -> None:
    """The policy says so on every page, those of errors too."""
    for address in ("/", "/search", "/jobs", "/imports", "/publications", "/gallery", "/nowhere"):
        page = get(web, address)
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src")
        assert "<script" not in page.text.replace(OURS, "")


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        ("/nowhere", 404, "There is nothing at this address"),
        ("/files/1", 404, "There is no file 1"),
        ("/files/one", 404, "There is nothing at this address"),
        ("/imports/1", 404, "There is no import 1"),
        ("/publications/1", 404, "There is no publication 1"),
        ("/?kind=film", 400, "kind: "),
        ("/?cursor=made-up", 400, "cursor: "),
        ("/?min_size=many", 400, "min_size: "),
        (f"/files/{2**70}", 400, "id: "),
        ("/static/../views.py", 404, "There is nothing at this address"),
    ],
)
def test_what_cannot_be_shown_is_a_page_that_says_why(
    web: WSGIApplication, address: str, status: int, message: str
) -> None:
    """A page like the others, with the message of the operation and the right status."""
    page = get(web, address)
    assert (page.status, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert message in unescape(page.text)
    assert 'href="/static/newsroom.css"' in page.text


def test_only_reading_is_possible(web: WSGIApplication) -> None:
    """A page cannot be posted to; its head is that of the whole, without the body."""
    assert press(web, "/").status == 405
    head = send(web, "HEAD", "/")
    assert (head.status, head.body) == (200, b"")


def test_publications_and_their_files_are_shown(web: WSGIApplication) -> None:
    """The list, and the contents of one."""
    file = upload(web, "a.txt", b"words").json["id"]
    draft = post(web, "/api/publications", title=f"Monday {EVIL}").json["publication"]["id"]
    send(web, "PUT", f"/api/publications/{draft}/files/{file}")
    assert f"Monday {EVIL}" in unescape(get(web, "/publications").text)
    page = get(web, f"/publications/{draft}").text
    assert f"/files/{file}" in page
    assert "<img src=x" not in page


# ---- background work


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """Give a newsroom with a web page, a text of two versions and a broken picture, before any worker came."""
    url = f"sqlite:///{tmp_path}/newsroom.db"
    files = StoreSettings(tmp_path / "files", LARGEST)
    with closing(assemble(Settings(DatabaseSettings(url), files, gallery=tmp_path / "gallery"))) as made:
        migrations.upgrade(made.db)
        for name, content in (("a.txt", b"one\n"), ("a.txt", b"two\n"), ("b.html", b"<p>Harbour")):
            assert upload(site(made.app), name, content).status == 201
        yield made


def work(room: Newsroom) -> None:
    """Let a worker do all there is."""
    worker = Worker(room.queue, threads=2)
    worker.start()
    while any(n for (_, state), n in room.queue.engine.counts().items() if state in ("waiting", "running")):
        time.sleep(0.02)
    worker.stop()


def test_jobs_are_shown_with_their_files_and_what_can_be_done(room: Newsroom) -> None:
    """The list, narrowed to a state; the piece that changes is the same without the frame."""
    web = site(room.app)
    page = get(web, "/jobs")
    assert "<b>0</b> of 10 steps done" in page.text
    assert "uploads/a.txt" in page.text
    assert "version 2" in page.text
    job = room.queue.jobs(states=["waiting"])[0]
    for act in ("expedite", "cancel"):
        assert f'action="/jobs/{job.id}/{act}"' in page.text
    assert f'action="/jobs/{job.id}/retry"' not in page.text
    assert get(web, "/jobs/live").text in page.text
    assert "No job is dead" in get(web, "/jobs?state=dead").text
    work(room)
    assert "<b>10</b> of 10 steps done" in get(web, "/jobs").text


def test_buttons_do_what_they_say(room: Newsroom) -> None:
    """A job is cancelled, put back and let go first; the page it was on comes again."""
    web = site(room.app)
    job = room.queue.jobs(states=["waiting"])[-1].id
    cancelled = press(web, f"/jobs/{job}/cancel", back="/jobs?state=waiting")
    assert (cancelled.status, cancelled.headers["location"]) == (303, "/jobs?state=waiting")
    assert room.queue.job(job).state == "cancelled"
    assert press(web, f"/jobs/{job}/retry").headers["location"] == f"/jobs/{job}"
    assert room.queue.job(job).state == "waiting"
    assert press(web, f"/jobs/{job}/expedite", back="//elsewhere.example/").headers["location"] == f"/jobs/{job}"
    again = press(web, f"/jobs/{job}/retry")
    assert again.status == 409
    assert "it runs anyway" in again.text
    assert press(web, "/jobs/0/cancel").status == 404


def test_a_job_has_a_page_with_its_history(room: Newsroom) -> None:
    """What happened to it, and when."""
    web = site(room.app)
    file = upload(web, "boat.jpg", samples.jpeg()).json
    room.store.path(file["sha256"]).write_bytes(b"no picture")
    work(room)
    [dead] = room.queue.jobs(states=["dead"])
    page = get(web, f"/jobs/{dead.id}")
    for piece in (
        "Thumbnail",
        "uploads/boat.jpg",
        "make_thumbnail",
        "broken picture",
        f'action="/jobs/{dead.id}/retry"',
    ):
        assert piece in page.text
    assert get(web, f"/jobs/{dead.id}/live").text in page.text
    assert "1 dead" in get(web, "/jobs").text
    assert "broken picture" in get(web, f"/files/{file['id']}").text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
    ],
)
def test_forms_of_other_sites_are_refused(room: Newsroom, headers: dict[str, str]) -> None:
    """On every unsafe method of every page, there or not; nothing happens, and a page says why."""
    web = site(room.app)
    job = room.queue.jobs(states=["waiting"])[0].id
    for address in (f"/jobs/{job}/cancel", "/files/1/process", "/", "/nowhere"):
        refused = press(web, address, headers)
        assert refused.status == 403
        assert "This form is not on a page of the newsroom" in refused.text
    assert room.queue.job(job).state == "waiting"


def test_older_browsers_say_where_a_form_was_in_another_way(room: Newsroom) -> None:
    """By Origin alone."""
    job = room.queue.jobs(states=["waiting"])[0].id
    ours = {"Origin": "http://127.0.0.1", "Host": "127.0.0.1"}
    assert press(site(room.app), f"/jobs/{job}/cancel", ours).status == 303


def test_a_file_shows_its_steps_and_what_they_made(room: Newsroom) -> None:
    """The whole source, the difference, its page in the gallery; it can be processed again."""
    web = site(room.app)
    [file] = [file.id for file in room.files.files(search="a.txt").items]
    assert "waiting" in get(web, f"/files/{file}/steps").text
    assert get(web, f"/files/{file}/source").status == 404
    work(room)
    page = get(web, f"/files/{file}").text
    assert get(web, f"/files/{file}/steps").text in page
    for address in re.findall(r'href="(/files/\d+/(?:source|difference)[^"]*|/gallery/[^"]*)"', page):
        assert get(web, unescape(address)).status == 200, address
    assert 'class="source"' in get(web, f"/files/{file}/source").text
    assert "<del>one\n</del>" in get(web, f"/files/{file}/difference?older=1&newer=2").text
    assert press(web, f"/files/{file}/process").headers["location"] == f"/files/{file}"
    assert "waiting" in get(web, f"/files/{file}/steps").text


def test_the_text_of_files_is_searched(room: Newsroom) -> None:
    """What was found is marked; what strangers wrote is escaped; a search without a word says so."""
    web = site(room.app)
    upload(web, "c.txt", f"the harbour {EVIL}".encode())
    work(room)
    page = get(web, "/search?text=HARB")
    assert page.text.count("<mark>") == 2
    assert EVIL not in page.text
    assert "No text has all these words" in get(web, "/search?text=submarine").text
    assert "Expected a word" in get(web, "/search?text=%3F").text
    assert "<form" in get(web, "/search").text


def test_the_gallery_is_served_without_any_right(room: Newsroom) -> None:
    """Its pages run nothing; before there is one, a page says so."""
    web = site(room.app)
    assert "Nothing is published yet" in get(web, "/gallery").text
    work(room)
    assert get(web, "/gallery").headers["location"] == "/gallery/index.html"
    index = get(web, "/gallery/index.html")
    assert "a.txt" in index.text
    assert "sandbox" in index.headers["content-security-policy"]
    assert get(web, "/gallery/gallery.css").headers["content-type"].startswith("text/css")


def test_the_style_sheet_is_served(web: WSGIApplication) -> None:
    """With its type, so that nosniff lets it in."""
    answer = get(web, "/static/newsroom.css")
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, "text/css")
