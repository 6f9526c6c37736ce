"""Operations as tools for agents: what the official client sees and gets, over pipes and over HTTP."""

import base64
import enum
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import anyio
import httpx2
import msgspec
import pytest
from jsonschema import Draft202012Validator
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests import menagerie
from tests.web import request as wsgi_request

from mergepoint import App, Call, Download, Id, Sensitive, Upload, asgi, mcp, role, signed_in
from mergepoint.call import current
from mergepoint.errors import RegistrationError

SECONDS = 30
"""The patience of a test; what it waits for comes in less than two."""

TESTS = Path(__file__).parent
KEEPER = "Bearer keeper"
GUEST = "Bearer guest"
FOR_ANYONE = ["bat", "bats", "search", "adopt", "replace", "watch", "portrait", "leaflet", "broken", "echo"]
MODES = ["auto", "legacy"]  # revision 2026-07-28, and the handshake of those before

BUSY = """
import contextlib, threading, time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from mergepoint import App, Download

app = App("busy")
meeting = threading.Barrier(3)
seen = ContextVar("seen", default="nothing")
print("printed while loading")


@app.around
@contextlib.contextmanager
def noted(call):
    try:
        yield
    except Exception as error:
        Path("failed").write_text(type(error).__name__)
        raise


@app.query(deadline=300)
def forever() -> Iterator[int]:
    number = 0
    try:
        while True:
            number += 1
            yield number
            time.sleep(0.02)
    finally:
        Path("closed").write_text(str(number))


@app.command(deadline=300)
def slow() -> str:
    Path("began").touch()
    while not Path("go").exists():
        time.sleep(0.02)
    return "done"


@app.query
def meet(name: str) -> str:
    meeting.wait(20)
    return name


@app.query
def leak(word: str) -> str:
    before = seen.get()
    seen.set(word)
    return before


@app.query
def loud() -> str:
    print("printed while running")
    return "quiet"


@app.query
def big(size: int) -> str:
    return "x" * size


@app.query
def count(to: int) -> Iterator[int]:
    yield from range(to)


@app.query
def leave() -> str:
    raise SystemExit(3)
"""


def run(test: Callable[[], Awaitable[Any]]) -> Any:
    """Run an asynchronous test with a limit to its time."""

    async def limited() -> Any:
        with anyio.fail_after(SECONDS):
            return await test()

    return anyio.run(limited)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def command(*arguments: str) -> list[str]:
    """Return the words that start the command under test."""
    return [sys.executable, "-m", "mergepoint", "mcp", *arguments]


class Http:
    """The command serving over HTTP in a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            command(*arguments, "--http", "127.0.0.1:0"),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.lines: list[str] = []
        found = None
        while found is None:
            line = self.process.stderr.readline()
            assert line, f"it ended before it listened: {self.lines}"
            self.lines.append(line)
            found = re.search(r"http://\S+", line)
        self.url = found[0]
        threading.Thread(target=lambda: self.lines.extend(self.process.stderr or ()), daemon=True).start()

    def stop(self, number: int = signal.SIGINT) -> int:
        """End it as Ctrl+C does, and return its exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(SECONDS)
        finally:
            self.process.kill()
            for pipe in (self.process.stdout, self.process.stderr):
                assert pipe is not None
                pipe.close()

    @asynccontextmanager
    async def client(self, authorization: str | None = None, mode: str = "auto") -> AsyncIterator[Client]:
        """Connect a client whose requests carry a header."""
        headers = {"authorization": authorization} if authorization else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=SECONDS) as http,
            Client(streamable_http_client(self.url, http_client=http), mode=mode) as client,
        ):
            yield client


@asynccontextmanager
async def piped(
    folder: Path, *arguments: str, authorization: str | None = None, mode: str = "auto", log: Any = sys.__stderr__
) -> AsyncIterator[Client]:
    """Start the command as a client does, and connect to it."""
    given = ["--header", f"authorization={authorization}"] if authorization else []
    words = command(*arguments, *given)
    parameters = StdioServerParameters(command=words[0], args=words[1:], cwd=folder)
    async with Client(stdio_client(parameters, errlog=log), mode=mode) as client:
        yield client


@pytest.fixture(scope="module")
def bats() -> Iterator[Http]:
    """Serve the menagerie over HTTP."""
    server = Http(TESTS, "menagerie.py")
    yield server
    assert server.stop() == 0


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    """Return a folder with an app that takes its time."""
    (tmp_path / "busy.py").write_text(BUSY)
    return tmp_path


@asynccontextmanager
async def connected(bats: Http, transport: str, mode: str, authorization: str | None = None) -> AsyncIterator[Client]:
    """Connect to the menagerie over pipes or HTTP."""
    if transport == "http":
        async with bats.client(authorization, mode) as client:
            yield client
    else:
        async with piped(TESTS, "menagerie.py", authorization=authorization, mode=mode) as client:
            yield client


