"""ZeroMQ between real processes: the same answers and errors as calling the service itself, whoever dies."""

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq as pyzmq
from mypy import api
from tests import cave
from tests.cave import Cave, Echoes
from tests.menagerie import Bat, Diet, NameTaken, NewBat, NoSuchBat, Wing, build
from tests.test_rest_client import ERRORS, Roost
from zmq import auth as zmq_auth

from mergepoint import App, Call, Id, Upload, zmq
from mergepoint.call import enter, leave
from mergepoint.errors import (
    ConfigError,
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
from mergepoint.zmq.address import real_endpoint
from mergepoint.zmq.link import Link

ROOT = Path(__file__).parent.parent
KEEPER = {"authorization": "Bearer keeper"}


def _until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something holds, and fail if it does not come to that."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.01)


def _says(path: Path, text: str) -> Callable[[], bool]:
    return lambda: path.exists() and path.read_text().startswith(text)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.cave", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def _up(address: str, seconds: float = 30) -> Cave:
    """Return a client of the cave when it answers."""
    client = zmq.client(Cave, address, errors=cave.ERRORS)
    ends = time.monotonic() + seconds
    while True:
        try:
            client.process()
        except Unavailable:
            assert time.monotonic() < ends, "it did not come up"
            time.sleep(0.02)
        else:
            return client


def _all_up(address: str, workers: int) -> Cave:
    """Return a client of the cave when so many processes answer."""
    client = _up(address)
    seen: set[int] = set()
    _until(lambda: seen.add(client.process()) or len(seen) == workers)  # type: ignore[func-returns-value]
    return client


@contextmanager
def _processes() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Yield a function that starts processes of the cave; they end with the test."""
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[str]:
            process = _start(*arguments)
            stack.callback(_end, process)
            return process

        yield start


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=30)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start processes of the cave."""
    with _processes() as starter:
        yield starter


@pytest.fixture(scope="module")
def roost_address() -> Iterator[str]:
    """Serve the menagerie."""
    with zmq.server(build(), "tcp://127.0.0.1:*") as server:
        yield server.address


@pytest.fixture
def roost(roost_address: str) -> Roost:
    """Return a client that is signed in as a keeper."""
    return zmq.client(Roost, f"zmq+{roost_address}", errors=ERRORS, headers=KEEPER)


@pytest.fixture(scope="module")
def cave_address() -> Iterator[str]:
    """Serve the cave with four workers."""
    with zmq.server(cave.build(), "tcp://127.0.0.1:0", workers=4, host=Echoes()) as server:
        yield f"zmq+{server.address}"


@pytest.fixture
def deep(cave_address: str) -> Cave:
    """Return a client of the cave."""
    return zmq.client(Cave, cave_address, errors=cave.ERRORS)


# --- the same answers and errors ---


def test_values_come_back_as_they_are(roost: Roost) -> None:
    """Records, pages, lists, nothing at all and coroutines: each comes back as from the service itself."""
    assert roost.bat(1) == Bat(1, "Bat 1")
    assert [bat.id for bat in roost.bats(limit=2).items] == [1, 2]
    assert roost.search(["Bat 3"]) == [Bat(3, "Bat 3")]
    assert roost.adopt("Flap", Diet.FRUIT, (Wing(0.5),)) == Bat(99, "Flap", Diet.FRUIT, (Wing(0.5),))
    assert roost.replace(2, NewBat("Wing"), note="new").name == "Wing"
    roost.release(1)
    assert roost.echo("squeak") == "squeak"


def test_a_stream_comes_item_by_item_to_its_end(roost: Roost) -> None:
    """Every item is there once and in order, and a failure on the way is raised where it happened."""
    assert [bat.id for bat in roost.watch(4)] == [0, 1, 2, 3]
    broken = roost.watch(8)
    assert [next(broken).id for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(NoSuchBat) as caught:
        next(broken)
    assert caught.value.id == 5


def test_files_go_both_ways(roost: Roost) -> None:
    """An upload arrives with its name and type; a download comes back with its own."""
    photo = Upload("flap.png", "image/png", io.BytesIO(b"pixels"))
    assert roost.portrait(photo, title="Flap") == "Flap: 6 bytes of image/png from flap.png"
    file = roost.leaflet()
    assert (file.name, file.media_type) == ("über bats.txt", "text/plain")
    assert b"".join(file.content) == b"Bats are kind."  # type: ignore[arg-type]  # a client's content is chunks


def test_declared_errors_are_raised_again(roost: Roost) -> None:
    """The same class, message and public fields."""
    with pytest.raises(NoSuchBat, match=r"There is no bat 77\.") as caught:
        roost.bat(77)
    assert caught.value.id == 77
    with pytest.raises(NameTaken):
        roost.adopt("taken")


def test_other_failures_are_told_by_their_kind(roost: Roost, roost_address: str) -> None:
    """Wrong input, missing rights and bugs are each their own class, and a bug tells nothing but its number."""
    with pytest.raises(InvalidArgument) as wrong:
        roost.bats(limit=1000)
    assert [problem.path for problem in wrong.value.problems] == ["$.limit"]
    with pytest.raises(Unauthenticated):
        zmq.client(Roost, roost_address).whoami()
    with pytest.raises(PermissionDenied):
        zmq.client(Roost, roost_address, headers={"Authorization": "Bearer guest"}).release(1)
    with pytest.raises(Internal) as bug:
        roost.broken()
    assert "secret" not in str(bug.value)
    assert "etc" not in str(bug.value)


def test_headers_may_be_a_function(roost_address: str) -> None:
    """It is asked for every call, as tokens grow old."""
    tokens = iter(["Bearer keeper", "Bearer guest"])
    roost = zmq.client(Roost, roost_address, headers=lambda: {"authorization": next(tokens)})
    assert [roost.whoami(), roost.whoami()] == ["keeper", "guest"]


def test_a_client_is_typed_as_its_service(tmp_path: Path) -> None:
    """An editor knows the methods, their results and the classes of events."""
    source = tmp_path / "typed.py"
    source.write_text(
        "from tests.cave import Cave, User\nfrom mergepoint import zmq\n"
        "reveal_type(zmq.client(Cave, 'zmq+tcp://a:1').process())\n"
        "reveal_type(zmq.subscriber('tcp://a:1', User).receive(1))\n"
    )
    output, _, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path), str(source)])
    assert 'Revealed type is "int"' in output
    assert 'Revealed type is "tests.cave.User"' in output


