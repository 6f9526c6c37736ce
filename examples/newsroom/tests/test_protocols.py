"""One newsroom on every protocol: the same files, the same failures, whichever way somebody asks."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
import sqlalchemy as sa
from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import TextContent

from mergepoint import Download, Upload, grpc, rest, zmq
from mergepoint.db import Database, migrations
from mergepoint.errors import InvalidArgument
from mergepoint.site import site
from mergepoint.testing.processes import running
from newsroom.app import ERRORS, build
from newsroom.errors import FilePublished, FileTooLarge, NoSuchFile, NoSuchVersion
from newsroom.records import File, Kind, TaskState
from newsroom.service.desk import Desk
from newsroom.service.files import Files
from newsroom.service.publishing import Publishing
from newsroom.settings import DatabaseSettings, Settings, StoreSettings
from newsroom.tests import samples
from newsroom.tests.browser import post
from newsroom.tests.browser import upload as send_file

LARGEST = 200_000
SECONDS = 30
"""The patience of a test."""


class Served(NamedTuple):
    """A newsroom that is served.

    Attributes:
        addresses: where each protocol is, by scheme.
        environ: its settings.
    """

    addresses: dict[str, str]
    environ: dict[str, str]

    def client(self, protocol: str, service: Callable[..., Any]) -> Any:
        """Return a typed client of one of its services."""
        if protocol == "rest":
            return rest.client(service, self.addresses["http"] + "/api", errors=ERRORS, timeout=SECONDS)
        if protocol == "grpc":
            return grpc.client(service, self.addresses["grpc"], errors=ERRORS, timeout=SECONDS)
        return zmq.client(service, self.addresses["zmq+tcp"], errors=ERRORS, timeout=SECONDS)

    def graphql(self, query: str, **variables: Any) -> Any:
        """Return what GraphQL answers to a query."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        return self._post(body, "application/json")

    def send(self, query: str, name: str, content: bytes) -> Any:
        """Return what GraphQL answers to a mutation with a file beside it, as its multipart specification has it."""
        parts = [
            b'name="operations"\r\n\r\n' + json.dumps({"query": query, "variables": {"file": None}}).encode(),
            b'name="map"\r\n\r\n{"0":["variables.file"]}',
            b'name="0"; filename="%b"\r\n\r\n%b' % (name.encode(), content),
        ]
        body = (
            b"".join(b"--cut\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--cut--\r\n"
        )
        return self._post(body, "multipart/form-data; boundary=cut")

    def _post(self, body: bytes, media_type: str) -> Any:
        headers = {"Content-Type": media_type, "Accept": "application/json", "GraphQL-Preflight": "1"}
        address = self.addresses["http"].removeprefix("http://")
        with closing(http.client.HTTPConnection(address, timeout=SECONDS)) as connection:
            connection.request("POST", "/graphql", body, headers)
            return json.loads(connection.getresponse().read())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve one newsroom on every protocol."""
    folder = tmp_path_factory.mktemp("newsroom")
    environ = {
        "NEWSROOM_DATABASE__URL": f"sqlite:///{folder}/newsroom.db",
        "NEWSROOM_STORE__FOLDER": str(folder / "files"),
        "NEWSROOM_STORE__LARGEST": str(LARGEST),
        "NEWSROOM_GALLERY": str(folder / "gallery"),
        "PYTHONPATH": "examples",
    }
    with running("newsroom.app:create", "--port", "0", "--zmq", "tcp://127.0.0.1:*", environ=environ) as server:
        told = server.output.read_text()
        addresses = {url.partition("://")[0]: url for url in re.findall(r"[a-z+]+://127\.0\.0\.1:\d+", told)}
        yield Served(addresses, environ)


each = pytest.mark.parametrize("protocol", ["rest", "grpc", "zmq"])


def upload(name: str, content: bytes) -> Upload:
    """Make what a caller sends."""
    return Upload(name, "application/octet-stream", BytesIO(content))


def content(download: Download) -> bytes:
    """Read what came."""
    given = download.content
    assert not isinstance(given, Path)
    return given if isinstance(given, bytes) else b"".join(given)


@each
def test_the_life_of_a_file(served: Served, protocol: str) -> None:
    """It is sent, listed, found by its words and its tag, fetched, and deleted, as the service itself has it."""
    files: Files = served.client(protocol, Files)
    photo = samples.jpeg(60, 40)
    file = files.upload(upload(f"{protocol}-boat.jpg", photo))
    assert isinstance(file, File)
    assert (file.path, file.kind, file.size) == (f"uploads/{protocol}-boat.jpg", Kind.PICTURE, len(photo))
    assert files.tag(file.id, f"by-{protocol}").tags == (f"by-{protocol}",)
    assert [found.id for found in files.files(search=f"{protocol} boat").items] == [file.id]
    assert [found.id for found in files.files(tag=f"by-{protocol}", kind=Kind.PICTURE).items] == [file.id]
    assert files.files(tag="nobody-has-this").items == []
    assert files.files_by_id([file.id, 404])[file.id].sha256 == file.sha256
    assert files.file(file.id).file.tags == (f"by-{protocol}",)
    fetched = files.download(file.id)
    assert (fetched.media_type, fetched.name, content(fetched)) == ("image/jpeg", f"{protocol}-boat.jpg", photo)
    assert content(files.preview(file.id))[8:12] == b"WEBP"
    assert files.statistics().files >= 1
    assert files.untag(file.id, f"by-{protocol}").tags == ()
    files.delete(file.id)
    assert files.files(search=f"{protocol} boat").items == []


@each
def test_pages_go_on_where_they_ended(served: Served, protocol: str) -> None:
    """The cursor of one page leads to the next, and a made-up one is the caller's mistake."""
    files: Files = served.client(protocol, Files)
    for number in range(3):
        files.upload(upload(f"page-{number}.txt", b"words"))
    first = files.files(search="page-", limit=2)
    assert first.next is not None
    second = files.files(search="page-", limit=2, cursor=first.next)
    assert [file.name for file in (*first.items, *second.items)] == ["page-0.txt", "page-1.txt", "page-2.txt"]
    with pytest.raises(InvalidArgument):
        files.files(cursor="made-up")


@each
def test_declared_errors_are_the_same_classes(served: Served, protocol: str) -> None:
    """A caller catches what the service raises, with its fields."""
    files: Files = served.client(protocol, Files)
    desk: Desk = served.client(protocol, Desk)
    publishing: Publishing = served.client(protocol, Publishing)
    with pytest.raises(NoSuchFile, match="There is no file 9007199254740993") as missing:
        files.file(9007199254740993)
    assert missing.value.id == 9007199254740993
    with pytest.raises(NoSuchFile):
        files.download(404)
    with pytest.raises(NoSuchFile):
        desk.create_task(404, "Check the names.")
    with pytest.raises(FileTooLarge) as large:
        files.upload(upload("film", b"x" * (LARGEST + 1)))
    assert large.value.limit == LARGEST
    file = files.upload(upload(f"{protocol}.txt", b"words"))
    with pytest.raises(NoSuchVersion) as version:
        files.download(file.id, version=7)
    assert (version.value.id, version.value.version) == (file.id, 7)
    draft = publishing.create_publication("Monday").publication
    publishing.add_to_publication(draft.id, file.id)
    publishing.publish(draft.id)
    with pytest.raises(FilePublished) as published:
        files.delete(file.id)
    assert published.value.id == file.id


@each
def test_tasks_are_made_and_done(served: Served, protocol: str) -> None:
    """Times, enums and what is optional come as the record has them."""
    file = served.client(protocol, Files).upload(upload(f"{protocol}-task.txt", b"words"))
    desk: Desk = served.client(protocol, Desk)
    task = desk.create_task(file.id, "Check the names.")
    assert (task.state, task.done, task.created.tzinfo is not None) == (TaskState.OPEN, None, True)
    done = desk.finish_task(task.id)
    assert done.state is TaskState.DONE
    assert desk.tasks(file_id=file.id, state=TaskState.DONE).items == [done]


def test_graphql_has_the_same_files_and_errors(served: Served) -> None:
    """It takes a file beside a mutation, names its fields as Python does, and says the same codes."""
    mutation = "mutation ($file: Upload!) { upload(file: $file) { id path size } }"
    sent = served.send(mutation, "ql.jpg", samples.jpeg())
    file = sent["data"]["upload"]
    assert (file["path"], file["size"]) == ("uploads/ql.jpg", len(samples.jpeg()))
    tagged = served.graphql('mutation ($id: ID!) { tag(id: $id, tag: "by-ql") { tags } }', id=file["id"])
    assert tagged == {"data": {"tag": {"tags": ["by-ql"]}}}
    query = """query ($id: ID!) {
        files(tag: "by-ql") { nodes { id name } }
        file(id: $id) { facts { ... on Picture { width } } }
    }"""
    found = served.graphql(query, id=file["id"])
    assert found["data"]["files"]["nodes"] == [{"id": file["id"], "name": "ql.jpg"}]
    assert found["data"]["file"]["facts"] == {"width": 60}
    [missing] = served.graphql('{ file(id: "404") { file { id } } }')["errors"]
    assert (missing["message"], missing["path"]) == ("There is no file 404.", ["file"])
    assert missing["extensions"]["code"] == "no_such_file"
    assert missing["extensions"]["fields"] == {"id": "404"}


def test_agents_use_the_tools_that_somebody_names(served: Served) -> None:
    """The newsroom knows no users, so `mergepoint mcp` serves what --tool names and nothing else."""
    file = served.client("rest", Files).upload(upload("mcp.txt", b"words"))
    words = ["-m", "mergepoint", "mcp", "newsroom.app:create", "--tool", "files", "--tool", "file"]
    parameters = StdioServerParameters(command=sys.executable, args=words, env=served.environ)

    async def ask() -> None:
        async with Client(stdio_client(parameters)) as client:
            assert sorted(tool.name for tool in (await client.list_tools()).tools) == ["file", "files"]
            found = await client.call_tool("files", {"search": "mcp.txt"})
            assert [item["id"] for item in found.structured_content["items"]] == [str(file.id)]
            missing = await client.call_tool("file", {"id": "404"})
            assert missing.is_error
            [text] = missing.content
            assert isinstance(text, TextContent)
            assert "There is no file 404." in text.text

    anyio.run(ask)


def test_nothing_is_open_to_agents_by_default(served: Served) -> None:
    """Without --tool the server of tools says what to write, and ends."""
    words = [sys.executable, "-m", "mergepoint", "mcp", "newsroom.app:create"]
    environ = {**os.environ, **served.environ}
    ended = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False, input="")
    assert ended.returncode == 2
    assert "--tool" in ended.stderr
    assert ended.stderr.startswith("Error: ")