def in_process(app: App, test: Callable[[Client], Awaitable[Any]], mode: str = "auto", **options: Any) -> Any:
    """Run a test with a client of a server in this process."""

    async def connect() -> Any:
        async with Client(mcp.server(app, **options), mode=mode) as client:
            return await test(client)

    return run(connect)


def text_of(result: CallToolResult) -> str:
    """Return the text of an answer's first block."""
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text


def error_of(result: CallToolResult) -> dict[str, Any]:
    """Return what an answer tells of a failure."""
    assert result.is_error
    error: dict[str, Any] = result.structured_content
    return error


async def names(client: Client) -> list[str]:
    """Return the names of the tools that a client sees."""
    return [tool.name for tool in (await client.list_tools()).tools]


everywhere = pytest.mark.parametrize(("transport", "mode"), [(t, m) for t in ("stdio", "http") for m in MODES])


# --- what agents see -----------------------------------------------------------------------------------------------


@everywhere
def test_every_operation_answers(bats: Http, transport: str, mode: str) -> None:
    """All kinds of operations work over both transports and revisions; the client checks answers by their schemas."""

    async def test() -> None:
        async with connected(bats, transport, mode, KEEPER) as client:
            assert await names(client) == [*FOR_ANYONE[:5], "release", *FOR_ANYONE[5:8], "whoami", *FOR_ANYONE[8:]]
            one = await client.call_tool("bat", {"id": "1"})
            assert one.structured_content == json.loads(text_of(one))
            assert one.structured_content["id"] == "1"
            page = await client.call_tool("bats", {"diet": "insects", "limit": 2})
            assert [len(page.structured_content["items"]), page.structured_content["next"]] == [2, "more"]
            found = await client.call_tool("search", {"name": ["Bat 1", "Bat 2"]})
            assert [bat["name"] for bat in found.structured_content["result"]] == ["Bat 1", "Bat 2"]
            adopted = await client.call_tool("adopt", {"name": "Wing", "diet": "fruit", "wings": [{"span": 0.5}]})
            assert adopted.structured_content["wings"] == [{"span": 0.5}]
            replaced = await client.call_tool("replace", {"id": "7", "bat": {"name": "Flap"}})
            assert replaced.structured_content["id"] == "7"
            released = await client.call_tool("release", {"id": "1"})
            assert (released.structured_content, text_of(released)) == (None, "Done.")
            photo = {"content": base64.b64encode(b"four").decode(), "name": "a.png", "media_type": "image/png"}
            hung = await client.call_tool("portrait", {"photo": photo, "title": "Me"})
            assert text_of(hung) == "Me: 4 bytes of image/png from a.png"
            assert hung.structured_content == {"result": text_of(hung)}
            assert text_of(await client.call_tool("whoami")) == "keeper"
            assert text_of(await client.call_tool("echo", {"text": "fledermäuse 🦇"})) == "fledermäuse 🦇"
            leaflet = (await client.call_tool("leaflet")).content[0]
            assert isinstance(leaflet, EmbeddedResource)
            assert isinstance(leaflet.resource, TextResourceContents)
            assert (leaflet.resource.text, leaflet.resource.mime_type) == ("Bats are kind.", "text/plain")
            assert leaflet.resource.uri == "download:%C3%BCber%20bats.txt"

    run(test)


@everywhere
def test_a_stream_is_collected_and_told_as_it_comes(bats: Http, transport: str, mode: str) -> None:
    """The answer has all items; a client that asks for progress hears of each; a failure keeps what came before it."""

    async def test() -> None:
        heard: list[tuple[float, Any]] = []
        all_heard = anyio.Event()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append((progress, json.loads(message or "")["id"]))
            if len(heard) == 3:
                all_heard.set()

        async with connected(bats, transport, mode) as client:
            some = await client.call_tool("watch", {"count": 3}, progress_callback=hear)
            assert [bat["id"] for bat in some.structured_content["result"]] == ["0", "1", "2"]
            assert some.structured_content["truncated"] is False
            await all_heard.wait()  # the answer may overtake them
            assert heard == [(1, "0"), (2, "1"), (3, "2")]
            broken = error_of(await client.call_tool("watch", {"count": 7}))
            assert (broken["code"], broken["fields"]) == ("no_such_bat", {"id": "5"})
            assert [bat["id"] for bat in broken["result"]] == ["0", "1", "2", "3", "4"]

    run(test)


@everywhere
def test_failures_are_answers_that_agents_can_read(bats: Http, transport: str, mode: str) -> None:
    """Declared errors, wrong arguments and bugs come as results: for programs and as text; nothing of a bug leaks."""

    async def test() -> None:
        async with connected(bats, transport, mode) as client:
            unknown = await client.call_tool("bat", {"id": "77"})
            assert text_of(unknown) == "no_such_bat: There is no bat 77."
            assert error_of(unknown) == {
                "kind": "not_found",
                "code": "no_such_bat",
                "message": "There is no bat 77.",
                "fields": {"id": "77"},
            }
            wrong = await client.call_tool("adopt", {"name": "", "diett": "fruit"})
            assert error_of(wrong)["code"] == "invalid_argument"
            assert {p["path"] for p in error_of(wrong)["problems"]} == {"$.name", "$.diett"}
            assert "$.diett: Unknown field; did you mean `diet`?" in text_of(wrong)
            bug = await client.call_tool("broken")
            assert set(error_of(bug)) == {"kind", "code", "message", "incident"}
            assert "secret" not in bug.model_dump_json()
            with pytest.raises(MCPError, match=r"Unknown tool: 'nope'\. List the tools"):
                await client.call_tool("nope", {"x": 1})

    run(test)