def test_arguments_that_are_not_there_are_refused_like_pythons_own(roost: Roost) -> None:
    """A missing argument, one too many and an unknown one are a TypeError in the caller's own process."""
    with pytest.raises(TypeError, match="missing the argument 'id'"):
        roost.bat()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="too many"):
        roost.bat(1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected"):
        roost.bat(number=1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="has no 'bta'"):
        roost.bta  # type: ignore[attr-defined]  # noqa: B018


def test_asynchronous_methods_are_refused() -> None:
    """The client waits for its answers, and says what to do instead."""

    class Slow:
        async def echo(self, text: str) -> str:
            return text

    with pytest.raises(RegistrationError, match="Describe the methods"):
        zmq.client(Slow, "zmq+tcp://127.0.0.1:1")


@pytest.mark.parametrize("url", ["", "http://a:1", "zmq+tcp://a", "tcp://a:1?password=x", "tcp://a:1?key=/nowhere"])
def test_a_wrong_address_is_refused_at_once(url: str) -> None:
    """The message shows what was expected, before anything is called."""
    with pytest.raises(ConfigError, match="zmq:"):
        zmq.client(Cave, url)


def test_a_server_that_cannot_be_is_refused() -> None:
    """Without workers, at no address, or with the key that everybody has."""
    for wrong in ({"workers": 0}, {"address": "127.0.0.1:5555"}, {"key": "/nowhere"}):
        with pytest.raises(ConfigError):
            zmq.server(cave.build(), **{"address": "tcp://127.0.0.1:*", **wrong}).start()  # type: ignore[arg-type]


def test_an_address_in_use_is_told_by_the_server(cave_address: str) -> None:
    """Starting fails in the caller's thread, and names the address."""
    with pytest.raises(ConfigError, match="in use"):
        zmq.server(cave.build(), cave_address).start()


def test_it_works_over_a_file_too(tmp_path: Path) -> None:
    """`ipc` is for processes of one machine."""
    with zmq.server(cave.build(), f"ipc://{tmp_path}/cave") as server:
        assert zmq.client(Cave, f"zmq+{server.address}").echo("deep") == "deep"


def test_a_server_can_be_started_again(cave_address: str) -> None:
    """After `stop`, and at the same address; the client goes on."""
    server = zmq.server(cave.build(), f"tcp://127.0.0.1:{_free_port()}")
    with server:
        client = zmq.client(Cave, server.address)
        assert client.echo("one") == "one"
    with pytest.raises(Unavailable, match="cannot be reached"):
        client.echo("between")
    with server:
        assert client.echo("two") == "two"


# --- deadlines and what goes along ---


def test_a_call_ends_with_its_time(cave_address: str) -> None:
    """The caller waits as long as it said, and gets the failure that says so."""
    client = zmq.client(Cave, cave_address, timeout=0.2)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        client.sleep(1)
    assert time.monotonic() - began < 0.9
    assert client.echo("after") == "after"


def test_what_belongs_to_a_call_goes_along(cave_address: str) -> None:
    """The time left, the request's name and the trace of the call going on; what its caller sent does not."""
    app = App("outer")
    client = zmq.client(Cave, cave_address)

    @app.query(deadline=2)
    def outer() -> dict[str, str]:
        return client.context()

    metadata = {"traceparent": "00-1-2-01", "authorization": "secret"}
    operation = app.operations["outer"]
    found = operation(Call(operation, "test", metadata, "outer-1", 1.0))
    assert (found["traceparent"], found["request_id"], found["protocol"]) == ("00-1-2-01", "outer-1", "zmq")
    assert "authorization" not in found
    assert 0 < float(found["left"]) <= 1


def test_a_call_within_another_has_no_more_time_than_that(deep: Cave) -> None:
    """The remaining time of the call going on bounds the calls it makes."""
    app = App("outer")

    @app.query(deadline=0.3)
    def outer() -> None:
        return None

    token = enter(Call(app.operations["outer"]))
    try:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            deep.sleep(5)
        assert time.monotonic() - began < 2
    finally:
        leave(token)


def test_nobody_works_on_a_request_whose_time_is_over(tmp_path: Path) -> None:
    """What waited too long for a worker is not begun."""
    with zmq.server(cave.build(), "tcp://127.0.0.1:*", workers=1) as server:
        client = zmq.client(Cave, server.address)
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(client.sleep, 0.8, str(tmp_path / "busy"))
            _until((tmp_path / "busy").exists)
            with pytest.raises(DeadlineExceeded):
                zmq.client(Cave, server.address, timeout=0.2).sleep(0, str(tmp_path / "late"))
            assert busy.result(10) == "rested"
        assert client.echo("next") == "next"
        assert not (tmp_path / "late").exists()


# --- whoever dies ---


def test_nobody_there_is_told_at_once(cave_address: str) -> None:
    """Without a server the caller does not wait for its deadline, and the message shows no address."""
    port = _free_port()
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"Cave cannot be reached\.") as caught:
        zmq.client(Cave, f"zmq+tcp://127.0.0.1:{port}").process()
    assert time.monotonic() - began < 2
    assert str(port) not in str(caught.value)
    assert str(port) in "".join(caught.value.__notes__)


