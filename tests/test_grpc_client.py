"""The typed client over gRPC: the same results and the same errors as calling the service itself."""

import io
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
import pytest
from mypy import api
from tests.menagerie import Bat, Diet, NameTaken, NewBat, NoSuchBat, Wing, build
from tests.test_rest_client import ERRORS, Roost

from mergepoint import UNSET, App, Call, Download, Id, Page, Upload
from mergepoint.call import enter, leave
from mergepoint.errors import (
    ConfigError,
    DeadlineExceeded,
    Failure,
    Internal,
    InvalidArgument,
    PermissionDenied,
    Problem,
    RegistrationError,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from mergepoint.grpc import client, server

ROOT = Path(__file__).parent.parent
PATIENCE = 20
"""Seconds to wait for what happens at once."""


@contextmanager
def _served(app: App) -> Iterator[str]:
    with server(app, address="127.0.0.1:0") as running:
        yield f"grpc://127.0.0.1:{running.port}"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yield the address of the menagerie."""
    with _served(build()) as served:
        yield served


@pytest.fixture
def roost(address: str) -> Roost:
    """Return a client that is signed in as a keeper."""
    return client(Roost, address, errors=ERRORS, headers={"authorization": "Bearer keeper"})


@contextmanager
def _calling(**options: Any) -> Iterator[Call]:
    """Be within a call, as business code is."""
    call = Call(build().operations["bats"], **options)
    token = enter(call)
    try:
        yield call
    finally:
        leave(token)


# --- results ---


def test_operations_are_called_as_methods(roost: Roost) -> None:
    """Records, pages, lists, nothing and text come back as they are from the service itself."""
    assert roost.bat(3) == Bat(3, "Bat 3")
    assert roost.bats(limit=2) == Page([Bat(1, "Bat 1"), Bat(2, "Bat 2")], "more")
    assert roost.bats(Diet.FRUIT) == Page([], None)
    assert roost.search(["Bat 1", "Bat 4"], scale=0.5, exact=True) == [Bat(1, "Bat 1"), Bat(4, "Bat 4")]
    assert roost.search([]) == []
    assert roost.adopt("Flap", wings=(Wing(0.5),)) == Bat(99, "Flap", Diet.INSECTS, (Wing(0.5),))
    assert roost.replace(4, NewBat("Wing"), note="a") == roost.replace(4, NewBat("Wing"), note=UNSET) == Bat(4, "Wing")
    assert roost.release(1) is None  # type: ignore[func-returns-value]  # that is what is tested
    assert roost.echo("ü €\n") == "ü €\n"
    assert roost.whoami() == "keeper"


def test_a_stream_gives_its_items(roost: Roost) -> None:
    """The items of a stream come one by one, and it may be left at any time."""
    assert [bat.id for bat in roost.watch(4)] == [0, 1, 2, 3]
    items = roost.watch(4)
    assert next(items).id == 0
    items.close()  # type: ignore[attr-defined]  # a generator has it
    assert list(roost.watch(0)) == []


def test_files_go_there_and_back(roost: Roost) -> None:
    """An upload is sent with name and media type; a download has its own, and its bytes may be left unread."""
    photo = Upload("a.png", "image/png", io.BytesIO(b"12345"))
    assert roost.portrait(photo, title="Ada") == "Ada: 5 bytes of image/png from a.png"
    leaflet = roost.leaflet()
    assert (leaflet.media_type, leaflet.name, leaflet.inline) == ("text/plain", "über bats.txt", False)
    assert b"".join(leaflet.content) == b"Bats are kind."  # type: ignore[arg-type]  # a client gives chunks
    assert roost.leaflet().name == "über bats.txt"


def test_a_large_result_arrives() -> None:
    """No limit of four megabytes stands between a service and its caller."""
    app = App("large")

    @app.query
    def text(size: int) -> str:
        """Return so much text."""
        return "x" * size

    class Large(Protocol):
        def text(self, size: int) -> str: ...

    with _served(app) as address:
        assert len(client(Large, address).text(10_000_000)) == 10_000_000


def test_the_operations_of_an_included_app_are_found() -> None:
    """`operations=` leads to an operation of another name, in an included app too."""
    outer, inner = App("zoo"), App("night_bats")

    @inner.query
    def wake_up(name: str) -> str:
        """Wake a bat."""
        return f"{name} is awake"

    outer.include(inner)

    class Bats(Protocol):
        def wake(self, name: str) -> str: ...

    with _served(outer) as address:
        assert client(Bats, address, operations={"wake": "night_bats.wake_up"}).wake("Flap") == "Flap is awake"


# --- errors ---


def test_a_declared_error_is_raised_again(roost: Roost) -> None:
    """The same class, with message and public fields."""
    with pytest.raises(NoSuchBat, match=r"^There is no bat 77\.$") as caught:
        roost.bat(77)
    assert caught.value.id == 77
    with pytest.raises(NameTaken, match="taken"):
        roost.adopt("taken")
    with pytest.raises(NoSuchBat):
        list(roost.watch(7))


def test_other_failures_have_their_class(address: str, roost: Roost) -> None:
    """What is not declared here is a failure with kind and code; a bug has its incident."""
    with pytest.raises(Internal) as bug:
        roost.broken()
    assert len(bug.value.incident) == 10
    with pytest.raises(InvalidArgument) as wrong:
        roost.bats(limit=1000)
    assert wrong.value.problems == (Problem("$.limit", "Expected `int` <= 100"),)
    with pytest.raises(Unauthenticated):
        client(Roost, address).whoami()
    with pytest.raises(PermissionDenied):
        client(Roost, address, headers=lambda: {"Authorization": "Bearer guest"}).release(1)
    with pytest.raises(Failure) as other:
        client(Roost, address).bat(77)
    assert (type(other.value), other.value.kind, other.value.code) == (Failure, "not_found", "no_such_bat")
    assert other.value.fields == {"id": "77"}


def test_a_missing_argument_is_pythons_error(roost: Roost) -> None:
    """A call that Python would refuse is refused in its words, before anything is sent."""
    with pytest.raises(TypeError, match=r"Roost\.bat\(\) missing the argument 'id'"):
        roost.bat()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        roost.bat(no=1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="The client of Roost has no 'fly'"):
        roost.fly()  # type: ignore[attr-defined]


def test_an_operation_that_is_not_there_is_told(address: str) -> None:
    """A method without an operation says which one could have been meant, in the words of operations."""

    class Wrong(Protocol):
        def whoamy(self) -> str: ...

    with pytest.raises(Unimplemented, match=r"the other side has no operation `whoamy`. Did you mean `whoami`\?"):
        client(Wrong, address).whoamy()


class _Raised(Protocol):
    """The menagerie as somebody expects it whose contract is another."""

    def bat(self, id: str) -> Bat: ...
    def bats(self) -> list[Bat]: ...
    def whoami(self) -> Iterator[str]: ...
    def echo(self, text: str, loud: bool = False) -> str: ...
    def search(self, name: list[str] | None) -> list[Bat]: ...


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda it: it.bat("3"), r"`BatRequest.id` is `int64` there, and `str` here"),
        (lambda it: it.bats(), r"`BatsResponse.result` is `Page_Bat` there, and `list\[Bat\]` here"),
        (lambda it: list(it.whoami()), r"one side gives a stream of answers, the other a single one"),
        (lambda it: it.echo("a", loud=True), r"does not know `loud` of `Echo`: its contract is another"),
        (lambda it: it.search(None), r"`SearchRequest.name` is `repeated string` there, and `list\[str\]` here"),
    ],
)
def test_another_contract_is_told(call: Callable[[_Raised], object], reason: str, address: str) -> None:
    """Where the two sides describe something differently, the message says what and how."""
    with pytest.raises(Unimplemented, match=reason):
        call(client(_Raised, address, headers={"authorization": "Bearer guest"}))


def test_a_newer_client_may_leave_out_what_is_new(address: str) -> None:
    """A parameter that the other side does not know is no trouble while it is not given."""
    assert client(_Raised, address).echo("a") == "a"


@dataclass(frozen=True)
class Few:
    """A bat, as an older program knows it."""

    id: Id
    name: str


class _Few(Protocol):
    def bat(self, id: Id) -> Few: ...


def test_a_newer_server_may_give_more(address: str) -> None:
    """Fields that a record here does not have are left out."""
    assert client(_Few, address).bat(3) == Few(3, "Bat 3")


def test_what_grpc_cannot_do_is_refused_at_once() -> None:
    """An asynchronous method and an address that is none are told when the client is made."""

    class Late(Protocol):
        async def bat(self, id: Id) -> Bat: ...

    with pytest.raises(RegistrationError, match=r"Late\.bat is async def"):
        client(Late, "grpc://127.0.0.1:1")
    for url in ("http://127.0.0.1", "127.0.0.1:50051", "grpc://", "grpc://host/path", "grpc://h?ca=x", "grpcs://h?x=1"):
        with pytest.raises(ConfigError, match="grpc"):
            client(Roost, url)
    with pytest.raises(ConfigError, match=r"the file for `ca`, none\.pem, cannot be read: No such file"):
        client(Roost, "grpcs://host?ca=none.pem")
    with pytest.raises(ConfigError, match="a certificate needs its key"):
        client(Roost, "grpcs://host?certificate=a.pem")


# --- the other side is away, slow, or something else ---


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_nobody_there_is_told() -> None:
    """A server that is not there is unavailable; the address is in a note for the log, not in the message."""
    port = _free_port()
    with pytest.raises(Unavailable) as caught:
        client(Roost, f"grpc://127.0.0.1:{port}").bat(1)
    assert str(caught.value) == "Roost cannot be reached."
    assert str(port) in caught.value.__notes__[0]
    with pytest.raises(Unavailable) as caught:
        client(Roost, "grpc://nowhere.invalid:1", timeout=PATIENCE).bat(1)
    assert str(caught.value) == "Roost cannot be reached."


def test_a_server_that_comes_back_is_found() -> None:
    """After a failure the next calls try again, and read the descriptions anew."""
    port = _free_port()
    roost = client(Roost, f"grpc://127.0.0.1:{port}", timeout=PATIENCE)
    with pytest.raises(Unavailable):
        roost.bat(1)
    for _ in range(2):
        with server(build(), address=f"127.0.0.1:{port}"):
            _until_served(roost)
        with pytest.raises(Unavailable):
            roost.bat(1)


def _until_served(roost: Roost) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            assert roost.bat(1).id == 1
        except Unavailable:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server that came back was not found")


def test_silence_is_a_timeout() -> None:
    """A side that takes connections and says nothing is a timeout, never a hang."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        roost = client(Roost, f"grpc://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3)
        began = time.monotonic()
        with pytest.raises((DeadlineExceeded, Unavailable)):
            roost.bat(1)
        assert time.monotonic() - began < 5


def test_another_kind_of_server_is_told() -> None:
    """A gRPC server without reflection cannot be read, and the note says what it needs."""
    other = grpc.server(futures.ThreadPoolExecutor(1))
    port = other.add_insecure_port("127.0.0.1:0")
    other.start()
    try:
        with pytest.raises(Failure, match="the description of its operations cannot be read") as caught:
            client(Roost, f"grpc://127.0.0.1:{port}").bat(1)
        assert (caught.value.kind, caught.value.code) == ("unavailable", "no_description")
        assert "reflection" in caught.value.__notes__[0]
    finally:
        other.stop(0).wait()


class Sleepy(Protocol):
    """Operations that take their time."""

    def sleep(self, seconds: float) -> str: ...
    def drip(self, pause: float) -> Iterator[int]: ...
    def stall(self, seconds: float) -> Download: ...


@pytest.fixture(scope="module")
def sleepy() -> Iterator[str]:
    """Serve operations that take their time."""
    app = App("sleepy")

    @app.query
    def sleep(seconds: float, call: Call) -> str:
        """Sleep, and tell how much time there was."""
        time.sleep(seconds)
        return f"{call.expires - call.began:.3f} {call.request_id} {call.metadata.get('traceparent')}"

    @app.query
    def drip(pause: float) -> Iterator[int]:
        """Count with pauses that get longer."""
        for number in range(4):
            time.sleep(pause * number)
            yield number

    @app.query
    def stall(seconds: float) -> Download:
        """Send a file that does not end."""

        def content() -> Iterator[bytes]:
            yield b"begin"
            time.sleep(seconds)
            yield b"end"

        return Download(content())

    with _served(app) as address:
        yield address


def test_a_call_takes_no_longer_than_said(sleepy: str) -> None:
    """`timeout` ends a call here and at the other side."""
    with pytest.raises(DeadlineExceeded, match="Sleepy did not answer in time"):
        client(Sleepy, sleepy, timeout=0.2).sleep(1.0)


def test_a_stream_that_stalls_is_a_timeout(sleepy: str) -> None:
    """A stream may last as long as it goes on; `timeout` is the longest wait for more of it."""
    assert list(client(Sleepy, sleepy, timeout=0.5).drip(0.1)) == [0, 1, 2, 3]
    slow = client(Sleepy, sleepy, timeout=0.3)
    items = slow.drip(0.5)
    assert next(items) == 0
    with pytest.raises(DeadlineExceeded, match="did not go on in time"):
        list(items)
    with pytest.raises(DeadlineExceeded, match="did not go on in time"):
        b"".join(slow.stall(1.0).content)  # type: ignore[arg-type]  # a client gives chunks


def test_a_call_within_a_call_goes_on_from_it(sleepy: str) -> None:
    """Its remaining time bounds the next call, and travels with its request id and trace."""
    inner = client(Sleepy, sleepy)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with _calling(seconds=3.0, request_id="outer", metadata={"traceparent": trace, "authorization": "secret"}):
        seconds, request_id, traceparent = inner.sleep(0.0).split()
    assert 1 < float(seconds) <= 3
    assert (request_id, traceparent) == ("outer", trace)
    with _calling(seconds=0.2), pytest.raises(DeadlineExceeded):
        inner.sleep(1.0)
    with _calling(seconds=-1.0), pytest.raises(DeadlineExceeded):
        inner.sleep(0.0)


def test_the_time_left_never_grows_on_the_way(sleepy: str) -> None:
    """However the protocol rounds, the other side has no more time than this one."""
    inner = client(Sleepy, sleepy)
    for seconds in (0.25, 0.999, 1.234, 5.678, 9.9999):
        with _calling(seconds=seconds):
            assert float(inner.sleep(0.0).split()[0]) <= seconds


# --- threads, processes, certificates ---


def test_threads_share_a_client(address: str) -> None:
    """Calls of many threads at once, the first ones included, do not mix."""
    roost = client(Roost, address)
    with futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(roost.echo, map(str, range(200)))) == list(map(str, range(200)))