@everywhere
def test_only_what_a_caller_may_call_is_shown_and_run(bats: Http, transport: str, mode: str) -> None:
    """Nobody, a guest and a keeper see different tools; a hidden one is refused by the policy, before its arguments."""

    async def test() -> None:
        async with connected(bats, transport, mode) as nobody:
            assert await names(nobody) == FOR_ANYONE
            for tool in ("whoami", "release"):
                refused = await nobody.call_tool(tool, {"nonsense": 1})
                assert (error_of(refused)["kind"], text_of(refused)) == (
                    "unauthenticated",
                    "unauthenticated: Sign in first.",
                )
        async with connected(bats, transport, mode, GUEST) as guest:
            assert set(await names(guest)) == {*FOR_ANYONE, "whoami"}
            assert error_of(await guest.call_tool("release", {"nonsense": 1}))["kind"] == "permission_denied"

    run(test)


def test_a_tool_says_what_its_operation_says() -> None:
    """Name, title, description, arguments with their documentation, and hints come of the operation."""

    def bat(id: Id, word: Annotated[str, Sensitive] = "sesame", deep: int = 1) -> menagerie.Bat:
        """Find one bat.

        It may be asleep.

        Args:
            id: the number of the bat.
            word: opens the roost.
            deep: how far to look.
        """
        return menagerie.Bat(id, "Flap")

    def very_long() -> None:
        """Do a thing that takes more words to say than fit into the line where clients show the title of a tool."""

    inner, app = App("bats"), App("roost", version="7")
    inner.query(bat)
    app.command(very_long, idempotent=True)
    app.include(inner)

    async def test(client: Client) -> None:
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.version) == ("roost", "7")
        assert client.instructions == "Be kind to bats."
        long, found = (await client.list_tools()).tools
        assert (found.name, found.title) == ("bats-bat", "Find one bat")
        assert found.description == "Find one bat.\n\nIt may be asleep."
        properties = found.input_schema["properties"]
        assert properties["id"]["description"] == "the number of the bat."
        assert "sesame" not in json.dumps(found.input_schema)
        assert properties["deep"] == {"type": "integer", "default": 1, "description": "how far to look."}
        assert found.input_schema["required"] == ["id"]
        assert found.output_schema is not None
        assert found.output_schema["type"] == "object"
        assert found.annotations is not None
        assert found.annotations.read_only_hint
        assert long.title == "Very long"
        assert long.annotations is not None
        hints = long.annotations
        assert (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint) == (False, True, True)
        assert text_of(await client.call_tool("bats-bat", {"id": "5"})).startswith('{"id":"5"')

    in_process(app, test, mode="legacy", everything=True, instructions="Be kind to bats.")


class Mood(enum.IntEnum):
    CALM = 1
    WILD = 2


class Walk(msgspec.Struct, tag=True):
    steps: int


class Fly(msgspec.Struct, tag=True):
    height: float


class Tree(msgspec.Struct):
    name: str
    branches: list["Tree"] = []
    properties: dict[str, int] = {}


@dataclass(frozen=True)
class Everything:
    """One of each type."""

    id: Id
    data: bytes
    day: date
    moment: datetime
    spell: timedelta
    price: Decimal
    key: UUID
    mood: Mood
    word: Literal["a", "b"]
    pair: tuple[int, str]
    many: frozenset[int]
    by_number: dict[int, str]
    move: Walk | Fly
    title: str | None = None
    required: bool = True


VALUES = Everything(
    2**60,
    b"\x00\xff",
    date(2026, 1, 2),
    datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    timedelta(seconds=90),
    Decimal("1.10"),
    UUID(int=7),
    Mood.WILD,
    "b",
    (1, "x"),
    frozenset({3}),
    {4: "four"},
    Fly(1.5),
)


