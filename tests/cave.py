"""An application for tests with several processes. `python -m tests.cave server ADDRESS` serves it over ZeroMQ."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mergepoint import App, Call, Download, Id, anyone, signed_in, zmq
from mergepoint.call import current

marked: ContextVar[str] = ContextVar("marked", default="")


@dataclass(frozen=True)
class User:
    """Who is calling."""

    name: str


@dataclass(frozen=True)
class Seen:
    """An event: a bat came by."""

    where: str
    number: int


class Collapsed(Exception):
    """A part of the cave came down."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"Hall {id} collapsed.")
        self.id = id


ERRORS: Any = {Collapsed: "aborted"}


class Cave(Protocol):
    """The operations as a caller sees them."""

    def echo(self, text: str) -> str: ...
    def process(self) -> int: ...
    def sleep(self, seconds: float, begun: str = "") -> str: ...
    def dig(self, seconds: float, begun: str = "") -> str: ...
    def once(self, path: str) -> str: ...
    def dig_once(self, path: str) -> str: ...
    def die(self) -> None: ...
    def count(self, path: str, until: int) -> Iterator[int]: ...
    def wait_for_bats(self, path: str) -> Iterator[int]: ...
    def map(self, path: str) -> Download: ...
    def collapse(self, id: Id) -> None: ...
    def mark(self, text: str) -> str: ...
    def marks(self) -> str: ...
    def whoami(self) -> str: ...
    def context(self) -> dict[str, str]: ...


def user_of(call: Call) -> User | None:
    """Return the user whose name came along."""
    name = call.metadata.get("authorization")
    return User(name) if name else None


def echo(text: str) -> str:
    """Answer with the same text."""
    return text


def process() -> int:
    """Return the number of the process that answers."""
    return os.getpid()


def sleep(seconds: float, begun: str = "") -> str:
    """Take a while; `begun` is a file to leave at the start."""
    if begun:
        Path(begun).touch()
    time.sleep(seconds)
    return "rested"


def once(path: str) -> str:
    """Die, but for the second time."""
    if not Path(path).exists():
        Path(path).write_text("died")
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die() -> None:
    """Die every time."""
    os.kill(os.getpid(), signal.SIGKILL)


def count(path: str, until: int) -> Iterator[int]:
    """Count, and leave in a file how far it came and how it ended."""
    trail = Path(path)
    try:
        for number in range(until):
            trail.write_text(str(number))
            yield number
    finally:
        trail.write_text(f"over at {trail.read_text()}")


def wait_for_bats(path: str) -> Iterator[int]:
    """Yield nothing more for a long time, after one bat."""
    trail = Path(path)
    try:
        yield 1
        trail.write_text("waiting")
        for _ in range(2000):
            time.sleep(0.01)
            yield 2
    finally:
        trail.write_text("over")


def map(path: str) -> Download:
    """Send many pieces, and leave a note at the end."""

    def pieces() -> Iterator[bytes]:
        try:
            for number in range(1000):
                Path(path).write_text(str(number))
                yield number.to_bytes(2) * 5000
        finally:
            Path(path).write_text("over")

    return Download(pieces(), "image/bmp", "map.bmp")


def collapse(id: Id) -> None:
    """Fail as declared."""
    raise Collapsed(id)


def mark(text: str) -> str:
    """Leave a mark in the context, and fail if asked to."""
    before = marked.get()
    marked.set(text)
    if text == "bug":
        raise RuntimeError(text)
    return before


def marks() -> str:
    """Return what a call before this one left behind, which is nothing."""
    return marked.get()


def whoami(user: User) -> str:
    """Say who is calling."""
    return user.name


def context() -> dict[str, str]:
    """Say what came along with the call."""
    call = current()
    assert call is not None
    return {**call.metadata, "request_id": call.request_id, "left": str(call.remaining()), "protocol": call.protocol}


def build() -> App:
    """Return the app of the cave."""
    app = App("cave", errors=ERRORS)
    app.identify(user_of)
    app.provide(User, lambda call: call.user)
    for query in (echo, process, once, die, marks, mark, context):
        app.query(query, allow=anyone)
    app.query(sleep, allow=anyone, deadline=60)
    app.command(sleep, name="dig", allow=anyone, deadline=60)
    app.command(once, name="dig_once", allow=anyone)
    app.query(count, allow=anyone, deadline=60)
    app.query(wait_for_bats, allow=anyone, deadline=60)
    app.query(map, allow=anyone)
    app.command(collapse, allow=anyone)
    app.query(whoami, allow=signed_in)
    return app


class Echoes:
    """Answers frames as the host of a place does, but that it knows only a few words."""

    def ask(self, frame: bytes) -> bytes:
        """Answer with the same frame; `die` ends the process, and `wait` takes long."""
        if frame == b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        if frame == b"wait":
            time.sleep(5)
        return frame

    def stream(self, frame: bytes) -> Iterator[bytes]:
        """Answer with the frame for ever, and leave a note in the file it names when nobody wants more."""
        try:
            while True:
                yield frame
        finally:
            Path(frame.decode()).write_text("over")


def main(what: str, *arguments: str) -> None:
    """Be one of the processes of a test, until told to end."""
    if what == "server":
        zmq.server(build(), arguments[0], host=Echoes()).run(grace=2)
    elif what == "broker":
        zmq.broker(*arguments).run(grace=2)
    elif what == "worker":
        zmq.server(build(), connect=arguments[0], workers=int(arguments[1])).run(grace=2)
    elif what == "reader":
        stream = zmq.client(Cave, arguments[0]).wait_for_bats(arguments[1])
        next(stream)
        signal.pause()
    elif what == "callers":
        _call(*arguments)
    elif what == "publisher":
        _publish(*arguments)


def _publish(address: str, name: str, times: str) -> None:
    """Publish through a proxy once somebody listens."""
    with zmq.publisher(address, Seen, connect=True) as publisher:
        assert publisher.has_listener(Seen, 20)
        for number in range(int(times)):
            publisher.publish(Seen(name, number))


def _call(address: str, name: str, threads: str, times: str) -> None:
    """Call from many threads, and print the answers that were not meant for their callers."""
    cave = zmq.client(Cave, address)
    wrong: list[str] = []
    right: list[str] = []

    def call(thread: int) -> None:
        for number in range(int(times)):
            text = f"{name}.{thread}.{number}" * (1 + number % 50)
            (right if cave.echo(text) == text else wrong).append(text)

    running = [threading.Thread(target=call, args=[thread]) for thread in range(int(threads))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    sys.stdout.write(f"{len(right)} {len(wrong)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
