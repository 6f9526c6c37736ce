"""Services at places: the same calls, wherever the service runs; and what happens when it does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests import placed
from tests.placed import Bat, NoSuchBat, Roost

from mergepoint import App, Call, Failure, Id, Upload, anyone
from mergepoint.errors import (
    ConfigError,
    DeadlineExceeded,
    Internal,
    RegistrationError,
    Unavailable,
    Unimplemented,
)
from mergepoint.place import Places
from mergepoint.place.frames import VERSION, Envelope, read_fault, read_reply, seal
from mergepoint.place.resilience import Resilience
from mergepoint.testing.processes import running

TARGET = str(Path(placed.__file__))
EVERYWHERE = ["local", "loopback", "http", "grpc", "zmq"]
QUICK = Resilience(probe=0.3)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, str]]:
    """Run a process that hosts all services, and give its addresses by kind."""
    web, grpc, zmq = free_port(), free_port(), free_port()
    only = [part for name in ("roost", "tail", "middle", "front") for part in ("--only", name)]
    options = ["--port", str(web), "--grpc-port", str(grpc), "--zmq", f"tcp://127.0.0.1:{zmq}", "--threads", "8"]
    with running(TARGET, *only, *options, environ={"PLACED_KEY": placed.KEY}):
        yield {
            "local": "local",
            "loopback": "loopback",
            "http": f"http://127.0.0.1:{web}",
            "grpc": f"grpc://127.0.0.1:{grpc}",
            "zmq": f"zmq+tcp://127.0.0.1:{zmq}",
        }


def app_at(address: str, *, key: str | None = placed.KEY, resilience: Resilience = QUICK) -> App:
    """Return the app with all its services at an address."""
    os.environ["PLACED_PLACES"] = address
    os.environ["PLACED_KEY"] = key or ""
    try:
        app = placed.create()
    finally:
        del os.environ["PLACED_PLACES"], os.environ["PLACED_KEY"]
    for place in app.places.values():
        place._places = Places({"*": address}, key, resilience)
    return app


@pytest.fixture(params=EVERYWHERE)
def app(request: pytest.FixtureRequest, hosts: dict[str, str]) -> Iterator[App]:
    """Return the app with its services at each kind of place in turn."""
    made = app_at(hosts[request.param])
    yield made
    made.close()


def roost_of(app: App) -> Roost:
    """Return the service, typed as one."""
    roost: Roost = app.places["roost"].proxy
    return roost


def run(app: App, name: str, *values: Any, user: str = "", **context: Any) -> Any:
    """Run an operation as a user."""
    operation = app.operations[name]
    metadata = {"authorization": user} if user else {}
    return operation(Call(operation, metadata={**metadata, **context.pop("metadata", {})}, **context), *values)


# --- the same everywhere -------------------------------------------------------------------------------------------


def test_a_call_gives_what_the_service_gives(app: App) -> None:
    """Arguments by position and by name, results of every kind."""
    roost = roost_of(app)
    assert roost.bat(7) == roost.bat(id=7) == Bat(7, "Bat 7")
    assert list(roost.watch(2)) == [Bat(0, "passing"), Bat(1, "passing")]
    assert roost.portrait(Upload("a.png", "image/png", io.BytesIO(b"123")), [], "Me") == "Me: a.png 3 and 0 more"
    more = [Upload(name, "text/plain", io.BytesIO(b"")) for name in "bc"]
    assert roost.portrait(more=more, photo=more[0]) == "untitled: b 0 and 2 more"


def test_a_download_comes_with_its_name(app: App) -> None:
    """A file of a megabyte arrives whole."""
    got = roost_of(app).leaflet(1_000_000)
    content = got.content if isinstance(got.content, bytes) else b"".join(got.content)  # type: ignore[arg-type]
    assert (got.media_type, got.name, got.inline, content) == ("text/plain", "bats.txt", True, b"x" * 1_000_000)


def test_asynchronous_methods_are_awaited(app: App) -> None:
    """`async def` methods stay that, streams too."""
    roost = roost_of(app)

    async def listed() -> list[int]:
        return [number async for number in roost.count(3)]

    assert asyncio.run(roost.echo("hi")) == "hi"
    assert asyncio.run(listed()) == [0, 1, 2]
    assert run(app, "echo", "hi") == "hi"


def test_a_declared_error_is_the_same_class_again(app: App) -> None:
    """With its message and fields; in the middle of a stream too; a `Failure` keeps kind, code and fields."""
    with pytest.raises(NoSuchBat, match=r"There is no bat 0\.") as caught:
        roost_of(app).bat(0)
    assert caught.value.id == 0
    stream = roost_of(app).watch(5, fail_at=1)
    assert next(stream) == Bat(0, "passing")
    with pytest.raises(NoSuchBat):
        next(stream)
    with pytest.raises(Failure, match="Not today") as refused:
        roost_of(app).refuse()
    assert (refused.value.kind, refused.value.code, refused.value.fields) == (
        "failed_precondition",
        "not_today",
        {"until": 3},
    )


def test_a_bug_stays_inside(app: App) -> None:
    """Whoever calls gets the number of an incident, and not the KeyError that a caller next door would see."""
    with pytest.raises(Internal) as caught:
        roost_of(app).bat(13)
    assert "secret" not in str(caught.value)


def test_wrong_arguments_are_a_type_error_of_the_caller(app: App) -> None:
    """As for any method of Python."""
    with pytest.raises(TypeError):
        roost_of(app).bat(1, 2)  # type: ignore[call-arg]


def test_values_are_copied_at_the_border(app: App) -> None:
    """What the service does to its arguments the caller does not see, and the other way round."""
    given = [Bat(2, "Wing")]
    first = roost_of(app).look(given)
    assert given == [Bat(2, "Wing")]
    first.bats.clear()
    assert Bat(2, "Wing") in roost_of(app).look().bats


def test_only_public_methods_can_be_called(app: App) -> None:
    """An attribute that is no method would not be there in another process."""
    with pytest.raises(AttributeError, match="has the public methods of the service"):
        _ = roost_of(app).cave
    with pytest.raises(AttributeError, match="cannot be set"):
        roost_of(app).closed = 3


def test_the_call_goes_along(app: App) -> None:
    """User, request id, trace and the time that is left."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    facts = run(app, "facts", user="mina", request_id="r1", seconds=3.0, metadata={"traceparent": trace})
    assert (facts.user, facts.request_id, facts.trace) == ("mina", "r1", trace)
    assert 0 < facts.seconds <= 3
    assert run(app, "facts").user is None