def test_somebody_else_at_the_address_is_no_server() -> None:
    """A program that speaks another protocol, and one that says nothing, are failures of their kind."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DeadlineExceeded):
            zmq.client(Cave, address, timeout=0.3).process()
        answer = threading.Thread(target=_answer_http, args=[silent])
        answer.start()
        with pytest.raises(Unavailable):
            zmq.client(Cave, address, timeout=5).process()
        answer.join(10)


def _answer_http(listener: socket.socket) -> None:
    for _ in range(2):  # the first one was left by the caller that gave up
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def test_a_killed_server_is_told_at_once_and_its_successor_is_found(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """SIGKILL in the middle of a call is Unavailable; after a restart at the same address the next call works."""
    address = f"tcp://127.0.0.1:{_free_port()}"
    server = start("server", address)
    client = _up(address)
    with ThreadPoolExecutor(2) as pool:
        value = pool.submit(client.sleep, 30, str(tmp_path / "begun"))
        stream = pool.submit(list, client.wait_for_bats(str(tmp_path / "waiting")))
        _until((tmp_path / "begun").exists)
        _until(_says(tmp_path / "waiting", "waiting"))
        began = time.monotonic()
        server.kill()
        for future in (value, stream):
            with pytest.raises(Unavailable, match="hung up"):
                future.result(20)
        assert time.monotonic() - began < 3
    with pytest.raises(Unavailable, match="cannot be reached"):
        client.process()
    again = start("server", address)
    _up(address)
    assert client.process() == again.pid


def test_a_server_that_is_stopped_is_a_timeout(start: Callable[..., subprocess.Popen[str]]) -> None:
    """One that neither answers nor hangs up costs the caller its time and no more."""
    address = f"tcp://127.0.0.1:{_free_port()}"
    server = start("server", address)
    _up(address)
    client = zmq.client(Cave, address, timeout=0.4)
    client.process()
    server.send_signal(signal.SIGSTOP)
    os.waitpid(server.pid, os.WUNTRACED)
    try:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            client.process()
        assert time.monotonic() - began < 3
    finally:
        server.send_signal(signal.SIGCONT)
    zmq.client(Cave, address).process()


def test_a_server_that_is_asked_to_end_finishes_first(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """SIGTERM lets running requests come to their end, refuses new ones, and ends the process with 0."""
    address = f"tcp://127.0.0.1:{_free_port()}"
    server = start("server", address)
    client = _up(address)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.sleep, 1, str(tmp_path / "begun"))
        _until((tmp_path / "begun").exists)
        server.terminate()

        _until(lambda: not _answers(client))
        assert running.result(20) == "rested"
    assert server.wait(20) == 0


def test_a_server_that_ends_loses_no_last_answers(tmp_path: Path) -> None:
    """What it sends and hangs up right after is received: of many servers that end in the middle of a call."""

    def call_and_stop(number: int) -> str:
        begun = tmp_path / str(number)
        with zmq.server(cave.build(), "tcp://127.0.0.1:*", workers=1) as server, ThreadPoolExecutor(1) as pool:
            client = zmq.client(Cave, server.address)
            call = pool.submit(client.sleep, 0.2, str(begun))
            _until(begun.exists)
            server.stop(10)
            return call.result(10)

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(call_and_stop, range(48))) == ["rested"] * 48


# --- many ---


def test_many_callers_and_many_workers_mix_nothing_up(start: Callable[..., subprocess.Popen[str]]) -> None:
    """Three processes with eight threads each get their own answers, all of them, from a broker with three workers."""
    front, back = (f"tcp://127.0.0.1:{_free_port()}" for _ in range(2))
    start("broker", front, back)
    for _ in range(3):
        start("worker", back, "3")
    _all_up(front, 3)
    callers = [start("callers", front, str(number), "8", "60") for number in range(3)]
    for process in callers:
        output, _ = process.communicate(timeout=120)
        assert output.split() == ["480", "0"]


def test_a_busy_worker_gets_nothing(cave_address: str, tmp_path: Path) -> None:
    """While three of four workers are busy, all other calls go to the fourth, without waiting."""
    client = zmq.client(Cave, cave_address)
    with ThreadPoolExecutor(3) as pool:
        busy = [pool.submit(client.sleep, 1.5, str(tmp_path / str(number))) for number in range(3)]
        for number in range(3):
            _until((tmp_path / str(number)).exists)
        assert [client.echo(str(number)) for number in range(100)] == [str(number) for number in range(100)]
        assert not any(future.done() for future in busy)
        assert [future.result(20) for future in busy] == ["rested"] * 3


def test_too_many_requests_are_refused_and_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beyond the backlog a caller is told so at once."""
    monkeypatch.setattr("mergepoint.zmq.dispatcher.BACKLOG", 1)
    with zmq.server(cave.build(), "tcp://127.0.0.1:*", workers=1) as server:
        client = zmq.client(Cave, server.address)
        with ThreadPoolExecutor(2) as pool:
            busy = pool.submit(client.sleep, 0.6, str(tmp_path / "busy"))
            _until((tmp_path / "busy").exists)
            plain = _Plain(server.address)
            plain.send({"v": 1, "kind": "call", "id": 1, "operation": "echo"}, {"text": "waits"})
            plain.send({"v": 1, "kind": "call", "id": 2, "operation": "echo"}, {"text": "refused"})
            answers = {head["id"]: (head["kind"], body) for head, body in (plain.receive(), plain.receive())}
            busy.result(10)
        plain.close()
    assert answers[1] == ("value", "waits")
    assert answers[2][1]["kind"] == "resource_exhausted"


# --- a broker and its workers ---


@pytest.fixture
def brokered(start: Callable[..., subprocess.Popen[str]]) -> Iterator[tuple[zmq.Broker, Any]]:
    """Run a broker here, and workers in processes of their own."""
    with zmq.broker("tcp://127.0.0.1:*", "tcp://127.0.0.1:*") as broker:
        yield broker, lambda count=1: [start("worker", broker.workers, "1") for _ in range(count)]


def test_no_worker_is_unavailable() -> None:
    """A broker without workers says so, long before the deadline."""
    with zmq.broker("tcp://127.0.0.1:*", "tcp://127.0.0.1:*") as broker:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="No worker"):
            zmq.client(Cave, broker.address, timeout=30).process()
        assert time.monotonic() - began < 5


