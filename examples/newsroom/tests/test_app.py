"""The whole app over REST, on a real database and a real store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple
from wsgiref.types import WSGIApplication

import pytest
from msgspec.structs import replace

from mergepoint.db import Database, migrations
from mergepoint.site import site
from newsroom.app import build
from newsroom.settings import DatabaseSettings, Settings, StoreSettings
from newsroom.tests import samples
from newsroom.tests.browser import get, post, send, upload
from newsroom.tests.servers import new_database
from newsroom.tests.splitting import KEY, empty, split

LARGEST = 200_000


class Kind(NamedTuple):
    """How a newsroom is set up: its database, and what carries calls to its files and its publishing."""

    database: str
    link: str

    def __str__(self) -> str:
        return f"{self.database}, {self.link}"


KINDS = [
    Kind("sqlite", "local"),
    Kind("postgres", "local"),
    Kind("sqlite", "loopback"),
    Kind("sqlite", "http"),
    Kind("postgres", "grpc"),
    Kind("sqlite", "zmq+tcp"),
]


@pytest.fixture(scope="module", params=KINDS, ids=str)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Give the settings of a newsroom, each kind in turn; its other processes, if it has some, run meanwhile."""
    kind, folder = request.param, tmp_path_factory.mktemp("newsroom")
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder}/newsroom.db"
        if kind.database == "postgres":
            url = stack.enter_context(new_database(request.getfixturevalue("postgres_url")))
        own = Settings(
            DatabaseSettings(url), StoreSettings(folder / "files", LARGEST), gallery=folder / "gallery", key=KEY
        )
        if kind.link in ("local", "loopback"):
            yield replace(own, places=kind.link)
        else:
            yield replace(own, places=stack.enter_context(split(own, kind.link)))


@pytest.fixture
def web(settings: Settings) -> Iterator[WSGIApplication]:
    """Give the site of an empty newsroom."""
    yield from serve(settings)


def serve(settings: Settings) -> Iterator[WSGIApplication]:
    """Build the app and its site, with an empty database, and close it afterwards."""
    app = build(settings)
    for resource in app.resources:
        if isinstance(resource, Database):
            migrations.upgrade(resource)
            empty(resource)
    yield site(app)
    app.close()


def test_a_file_is_uploaded_listed_tagged_downloaded_and_deleted(web: WSGIApplication) -> None:
    """The life of a file, over HTTP."""
    sent = upload(web, "boat.jpg", samples.jpeg(60, 40), "text/html")
    assert sent.status == 201
    file = sent.json
    assert isinstance(file["id"], str)
    assert sent.headers["location"].endswith(f"/files/{file['id']}")
    assert (file["media_type"], file["kind"]) == ("image/jpeg", "picture")
    assert send(web, "PUT", f"/api/files/{file['id']}/tags/front-page").json["tags"] == ["front-page"]
    assert [item["path"] for item in get(web, "/api/files?tag=front-page&kind=picture").json["items"]] == [
        "uploads/boat.jpg"
    ]
    facts = get(web, f"/api/files/{file['id']}").json["facts"]
    assert (facts["type"], facts["width"], facts["exif"]) == ("picture", 60, {"Model": "Box 1"})
    assert get(web, f"/api/files/{file['id']}/download").body == samples.jpeg(60, 40)
    assert get(web, f"/api/files/{file['id']}/preview").headers["content-type"] == "image/webp"
    assert send(web, "DELETE", f"/api/files/{file['id']}").status == 204
    assert get(web, f"/api/files/{file['id']}").status == 404


def test_tasks_and_publications_are_kept(web: WSGIApplication) -> None:
    """A task is made and done; a publication is put together and published."""
    file = upload(web, "a.txt", b"words").json["id"]
    task = post(web, "/api/tasks", file_id=file, note="Check the names.").json
    assert post(web, f"/api/tasks/{task['id']}/finish").json["state"] == "done"
    assert get(web, f"/api/tasks?state=done&file_id={file}").json["items"][0]["note"] == "Check the names."
    draft = post(web, "/api/publications", title="Monday").json["publication"]["id"]
    assert post(web, f"/api/publications/{draft}/publish").json["code"] == "nothing_to_publish"
    assert send(web, "PUT", f"/api/publications/{draft}/files/{file}").status == 200
    published = post(web, f"/api/publications/{draft}/publish").json
    assert (published["publication"]["state"], published["files"][0]["version"]) == ("published", 1)
    assert send(web, "DELETE", f"/api/files/{file}").json["code"] == "file_published"


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/api/files/1", 404, "no_such_file"),
        ("/api/files/1/download", 404, "no_such_file"),
        ("/api/imports/1", 404, "no_such_import"),
        ("/api/publications/1", 404, "no_such_publication"),
        ("/api/files?cursor=made-up", 422, "invalid_argument"),
        ("/api/files?sort=name", 422, "invalid_argument"),
        ("/api/files?limit=1000", 422, "invalid_argument"),
        ("/api/files?min_size=-1", 422, "invalid_argument"),
        ("/api/files?colour=red", 422, "invalid_argument"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_with_a_code(
    web: WSGIApplication, address: str, status: int, code: str
) -> None:
    """Every failure is a declared one."""
    answer = get(web, address)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("tag", ["Front", "a b", "-x", "%3Cb%3E", "x" * 41])
def test_a_tag_is_made_of_plain_characters(web: WSGIApplication, tag: str) -> None:
    """Anything else is invalid input, and stays off."""
    file = upload(web, "a.txt", b"words").json["id"]
    answer = send(web, "PUT", f"/api/files/{file}/tags/{tag}")
    assert (answer.status, answer.json["code"]) == (422, "invalid_argument")


def test_what_an_upload_lacks_is_said(web: WSGIApplication) -> None:
    """A broken picture, a name that is none, and more bytes than are kept."""
    assert upload(web, "boat.png", b"no picture").json["code"] == "unreadable_file"
    assert upload(web, "..", b"words").json["code"] == "unusable_name"
    assert upload(web, "film", b"x" * (LARGEST + 1)).json["code"] == "file_too_large"
    assert upload(web, "film", b"x" * (LARGEST * 2)).status == 413
    assert get(web, "/api/files").json["items"] == []


def test_a_stored_page_does_not_run_here(web: WSGIApplication) -> None:
    """HTML and SVG leave the API as files to be saved."""
    file = upload(web, "evil.html", b"<script>alert(1)</script>", "text/html").json["id"]
    headers = get(web, f"/api/files/{file}/download").headers
    assert headers["content-disposition"].startswith("attachment")
    assert headers["x-content-type-options"] == "nosniff"