@pytest.mark.parametrize("mode", MODES)
def test_every_type_travels(mode: str) -> None:
    """All types arrive and go back as they are; both schemas are right in the eyes of an independent validator."""
    app = App("types")

    def same(value: Everything) -> Everything:
        assert value == VALUES
        return value

    def maybe(value: Everything | None = None) -> Everything | None:
        return value

    def either(move: Walk | Fly) -> Walk | Fly:
        return move

    def grow(tree: Tree) -> Tree:
        return Tree("root", [tree])

    def numbers(of: dict[int, float]) -> dict[int, float]:
        return of

    for function in (same, maybe, either, grow, numbers):
        app.query(function)

    async def test(client: Client) -> None:
        tools = (await client.list_tools()).tools
        for schema in [*(tool.input_schema for tool in tools), *(tool.output_schema for tool in tools)]:
            assert schema is not None
            Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object"
        wire = app.operations["same"].contract.result
        assert wire is not None
        sent = {"value": json.loads(wire.encode_json(VALUES))}
        Draft202012Validator(tools[0].input_schema).validate(sent)
        assert (await client.call_tool("same", sent)).structured_content == sent["value"]
        assert (await client.call_tool("maybe")).structured_content == {"result": None}
        assert text_of(await client.call_tool("maybe")) == "null"
        walk = {"type": "Walk", "steps": 3}
        assert (await client.call_tool("either", {"move": walk})).structured_content == {"result": walk}
        tree = await client.call_tool("grow", {"tree": {"name": "leaf"}})
        assert tree.structured_content["branches"][0]["name"] == "leaf"
        assert (await client.call_tool("numbers", {"of": {"1": 2.5}})).structured_content == {"1": 2.5}

    in_process(app, test, mode, everything=True)


def test_files_come_and_go() -> None:
    """Several files, none, and bad base64; images, sounds, text and bytes go back as content of their kind."""
    app = App("files")

    def sizes(files: list[Upload], cover: Upload | None = None) -> list[int]:
        return [len(file.file.read()) for file in (*files, *([cover] if cover else []))]

    def download(kind: str, text: str, chunks: bool = False) -> Download:
        body = text.encode("latin-1")
        return Download(iter([body[:1], body[1:]]) if chunks else body, kind)

    def missing() -> Download:
        return Download(Path("/nowhere/secret"))

    for function in (sizes, download, missing):
        app.query(function)

    async def test(client: Client) -> None:
        content = base64.b64encode(b"12345").decode()
        sent: dict[str, Any] = {"files": [{"content": content}, {"content": ""}], "cover": {"content": content}}
        assert (await client.call_tool("sizes", sent)).structured_content == {"result": [5, 0, 5]}
        assert (await client.call_tool("sizes", {"files": []})).structured_content == {"result": []}
        bad = error_of(await client.call_tool("sizes", {"files": [{"content": "?", "path": "/etc"}]}))
        assert {p["path"] for p in bad["problems"]} == {"$.files[0].content", "$.files[0].path"}
        for chunks in (False, True):
            image, sound, text, drawing, data = [
                (await client.call_tool("download", {"kind": kind, "text": "é", "chunks": chunks})).content[0]
                for kind in ("image/png", "audio/wav", "text/plain", "image/svg+xml", "application/zip")
            ]
            assert isinstance(image, ImageContent)
            assert (base64.b64decode(image.data), image.mime_type) == (b"\xe9", "image/png")
            assert isinstance(sound, AudioContent)
            for block in (text, drawing, data):  # which say that they are text, and are not
                assert isinstance(block, EmbeddedResource)
                assert isinstance(block.resource, BlobResourceContents)
                assert base64.b64decode(block.resource.blob) == b"\xe9"
        gone = await client.call_tool("missing")
        assert error_of(gone)["kind"] == "internal"
        assert "secret" not in gone.model_dump_json()
        long = error_of(await client.call_tool("download", {"kind": "image/png", "text": "x" * 500, "chunks": True}))
        assert long["code"] == "result_too_large"

    in_process(app, test, everything=True, max_result=200)


MALFORMED = [
    ("echo", r'{"text": "\ud800"}'),
    ("echo", r'{"\ud800": 1}'),
    ("echo", '{"text": 1' + "0" * 400 + "}"),
    ("echo", '{"text": 1' + "0" * 5_000 + "}"),
    ("echo", '{"text": ' + "[" * 100 + "]" * 100 + "}"),
    ("echo", '{"text": ' + "[" * 5_000 + "]" * 5_000 + "}"),
    ("echo", "null"),
    ("echo", "[]"),
    ("search", '{"name": [], "scale": NaN}'),
    ("search", '{"name": [], "scale": 1e999}'),
    ("search", '{"name": null}'),
    ("replace", '{"id": 5, "bat": "x"}'),
    ("adopt", '{"name": "x", "wings": {"0": {}}}'),
]
ENVELOPE = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("tool", "arguments"), MALFORMED, ids=range(len(MALFORMED)))
def test_bad_input_is_never_a_bug(bats: Http, mode: str, tool: str, arguments: str) -> None:
    """Lone surrogates, huge numbers, deep nesting and wrong types are the caller's mistakes, and told as such."""
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    if mode == "auto":
        headers |= {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": tool}
    params = (
        f'{{"name": "{tool}", "arguments": {arguments}, "_meta": {json.dumps(ENVELOPE if mode == "auto" else {})}}}'
    )
    body = f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {params}}}'
    answer = httpx2.post(bats.url, content=body, headers=headers, timeout=SECONDS)
    assert answer.status_code in (200, 400)
    found = json.loads(answer.text.partition("data: ")[2] or answer.text)
    if "error" in found:  # what is no JSON, or no request, gets no further than to the protocol
        assert found["error"]["code"] in (-32700, -32602)
    else:
        assert found["result"]["isError"]
        assert found["result"]["structuredContent"]["kind"] == "invalid_argument"
        assert found["result"]["structuredContent"]["problems"]


