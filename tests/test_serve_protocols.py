"""`mergepoint run` with gRPC and ZeroMQ beside HTTP: where they listen, how they end, and who hosts services."""

import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import grpc as grpcio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from tests.served import SECONDS, Server, Start, free_port, kill, starting, wait_until

from mergepoint import grpc, zmq
from mergepoint.errors import Failure, Unavailable

APP = """
import os, sys, time
from collections.abc import Iterator
from mergepoint import App

app = App("service")


class Door:
    name = "door"

    def check(self): ...

    def close(self):
        print(f"closed in {os.getpid()}", file=sys.stderr, flush=True)


app.add(Door())


@app.query
def greet(name: str = "World") -> str:
    return f"Hello, {name}!"


@app.query
def process() -> int:
    return os.getpid()


@app.query(deadline=60)
def nap(seconds: float) -> str:
    print("napping", file=sys.stderr, flush=True)
    time.sleep(seconds)
    return "rested"


@app.query(deadline=60)
def ticks() -> Iterator[int]:
    print("ticking", file=sys.stderr, flush=True)
    try:
        for number in range(1000):
            yield number
            time.sleep(0.02)
    finally:
        print("ticked", file=sys.stderr, flush=True)
"""
KEY = "a key for tests, never for anything else"


class Service(Protocol):
    """What the app offers."""

    def greet(self, name: str = "World") -> str: ...
    def process(self) -> int: ...
    def nap(self, seconds: float) -> str: ...
    def ticks(self) -> Iterator[int]: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts `mergepoint run service.py` with options."""
    with starting(tmp_path, APP) as start:
        shutil.copy(Path(__file__).parent / "placed.py", tmp_path / "placed.py")
        yield start


def over_grpc(server: Server) -> Service:
    """Return a client of a server over gRPC, on a connection of its own."""
    return grpc.client(Service, server.address("grpc"), timeout=SECONDS)


def over_zmq(server: Server) -> Service:
    """Return a client of a server over ZeroMQ."""
    return zmq.client(Service, server.address("zmq+tcp"), timeout=SECONDS)


CLIENTS: dict[str, Callable[[Server], Service]] = {"grpc": over_grpc, "zmq": over_zmq}
ZMQ = ("--zmq", "tcp://127.0.0.1:*")


class Asking(threading.Thread):
    """A call on a thread of its own, and what came of it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._result: Any = None
        self.start()

    def run(self) -> None:
        """Make the call."""
        try:
            self._result = self._call()
        except Failure as failure:
            self._result = failure

    @property
    def result(self) -> Any:
        """Wait for the result, or the failure."""
        self.join(SECONDS)
        assert not self.is_alive(), "no answer came"
        return self._result


# --- where they listen ---------------------------------------------------------------------------------------------


def test_all_protocols_are_served_at_once(start: Start) -> None:
    """The announcement names the address of each, and each answers there."""
    server = start(*ZMQ)
    assert "gRPC, with health and reflection" in server.output
    assert server.get("/api/greet?name=Bat")[2] == b'"Hello, Bat!"'
    assert (
        server.get("/graphql?query=%7Bgreet%7D", accept="application/json")[2] == b'{"data":{"greet":"Hello, World!"}}'
    )
    assert over_grpc(server).greet("Bat") == "Hello, Bat!"
    assert over_zmq(server).greet("Bat") == "Hello, Bat!"
    assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


def test_the_health_service_answers(start: Start) -> None:
    """A prober of containers asks gRPC's own health service."""
    server = start()
    with grpcio.insecure_channel(server.address("grpc").removeprefix("grpc://")) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
        )
        assert check(HealthCheckRequest(), timeout=SECONDS).status == HealthCheckResponse.SERVING