def test_a_query_of_a_dead_worker_goes_to_another(brokered: Any, tmp_path: Path) -> None:
    """Its caller gets the answer, and does not learn that anybody died."""
    broker, more = brokered
    more(2)
    client = _all_up(broker.address, 2)
    assert client.once(str(tmp_path / "died")) == "alive"
    assert (tmp_path / "died").exists()


def test_a_command_of_a_dead_worker_is_not_repeated(brokered: Any, tmp_path: Path) -> None:
    """Nobody knows whether it was done, so the caller is told that the service is unavailable, at once."""
    broker, more = brokered
    more(2)
    client = _all_up(broker.address, 2)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="went away"):
        client.dig_once(str(tmp_path / "died"))
    assert time.monotonic() - began < 5
    assert client.echo("the other one") == "the other one"


def test_a_worker_that_is_stopped_is_given_up(brokered: Any, tmp_path: Path) -> None:
    """One that neither works nor hangs up is dropped, busy or idle, long before its caller's time is over."""
    broker, more = brokered
    (worker,) = more(1)
    client = _up(broker.address)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(zmq.client(Cave, broker.address, timeout=60).dig, 60, str(tmp_path / "begun"))
        _until((tmp_path / "begun").exists)
        worker.send_signal(signal.SIGSTOP)
        with pytest.raises(Unavailable, match="went away"):
            call.result(20)
    (other,) = more(1)
    _until(lambda: _answers(client))
    assert client.process() == other.pid


def _answers(client: Cave) -> bool:
    with suppress(Unavailable):
        client.process()
        return True
    return False


def test_a_query_that_kills_its_workers_does_not_kill_them_all(brokered: Any, tmp_path: Path) -> None:
    """Two workers are tried, and the third lives on."""
    broker, more = brokered
    workers = more(3)
    client = _all_up(broker.address, 3)
    with pytest.raises(Unavailable, match="went away"):
        client.die()
    survivor = client.process()
    _until(lambda: sum(worker.poll() is not None for worker in workers) == 2)
    assert [worker.pid for worker in workers if worker.poll() is None] == [survivor]


def test_workers_come_back_to_a_new_broker(start: Callable[..., subprocess.Popen[str]]) -> None:
    """They look for it until it is there again."""
    front, back = (f"tcp://127.0.0.1:{_free_port()}" for _ in range(2))
    broker = start("broker", front, back)
    worker = start("worker", back, "2")
    client = _up(front)
    broker.kill()
    broker.wait(20)
    with pytest.raises(Unavailable):
        client.process()
    start("broker", front, back)
    assert _up(front).process() == worker.pid
    assert client.process() == worker.pid


def test_a_worker_that_is_asked_to_end_loses_nothing(brokered: Any, tmp_path: Path) -> None:
    """While workers are replaced one by one, every call of a busy caller is answered."""
    broker, more = brokered
    old = more(2)
    client = _all_up(broker.address, 2)
    over = threading.Event()

    def call() -> int:
        count = 0
        while not over.is_set():
            assert client.echo(str(count)) == str(count)
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(call) for _ in range(2)]
        new = more(1)
        _until(lambda: client.process() == new[0].pid)
        for process in old:
            process.terminate()
            assert process.wait(20) == 0
        over.set()
        assert all(future.result(20) > 0 for future in calls)


# --- those who do not listen any more ---


def test_a_stream_that_is_closed_ends_at_the_server(deep: Cave, tmp_path: Path) -> None:
    """So does the clean-up of the operation."""
    trail = tmp_path / "trail"
    stream = deep.count(str(trail), 1_000_000)
    assert [next(stream), next(stream)] == [0, 1]
    stream.close()  # type: ignore[attr-defined]  # a client's stream is a generator
    _until(_says(trail, "over"))
    assert deep.echo("after") == "after"


def test_a_slow_reader_slows_the_operation_down(deep: Cave, tmp_path: Path) -> None:
    """It is not ahead of its reader by more than the window, so nothing piles up."""
    trail = tmp_path / "trail"
    stream = deep.count(str(trail), 500)
    next(stream)
    _until(lambda: trail.read_text() == "63")
    time.sleep(0.1)  # nothing is to happen, which cannot be waited for
    assert trail.read_text() == "63"
    assert list(stream) == list(range(1, 500))
    assert trail.read_text() == "over at 499"


def test_a_killed_reader_ends_the_stream(
    start: Callable[..., subprocess.Popen[str]], cave_address: str, tmp_path: Path
) -> None:
    """A client that vanishes without a word does not keep an operation running, nor its worker."""
    readers = [start("reader", cave_address, str(tmp_path / f"trail{n}")) for n in range(4)]
    for n in range(4):
        _until(_says(tmp_path / f"trail{n}", "waiting"))
    for reader in readers:
        reader.kill()
    for n in range(4):
        _until(_says(tmp_path / f"trail{n}", "over"), 5)
    assert zmq.client(Cave, cave_address).echo("after") == "after"


def test_a_killed_reader_ends_the_stream_behind_a_broker(
    start: Callable[..., subprocess.Popen[str]], brokered: Any, tmp_path: Path
) -> None:
    """The broker tells the worker."""
    broker, more = brokered
    more()
    client = _up(broker.address)
    reader = start("reader", broker.address, str(tmp_path / "trail"))
    _until(_says(tmp_path / "trail", "waiting"))
    reader.kill()
    _until(_says(tmp_path / "trail", "over"), 5)
    assert client.echo("after") == "after"


def test_a_download_that_nobody_reads_on_ends(deep: Cave, tmp_path: Path) -> None:
    """It stops at the window while its reader does something else, and ends when that lets go of it."""
    trail = tmp_path / "trail"
    file = deep.map(str(trail))
    chunks = iter(file.content)  # type: ignore[arg-type]  # a client's content is chunks
    assert next(chunks) == b"\0\0" * 5000
    _until(_says(trail, "6"))
    assert int(trail.read_text()) < 70
    file.content.close()  # type: ignore[union-attr]
    _until(_says(trail, "over"))


# --- no leaks ---