# --- joins ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Give the list of statements that SQLite is asked to run from now on, as SQLite itself tells."""
    asked: list[str] = []

    def listen(dbapi: Any, _: Any) -> None:
        dbapi.set_trace_callback(asked.append)

    sa.event.listen(sa.Engine, "connect", listen)
    yield asked
    sa.event.remove(sa.Engine, "connect", listen)


def test_a_field_of_many_records_asks_the_database_once(tmp_path: Path, statements: list[str]) -> None:
    """The files of a page of tasks take two statements more, them and their tags, however many they are."""
    settings = Settings(
        DatabaseSettings(f"sqlite:///{tmp_path}/newsroom.db"),
        StoreSettings(tmp_path / "files", LARGEST),
        gallery=tmp_path / "gallery",
    )
    app = build(settings)
    with closing(app):
        [database] = [resource for resource in app.resources if isinstance(resource, Database)]
        migrations.upgrade(database)
        web = site(app)
        for number in range(10):
            file = send_file(web, f"{number}.txt", b"words").json["id"]
            for note in ("Check the names.", "Find a picture."):
                post(web, "/api/tasks", file_id=file, note=note)

        def count(query: str) -> tuple[int, Any]:
            statements.clear()
            answer = post(web, "/graphql", query=query).json
            assert "errors" not in answer, answer
            return sum("SELECT" in statement for statement in statements), answer["data"]["tasks"]["nodes"]

        alone, _ = count("{ tasks(first: 20) { nodes { id path } } }")
        few, two = count("{ tasks(first: 2) { nodes { path file { path } } } }")
        many, twenty = count("{ tasks(first: 20) { nodes { path file { path size tags } } } }")
        assert (len(two), len(twenty)) == (2, 20)
        assert all(task["file"]["path"] == task["path"] for task in twenty)
        assert few == many == alone + 2