def test_a_grpc_port_that_is_taken_is_named(start: Start) -> None:
    """Whoever asks for a port gets it, or a line that says what to change; the exit code is 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = start(grpc=port, wait="taken")
        assert server.end() == 2
        assert server.output == (
            f"Error: Port {port} at 127.0.0.1 is taken by another program; choose another: --grpc-port {port + 1}\n"
        )


def test_without_the_usual_grpc_port_all_else_is_served(start: Start) -> None:
    """Nobody asked for gRPC, so that its port is taken is said, and no reason to serve nothing."""
    try:
        usual = socket.create_server(("127.0.0.1", 50051))
    except OSError:
        usual = socket.socket()  # another program has it, which is just as well
    with usual:
        server = start(grpc=None)
        assert "Without gRPC: port 50051 is taken; choose another: --grpc-port 0" in server.output
        assert "grpc://" not in server.output
        assert server.get("/api/greet")[0] == 200


def test_two_servers_do_not_share_a_port(start: Start) -> None:
    """Workers share the port of gRPC among themselves; a second run may not join them."""
    first = start("--workers", "2")
    port = first.address("grpc").rpartition(":")[2]
    assert start(grpc=int(port), wait="taken").end() == 2
    assert over_grpc(first).greet() == "Hello, World!"


@pytest.mark.parametrize("option", ["--grpc-port", "--zmq"])
def test_one_port_cannot_serve_two_protocols(start: Start, option: str) -> None:
    """Two servers that share a port would each get half of the connections, most of them not for them."""
    port = free_port()
    address = str(port) if option == "--grpc-port" else f"tcp://127.0.0.1:{port}"
    server = start("--port", str(port), option, address, grpc=None if option == "--grpc-port" else 0, wait="Error")
    assert server.end() == 2
    assert server.output == f"Error: {option} {address}: HTTP has this port already; choose another one.\n"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("5555", "--zmq: expected an address such as tcp://127.0.0.1:5555 or ipc:///run/bats.sock, got 5555"),
        ("http://127.0.0.1:1", "--zmq: expected an address such as tcp://127.0.0.1:5555"),
        ("tcp://127.0.0.1:65536", "--zmq: expected an address such as tcp://127.0.0.1:5555"),
        ("tcp://192.0.2.1:5555", "Expected an address of this machine, got 192.0.2.1"),
        (
            "ipc:///no/such/bats",
            "--zmq ipc:///no/such/bats: expected a folder to make the socket in, but /no/such cannot",
        ),
    ],
)
def test_a_wrong_address_of_zeromq_is_one_clear_line(start: Start, address: str, message: str) -> None:
    """It says what was expected, and the exit code is 2."""
    server = start("--zmq", address, "--workers", "2", wait="Error")
    assert server.end() == 2, server.output
    assert server.output.startswith(f"Error: {message}")
    assert server.output.count("\n") == 1


def test_a_zeromq_port_that_is_taken_is_named(start: Start) -> None:
    """With the option to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = start("--zmq", f"tcp://127.0.0.1:{port}", wait="taken")
        assert server.end() == 2
        assert f"choose another: --zmq tcp://127.0.0.1:{port + 1}" in server.output


# --- several workers -----------------------------------------------------------------------------------------------


def test_workers_share_the_port_of_grpc(start: Start) -> None:
    """New connections reach every worker."""
    server = start("--workers", "2")
    seen: set[bytes] = set()

    def all_answered() -> bool:
        seen.add(_raw(server, "/service.v1.Service/Process", b""))
        return len(seen) == 2

    wait_until(all_answered)
    assert server.stop() == 0, server.output


def _raw(server: Server, method: str, request: bytes) -> bytes:
    """Call a method with bytes on a new connection: channels of one process share theirs unless told not to."""
    alone = [("grpc.use_local_subchannel_pool", 1)]
    with grpcio.insecure_channel(server.address("grpc").removeprefix("grpc://"), alone) as channel:
        call: Any = channel.unary_unary(method)
        answer: bytes = call(request, timeout=SECONDS)
        return answer