def test_arguments_have_a_limit() -> None:
    """The policy's limit of input holds; that of a file is for its bytes, not for their base64."""
    app = App("limits")
    app.query(menagerie.echo, max_body=10_000)
    app.command(menagerie.portrait, max_body=10_000)

    async def test(client: Client) -> None:
        assert text_of(await client.call_tool("echo", {"text": "x" * 9_900})) == "x" * 9_900
        long = error_of(await client.call_tool("echo", {"text": "x" * 10_001}))
        assert (long["kind"], long["code"]) == ("out_of_range", "body_too_large")
        photo = {"content": base64.b64encode(b"x" * 9_000).decode()}
        assert "9000 bytes" in text_of(await client.call_tool("portrait", {"photo": photo}))
        assert error_of(await client.call_tool("portrait", {"photo": photo, "title": "x" * 9_000}))

    in_process(app, test, everything=True)


def test_a_large_result_is_refused_and_a_long_stream_cut(busy: Path) -> None:
    """What is too long for an agent is not sent: the answer says so, and what to do; up to the limit all arrives."""

    async def test() -> None:
        async with piped(busy, "busy.py", "--all", mode="legacy") as client:
            fits = await client.call_tool("big", {"size": 399_000})
            assert len(text_of(fits)) == 399_000
            large = await client.call_tool("big", {"size": 3_000_000})
            assert error_of(large)["code"] == "result_too_large"
            assert "The result has 3,000,002 bytes; at most 400,000 bytes go over MCP. Ask for less." in text_of(large)
            cut = (await client.call_tool("count", {"to": 10_000})).structured_content
            assert (len(cut["result"]), cut["truncated"]) == (1_000, True)
            whole = (await client.call_tool("count", {"to": 1_000})).structured_content
            assert (len(whole["result"]), whole["truncated"]) == (1_000, False)

    run(test)


def test_a_command_that_ran_says_so_though_its_result_is_too_large() -> None:
    """An agent must not believe that nothing happened."""
    app = App("large")

    def grow() -> str:
        return "x" * 300

    def burst() -> Iterator[str]:
        yield "x" * 300

    app.command(grow)
    app.query(burst)

    async def test(client: Client) -> None:
        assert "The command has run, but its result has 302 bytes" in text_of(await client.call_tool("grow"))
        assert "begins with an item that is too long" in text_of(await client.call_tool("burst"))

    in_process(app, test, everything=True, max_result=100)


# --- which operations become tools ---------------------------------------------------------------------------------


def _squeak() -> str:
    return "eek"


def test_an_app_without_users_serves_only_what_is_named() -> None:
    """Nothing is open by default: such an app is refused until somebody names its tools."""
    app, inner = App("open"), App("inner")
    for name in ("squeak", "hum"):
        app.query(_squeak, name=name)
    inner.query(_squeak, name="deep")
    app.include(inner)
    with pytest.raises(RegistrationError, match=r"no operation becomes a tool by itself.*--tool squeak, or --all"):
        mcp.server(app)
    for only, served in [(["hum"], ["hum"]), ("hum", ["hum"]), (["inner-deep", "hum"], ["inner-deep", "hum"])]:
        assert in_process(app, names, only=only) == served
    assert in_process(app, names, everything=True) == ["squeak", "hum", "inner-deep"]
    with pytest.raises(RegistrationError, match=r"no operation 'squeek' to make a tool of; did you mean 'squeak'\?"):
        mcp.server(app, only=["squeek"])
    with pytest.raises(RegistrationError, match="contradict each other"):
        mcp.server(app, only=["hum"], everything=True)


def test_what_is_not_chosen_does_not_exist() -> None:
    """An operation that was not named cannot be called, whoever asks."""

    async def test(client: Client) -> None:
        assert await names(client) == ["echo"]
        with pytest.raises(MCPError, match="Unknown tool: 'whoami'"):
            await client.call_tool("whoami")

    in_process(menagerie.build(), test, only=["echo"], metadata={"authorization": KEEPER})


@pytest.mark.parametrize("name", ["flügel", "x" * 65])
def test_a_name_that_agents_cannot_use_is_refused(name: str) -> None:
    """Models know names of up to 64 plain letters; the message says what to do about others."""
    app = App("names")
    app.query(_squeak, name=name)
    with pytest.raises(RegistrationError, match=r"at most 64 characters.*name=\.\.\.,"):
        mcp.server(app, everything=True)


class TokenExpired(Exception):
    """The token is too old."""


def _strict(call: Call) -> menagerie.User | None:
    token = call.metadata.get("authorization")
    if token == "old":
        raise TokenExpired("The token is too old.")
    if token == "bug":
        raise KeyError("secret")
    return menagerie.current_user(call)