def test_calls_leave_nothing_behind(cave_address: str, tmp_path: Path) -> None:
    """Neither context variables nor users are there for the next call, after bugs and broken streams too."""
    keeper = zmq.client(Cave, cave_address, headers={"authorization": "keeper"})
    nobody = zmq.client(Cave, cave_address)
    for number in range(12):  # more often than there are workers
        assert keeper.whoami() == "keeper"
        assert keeper.mark(f"mark {number}") == ""
        with pytest.raises(Internal):
            keeper.mark("bug")
        next(keeper.count(str(tmp_path / "trail"), 10))
        assert nobody.marks() == ""
        with pytest.raises(Unauthenticated):
            nobody.whoami()
        assert "authorization" not in nobody.context()


def test_a_client_goes_on_after_a_fork(cave_address: str) -> None:
    """Both processes get their own answers, and a pooled connection is not shared."""
    script = (
        "import os, sys\nfrom mergepoint import zmq\nfrom tests.cave import Cave\n"
        "c = zmq.client(Cave, sys.argv[1])\nassert c.echo('before') == 'before'\nchild = os.fork()\n"
        "name = 'parent' if child else 'child'\n"
        "assert all(c.echo(f'{name} {n}') == f'{name} {n}' for n in range(200))\n"
        "sys.exit(os.waitpid(child, 0)[1] if child else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, cave_address], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# --- garbage ---


class _Plain:
    """A client in plain pyzmq, as any language could have it."""

    def __init__(self, address: str, kind: int = pyzmq.DEALER) -> None:
        self._context: pyzmq.Context[pyzmq.Socket[bytes]] = pyzmq.Context()
        self.socket = self._context.socket(kind)
        self.socket.linger, self.socket.rcvtimeo = 0, 20_000
        self.socket.connect(address.removeprefix("zmq+"))

    def send(self, header: Any, body: Any = None) -> None:
        self.socket.send_multipart([msgspec.msgpack.encode(header), msgspec.msgpack.encode(body or {})])

    def receive(self) -> tuple[Any, Any]:
        header, body = self.socket.recv_multipart()  # a REQ socket takes the empty frame away itself
        return msgspec.msgpack.decode(header), msgspec.msgpack.decode(body) if body else None

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def plain(cave_address: str) -> Iterator[_Plain]:
    """Connect in plain pyzmq."""
    client = _Plain(cave_address)
    yield client
    client.close()


CALL = {"v": 1, "kind": "call", "id": 7, "operation": "echo"}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({**CALL, "operation": "ecko"}, "unimplemented"),
        ({**CALL, "v": 2}, "unimplemented"),
        ({**CALL, "v": 2, "kind": "else"}, "unimplemented"),
        ({**CALL, "kind": "else"}, "malformed"),
        ({**CALL, "seconds": float("nan")}, "malformed"),
        ({**CALL, "seconds": -1}, "malformed"),
        ({**CALL, "metadata": {"a": 1}}, "malformed"),
        ({**CALL, "operation": "echo\x00\n\ud7ff" * 50}, "unimplemented"),
        ({**CALL, "padding": "x" * 70_000}, "malformed"),
        ({**CALL, "operation": "echo", "seconds": 0.0}, "deadline_exceeded"),
    ],
)
def test_a_wrong_header_gets_a_fault(plain: _Plain, header: Any, code: str) -> None:
    """It carries the number of the request, and the server goes on."""
    plain.send(header, {"text": "x"})
    head, fault = plain.receive()
    assert (head["kind"], fault["code"]) == ("fault", code)
    assert head["id"] == (0 if "padding" in header else 7) or code == "malformed"
    plain.send(CALL, {"text": "still here"})
    assert plain.receive()[1] == "still here"


def test_an_unknown_operation_is_told_what_is_near(plain: _Plain) -> None:
    """The message helps whoever mistyped it."""
    plain.send({**CALL, "operation": "ecko"})
    assert plain.receive()[1]["message"] == "There is no operation `ecko`. Did you mean `echo`?"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xc1", "malformed"),
        (b"\x91" * 5000, "malformed"),
        (msgspec.msgpack.encode([1]), "invalid_argument"),
        (msgspec.msgpack.encode({"text": 1}), "invalid_argument"),
        (msgspec.msgpack.encode({"tetx": "a"}), "invalid_argument"),
        (b"", "invalid_argument"),
        (b"\x81\xa4text\xa1\xff", "malformed"),
        (msgspec.msgpack.encode({"text": "x" * 2_500_000}), "body_too_large"),
    ],
)
def test_a_wrong_body_gets_a_fault(plain: _Plain, body: bytes, code: str) -> None:
    """Everything that is no arguments of the operation is the caller's fault, never a bug of ours."""
    plain.socket.send_multipart([msgspec.msgpack.encode(CALL), body])
    head, fault = plain.receive()
    assert (head["id"], fault["code"]) == (7, code)


@pytest.mark.parametrize("body", [b"\xc1", b"\x80", msgspec.msgpack.encode({"photo": {"content": 1}})])
def test_wrong_uploads_get_a_fault(roost_address: str, body: bytes) -> None:
    """A file that is missing or has another form is named."""
    plain = _Plain(roost_address)
    plain.socket.send_multipart([msgspec.msgpack.encode({**CALL, "operation": "portrait"}), body])
    head, fault = plain.receive()
    plain.close()
    assert (head["kind"], fault["kind"]) == ("fault", "invalid_argument")
    assert body == b"\xc1" or fault["problems"][0]["path"].startswith("$.photo")


def test_a_stranger_learns_nothing_from_wrong_arguments(plain: _Plain) -> None:
    """Who may not call an operation is refused before its arguments are looked at."""
    plain.send({**CALL, "operation": "whoami"}, {"nonsense": 1})
    assert plain.receive()[1]["kind"] == "unauthenticated"