def test_workers_share_the_address_of_zeromq(start: Start) -> None:
    """Requests that come at the same time are worked on by all workers, behind one address."""
    server = start("--workers", "2", *ZMQ)
    client, seen = over_zmq(server), set[int]()

    def all_answered() -> bool:
        seen.add(client.process())
        return len(seen) == 2

    wait_until(all_answered)
    assert server.stop() == 0, server.output
    assert "Traceback" not in server.output


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("protocol", CLIENTS)
def test_a_worker_that_dies_is_replaced_on_every_protocol(start: Start, protocol: str, workers: str) -> None:
    """Its calls fail as unavailable; soon all answer again at the same address, whichever worker it was."""
    server = start("--workers", workers, *ZMQ)
    client = CLIENTS[protocol](server)
    victims = {server.json("/api/process") for _ in range(20)} | {client.process()}
    for victim in victims:
        os.kill(victim, signal.SIGKILL)

    def answers() -> bool:
        try:
            return client.process() not in victims
        except Unavailable:
            return False

    wait_until(answers)
    assert client.greet("Bat") == "Hello, Bat!"
    assert server.stop() == 0, server.output


# --- the end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("protocol", CLIENTS)
def test_calls_in_flight_are_finished_and_new_ones_refused(start: Start, protocol: str, number: int) -> None:
    """From the signal on nothing new is taken, though HTTP is still at work; what runs is answered; the app closes."""
    server = start(*ZMQ)
    connect = CLIENTS[protocol]
    known = connect(server)
    known.greet()
    slow = Asking(lambda: connect(server).nap(1.5))
    server.wait_for("napping")
    page = Asking(lambda: server.get("/api/nap?seconds=1.5")[0])
    wait_until(lambda: server.output.count("napping") == 2)
    # As a terminal does it: Ctrl+C reaches the workers as well.
    os.killpg(server.process.pid, number) if number == signal.SIGINT else server.process.terminate()
    wait_until(lambda: _refuses(known))
    assert slow.is_alive(), "the call in flight was over before the new one was refused"
    assert (slow.result, page.result) == ("rested", 200)
    assert server.end() == 0, server.output
    assert server.output.count("closed in") == 1
    assert "Traceback" not in server.output


def _refuses(client: Service) -> bool:
    try:
        client.greet()
    except Unavailable:
        return True
    return False


@pytest.mark.parametrize("protocol", CLIENTS)
def test_the_grace_is_that_of_the_server(start: Start, protocol: str) -> None:
    """A call that needs longer is told to be unavailable, within --grace; the app closes all the same."""
    server = start("--grace", "1", *ZMQ)
    slow = Asking(lambda: CLIENTS[protocol](server).nap(8))
    server.wait_for("napping")
    began = time.monotonic()
    server.process.terminate()
    assert isinstance(slow.result, Unavailable), slow.result
    assert server.end() == 0, server.output
    assert time.monotonic() - began < 4
    assert "closed in" in server.output


@pytest.mark.parametrize("protocol", CLIENTS)
def test_a_stream_ends_with_the_server(start: Start, protocol: str) -> None:
    """A stream without an end is broken off after the grace, and the operation is closed."""
    server = start("--grace", "1", *ZMQ)
    ticks = CLIENTS[protocol](server).ticks()
    assert [next(ticks), next(ticks)] == [0, 1]
    server.process.terminate()
    with pytest.raises(Unavailable):
        list(ticks)
    assert server.end() == 0, server.output
    assert "closed in" in server.output
    assert "Traceback" not in server.output


def test_a_second_signal_does_not_wait_for_grpc(start: Start) -> None:
    """Whoever insists ends calls in flight too; the exit code is 1."""
    server = start()
    slow = Asking(lambda: over_grpc(server).nap(15))
    server.wait_for("napping")
    server.process.terminate()
    time.sleep(0.3)  # two signals within a tenth of a second count as one
    server.process.terminate()
    assert server.end() == 1
    assert isinstance(slow.result, Unavailable)


def test_nothing_listens_any_more_at_the_end(start: Start) -> None:
    """The same ports can be used by the next run at once."""
    first = start("--workers", "2", *ZMQ)
    options = ("--port", str(first.port), "--zmq", first.address("zmq+tcp").removeprefix("zmq+"))
    port = int(first.address("grpc").rpartition(":")[2])
    assert over_grpc(first).greet() == over_zmq(first).greet() == "Hello, World!"
    assert first.stop() == 0, first.output
    second = start(*options, grpc=port)
    assert over_grpc(second).greet() == over_zmq(second).greet() == "Hello, World!"