def test_a_failure_to_find_out_who_is_calling_fails_the_list(caplog: pytest.LogCaptureFixture) -> None:
    """An agent with an old token learns that, instead of seeing fewer tools; of a bug it learns the incident."""
    app = App("strict", errors={TokenExpired: "unauthenticated"})
    app.identify(_strict)
    app.query(_squeak, allow=signed_in)

    async def test(client: Client) -> None:
        with pytest.raises(MCPError, match=told):
            await client.list_tools()
        assert (await client.call_tool("_squeak")).is_error

    told = "The token is too old"
    in_process(app, test, metadata={"authorization": "old"})
    assert not caplog.records
    told = "The incident number is"
    in_process(app, test, metadata={"authorization": "bug"})
    assert "Incident" in caplog.text


def test_a_rule_that_fails_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in one predicate hides its operation and is logged; the others are shown, and who calls is asked once."""
    app, asked = App("rules"), []

    def identify(call: Call) -> menagerie.User | None:
        asked.append(call)
        return menagerie.current_user(call)

    def faulty(user: menagerie.User) -> bool:
        raise KeyError(user.name)

    app.identify(identify)
    app.query(_squeak, name="one", allow=faulty)
    app.query(_squeak, name="two", allow=signed_in)
    app.query(_squeak, name="three", allow=role("keeper"))
    assert in_process(app, names, metadata={"authorization": KEEPER}) == ["two", "three"]
    assert "Incident" in caplog.text
    assert len(asked) == 1


# --- calls ---------------------------------------------------------------------------------------------------------


def test_a_call_knows_where_it_came_from() -> None:
    """Protocol, metadata, request id and trace arrive; metadata that goes back stands in the answer's `_meta`."""
    app, seen = App("calls"), []

    def look(call: Call) -> str:
        seen.append(call)
        call.reply["x-seen"] = "yes"
        return call.protocol

    app.query(look)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async def test(client: Client) -> None:
        meta: Any = {"traceparent": trace, "authorization": "Bearer forged"}
        answer = await client.call_tool("look", meta=meta)
        assert text_of(answer) == "mcp"
        assert answer.meta is not None
        assert answer.meta["mergepoint/reply"] == {"x-seen": "yes"}
        assert seen[0].metadata == {"x-request-id": "abc", "traceparent": trace}
        assert seen[0].request_id == "abc"
        assert current() is None

    in_process(app, test, everything=True, metadata={"x-request-id": "abc"})


def test_a_deadline_is_kept(bats: Http) -> None:
    """A call has the time of its policy, or what is left of its caller's."""
    app = App("late")

    def nap() -> str:
        time.sleep(0.05)
        return "rested"

    app.query(nap, deadline=0.01)
    app.query(nap, name="patient")

    async def test(client: Client) -> None:
        assert error_of(await client.call_tool("nap"))["kind"] == "deadline_exceeded"
        assert error_of(await client.call_tool("patient"))["kind"] == "deadline_exceeded"

    in_process(app, test, everything=True, metadata={"mergepoint-timeout": "0.02"})


def test_calls_run_at_the_same_time_and_leave_nothing_behind(busy: Path) -> None:
    """Three calls that wait for each other all return; no context variable of one is seen by the next."""

    async def test() -> None:
        async with piped(busy, "busy.py", "--all") as client:
            answers: list[str] = []

            async def meet(name: str) -> None:
                answers.append(text_of(await client.call_tool("meet", {"name": name})))

            async with anyio.create_task_group() as group:
                for name in "abc":
                    group.start_soon(meet, name)
            assert sorted(answers) == ["a", "b", "c"]
            for _ in range(5):
                assert text_of(await client.call_tool("leak", {"word": "leaked"})) == "nothing"

    run(test)


def test_more_streams_than_threads_do_not_lock_up(busy: Path) -> None:
    """What is told to the client has threads of its own, so calls that wait for that get on."""

    async def test() -> None:
        heard: list[float] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)

        async with piped(busy, "busy.py", "--all") as client:
            done = []

            async def count() -> None:
                done.append(await client.call_tool("count", {"to": 20}, progress_callback=hear))

            async with anyio.create_task_group() as group:
                for _ in range(60):
                    group.start_soon(count)
            assert len(done) == 60
            assert not any(answer.is_error for answer in done)
            assert heard

    run(test)


@pytest.mark.parametrize(("transport", "mode"), [("stdio", "auto"), ("stdio", "legacy"), ("http", "auto")])
def test_a_cancelled_call_ends_its_stream(busy: Path, transport: str, mode: str) -> None:
    """The client gives up in the middle of an endless stream: the operation is closed, and the server goes on."""

    async def cancel(client: Client) -> None:
        begun = anyio.Event()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            begun.set()

        async with anyio.create_task_group() as group:

            async def watch() -> None:
                await client.call_tool("forever", progress_callback=hear)

            group.start_soon(watch)
            await begun.wait()
            group.cancel_scope.cancel()
        await anyio.to_thread.run_sync(wait_until, (busy / "closed").exists)
        assert text_of(await client.call_tool("loud")) == "quiet"

    async def test() -> None:
        if transport == "stdio":
            async with piped(busy, "busy.py", "--all", mode=mode) as client:
                await cancel(client)
        else:
            async with server.client(mode=mode) as client:
                await cancel(client)

    if transport == "http":
        server = Http(busy, "busy.py", "--all")
    try:
        run(test)
    finally:
        if transport == "http":
            assert server.stop() == 0