def test_frames_that_are_no_messages_do_no_harm(cave_address: str, deep: Cave) -> None:
    """Too few, too many, empty and random ones: each client gets faults, others do not notice."""
    plain = _Plain(cave_address)
    for frames in ([b""], [b"x"], [b"", b""], [b"a", b"b", b"c"], [b"", b"a", b"b", b"c"], [os.urandom(100)] * 2):
        plain.socket.send_multipart(frames)
        assert msgspec.msgpack.decode(plain.socket.recv_multipart()[-2])["kind"] == "fault"
    for kind in ("more", "cancel"):
        plain.send({"v": 1, "kind": kind, "id": 99})
    plain.send(CALL, {"text": "still here"})
    assert plain.receive()[1] == "still here"
    plain.close()
    assert deep.echo("others") == "others"


def test_a_message_that_is_too_large_ends_its_connection(roost: Roost) -> None:
    """More than any operation takes is not even received, and others do not notice."""
    with pytest.raises(Unavailable, match="hung up"):
        roost.echo("x" * 10_000_000)
    assert roost.echo("after") == "after"


def test_a_number_that_is_in_use_is_refused(plain: _Plain) -> None:
    """Otherwise its answers could not be told apart."""
    plain.send({**CALL, "operation": "sleep"}, {"seconds": 0.3})
    plain.send({**CALL, "operation": "sleep"}, {"seconds": 0.3})
    answers = [plain.receive()[1], plain.receive()[1]]
    assert answers[0]["kind"] == "invalid_argument"
    assert answers[1] == "rested"


def test_a_socket_of_another_kind_can_ask_too(cave_address: str) -> None:
    """REQ sockets have an empty frame before the message, and get it back."""
    plain = _Plain(cave_address, pyzmq.REQ)
    for text in ("one", "two"):
        plain.send(CALL, {"text": text})
        head, body = plain.receive()
        assert (head["kind"], head["id"], body) == ("value", 7, text)
    plain.close()


@pytest.mark.parametrize("frames", [[b"x"], [b"\xc1", b""], [b"", b"", b""]])
def test_a_server_that_answers_in_riddles_is_no_server(frames: list[bytes]) -> None:
    """What is no answer is a failure with a code, and not a bug of the caller."""
    context: pyzmq.Context[pyzmq.Socket[bytes]] = pyzmq.Context()
    riddler = context.socket(pyzmq.ROUTER)
    riddler.bind("tcp://127.0.0.1:*")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(zmq.client(Cave, real_endpoint(riddler)).process)
        assert riddler.poll(20_000)
        riddler.send_multipart([riddler.recv_multipart()[0], *frames])
        with pytest.raises(Failure, match="no such service") as caught:
            call.result(20)
    assert caught.value.code == "bad_answer"
    context.destroy(linger=0)


# --- places ---


def test_a_link_carries_frames(cave_address: str, tmp_path: Path) -> None:
    """Whatever they are: one for one, or many until somebody closes the stream."""
    link = Link(cave_address)
    assert link.ask(b"\0\xff", 5) == b"\0\xff"
    path = str(tmp_path / "trail").encode()
    frames = link.stream(path, 5)
    assert [next(frames) for _ in range(200)] == [path] * 200
    frames.close()  # type: ignore[attr-defined]  # a link's stream is a generator
    _until(_says(tmp_path / "trail", "over"))
    link.close()
    assert link.ask(b"again", 5) == b"again"
    link.close()


def test_a_link_never_waits_longer_than_it_is_told(cave_address: str) -> None:
    """Time that runs out is DeadlineExceeded."""
    link = Link(cave_address)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        link.ask(b"wait", 0.2)
    assert time.monotonic() - began < 1
    link.close()


def test_a_link_knows_when_the_other_side_is_gone(start: Callable[..., subprocess.Popen[str]]) -> None:
    """Killed in the middle, and not there at all, are Unavailable; a successor is found."""
    address = f"tcp://127.0.0.1:{_free_port()}"
    start("server", address)
    _up(address)
    link = Link(f"zmq+{address}")
    for _ in range(2):
        with pytest.raises(Unavailable):
            link.ask(b"die", 20)
    start("server", address)
    _up(address)
    assert link.ask(b"back", 5) == b"back"
    link.close()


def test_a_server_without_a_host_says_so(roost_address: str) -> None:
    """And one with nothing but a host serves no operation."""
    link = Link(f"zmq+{roost_address}")
    with pytest.raises(Unimplemented, match="No service is hosted"):
        link.ask(b"x", 5)
    link.close()
    with zmq.serve_host(Echoes(), "tcp://127.0.0.1:*") as server:
        link = Link(server.address)
        assert link.ask(b"x", 5) == b"x"
        link.close()
        with pytest.raises(Unimplemented, match="no operation"):
            zmq.client(Cave, server.address).process()


# --- keys ---


@pytest.fixture
def keys(tmp_path: Path) -> tuple[str, str]:
    """Make the files of a public and a secret key."""
    public, secret = zmq_auth.create_certificates(tmp_path, "cave")
    return public, str(secret)


def test_a_server_with_a_key_is_for_those_who_know_it(keys: tuple[str, str], tmp_path: Path) -> None:
    """Everybody else is kept out, and gets a failure instead of a hang."""
    public, secret = keys
    other, _ = zmq_auth.create_certificates(tmp_path, "other")
    with zmq.server(cave.build(), "tcp://127.0.0.1:*", key=secret) as server:
        assert zmq.client(Cave, f"zmq+{server.address}?key={public}").echo("secret") == "secret"
        for wrong in (server.address, f"{server.address}?key={other}"):
            with pytest.raises((Unavailable, DeadlineExceeded)):
                zmq.client(Cave, wrong, timeout=1).echo("let me in")
    with pytest.raises(ConfigError, match="needs the secret one"):
        zmq.server(cave.build(), "tcp://127.0.0.1:*", key=public).start()


def test_only_workers_with_the_key_of_the_broker_get_work(keys: tuple[str, str]) -> None:
    """Somebody who knows only the public key can call, but is given no requests of others."""
    public, secret = keys
    with zmq.broker("tcp://127.0.0.1:*", "tcp://127.0.0.1:*", key=secret) as broker:
        client = zmq.client(Cave, f"{broker.address}?key={public}")
        with (
            zmq.server(cave.build(), connect=f"{broker.workers}?key={public}"),
            pytest.raises(Unavailable, match="No worker"),
        ):
            client.process()
        with zmq.server(cave.build(), connect=broker.workers, key=secret):
            assert client.process() == os.getpid()