def test_a_change_loads_the_app_again_on_every_protocol(start: Start, tmp_path: Path) -> None:
    """With --reload the new version answers at the same addresses; a broken one is served nowhere."""
    server = start("--reload", *ZMQ)
    clients = [connect(server) for connect in CLIENTS.values()]
    source = tmp_path / "service.py"
    source.write_text(APP.replace("Hello", "Good evening"))
    for client in clients:
        wait_until(lambda client=client: _greeting(client) == "Good evening, World!")  # type: ignore[misc]  # bound now
    source.write_text(APP.replace("def greet", "def "))
    server.wait_for("SyntaxError")
    assert [_greeting(client) for client in clients] == [None, None]
    source.write_text(APP.replace("Hello", "Good morning"))
    for client in clients:
        wait_until(lambda client=client: _greeting(client) == "Good morning, World!")  # type: ignore[misc]  # bound now
    assert server.stop() == 0, server.output


def _greeting(client: Service) -> str | None:
    try:
        return client.greet()
    except Failure:
        return None


# --- hosting services ----------------------------------------------------------------------------------------------


def test_only_hosts_a_service_and_serves_nobody_else(start: Start) -> None:
    """With --only there is neither REST, GraphQL nor a page, and no method of gRPC or ZeroMQ that is public."""
    server = start("--only", "roost", *ZMQ, target="placed.py", PLACED_KEY=KEY)
    assert "calls to roost\n" in server.output
    for path in ("/api/bat?id=1", "/docs", "/openapi.json", "/graphql", "/"):
        assert server.get(path)[0] == 404, path
    assert server.json("/health")["status"] == "ok"
    assert server.get("/metrics")[0] == 200
    with pytest.raises(grpcio.RpcError) as refused:
        _raw(server, "/placed.v1.Placed/Bat", b"\x08\x01")
    assert refused.value.code() == grpcio.StatusCode.UNIMPLEMENTED
    with pytest.raises(Failure) as unknown:
        over_zmq(server).greet()
    assert unknown.value.kind == "unimplemented"


