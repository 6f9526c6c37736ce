"""Services at places, for tests: `mergepoint run tests/placed.py --only roost`."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mergepoint import App, Call, Download, Failure, Id, Upload, anyone, signed_in
from mergepoint.call import current

KEY = "a key for tests, never for anything else"


@dataclass(frozen=True)
class Bat:
    """A bat."""

    id: Id
    name: str


@dataclass
class Cave:
    """A record that can change."""

    bats: list[Bat] = field(default_factory=list)


class Keeper(msgspec.Struct, frozen=True):
    """Who is calling."""

    name: str


class NoSuchBat(Exception):
    """There is no such bat."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"There is no bat {id}.")
        self.id = id


class Facts(msgspec.Struct, frozen=True):
    """What a service knows of the call it works on."""

    user: str | None
    protocol: str
    request_id: str
    seconds: float
    trace: str
    process: int


class Roost:
    """Bats."""

    def __init__(self) -> None:
        self.cave = Cave([Bat(1, "Flap")])
        self.closed = 0

    def bat(self, id: Id) -> Bat:
        """Find one bat."""
        if id == 13:
            raise KeyError("secret")
        if id < 1:
            raise NoSuchBat(id)
        return Bat(id, f"Bat {id}")

    def look(self, add: list[Bat] | None = None) -> Cave:
        """Look into the cave, after some came."""
        self.cave.bats.extend(add or [])
        if add:
            add.clear()
        return self.cave

    def refuse(self) -> None:
        """Fail in a way that callers are told of."""
        raise Failure("Not today.", kind="failed_precondition", code="not_today", fields={"until": 3})

    def facts(self) -> Facts:
        """Tell what is known of the call."""
        call = current()
        assert call is not None
        name = None if call.user is None else call.user.name
        trace = call.onward.get("traceparent", "")
        return Facts(name, call.protocol, call.request_id, call.remaining(), trace, os.getpid())

    def watch(self, count: int = 3, fail_at: int | None = None) -> Iterator[Bat]:
        """See bats come by."""
        try:
            for number in range(count):
                if number == fail_at:
                    raise NoSuchBat(number)
                yield Bat(number, "passing")
        finally:
            self.closed += 1

    def closings(self) -> int:
        """Count the streams that ended."""
        return self.closed

    def leaflet(self, size: int = 10) -> Download:
        """Get a leaflet."""
        return Download(b"x" * size, "text/plain", "bats.txt", inline=True)

    def portrait(self, photo: Upload, more: list[Upload], title: str = "untitled") -> str:
        """Hang up photos."""
        return f"{title}: {photo.name} {len(photo.file.read())} and {len(more)} more"

    def nap(self, seconds: float) -> str:
        """Take some time."""
        time.sleep(seconds)
        return "rested"

    def tell(self, name: str, value: str) -> None:
        """Send metadata back."""
        call = current()
        assert call is not None
        call.reply[name] = value

    async def echo(self, text: str) -> str:
        """Answer with the same text."""
        return text

    async def count(self, to: int) -> AsyncIterator[int]:
        """Count up."""
        for number in range(to):
            yield number


class Tail:
    """The last of three in a row."""

    def work(self, note: str, seconds: float) -> int:
        """Work for a while, and note when it was last at it; stops when the call's time is over."""
        call = current()
        assert call is not None
        steps, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            call.check()
            Path(note).write_text(str(time.monotonic()))
            time.sleep(0.002)
            steps += 1
        return steps


class Middle:
    """The second of three."""

    def __init__(self, tail: Tail) -> None:
        self.tail = tail

    def work(self, note: str, seconds: float) -> int:
        """Let another one work."""
        try:
            return self.tail.work(note, seconds)
        finally:
            Path(note + ".middle").write_text(str(time.monotonic()))


class Front:
    """The first of three."""

    def __init__(self, middle: Middle) -> None:
        self.middle = middle

    def work(self, note: str, seconds: float) -> int:
        """Let another one work."""
        try:
            return self.middle.work(note, seconds)
        finally:
            Path(note + ".front").write_text(str(time.monotonic()))


def keeper(call: Call) -> Keeper | None:
    """Find out who is calling."""
    name = call.metadata.get("authorization")
    return Keeper(name) if name else None


def create() -> App:
    """Make the app."""
    app = App("placed", errors={NoSuchBat: "not_found"})
    app.identify(keeper)
    roost = app.place(Roost, Roost)
    tail = app.place(Tail, Tail)
    middle = app.place(Middle, lambda: Middle(tail))
    front = app.place(Front, lambda: Front(middle))
    app.query(roost.bat, allow=anyone)
    app.query(roost.facts, allow=anyone)
    app.query(roost.watch, allow=anyone)
    app.query(roost.leaflet, allow=anyone)
    app.query(roost.nap, allow=anyone)
    app.query(roost.echo, allow=anyone)
    app.query(roost.count, allow=anyone)
    app.command(roost.look, allow=signed_in)
    app.command(roost.refuse, allow=anyone)
    app.command(roost.portrait, allow=anyone)
    app.command(roost.tell, allow=anyone)
    app.command(front.work, name="work", allow=anyone, deadline=30)
    return app