# --- events ---


@dataclass(frozen=True)
class Adopted:
    """An event: a bat was taken in."""

    id: Id
    name: str


@dataclass(frozen=True)
class Released:
    """An event: a bat was let go."""

    id: Id


class Adoption(msgspec.Struct):
    """What a newer publisher, or a careless one, calls by the same topic."""

    id: str
    name: str | None
    keeper: str = "Mina"


def test_events_arrive_as_the_records_they_are() -> None:
    """In order, each of its own class, and only those that were asked for."""
    with zmq.publisher("tcp://127.0.0.1:*", {"bat.adopted": Adopted}, Released) as publisher:
        one = zmq.subscriber(publisher.address, {"bat.adopted": Adopted})
        both: zmq.Subscriber[Adopted | Released] = zmq.subscriber(
            f"zmq+{publisher.address}", {"bat.adopted": Adopted, "released": Released}
        )
        with one, both:
            assert publisher.has_listener(Adopted, 10)
            assert publisher.has_listener(Released, 10)
            _publish_until_heard(publisher, one, both)
            for event in (Adopted(1, "Flap"), Released(1), Adopted(2, "Wing")):
                publisher.publish(event)
            assert [one.receive(10), one.receive(10)] == [Adopted(1, "Flap"), Adopted(2, "Wing")]
            assert [both.receive(10) for _ in range(3)] == [Adopted(1, "Flap"), Released(1), Adopted(2, "Wing")]
            with pytest.raises(DeadlineExceeded):
                one.receive(0.05)
            assert (one.lost, both.lost) == (0, 0)


def _publish_until_heard(publisher: zmq.Publisher, *subscribers: zmq.Subscriber[Any]) -> None:
    """Publish until every subscriber gets something, and let them take all of it."""
    heard: set[int] = set()
    while len(heard) < len(subscribers):
        publisher.publish(Adopted(0, "calling"))
        for number, subscriber in enumerate(subscribers):
            with suppress(DeadlineExceeded):
                subscriber.receive(0.05)
                heard.add(number)
    publisher.publish(Adopted(0, "over"))
    for subscriber in subscribers:
        while subscriber.receive(10) != Adopted(0, "over"):
            pass


def test_a_class_that_is_not_published_is_refused() -> None:
    """The message names those that are."""
    with (
        zmq.publisher("tcp://127.0.0.1:*", Adopted) as publisher,
        pytest.raises(TypeError, match="Released is not published here; there are: Adopted"),
    ):
        publisher.publish(Released(1))


@pytest.mark.parametrize("events", [(), (Adopted, {"adopted": Released}), (object,), ("adopted",)])
def test_wrong_events_are_refused_at_the_start(events: Any) -> None:
    """None at all, two for one topic, and what cannot travel."""
    with pytest.raises(RegistrationError, match="events: "):
        zmq.publisher("tcp://127.0.0.1:*", *events)


def test_events_that_are_not_what_they_should_be_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Unknown fields are borne, wrong ones and garbage are logged, and the next event arrives."""
    with zmq.publisher("tcp://127.0.0.1:*", {"adopted": Adoption}) as publisher:
        subscriber = zmq.subscriber(publisher.address, Adopted)
        with subscriber:
            assert publisher.has_listener(Adoption, 10)
            publisher.publish(Adoption("1", None))
            publisher.publish(Adoption("2", "Flap"))
            assert subscriber.receive(10) == Adopted(2, "Flap")
    assert "left out: $.name: Expected `str`" in caplog.text


def test_frames_that_are_no_events_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever somebody sends from the address of a publisher."""
    context: pyzmq.Context[pyzmq.Socket[bytes]] = pyzmq.Context()
    wild = context.socket(pyzmq.XPUB)
    wild.bind("tcp://127.0.0.1:*")
    with zmq.subscriber(real_endpoint(wild), Adopted) as subscriber:
        assert wild.recv() == b"\1adopted"
        head = {"v": 1, "publisher": "wild", "number": 1}
        good = [b"adopted", msgspec.msgpack.encode(head), msgspec.msgpack.encode({"id": "3", "name": "Flap"})]
        other = msgspec.msgpack.encode({**head, "v": 2})
        for frames in ([b"adopted"], [b"adopted", b"\xc1", b""], [b"adopted_too", *good[1:]], [b"adopted", other, b""]):
            wild.send_multipart(frames)
        wild.send_multipart(good)
        assert subscriber.receive(10) == Adopted(3, "Flap")
    context.destroy(linger=0)
    assert caplog.text.count("left out") == 3
    assert "version 2" in caplog.text


def test_a_subscriber_knows_what_it_lost() -> None:
    """A reader that is too slow for what it keeps gets fewer events, and their number adds up."""
    told: list[tuple[str, int]] = []
    with zmq.publisher("tcp://127.0.0.1:*", Adopted, unread=10) as publisher:
        subscriber = zmq.subscriber(
            publisher.address, Adopted, unread=10, on_lost=lambda topic, count: told.append((topic, count))
        )
        with subscriber:
            assert publisher.has_listener(Adopted, 10)
            _publish_until_heard(publisher, subscriber)
            before = subscriber.lost
            count = 50_000
            for number in range(count):
                publisher.publish(Adopted(number, "x" * 1000))
            got = 0
            while True:  # what is published now arrives, because the reader takes what there is
                publisher.publish(Adopted(-1, "end"))
                with suppress(DeadlineExceeded):
                    if subscriber.receive(0.1).id == -1:
                        break
                    got += 1
            assert got < count
            assert subscriber.lost - before >= count - got
            assert sum(lost for _, lost in told) == subscriber.lost
            assert {topic for topic, _ in told} == {"adopted"}