@pytest.mark.parametrize("scheme", ["http", "grpc", "zmq+tcp"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_in_another_process_is_called(start: Start, scheme: str, workers: str) -> None:
    """Hosted by one run, it answers the callers of another one, over whatever carries calls between them."""
    hosting = start("--only", "roost", "--workers", workers, *ZMQ, target="placed.py", PLACED_KEY=KEY)
    where = hosting.address(scheme).partition("/place")[0]
    server = start(target="placed.py", PLACED_KEY=KEY, PLACED_PLACES=f"roost={where}")
    assert f"Elsewhere: place roost: Roost at {where}." in server.output
    assert server.json("/api/bat?id=7") == {"id": "7", "name": "Bat 7"}
    assert server.json("/api/bat?id=-1")["code"] == "no_such_bat"
    assert server.json("/api/facts")["process"] != server.process.pid
    assert server.get("/api/watch?count=2")[2].count(b"\n") == 2


@pytest.mark.parametrize(
    ("options", "environ", "message"),
    [
        (["--only", "rost"], {"PLACED_KEY": KEY}, "--only rost: did you mean `roost`?"),
        (["--only", "wings"], {"PLACED_KEY": KEY}, "--only wings: expected a service of placed that is at a place:"),
        (
            ["--only", "roost"],
            {},
            "needs a key that calls are signed with, the same for all processes: set PLACED_KEY.",
        ),
        (["--only", "roost"], {"PLACED_KEY": "short"}, "The key for calls between services is too short"),
        ([], {"PLACED_PLACES": "roost=http://127.0.0.1:1"}, "Set <APP>_KEY"),
        ([], {"PLACED_PLACES": "rost=local"}, "no service is called `rost`; did you mean `roost`?"),
    ],
)
def test_services_that_cannot_be_hosted_are_one_clear_line(
    start: Start, options: list[str], environ: dict[str, str], message: str
) -> None:
    """The line says what to write; the exit code is 2."""
    server = start(*options, target="placed.py", wait="Error", **environ)
    assert server.end() == 2, server.output
    assert message in server.output
    assert server.output.count("\n") == 1


def test_an_app_without_places_hosts_nothing(start: Start) -> None:
    """The line says so."""
    server = start("--only", "roost", wait="Error", SERVICE_KEY=KEY)
    assert server.end() == 2
    assert "--only roost: expected a service of service that is at a place: it has none." in server.output


PRELOADED = """
from placed import create
from mergepoint.site import site

app = create()
if "early" in __name__:
    app.places["roost"].proxy.bat(1)
application = site(app)
"""


@pytest.mark.parametrize("when", ["late", "early"])
@pytest.mark.parametrize("scheme", ["http", "grpc", "zmq+tcp"])
def test_services_elsewhere_are_called_after_a_fork(start: Start, scheme: str, when: str, tmp_path: Path) -> None:
    """A server that loads the app and then forks its workers calls from them, even if it called before the fork."""
    hosting = start("--only", "roost", *ZMQ, target="placed.py", PLACED_KEY=KEY)
    where = hosting.address(scheme).partition("/place")[0]
    (tmp_path / f"{when}.py").write_text(PRELOADED)
    port = free_port()
    gunicorn = [sys.executable, "-m", "gunicorn", f"{when}:application", "--bind", f"127.0.0.1:{port}", "--preload"]
    environ = {"PLACED_KEY": KEY, "PLACED_PLACES": f"roost={where}"}
    command = [*gunicorn, "--workers", "2", "--worker-class", "gthread", "--threads", "4"]
    server = Server(command, tmp_path, port, environ)
    try:
        server.wait_for("Booting worker with pid")
        wait_until(lambda: _status(server) == 200)
        for number in range(21, 41):
            assert server.json(f"/api/bat?id={number}") == {"id": str(number), "name": f"Bat {number}"}, server.output
        assert server.get("/api/watch?count=3")[2].count(b"\n") == 3
        server.stop()
        assert "Traceback" not in server.output, server.output
    finally:
        kill(server)


def _status(server: Server) -> int | None:
    try:
        return server.get("/api/bat?id=1")[0]
    except OSError:
        return None


# --- libraries that are missing ------------------------------------------------------------------------------------


def test_what_is_not_installed_is_said_and_the_rest_served(start: Start) -> None:
    """Without graphql-core, grpcio and httptools there is REST, and the line that installs each of the others."""
    server = start(target="placed.py", grpc=None, without=("graphql", "grpc", "httptools"), PLACED_KEY=KEY)
    for what, extra in (("GraphQL", "graphql"), ("gRPC", "grpc"), ("calls of other processes", "rpc")):
        assert f"Without {what}: `mergepoint.{extra}` needs " in server.output
        assert f"pip install 'mergepoint[{extra}]'" in server.output
    assert server.get("/api/bat?id=1")[0] == 200
    assert [server.get(path)[0] for path in ("/graphql", "/place/ask")] == [404, 404]
    assert "/graphql" not in server.output
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("library", "extra", "options"),
    [
        ("grpc", "grpc", ["--grpc-port", "0"]),
        ("zmq", "zmq", ["--zmq", "tcp://127.0.0.1:*"]),
        ("httptools", "rpc", ["--only", "roost"]),
    ],
)
def test_what_somebody_asks_for_is_not_left_out(start: Start, library: str, extra: str, options: list[str]) -> None:
    """An option that needs a library ends the server where that is missing, with the line that installs it."""
    server = start(*options, target="placed.py", grpc=None, wait="Error", without=(library,), PLACED_KEY=KEY)
    assert server.end() == 2, server.output
    assert server.output.endswith(f"pip install 'mergepoint[{extra}]'\n")
    assert server.output.startswith(f"Error: `mergepoint.{extra}` needs ")