def test_a_cancelled_command_has_not_happened(busy: Path) -> None:
    """A call that nobody waits for has no time left: what surrounds the operation sees it fail, and rolls back."""

    async def test() -> None:
        async with piped(busy, "busy.py", "--all") as client:
            with anyio.move_on_after(SECONDS) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(client.call_tool, "slow")
                    await anyio.to_thread.run_sync(wait_until, (busy / "began").exists)
                    scope.cancel()
            await client.list_tools()  # the cancellation is before this on the wire
            (busy / "go").touch()
            await anyio.to_thread.run_sync(wait_until, (busy / "failed").exists)
            assert (busy / "failed").read_text() == "DeadlineExceeded"

    run(test)


def test_an_operation_cannot_end_the_server(busy: Path) -> None:
    """SystemExit in an operation is a bug of it and no wish of the user."""

    async def test() -> None:
        async with piped(busy, "busy.py", "--all", log=log) as client:
            assert error_of(await client.call_tool("leave"))["kind"] == "internal"
            assert text_of(await client.call_tool("loud")) == "quiet"

    with (busy / "log").open("w") as log:
        run(test)
    assert "the operation wanted to end the process" in (busy / "log").read_text()


def test_nothing_but_the_protocol_is_on_standard_output(busy: Path) -> None:
    """What the app prints goes to standard error, while it is loaded and while it runs."""

    async def test() -> None:
        async with piped(busy, "busy.py", "--all", log=log) as client:
            assert text_of(await client.call_tool("loud")) == "quiet"

    with (busy / "log").open("w") as log:
        run(test)
    printed = (busy / "log").read_text()
    assert "printed while loading" in printed
    assert "printed while running" in printed


# --- HTTP ----------------------------------------------------------------------------------------------------------


def _post(url: str, method: str, params: dict[str, Any], headers: dict[str, str]) -> httpx2.Response:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    accept = {"accept": "application/json, text/event-stream"}
    return httpx2.post(url, json=body, headers={**accept, **headers}, timeout=SECONDS)


INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
WHOAMI = {"name": "whoami", "arguments": {}}


def test_callers_with_different_tokens_are_told_apart_at_the_same_time(bats: Http) -> None:
    """Over HTTP the user is found out anew for every request, of its own headers."""

    async def test() -> None:
        async with bats.client(KEEPER) as keeper, bats.client(GUEST) as guest, bats.client() as nobody:
            for _ in range(5):
                assert text_of(await keeper.call_tool("whoami")) == "keeper"
                assert text_of(await guest.call_tool("whoami")) == "guest"
                assert (await nobody.call_tool("whoami")).is_error

    run(test)


def test_there_is_no_session_to_steal(bats: Http) -> None:
    """No session is opened, and one that a caller claims gives it nothing."""
    opened = _post(bats.url, "initialize", INITIALIZE, {"authorization": KEEPER})
    assert opened.status_code == 200
    assert "mcp-session-id" not in opened.headers
    claimed = _post(bats.url, "tools/call", WHOAMI, {"mcp-session-id": "anything"})
    assert "unauthenticated" in claimed.text
    assert "keeper" in _post(bats.url, "tools/call", WHOAMI, {"authorization": KEEPER}).text


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"host": "evil.example"}, 421),
        ({"host": "localhost.evil.example:80"}, 421),
    ],
)
def test_pages_of_strangers_are_refused(bats: Http, version: str, headers: dict[str, str], status: int) -> None:
    """A foreign origin, and a name that was pointed at this machine, get nothing done (DNS rebinding)."""
    answer = _post(bats.url, "tools/call", WHOAMI, {**headers, "mcp-protocol-version": version})
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("headers", [{"origin": "http://localhost:3000"}, {"host": "localhost"}])
def test_this_machine_may_call_itself(bats: Http, headers: dict[str, str]) -> None:
    """The local names are fine, whatever the port."""
    assert _post(bats.url, "tools/list", {}, headers).status_code == 200