def test_who_comes_late_misses_what_was_before() -> None:
    """And does not count it as lost: it was never meant to have it."""
    with zmq.publisher("tcp://127.0.0.1:*", Adopted) as publisher:
        publisher.publish(Adopted(1, "early"))
        with zmq.subscriber(publisher.address, Adopted) as subscriber:
            assert publisher.has_listener(Adopted, 10)
            publisher.publish(Adopted(2, "late"))
            assert subscriber.receive(10) == Adopted(2, "late")
            assert subscriber.lost == 0


def test_many_publishers_stand_behind_one_address(start: Callable[..., subprocess.Popen[str]]) -> None:
    """Through a proxy, each event of three processes arrives once and in the order of its publisher."""
    with zmq.proxy("tcp://127.0.0.1:*", "tcp://127.0.0.1:*") as proxy:
        subscriber = zmq.subscriber(proxy.subscribers, cave.Seen)
        with subscriber:
            for name in "abc":
                start("publisher", proxy.publishers, name, "50")
            seen: dict[str, list[int]] = {"a": [], "b": [], "c": []}
            while any(len(numbers) < 50 for numbers in seen.values()):
                event = subscriber.receive(30)
                seen[event.where].append(event.number)
            assert all(numbers == list(range(50)) for numbers in seen.values())
            assert subscriber.lost == 0


def test_a_listener_ends_when_it_is_told_to(caplog: pytest.LogCaptureFixture) -> None:
    """An event that its handler cannot bear is logged, the next one has its turn, and `close` ends the waiting."""
    handled: list[int] = []

    def handle(event: Adopted) -> None:
        handled.append(event.id)
        if event.id == 1:
            raise RuntimeError("no room")

    with zmq.publisher("tcp://127.0.0.1:*", Adopted) as publisher:
        subscriber = zmq.subscriber(publisher.address, Adopted)
        thread = threading.Thread(target=subscriber.listen, args=[handle])
        thread.start()
        assert publisher.has_listener(Adopted, 10)
        publisher.publish(Adopted(1, "Flap"))
        publisher.publish(Adopted(2, "Wing"))
        _until(lambda: handled == [1, 2])
        subscriber.close()
        thread.join(10)
        assert not thread.is_alive()
    assert list(subscriber) == []
    assert "no room" in caplog.text


def test_an_operation_can_run_on_each_event() -> None:
    """With its policy, and with the trace and the name of the call that published the event."""
    app = App("archive")
    noted: list[tuple[int, str, str]] = []

    @app.command
    def note(event: Adopted, call: Call) -> None:
        noted.append((event.id, call.metadata.get("traceparent", ""), call.request_id))

    with zmq.publisher("tcp://127.0.0.1:*", Adopted) as publisher:
        subscriber = zmq.subscriber(publisher.address, Adopted)
        thread = threading.Thread(target=subscriber.listen, args=[app.operations["note"]])
        thread.start()
        assert publisher.has_listener(Adopted, 10)
        token = enter(Call(app.operations["note"], "test", {"traceparent": "00-1-2-01"}, "cause-1"))
        publisher.publish(Adopted(5, "Flap"))
        leave(token)
        _until(lambda: noted)
        subscriber.close()
        thread.join(10)
    assert noted == [(5, "00-1-2-01", "cause-1")]


def test_an_operation_that_streams_cannot_listen() -> None:
    """Nobody would read what it yields."""
    app = cave.build()
    with (
        zmq.publisher("tcp://127.0.0.1:*", Adopted) as publisher,
        zmq.subscriber(publisher.address, Adopted) as subscriber,
        pytest.raises(RegistrationError, match="nobody would read it"),
    ):
        subscriber.listen(app.operations["count"])


def test_events_can_be_encrypted(keys: tuple[str, str]) -> None:
    """With the key of the publisher, and through a proxy with that of the proxy."""
    public, secret = keys
    with (
        zmq.publisher("tcp://127.0.0.1:*", Adopted, key=secret) as direct,
        zmq.subscriber(f"{direct.address}?key={public}", Adopted) as subscriber,
    ):
        assert direct.has_listener(Adopted, 10)
        direct.publish(Adopted(1, "Flap"))
        assert subscriber.receive(10) == Adopted(1, "Flap")
    with (
        zmq.proxy("tcp://127.0.0.1:*", "tcp://127.0.0.1:*", key=secret) as proxy,
        zmq.subscriber(f"{proxy.subscribers}?key={public}", Adopted) as subscriber,
        zmq.publisher(f"{proxy.publishers}?key={public}", Adopted, connect=True) as publisher,
    ):
        assert publisher.has_listener(Adopted, 10)
        publisher.publish(Adopted(2, "Wing"))
        assert subscriber.receive(10) == Adopted(2, "Wing")


def test_a_publisher_after_a_fork(tmp_path: Path) -> None:
    """One that listens says that a child cannot; one that goes through a proxy goes on in each process."""
    script = (
        "import os, sys\nfrom mergepoint import zmq\nfrom mergepoint.errors import Unavailable\n"
        "from tests.cave import Seen\n"
        "listening = zmq.publisher('tcp://127.0.0.1:*', Seen)\n"
        "connected = zmq.publisher(sys.argv[1], Seen, connect=True)\nchild = os.fork()\n"
        "if not child:\n"
        "    try:\n        listening.publish(Seen('child', 0))\n        os._exit(1)\n"
        "    except Unavailable as error:\n        assert 'connect=True' in str(error)\n"
        "assert connected.has_listener(Seen, 20)\nconnected.publish(Seen('parent' if child else 'child', 1))\n"
        "connected.close()\n"
        "child or os._exit(0)\nlistening.close()\nsys.exit(os.waitpid(child, 0)[1])\n"
    )
    with (
        zmq.proxy(f"ipc://{tmp_path}/in", f"ipc://{tmp_path}/out") as proxy,
        zmq.subscriber(proxy.subscribers, cave.Seen) as subscriber,
    ):
        done = subprocess.run([sys.executable, "-c", script, proxy.publishers], cwd=ROOT, timeout=60, check=False)
        assert done.returncode == 0
        assert {subscriber.receive(10).where, subscriber.receive(10).where} == {"parent", "child"}
        assert subscriber.lost == 0
