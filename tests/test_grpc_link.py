"""Calls of a place over gRPC: bytes there and back, and what happens when the other side goes."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from tests.menagerie import build
from tests.test_grpc import certificates

from mergepoint.errors import ConfigError, DeadlineExceeded, Failure, Unavailable
from mergepoint.grpc import Tls, client, server
from mergepoint.grpc.link import Link
from mergepoint.place import Host, link_to

PATIENCE = 20
"""Seconds to wait for what happens at once."""

__all__ = ["certificates"]


class Echo:
    """A host that sends back what it gets, and does as it is told."""

    max_frame = 1000

    def __init__(self) -> None:
        self.verified: list[bool] = []
        self.closed = threading.Event()
        self.entered = threading.Event()

    def ask(self, frame: bytes, *, verified: bool = False) -> bytes:
        """Answer."""
        self.verified.append(verified)
        if frame == b"wait":
            self.entered.set()
            time.sleep(1.0)
        return frame

    def stream(self, frame: bytes, *, verified: bool = False) -> Iterator[bytes]:
        """Answer with the bytes one by one, without end if there are none."""
        self.verified.append(verified)
        try:
            for byte in frame:
                yield bytes([byte])
            while not frame:
                yield b"more"
        finally:
            self.closed.set()


@contextmanager
def _linked(echo: Echo, tls: Tls | None = None, query: str = "") -> Iterator[Link]:
    with server(None, host=cast(Host, echo), address="127.0.0.1:0", tls=tls) as running:
        link = Link(f"grpc{'s' if tls else ''}://localhost:{running.port}{query}")
        yield link
        link.close()


def test_frames_go_there_and_back() -> None:
    """One frame there and one or many back, whatever is in them and however large they are."""
    with _linked(Echo()) as link:
        for frame in (b"", b"\x00\xff", os.urandom(10_000_000)):
            assert link.ask(frame, PATIENCE) == frame
        assert list(link.stream(b"bats", PATIENCE)) == [b"b", b"a", b"t", b"s"]


def test_a_place_finds_its_link() -> None:
    """Both schemes lead here."""
    for scheme in ("grpc", "grpcs"):
        assert isinstance(link_to(f"{scheme}://127.0.0.1:1"), Link)
    with pytest.raises(ConfigError, match="Expected an address such as grpc://"):
        Link("grpc:127.0.0.1")


def test_to_close_a_stream_ends_it_at_the_other_side() -> None:
    """Who wants no more says so, and the clean-up runs there."""
    echo = Echo()
    with _linked(echo) as link:
        frames: Any = link.stream(b"", PATIENCE)
        assert next(frames) == b"more"
        frames.close()
        assert echo.closed.wait(PATIENCE)


def test_time_that_is_over_ends_a_call() -> None:
    """A call ends when its seconds are over; one that has none is not sent."""
    echo = Echo()
    with _linked(echo) as link:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            link.ask(b"wait", 0.2)
        assert time.monotonic() - began < 0.9
        with pytest.raises(DeadlineExceeded):
            for _ in link.stream(b"", 0.2):
                pass
        count = len(echo.verified)
        with pytest.raises(DeadlineExceeded):
            link.ask(b"late", 0)
        assert len(echo.verified) == count


def test_many_threads_share_a_link() -> None:
    """Calls of many threads do not mix."""
    with _linked(Echo()) as link:
        answers: dict[int, list[bytes]] = {}

        def call(number: int) -> None:
            answers[number] = [link.ask(b"%d" % number, PATIENCE) for _ in range(30)]

        threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert answers == {number: [b"%d" % number] * 30 for number in range(8)}


def test_nobody_there_is_unavailable() -> None:
    """An address where nobody listens, and a server without a host, are unavailable; the address is in a note."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unavailable) as caught:
        Link(f"grpc://127.0.0.1:{port}").ask(b"", PATIENCE)
    assert str(caught.value) == "The service cannot be reached."
    assert str(port) in caught.value.__notes__[0]
    with server(build(), address="127.0.0.1:0") as running, pytest.raises(Failure) as other:
        Link(f"grpc://127.0.0.1:{running.port}").ask(b"", PATIENCE)
    assert (other.value.kind, other.value.code) == ("unavailable", "no_such_service")


HOSTING = """
import sys, time
from mergepoint.grpc import server

class Slow:
    max_frame = 1000
    def ask(self, frame, *, verified=False):
        if frame == b"wait":
            print("entered", flush=True)
            time.sleep(60)
        return frame
    def stream(self, frame, *, verified=False):
        yield b"one"
        print("entered", flush=True)
        time.sleep(60)

running = server(None, host=Slow(), address="127.0.0.1:0")
running.start()
print(running.port, flush=True)
running.wait()
"""


@pytest.mark.parametrize("way", ["ask", "stream"])
def test_a_side_that_dies_is_unavailable_at_once(way: str) -> None:
    """When the other process is killed in the midst of a call, that is told at once, long before the time is over."""
    process = subprocess.Popen([sys.executable, "-c", HOSTING], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        link = Link(f"grpc://127.0.0.1:{int(process.stdout.readline())}")
        assert link.ask(b"there", PATIENCE) == b"there"
        outcome: list[Exception] = []

        def call() -> None:
            try:
                link.ask(b"wait", 60) if way == "ask" else list(link.stream(b"", 60))
            except Exception as error:  # noqa: BLE001 - it is looked at below
                outcome.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        assert process.stdout.readline() == "entered\n"
        process.kill()
        began = time.monotonic()
        thread.join(PATIENCE)
        assert time.monotonic() - began < 5
        assert [type(error) for error in outcome] == [Unavailable]
        assert str(outcome[0]) == "The service hung up."
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_mutual_tls_proves_the_caller(certificates: Path) -> None:
    """A host learns from the server that the caller proved who it is; who cannot is not let in."""
    echo = Echo()
    own = "&".join(
        f"{name}={certificates / file}" for name, file in (("certificate", "client.pem"), ("key", "client.key"))
    )
    trusted = f"?ca={certificates / 'ca.pem'}"
    mutual = Tls(certificates / "server.pem", certificates / "server.key", certificates / "ca.pem")
    with _linked(echo, mutual, f"{trusted}&{own}") as link:
        assert link.ask(b"bats", PATIENCE) == b"bats"
        assert list(link.stream(b"b", PATIENCE)) == [b"b"]
    assert echo.verified == [True, True]
    with _linked(echo, mutual, trusted) as link, pytest.raises(Unavailable):
        link.ask(b"bats", 3)
    with _linked(echo, Tls(mutual.certificate, mutual.key), trusted) as link:
        link.ask(b"bats", PATIENCE)
    assert echo.verified == [True, True, False]


def test_a_client_trusts_the_same_files(certificates: Path) -> None:
    """The typed client takes the same addresses."""
    tls = Tls(certificates / "server.pem", certificates / "server.key")

    class Roost:
        def echo(self, text: str) -> str:
            """Answer with the same text."""
            return text

    with server(build(), address="127.0.0.1:0", tls=tls) as running:
        address = f"grpcs://localhost:{running.port}"
        assert client(Roost, f"{address}?ca={certificates / 'ca.pem'}").echo("x") == "x"
        with pytest.raises(Unavailable):
            client(Roost, address, timeout=5).echo("x")