def test_http_that_is_no_mcp_is_refused_in_its_terms(bats: Http) -> None:
    """Other methods, paths, types and bodies get their status, and every answer the headers of safety."""
    get = httpx2.get(bats.url)
    assert get.status_code == 405
    assert get.headers["allow"] == "POST"
    assert httpx2.get(bats.url.replace("/mcp", "/")).status_code == 404
    accept = {"accept": "application/json, text/event-stream"}
    form = httpx2.post(bats.url, content=b"x=1", headers={**accept, "content-type": "text/plain"})
    assert form.status_code == 400
    broken = httpx2.post(bats.url, content=b"{", headers={**accept, "content-type": "application/json"})
    assert broken.status_code == 400
    big = httpx2.post(bats.url, content=b" " * 5_000_000, headers={**accept, "content-type": "application/json"})
    assert big.status_code == 413
    for answer in (get, form, broken, big):
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_it_can_be_mounted_anywhere() -> None:
    """Below another ASGI application without a lifespan, and as WSGI, with names and origins of one's own."""
    served = mcp.asgi(menagerie.build(), hosts=["tools.example"], origins=["https://bats.example"])
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": WHOAMI}
    headers = {"accept": "application/json, text/event-stream", "authorization": GUEST}
    with TestClient(Starlette(routes=[Mount("/agents", served)]), base_url="http://tools.example") as client:
        answer = client.post("/agents/", json=body, headers={**headers, "origin": "https://bats.example"})
        assert "guest" in answer.text
        assert answer.headers["access-control-allow-origin"] == "https://bats.example"
        assert client.post("/agents/", json=body, headers={**headers, "host": "other.example"}).status_code == 421
        asked = {"origin": "https://bats.example", "access-control-request-method": "POST"}
        assert client.options("/agents/", headers=asked).status_code == 200
        assert client.options("/agents/", headers={**asked, "origin": "https://evil.example"}).status_code == 400
    for _ in range(2):
        answered = wsgi_request(asgi.from_asgi(served), "POST", "/", json_body=body, headers=headers)
        assert (answered.status, b"guest" in answered.body) == (200, True)
        assert "connection" not in answered.headers  # which PEP 3333 forbids


# --- the command ---------------------------------------------------------------------------------------------------


def _ended(folder: Path, *arguments: str, given: Any = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=folder, stdin=given, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def _told(folder: Path, *arguments: str) -> tuple[int, str]:
    ended = _ended(folder, *arguments)
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["busy.py"], r"no operation becomes a tool by itself.*--tool forever, or --all"),
        (["busy.py", "--tool", "meat"], "no operation 'meat' to make a tool of; did you mean 'meet'"),
        (["busy.py", "--tool", "meet", "--all"], "--tool and --all contradict each other"),
        (["busy.py", "--all", "--http", "here"], "Expected --http HOST:PORT, such as 127.0.0.1:8000, got 'here'"),
        (["busy.py", "--all", "--http", "127.0.0.1:99999"], "Expected --http HOST:PORT"),
        (["busy.py", "--all", "--http", "8000", "--header", "a=b"], "Over HTTP each request brings its own headers"),
        (["busy.py", "--all", "--host", "x"], "--host is for HTTP"),
        (["busy.py", "--all", "--header", "nothing"], "Expected --header NAME=VALUE"),
        (["bussy.py", "--all"], r"no file bussy\.py\. Did you mean busy\.py"),
    ],
)
def test_a_wrong_wish_is_told_in_a_line(busy: Path, arguments: list[str], complaint: str) -> None:
    """The exit code is 2, the reason is on standard error, and standard output stays clean."""
    code, told = _told(busy, *arguments)
    assert code == 2
    assert re.search(complaint, told), told


def test_an_address_that_is_taken_is_told(busy: Path) -> None:
    """Somebody else's port is named as such."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = _ended(busy, "busy.py", "--all", "--http", str(port))
    assert ended.returncode == 2
    assert f"Port {port} at 127.0.0.1 is taken by another program" in ended.stderr


def test_the_token_may_come_from_the_environment() -> None:
    """A secret need not stand on the command line, where every process can read it."""

    async def test() -> None:
        words = command("menagerie.py")
        parameters = StdioServerParameters(
            command=words[0], args=words[1:], cwd=TESTS, env={"MERGEPOINT_MCP_TOKEN": "guest"}
        )
        async with Client(stdio_client(parameters)) as client:
            assert text_of(await client.call_tool("whoami")) == "guest"

    run(test)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_of_pipes(busy: Path, number: int) -> None:
    """Ctrl+C ends it at once though the client's end is open, with code 0 and without a traceback."""
    process = subprocess.Popen(
        command("busy.py", "--all"), cwd=busy, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
        assert process.stdout.read() == b""
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_a_client_that_goes_away_ends_the_server(busy: Path) -> None:
    """Both ends closed while an answer is on its way: no traceback, no process left."""
    process = subprocess.Popen(
        command("busy.py", "--all"), cwd=busy, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdout.close()
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode() + b"\n")
            process.stdin.flush()
        assert process.wait(SECONDS) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_requests_from_a_file_are_answered(busy: Path) -> None:
    """Standard input may be a file on disk, which is not waited for like a pipe."""
    (busy / "requests").write_text(
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE})
    )
    with (busy / "requests").open() as requests:
        ended = _ended(busy, "busy.py", "--all", given=requests)
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["result"]["serverInfo"]["name"] == "busy"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_of_http(busy: Path, number: int) -> None:
    """It stops with code 0 and says nothing more."""
    server = Http(busy, "busy.py", "--tool", "loud")
    assert server.lines[-1].startswith("busy: tools at http://127.0.0.1:")
    assert server.stop(number) == 0
    assert "Traceback" not in "".join(server.lines)
