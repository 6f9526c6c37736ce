"""The typed client against real servers: the same results and the same errors as calling the service itself."""

import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from mypy import api
from tests.menagerie import Bat, Diet, NameTaken, NewBat, NoSuchBat, Wing, build

from mergepoint import UNSET, App, Call, Download, Id, Page, Unset, Upload
from mergepoint.call import Call as AnyCall
from mergepoint.call import enter, leave
from mergepoint.errors import (
    DeadlineExceeded,
    Failure,
    Internal,
    InvalidArgument,
    PermissionDenied,
    RegistrationError,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from mergepoint.rest.client import client
from mergepoint.site import site

ROOT = Path(__file__).parent.parent


class Roost(Protocol):
    """The operations of the menagerie as a caller sees them."""

    def bat(self, id: Id) -> Bat: ...
    def bats(self, diet: Diet | None = None, limit: int = 20, after: str | None = None) -> Page[Bat]: ...
    def search(self, name: list[str], scale: float = 1.0, exact: bool = False) -> list[Bat]: ...
    def adopt(self, name: str, diet: Diet = Diet.INSECTS, wings: tuple[Wing, ...] = (), age: int = 0) -> Bat: ...
    def replace(self, id: Id, bat: NewBat, note: str | Unset = UNSET) -> Bat: ...
    def release(self, id: Id) -> None: ...
    def watch(self, count: int = 3) -> Iterator[Bat]: ...
    def portrait(self, photo: Upload, title: str = "untitled") -> str: ...
    def leaflet(self) -> Download: ...
    def whoami(self) -> str: ...
    def broken(self) -> str: ...
    def echo(self, text: str) -> str: ...


ERRORS: Any = {NoSuchBat: "not_found", NameTaken: "already_exists"}


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def _served(wsgi: Any) -> Iterator[str]:
    """Serve a WSGI application from a thread; yield the address of the site."""
    with make_server("127.0.0.1", 0, wsgi, server_class=_Server, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _granian() -> Iterator[str]:
    """Run the menagerie as a user does, in a process of its own; yield the address of the site."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mergepoint", "run", "tests.menagerie:build", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the server did not come up; its exit status is {process.poll()}")


@pytest.fixture(scope="module", params=["wsgiref", "granian"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the address of the menagerie's API, on two servers: one closes every connection, one keeps them."""
    with _served(site(build())) if request.param == "wsgiref" else _granian() as served:
        yield f"{served}/api"


@pytest.fixture
def roost(address: str) -> Roost:
    """Return a client that is signed in as a keeper."""
    return client(Roost, address, errors=ERRORS, headers={"authorization": "Bearer keeper"})


@contextmanager
def _scripted(*parts: bytes | float) -> Iterator[str]:
    """Answer every request with these bytes, with pauses of so many seconds between, and hang up."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while not over.is_set():
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    _play(connection, parts, over)

        thread = threading.Thread(target=serve)
        thread.start()
        host, port = listener.getsockname()
        yield f"http://{host}:{port}/api"
        over.set()
        socket.create_connection((host, port)).close()
        thread.join()


def _play(connection: socket.socket, parts: tuple[bytes | float, ...], over: threading.Event) -> None:
    for part in parts:
        try:
            over.wait(part) if isinstance(part, float) else connection.sendall(part)
        except OSError:
            return


@contextmanager
def _calling(app: App, operation: str, **options: Any) -> Iterator[AnyCall]:
    """Be within a call of an operation, as business code is."""
    call = AnyCall(app.operations[operation], **options)
    token = enter(call)
    try:
        yield call
    finally:
        leave(token)


# --- results ---


def test_a_query_gives_the_record(roost: Roost) -> None:
    """Arguments in the path and the query, and a record, a page and a list of records as results."""
    assert roost.bat(3) == Bat(3, "Bat 3")
    assert roost.bat(id=3) == roost.bat(3)
    assert roost.bats(limit=2) == Page([Bat(1, "Bat 1"), Bat(2, "Bat 2")], "more")
    assert roost.bats(Diet.FRUIT) == Page([], None)
    assert roost.search(["Bat 1", "Bat 4"], scale=0.5, exact=True) == [Bat(1, "Bat 1"), Bat(4, "Bat 4")]
    assert roost.search(["one alone"]) == []


def test_a_command_sends_its_body(roost: Roost) -> None:
    """Arguments in a JSON body, a record as the whole body with others in the query, and nothing as a result."""
    assert roost.adopt("Flap", wings=(Wing(0.5),)) == Bat(99, "Flap", Diet.INSECTS, (Wing(0.5),))
    assert roost.replace(4, NewBat("Wing"), note="a b&c=d") == Bat(4, "Wing")
    assert roost.replace(4, NewBat("Wing"), note=UNSET) == Bat(4, "Wing")
    assert roost.release(1) is None  # type: ignore[func-returns-value]  # that is what is tested


@pytest.mark.parametrize("text", ["", "ü €", "a/b?c#d&e=f+g%20h", "null", "true", '"', "two\nlines"])
def test_text_arrives_as_it_is(roost: Roost, text: str) -> None:
    """What means something in a URL is only text in an argument."""
    assert roost.echo(text) == text


def test_a_stream_gives_its_items(roost: Roost) -> None:
    """The items of a stream come one by one, and it may be left at any time."""
    assert [bat.id for bat in roost.watch(4)] == [0, 1, 2, 3]
    items = roost.watch(4)
    assert next(items).id == 0
    items.close()  # type: ignore[attr-defined]  # a generator has it
    assert list(roost.watch(0)) == []


def test_a_stream_that_fails_raises_after_its_items(roost: Roost) -> None:
    """An error in the midst of a stream is raised where it happened, as its own class."""
    items = roost.watch(8)
    assert [next(items).id for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(NoSuchBat, match=r"There is no bat 5\.") as caught:
        next(items)
    assert caught.value.id == 5


class _Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("file", [io.BytesIO, _Pipe])
def test_a_file_is_sent(roost: Roost, file: Callable[[bytes], io.BytesIO]) -> None:
    """Name, media type and bytes of a file arrive, whether or not its length is known."""
    photo = Upload('sö "m\\e".png', "image/png", file(b"x" * 300_000))
    assert roost.portrait(photo, title="At home") == 'At home: 300000 bytes of image/png from sö "m\\e".png'


def test_a_file_is_sent_from_where_it_stands(roost: Roost) -> None:
    """What was read of a file before is not sent."""
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    assert roost.portrait(Upload("a", "text/plain", file)) == "untitled: 6 bytes of text/plain from a"


def test_a_download_has_its_name_and_type(roost: Roost) -> None:
    """A file comes with its media type and its name in any alphabet, in chunks."""
    file = roost.leaflet()
    assert (file.media_type, file.name, file.inline) == ("text/plain", "über bats.txt", False)
    assert b"".join(file.content) == b"Bats are kind."  # type: ignore[arg-type]  # a client gives chunks


# --- errors ---


def test_a_declared_error_is_raised_again(roost: Roost) -> None:
    """The class, the message and the public fields are those that the service raised."""
    with pytest.raises(NoSuchBat, match=r"^There is no bat 77\.$") as caught:
        roost.bat(77)
    assert caught.value.id == 77
    with pytest.raises(NameTaken, match=r"^That name is taken\.$"):
        roost.adopt("taken")


def test_an_error_declared_only_there_is_a_failure(address: str) -> None:
    """Without the class here, the failure has the kind, the code and the fields."""
    with pytest.raises(Failure) as caught:
        client(Roost, address).bat(77)
    assert (caught.value.kind, caught.value.code, caught.value.fields) == ("not_found", "no_such_bat", {"id": "77"})


def test_wrong_input_tells_every_problem(roost: Roost) -> None:
    """What the other side found wrong is raised with the path of each fault."""
    with pytest.raises(InvalidArgument) as caught:
        roost.adopt("", wings=(Wing(9),))
    assert [problem.path for problem in caught.value.problems] == ["$.name", "$.wings[0].span"]


def test_a_bug_there_has_its_incident_here(roost: Roost) -> None:
    """Of a bug on the other side, the incident number arrives and nothing else."""
    with pytest.raises(Internal, match="incident number is") as caught:
        roost.broken()
    assert caught.value.incident in str(caught.value)
    assert "passwd" not in str(caught.value)


def test_who_is_calling_decides(address: str) -> None:
    """Headers say who calls, as given or made anew for every call."""
    with pytest.raises(Unauthenticated):
        client(Roost, address).whoami()
    tokens = iter(["keeper", "guest", "guest"])
    roost = client(Roost, address, headers=lambda: {"authorization": f"Bearer {next(tokens)}"})
    assert roost.whoami() == "guest"  # the first went to the description
    with pytest.raises(PermissionDenied):
        roost.release(1)


def test_what_cannot_stand_in_its_place_is_refused(roost: Roost) -> None:
    """A query has no empty list, and says so instead of meaning something else."""
    with pytest.raises(InvalidArgument, match=r"\$\.name: An empty list cannot be told from none"):
        roost.search([])


def test_python_mistakes_are_python_errors(roost: Roost) -> None:
    """A missing or unknown argument is a TypeError, an unknown method an AttributeError."""
    with pytest.raises(TypeError, match="missing the argument 'id'"):
        roost.bat()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'title'"):
        roost.bat(title="Flap")  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="client of Roost has no 'fly'"):
        roost.fly()  # type: ignore[attr-defined]


# --- connections ---


def test_threads_share_a_client(roost: Roost) -> None:
    """Calls from many threads at once get their own answers."""
    with ThreadPoolExecutor(8) as threads:
        texts = [f"squeak {number}" for number in range(64)]
        assert list(threads.map(roost.echo, texts)) == texts


def test_a_fork_has_its_own_connections(roost: Roost) -> None:
    """A client used before a fork works in both processes afterwards."""
    assert roost.echo("before") == "before"
    child = os.fork()
    if child == 0:
        os._exit(0 if [roost.echo(f"child {n}") for n in range(20)] == [f"child {n}" for n in range(20)] else 1)
    assert [roost.echo(f"parent {n}") for n in range(20)] == [f"parent {n}" for n in range(20)]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_nobody_there_is_unavailable() -> None:
    """A refused connection is `Unavailable`; the message may travel on, so the address is only in a note."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unavailable) as caught:
        client(Roost, f"http://127.0.0.1:{port}/api").bat(1)
    assert str(caught.value) == "Roost cannot be reached."
    assert f"127.0.0.1:{port}" in caught.value.__notes__[0]


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], Unavailable),
        ([b"no HTTP\r\n\r\n"], Unavailable),
        ([OK, b"Content-Length: 99\r\n\r\n{"], Unavailable),
        ([OK, b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"], Unavailable),
        ([60.0], DeadlineExceeded),
        ([OK, b"Content-Length: 99\r\n\r\n{", 60.0], DeadlineExceeded),
        ([OK, b"Content-Length: 99\r\n\r\n", *[b"x", 0.1] * 90], DeadlineExceeded),
        ([b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nsorry"], Failure),
        ([OK, b"Content-Length: 2\r\n\r\n{}"], Failure),
        ([OK, b"Content-Length: 8\r\n\r\n<html />"], Failure),
    ],
)
def test_a_broken_server_is_a_failure_in_time(parts: list[bytes | float], expected: type[Failure]) -> None:
    """A server that hangs up, is silent, trickles or talks nonsense is a failure when the time is over, not a hang."""
    with _scripted(*parts) as url, pytest.raises(expected) as caught:
        client(Roost, url, timeout=0.5).bat(1)
    assert url not in str(caught.value)


def _answering(status: str, body: bytes, media_type: str) -> Any:
    """Return the menagerie, but for one path that answers something else."""
    whole = site(build())

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] != "/api/bats/1":
            return whole(environ, start_response)
        start_response(status, [("Content-Type", media_type), ("Content-Length", str(len(body)))])
        return [body]

    return application


@pytest.mark.parametrize(
    ("status", "body", "media_type", "expected", "kind"),
    [
        ("200 OK", b'{"id":"1"}', "application/json", Failure, "internal"),
        ("200 OK", b"{", "application/json", Failure, "internal"),
        ("200 OK", b"<html>", "text/html", Failure, "internal"),
        ("500 Oops", b"<html>", "text/html", Failure, "unknown"),
        ("502 Bad Gateway", b"<html>", "text/html", Unavailable, "unavailable"),
        ("504 Gateway Timeout", b"", "text/html", DeadlineExceeded, "deadline_exceeded"),
        ("302 Found", b"", "text/html", Failure, "unknown"),
        (
            "404 Not Found",
            b'{"title":"","status":404,"kind":"not_found","code":"no_such_bat","detail":"","request_id":"","fields":{"id":[]}}',
            "application/problem+json",
            Failure,
            "unknown",
        ),
        (
            "400 Bad Request",
            b'{"title":"","status":400,"kind":"unknown","code":"os.system","detail":"x","request_id":""}',
            "application/problem+json",
            Failure,
            "unknown",
        ),
    ],
)
def test_an_unexpected_answer_is_a_clear_failure(
    status: str, body: bytes, media_type: str, expected: type[Failure], kind: str
) -> None:
    """What is neither the result nor problem details is a failure that says so, whatever stands between."""
    with _served(_answering(status, body, media_type)) as served:
        with pytest.raises(expected) as caught:
            client(Roost, f"{served}/api", errors=ERRORS).bat(1)
        assert (caught.value.kind, type(caught.value)) == (kind, expected)


# --- what travels along ---


class Overhearing(Protocol):
    def overhear(self) -> dict[str, str]: ...
    def wait(self) -> str: ...


def _overhearing() -> App:
    app = App("ears")

    @app.query
    def overhear(call: Call) -> dict[str, str]:
        """Tell what came along with the call."""
        return {**call.metadata, "request": call.request_id, "remaining": str(call.remaining())}

    @app.query(deadline=60)
    def wait(call: Call) -> str:
        """Wait until the time is over."""
        while True:
            call.check()
            time.sleep(0.01)

    return app


def test_the_call_that_is_going_on_travels_along() -> None:
    """Request id, trace and the time that is left go to the other side, other metadata does not."""
    app = _overhearing()
    metadata = {"traceparent": "00-1-2-01", "authorization": "Bearer mine"}
    with (
        _served(site(app)) as served,
        _calling(app, "overhear", metadata=metadata, request_id="abc", seconds=5) as call,
    ):
        heard = client(Overhearing, f"{served}/api", timeout=60).overhear()
        assert (heard["request"], heard["traceparent"]) == ("abc", "00-1-2-01")
        assert "authorization" not in heard
        assert call.remaining() < float(heard["mergepoint-timeout"]) <= 5
        assert float(heard["remaining"]) <= 5


def test_the_remaining_time_bounds_the_call() -> None:
    """A call made within another one ends with it, and one without time left is not made."""
    app = _overhearing()
    with _served(site(app)) as served:
        ears = client(Overhearing, f"{served}/api", timeout=60)
        with _calling(app, "wait", seconds=0.2), pytest.raises(DeadlineExceeded):
            ears.wait()
        with _calling(app, "wait", seconds=0.0), pytest.raises(DeadlineExceeded):
            ears.overhear()


# --- which operations ---


class Renamed(Protocol):
    def fetch(self, id: Id) -> Bat: ...
    def bta(self) -> str: ...
    def whoami(self, user: str) -> str: ...


def test_methods_find_their_operations(address: str) -> None:
    """A method calls the operation of its name or the one it is given; one that is not there is named."""
    renamed = client(Renamed, address, operations={"fetch": "bat"}, errors=ERRORS)
    assert renamed.fetch(1) == Bat(1, "Bat 1")
    with pytest.raises(Unimplemented, match=r"no operation `bta`\. Did you mean `bat`\?"):
        renamed.bta()
    with pytest.raises(Unimplemented, match="does not take `user` from its callers; leave it out"):
        renamed.whoami("me")


def test_a_server_without_a_description_is_told() -> None:
    """Where no description is found, the failure says so, and a note says where it was looked for."""
    with _served(lambda environ, start: [start("404 Not Found", []), b""][1:]) as served:
        with pytest.raises(Failure, match="the description of its operations cannot be read") as caught:
            client(Roost, f"{served}/api").bat(1)
        assert caught.value.code == "no_description"
        assert f"{served}/openapi.json" in caught.value.__notes__[0]


class Colony:
    """A service with all that a class may have besides its methods."""

    size = 3

    def __init__(self, database: object) -> None:
        self.database = database

    def bat(self, id: Id) -> Bat:
        """Find one bat."""
        raise NotImplementedError

    @staticmethod
    def echo(text: str) -> str:
        """Answer with the same text."""
        raise NotImplementedError

    @property
    def state(self) -> str:
        return "asleep"

    def _inside(self) -> None:
        raise NotImplementedError


def test_a_class_is_called_by_its_public_methods(address: str) -> None:
    """A service needs no instance: its methods call, everything else of it is not there."""
    colony = client(Colony, address)
    assert colony.bat(1) == Bat(1, "Bat 1")
    assert colony.echo("eek") == "eek"
    assert colony.bat.__doc__ == "Find one bat."
    assert repr(colony) == "<The client of Colony>"
    for name in ("size", "database", "state", "_inside"):
        with pytest.raises(AttributeError, match=name):
            getattr(colony, name)


class Waiting:
    async def echo(self, text: str) -> str:
        raise NotImplementedError


class Untold:
    def echo(self, text):  # type: ignore[no-untyped-def]
        raise NotImplementedError


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (Waiting, r"Waiting\.echo is async def.*Protocol"),
        (Untold, r"Untold\.echo: parameter `text` has no type hint"),
    ],
)
def test_a_method_that_cannot_be_called_is_refused_at_once(service: type[object], message: str) -> None:
    """A coroutine, or a method without a contract, is refused when the client is made."""
    with pytest.raises(RegistrationError, match=message):
        client(service, "http://127.0.0.1:1/api")


EDITOR = """
from typing import Protocol, assert_type
from mergepoint.rest.client import client

class Roost:
    def __init__(self, database: object) -> None: ...
    def count(self, name: str) -> int:
        return 1

class Counting(Protocol):
    def count(self, name: str) -> int: ...

assert_type(client(Roost, "http://host/api"), Roost)
assert_type(client(Counting, "http://host/api"), Counting)
assert_type(client(Counting, "http://host/api").count("a"), int)
client(Roost, "http://host/api").count(1)  # type: ignore[arg-type]
"""


def test_an_editor_sees_the_service(tmp_path: Path) -> None:
    """To a type checker the client is the service: a class or a Protocol."""
    page = tmp_path / "user.py"
    page.write_text(EDITOR)
    found, trouble, status = api.run(
        ["--strict", "--config-file=", f"--cache-dir={ROOT / '.mypy_cache' / 'editor'}", str(page)]
    )
    assert (status, trouble) == (0, ""), found