def test_metadata_comes_back(app: App) -> None:
    """What the service puts into the reply reaches the caller's own."""
    operation = app.operations["tell"]
    call = Call(operation)
    operation(call, "x-bats", "7")
    assert call.reply == {"x-bats": "7"}


def test_the_deadline_holds_for_the_service(app: App) -> None:
    """The caller waits no longer than it may."""
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        run(app, "nap", 0.8, seconds=0.2)
    assert time.monotonic() - began < 5


def test_a_stream_that_is_closed_early_ends_at_the_service(app: App) -> None:
    """Its clean-up runs though nobody reads to the end."""
    roost = roost_of(app)
    before = roost.closings()
    stream = roost.watch(100_000)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    until = time.monotonic() + 10
    while roost.closings() == before:
        assert time.monotonic() < until, "the stream goes on though nobody reads it"
        time.sleep(0.01)


def test_many_threads_call_at_once(app: App) -> None:
    """No answer reaches the wrong caller."""
    roost, wrong = roost_of(app), list[int]()

    def call(start: int) -> None:
        wrong.extend(number for number in range(start, start + 30) if roost.bat(number).id != number)

    threads = [threading.Thread(target=call, args=[1000 * n + 100]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_a_place_answers_its_check(app: App) -> None:
    """`mergepoint places` and `mergepoint check` ask it."""
    app.places["roost"].check()


FORKING = """
import os
from tests import placed
from tests.test_place import run
app = placed.create()
assert run(app, "bat", 1).id == 1
child = os.fork()
if child == 0:
    try:
        os._exit(0 if all(run(app, "bat", n).id == n for n in range(20, 40)) else 1)
    finally:
        os._exit(2)
assert all(run(app, "bat", n).id == n for n in range(50, 70))
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_after_a_fork_calls_go_on(kind: str, hosts: dict[str, str]) -> None:
    """Parent and child use connections of their own (gunicorn with preload, uWSGI)."""
    environ = {"PLACED_PLACES": hosts[kind], "PLACED_KEY": placed.KEY, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", FORKING]
    subprocess.run(command, env={**os.environ, **environ}, timeout=60, check=True)


# --- when the service does not answer ------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "grpc", "zmq+tcp"])
def test_a_full_outage_makes_few_attempts(scheme: str, record_property: Any) -> None:
    """At most 1.2 attempts for each call, then the breaker keeps all calls back until it is time for a probe."""
    app = app_at(f"{scheme}://127.0.0.1:{free_port()}", resilience=Resilience(probe=60))
    app.operations["bat"]  # closes the registration
    remote = app.places["roost"]._far()
    attempts, ask = [], remote.link.ask
    remote.link.ask = lambda frame, seconds: (attempts.append(1), ask(frame, seconds))[1]  # type: ignore[method-assign,func-returns-value]
    for _ in range(100):
        with pytest.raises((Unavailable, DeadlineExceeded)):
            run(app, "bat", 1, seconds=1.0)
    assert remote.breaker.is_open
    record_property(f"attempts in an outage of 100 calls, {scheme}", len(attempts))
    assert len(attempts) <= 120
    app.close()


@pytest.mark.parametrize("scheme", ["http", "grpc", "zmq+tcp"])
def test_the_breaker_opens_and_closes(scheme: str) -> None:
    """When the service is back, the next probe finds it, and calls go through again."""
    port = free_port()
    app = app_at(f"{scheme}://127.0.0.1:{port}", resilience=Resilience(probe=0.2))
    remote = app.places["roost"]._far()
    for _ in range(5):
        with pytest.raises((Unavailable, DeadlineExceeded)):
            run(app, "bat", 1, seconds=1.0)
    assert remote.breaker.is_open
    with at(scheme, port):
        until = time.monotonic() + 20
        while remote.breaker.is_open:
            assert time.monotonic() < until, "the breaker stays open though the service is back"
            try:
                run(app, "bat", 1, seconds=2.0)
            except (Unavailable, DeadlineExceeded):
                time.sleep(0.05)
        assert run(app, "bat", 3).id == 3
    app.close()


@pytest.mark.parametrize("scheme", ["http", "grpc", "zmq+tcp"])
def test_killing_the_service_during_a_call_is_unavailable(scheme: str) -> None:
    """Never a hang, and a failure with a name: `unavailable`, at the latest when the time is over."""
    port = free_port()
    with at(scheme, port) as server:
        app = app_at(f"{scheme}://127.0.0.1:{port}")
        assert run(app, "bat", 1).id == 1
        threading.Timer(0.5, server.kill).start()
        began = time.monotonic()
        with pytest.raises(Unavailable, match="Roost cannot be reached, or went away"):
            run(app, "nap", 20.0)
        assert time.monotonic() - began < 9
        app.close()


def at(scheme: str, port: int) -> Any:
    """Run a process that hosts the roost at a port, over one protocol."""
    return running(TARGET, "--only", "roost", *listening(scheme, port), environ={"PLACED_KEY": placed.KEY})


def listening(scheme: str, port: int) -> list[str]:
    """Return the options that make a process listen at a port for one protocol; the others take any."""
    web, grpc = {"http": (port, 0), "grpc": (0, port)}.get(scheme, (0, 0))
    zmq = ["--zmq", f"tcp://127.0.0.1:{port}"] if scheme == "zmq+tcp" else []
    return ["--port", str(web), "--grpc-port", str(grpc), *zmq]


@pytest.fixture(scope="module", params=[("http", "http", "http"), ("grpc", "zmq+tcp", "http")], ids="-".join)
def chain(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run three processes in a row, each called over one protocol, and give the places of all."""
    schemes = dict(zip(("front", "middle", "tail"), request.param, strict=True))
    ports = {name: free_port() for name in schemes}
    places = ",".join(f"{name}={scheme}://127.0.0.1:{ports[name]}" for name, scheme in schemes.items())
    environ = {"PLACED_KEY": placed.KEY, "PLACED_PLACES": places}
    with contextlib.ExitStack() as stack:
        for name, scheme in schemes.items():
            stack.enter_context(running(TARGET, "--only", name, *listening(scheme, ports[name]), environ=environ))
        yield places


def test_after_three_hops_nobody_works_past_the_deadline(chain: str, tmp_path: Path, record_property: Any) -> None:
    """100 ms after the time is over, none of three processes in a row works on the call."""
    app = app_at("local")
    for place in app.places.values():
        place._places = Places.read(chain, placed.KEY)
        place.address = place._places.address(place.name)
    note = str(tmp_path / "note")
    assert run(app, "work", note, 0.05) > 0
    expires = time.monotonic() + 0.7
    with pytest.raises(DeadlineExceeded):
        run(app, "work", note, 20.0, seconds=0.7)
    time.sleep(0.3)
    last = {part: float(Path(note + part).read_text()) for part in ("", ".middle", ".front")}
    late = max(last.values()) - expires
    record_property("work after the deadline, three hops, in ms", round(late * 1000, 1))
    assert last[""] > expires - 0.5, "the last of the three never worked on it"
    assert late < 0.1
    app.close()


# --- trust ---------------------------------------------------------------------------------------------------------


def host_of(key: str | None) -> Any:
    """Return what answers calls in this process."""
    return app_at("local", key=key).host


def frame(key: str, **changes: Any) -> bytes:
    """Return a signed call of `roost.bat`."""
    values: dict[str, Any] = {
        "version": VERSION, "sent": time.time(), "operation": "roost.bat", "fingerprint": "", "seconds": 5.0,
        "request_id": "r", "metadata": {}, "user": None, "arguments": b"\x81\xa2id\xa13", "files": [],
    }  # fmt: skip
    return seal(Envelope(**(values | changes)), key.encode())


def fault_of(answer: bytes) -> Any:
    """Return the fault that an answer tells of."""
    reply = read_reply(answer)
    assert reply.kind == "f"
    return read_fault(reply)


def test_a_call_without_the_key_is_refused() -> None:
    """Whoever does not know the key can neither call nor name a user."""
    host = host_of(placed.KEY)
    assert read_reply(host.ask(frame(placed.KEY))).kind == "v"
    for forged in (frame("another key, of somebody else"), b"", b"x" * 500, frame(placed.KEY)[:-1] + b"\x00"):
        assert fault_of(host.ask(forged)).kind == "unauthenticated"
        assert [fault_of(answer).kind for answer in host.stream(forged)] == ["unauthenticated"]
    assert fault_of(host_of(None).ask(frame(""))).kind == "unauthenticated"


def test_a_user_of_another_version_is_refused() -> None:
    """A record that cannot be read is told, and does not break the host."""
    host = host_of(placed.KEY)
    wrong = frame(placed.KEY, user=b"\x81\xa3age\x07")
    assert fault_of(host.ask(wrong)).kind == "invalid_argument"
    assert [fault_of(answer).kind for answer in host.stream(wrong)] == ["unimplemented"]


def test_a_caught_call_cannot_be_sent_again_later() -> None:
    """A frame is good for five minutes."""
    host = host_of(placed.KEY)
    assert "clocks" in fault_of(host.ask(frame(placed.KEY, sent=time.time() - 400))).message


def test_a_user_named_by_an_outsider_is_nobody(hosts: dict[str, str]) -> None:
    """The user travels inside the signed call only; a header says nothing to a service."""
    answer = subprocess.run(
        [
            "curl",
            "-s",
            "-X",
            "POST",
            "-H",
            "authorization: mina",
            "--data-binary",
            "nonsense",
            f"{hosts['http']}/place/ask",
        ],
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert fault_of(answer.stdout).kind == "unauthenticated"


def test_a_short_or_missing_key_is_told_at_the_start() -> None:
    """With what to set, and how to make one."""
    with pytest.raises(ConfigError, match="too short: at least 16"):
        Places(key="short")
    with pytest.raises(ConfigError, match="Set <APP>_KEY"):
        _ = app_at("http://127.0.0.1:1", key=None).operations


def test_places_that_cannot_be_are_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Malformed, unknown names, unknown schemes."""
    with pytest.raises(ConfigError, match="expected `local`, `loopback`, or addresses"):
        Places.read("roost=elsewhere")
    with pytest.raises(ConfigError, match="did you mean `roost`"):
        _ = app_with(Places.read("rost=loopback")).operations
    with pytest.raises(ConfigError, match=r"nothing carries calls to ftp://"):
        _ = app_with(Places.read("roost=ftp://host", placed.KEY)).operations
    with pytest.raises(ConfigError, match="expected an address such as"):
        _ = app_with(Places.read("roost=http://:80", placed.KEY)).operations


def app_with(places: Places) -> App:
    """Return an app with a roost and these places."""
    app = App("bats", places=places)
    app.place(Roost, Roost)
    return app


def test_users_need_a_type_to_go_along() -> None:
    """It is read from what `identify` returns; without one the remedy is told."""
    app = App("bats", places=Places.read("loopback"))
    app.identify(lambda call: "mina")
    roost = app.place(Roost, Roost)
    app.query(roost.bat, allow=anyone)
    with pytest.raises(Internal):
        run(app, "bat", 1)
    with pytest.raises(ConfigError, match=r"Write `def <lambda>\(call: Call\) -> User \| None`"):
        _ = app.operations["bat"].users


# --- versions ------------------------------------------------------------------------------------------------------


def linked(caller: App, callee: App) -> Any:
    """Let the roost of one app be that of another, and return the object to call."""
    place = caller.places["roost"]
    place.address = "loopback"
    place._around = type(place._around)(lambda: caller.errors, lambda: callee.host)
    return place.proxy


def roost_app(service: Any) -> App:
    """Return an app with this service as its roost."""
    app = App("bats", places=Places(key=placed.KEY))
    app.place(service, service, name="roost")
    return app


@dataclass(frozen=True)
class BiggerBat(Bat):
    """A bat with one more field."""

    weight: int


class Older:
    """A roost as it was."""

    def bat(self, id: Id) -> Bat:
        """Find one."""
        return Bat(id, "old")


class Newer:
    """A roost as it will be."""

    def bat(self, id: Id, shout: bool = False) -> BiggerBat:
        """Find one."""
        return BiggerBat(id, "NEW" if shout else "new", 3)


def test_a_compatible_difference_is_borne() -> None:
    """A caller that knows fewer parameters gets their defaults, and does not see the fields it does not know."""
    caller = roost_app(Older)
    assert linked(caller, roost_app(Newer)).bat(1) == Bat(1, "new")
    with pytest.raises(Failure, match=r"its version of roost\.bat is another"):
        caller.places["roost"].check()


def test_a_difference_that_cannot_be_borne_names_the_field() -> None:
    """An older service cannot do what a newer caller asks for, and says so; nor can it give what it does not have."""
    newer = linked(roost_app(Newer), roost_app(Older))
    with pytest.raises(Unimplemented, match=r"the caller is newer than this service.*\$\.shout: Unknown field"):
        newer.bat(1, shout=True)
    with pytest.raises(Failure, match=r"the other side is of another version: \$\.weight: Missing"):
        newer.bat(1)


# --- declaring -----------------------------------------------------------------------------------------------------


def test_a_service_that_cannot_travel_is_refused() -> None:
    """With the name of the method and the parameter."""

    class Bad:
        def take(self, thing: object) -> None:
            """Take anything."""

    app = App("bats", places=Places())
    with pytest.raises(RegistrationError, match=r"bad\.take: parameter `thing` cannot travel"):
        app.place(Bad, Bad)
    app.place(Roost, Roost)
    with pytest.raises(RegistrationError, match="two services at places are called 'roost'"):
        app.place(Roost, Roost)
    with pytest.raises(RegistrationError, match="expected a class"):
        app.place(lambda: 3, lambda: 3)


def test_a_service_is_built_when_it_is_needed_and_once() -> None:
    """Not at all in a process that only calls it."""
    built = []

    def build() -> Roost:
        built.append(1)
        return Roost()

    app = App("bats", places=Places())
    roost = app.place(Roost, build)
    app.query(roost.bat)
    _ = app.operations
    assert built == []
    assert roost.bat(1) == roost.bat(1)
    assert built == [1]


def test_editors_see_the_service(tmp_path: Path) -> None:
    """`app.place(Roost, ...)` is a `Roost` for a type checker."""
    source = tmp_path / "use.py"
    source.write_text(
        "from mergepoint import App\nfrom tests.placed import Roost\n"
        "app = App('bats')\nroost = app.place(Roost, Roost)\nreveal_type(roost)\nroost.bat('x')\n"
    )
    answer = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(source)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "MYPYPATH": str(Path(__file__).parent.parent)},
    )
    assert 'Revealed type is "tests.placed.Roost"' in answer.stdout
    assert 'Argument 1 to "bat" of "Roost" has incompatible type "str"' in answer.stdout
