"""A service with its own errors, users and a clock. The business code takes two words from Mergepoint: `Id` and `Meta`.

$ mergepoint run examples/roost.py
$ mergepoint call examples/roost.py bat --id 1
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from mergepoint import App, Call, Id, Meta, anyone, role, signed_in

# The business code: records, errors and a service. It could be in a file of its own that knows no framework.


@dataclass(frozen=True)
class Bat:
    """A bat of the roost.

    Attributes:
        id: the number the roost gave it.
        name: what its keeper calls it.
        since: when it was adopted.
    """

    id: Id
    name: str
    since: datetime


@dataclass(frozen=True)
class Keeper:
    """Somebody who looks after bats."""

    name: str
    roles: frozenset[str] = frozenset()


class NoSuchBat(LookupError):
    """No bat has this id."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"There is no bat {id}.")
        self.id = id


class NameTaken(Exception):
    """Another bat has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Another bat is called {name}.")
        self.name = name


Clock = Callable[[], datetime]


class Roost:
    """Bats, kept in memory until the program ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self._bats: dict[int, Bat] = {}

    def bat(self, id: Id) -> Bat:
        """Find one bat."""
        if id not in self._bats:
            raise NoSuchBat(id)
        return self._bats[id]

    def bats(self, name: str = "") -> list[Bat]:
        """List the bats whose name contains a text, in the order they came."""
        return [bat for bat in self._bats.values() if name.lower() in bat.name.lower()]

    def adopt(self, name: Annotated[str, Meta(min_length=1, max_length=40)]) -> Bat:
        """Take a bat in."""
        if any(bat.name == name for bat in self._bats.values()):
            raise NameTaken(name)
        bat = Bat(next(self._ids), name, self._clock())
        self._bats[bat.id] = bat
        return bat

    def release(self, id: Id) -> None:
        """Let a bat go."""
        del self._bats[self.bat(id).id]


# The composition root: what is built, who is calling, which operations there are and who may use them.

KEEPERS = {"wing": Keeper("Mina"), "claw": Keeper("Abraham", frozenset({"head keeper"}))}


def keeper_of(call: Call) -> Keeper | None:
    """Find out who is calling, from the token that came along on whatever protocol."""
    scheme, _, token = call.metadata.get("authorization", "").partition(" ")
    return KEEPERS.get(token) if scheme.lower() == "bearer" else None


def create() -> App:
    """Build the application, with an empty roost."""
    app = App("bats", errors={NoSuchBat: "not_found", NameTaken: "already_exists"})
    app.identify(keeper_of)
    roost = Roost(clock=lambda: datetime.now(UTC))
    app.query(roost.bat, http="GET /bats/{id}", allow=anyone)
    app.query(roost.bats, http="GET /bats", allow=anyone)
    app.command(roost.adopt, http="POST /bats", status=201, location="/bats/{id}", allow=signed_in)
    app.command(roost.release, http="DELETE /bats/{id}", allow=role("head keeper"))
    return app