FORKING = """
import os, sys, threading
from tests.menagerie import NoSuchBat
from tests.test_grpc_client import Roost
from mergepoint.grpc import client

roost = client(Roost, sys.argv[1], errors={NoSuchBat: "not_found"})
if sys.argv[2] == "used":
    assert roost.bat(1).id == 1
children = []
for number in range(3):
    if not (child := os.fork()):
        try:
            assert roost.bat(number + 1).id == number + 1
            assert len(list(roost.watch(3))) == 3
            os._exit(0)
        finally:
            os._exit(1)
    children.append(child)
assert roost.bat(2).id == 2
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
assert roost.bat(3).id == 3
"""


@pytest.mark.parametrize("before", ["used", "fresh"])
def test_processes_that_fork_go_on(before: str) -> None:
    """A client from before a fork works in the parent and in every child, whether it was used or not."""
    with _in_a_process() as address:
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING, address, before],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


SERVING = """
import sys
from tests.menagerie import build
from mergepoint.grpc import server

running = server(build(), address="127.0.0.1:0")
running.start()
print(running.port, flush=True)
running.wait()
"""


@contextmanager
def _in_a_process() -> Iterator[str]:
    """Serve the menagerie from a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", SERVING], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"grpc://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_type_checker_sees_the_service(tmp_path: Path) -> None:
    """To a type checker the client is the service."""
    program = tmp_path / "program.py"
    program.write_text(
        "from mergepoint import grpc\n"
        "class Roost:\n"
        "    def bat(self, id: int) -> str: return ''\n"
        "roost = grpc.client(Roost, 'grpc://roost')\n"
        "reveal_type(roost)\n"
        "reveal_type(roost.bat(1))\n"
    )
    said, _, _ = api.run(["--cache-dir", str(tmp_path), str(program)])
    assert 'Revealed type is "program.Roost"' in said, said
    assert 'Revealed type is "str"' in said or "builtins.str" in said, said
