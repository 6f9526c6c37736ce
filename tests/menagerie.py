"""An application with one of everything, for the tests of adapters."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from mergepoint import UNSET, App, Call, Download, Id, Meta, Page, Unset, Upload, anyone, role, signed_in

Name = Annotated[str, Meta(min_length=1, max_length=40, examples=["Batrick"])]


class Diet(enum.Enum):
    """What a bat eats."""

    FRUIT = "fruit"
    INSECTS = "insects"


@dataclass(frozen=True)
class Wing:
    """One wing; its span is in metres."""

    span: Annotated[float, Meta(gt=0, le=2)]


@dataclass(frozen=True)
class Bat:
    """A bat."""

    id: Id
    name: Name
    diet: Diet = Diet.INSECTS
    wings: tuple[Wing, ...] = ()
    born: datetime | None = None
    weight: Decimal | None = None


@dataclass(frozen=True)
class NewBat:
    """What is known of a bat before it has an id."""

    name: Name
    diet: Diet = Diet.INSECTS
    wings: tuple[Wing, ...] = ()


class NoSuchBat(Exception):
    """There is no such bat."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"There is no bat {id}.")
        self.id = id


class NameTaken(Exception):
    """Another bat has this name."""


@dataclass(frozen=True)
class User:
    """Who is calling."""

    name: str
    roles: frozenset[str]


USERS = {
    "Bearer keeper": User("keeper", frozenset({"keeper"})),
    "Bearer guest": User("guest", frozenset()),
}
BATS = {number: Bat(number, f"Bat {number}") for number in range(1, 6)}


def current_user(call: Call) -> User | None:
    """Return the user whose token came along."""
    return USERS.get(call.metadata.get("authorization", ""))


def bat(id: Id) -> Bat:
    """Find one bat.

    Args:
        id: the number of the bat.
    """
    if id not in BATS:
        raise NoSuchBat(id)
    return BATS[id]


def bats(
    diet: Diet | None = None, limit: Annotated[int, Meta(ge=1, le=100)] = 20, after: str | None = None
) -> Page[Bat]:
    """List the bats."""
    found = [bat for bat in BATS.values() if diet in (None, bat.diet)]
    return Page(found[:limit], None if limit >= len(found) else "more")


def search(name: list[str], scale: float = 1.0, exact: bool = False) -> list[Bat]:
    """Find bats by their names."""
    return [bat for bat in BATS.values() if bat.name in name]


def adopt(name: Name, diet: Diet = Diet.INSECTS, wings: tuple[Wing, ...] = (), age: int = 0) -> Bat:
    """Take in a bat."""
    if name == "taken":
        raise NameTaken("That name is taken.")
    return Bat(99, name, diet, wings)


def replace(id: Id, bat: NewBat, note: str | Unset = UNSET) -> Bat:
    """Replace what is known of a bat."""
    return Bat(id, bat.name, bat.diet, tuple(bat.wings))


def release(id: Id) -> None:
    """Let a bat go."""
    if id not in BATS:
        raise NoSuchBat(id)


def watch(count: Annotated[int, Meta(ge=0, le=10)] = 3) -> Iterator[Bat]:
    """See bats come by; after five, something breaks."""
    for number in range(count):
        if number == 5:
            raise NoSuchBat(number)
        yield Bat(number, "passing")


def portrait(photo: Upload, title: str = "untitled") -> str:
    """Hang up a photo."""
    return f"{title}: {len(photo.file.read())} bytes of {photo.media_type} from {photo.name}"


def leaflet() -> Download:
    """Get the leaflet."""
    return Download(b"Bats are kind.", "text/plain", "über bats.txt")


def whoami(user: User) -> str:
    """Say who is calling."""
    return user.name


def broken() -> str:
    """Fail as a bug does."""
    raise KeyError("secret at /etc/passwd")


async def echo(text: str) -> str:
    """Answer with the same text."""
    return text


def build() -> App:
    """Return the app of the bats."""
    app = App("batfriend", errors={NoSuchBat: "not_found", NameTaken: "already_exists"})
    app.identify(current_user)
    app.provide(User, lambda call: call.user)
    app.query(bat, http="GET /bats/{id}", allow=anyone, cache=60, raises=(NoSuchBat,))
    app.query(bats, http="GET /bats", allow=anyone)
    app.query(search, allow=anyone)
    app.command(adopt, http="POST /bats", status=201, location="/bats/{id}", allow=anyone, raises=(NameTaken,))
    app.command(replace, http="PUT /bats/{id}", body="bat", allow=anyone)
    app.command(release, http="DELETE /bats/{id}", allow=role("keeper"))
    app.query(watch, allow=anyone)
    app.command(portrait, allow=anyone)
    app.query(leaflet, allow=anyone)
    app.query(whoami, allow=signed_in)
    app.query(broken, allow=anyone)
    app.query(echo, allow=anyone)
    return app
