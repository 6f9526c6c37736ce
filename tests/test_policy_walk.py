"""Policy cannot be bypassed: every operation of three apps, on every protocol, by nobody, a guest and a keeper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from time import time

import pytest
from tests import menagerie
from tests.drivers import grpc, http, walking, zeromq

from mergepoint import App, Call, anyone
from mergepoint.db import Database, migrations
from mergepoint.errors import RegistrationError
from mergepoint.operation import Operation
from mergepoint.place import Places, link_to
from mergepoint.place.frames import VERSION, Envelope, read_fault, read_reply, seal
from mergepoint.testing import conformance
from mergepoint.testing.calls import User
from mergepoint.testing.drivers import Serve
from mergepoint.wire import Wire
from newsroom import app as newsroom
from newsroom.settings import DatabaseSettings, Settings, StoreSettings

Knocking = Callable[[App], AbstractContextManager[walking.Knock]]

TOKENS = {"nobody": None, "a guest": "Bearer guest", "a keeper": "Bearer keeper"}
REFUSED = {"unauthenticated", "permission_denied"}

APPS = ("suite", "placed", "menagerie", "included", "newsroom")
PROTOCOLS: dict[str, Knocking] = {
    "python": walking.python,
    "rest": walking.http,
    "cli": walking.commands,
    "graphql": walking.graph,
    "grpc": walking.methods,
    "mcp": walking.agents,
    "zmq": walking.zeromq,
}


@pytest.fixture
def apps(tmp_path: Path) -> Callable[[str], App]:
    """Return a function that makes an app by its name."""

    def make(name: str) -> App:
        if name == "newsroom":
            store, database = StoreSettings(tmp_path / "files"), DatabaseSettings(f"sqlite:///{tmp_path}/newsroom.db")
            app = newsroom.build(Settings(database, store))
            for resource in app.resources:
                if isinstance(resource, Database):
                    migrations.upgrade(resource)
            return app
        if name == "placed":
            return conformance.build(Places({"*": "loopback"}))
        if name == "included":
            house = App("house")
            house.include(menagerie.build())
            return house
        return conformance.build() if name == "suite" else menagerie.build()

    return make


def _counting(app: App) -> Counter[str]:
    """Count how often each operation of an app begins: nothing of it runs outside of what is put around it."""
    runs: Counter[str] = Counter()

    @contextmanager
    def count(call: Call) -> Iterator[None]:
        runs[call.operation.name] += 1
        yield

    app.around(count)
    return runs


def _refusal(operation: Operation, token: str | None) -> str | None:
    """Return how an operation refuses whoever has a token, by its own declaration; None if it does not."""
    allow = operation.policy.allow
    if operation.identify is None or allow is None or allow is anyone:
        return None
    user = operation.identify(Call(operation, metadata=walking.metadata(token)))
    if user is None:
        return "unauthenticated"
    return None if allow(user) else "permission_denied"


@pytest.mark.parametrize("name", APPS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nobody_gets_past_the_policy(name: str, protocol: str, apps: Callable[[str], App]) -> None:
    """Who may not call an operation is refused before its arguments are looked at, and nothing runs; others are not."""
    app = apps(name)
    runs = _counting(app)
    wrong = []
    with PROTOCOLS[protocol](app) as knock:
        for operation in app.operations.values():
            for who, token in TOKENS.items():
                expected, before = _refusal(operation, token), runs[operation.name]
                kind = knock(operation.name, token)
                if kind is None:
                    continue
                if (kind if kind in REFUSED else None) != expected:
                    wrong.append(f"{operation.name}, called by {who}: expected {expected or 'an answer'}, got {kind}")
                if expected and runs[operation.name] != before:
                    wrong.append(f"{operation.name}, called by {who}: ran although it answered {kind}")
    app.close()
    assert not wrong, "\n".join(["", *wrong])


def test_the_walk_meets_every_rule() -> None:
    """The apps of the walk refuse strangers and users without a role, and let others in: no rule goes untested."""
    rules = {
        (who, _refusal(operation, token))
        for app in (conformance.build(), menagerie.build())
        for operation in app.operations.values()
        for who, token in TOKENS.items()
    }
    assert rules == {
        ("nobody", None),
        ("nobody", "unauthenticated"),
        ("a guest", None),
        ("a guest", "permission_denied"),
        ("a keeper", None),
    }


def test_an_app_without_rules_cannot_be_let_into_one_that_knows_users(apps: Callable[[str], App]) -> None:
    """The newsroom says of no operation whom it allows; an app that knows users does not take it in like that."""
    house = App("house")
    house.identify(menagerie.current_user)
    house.include(apps("newsroom"))
    with pytest.raises(RegistrationError, match=r"who may call `newsroom\.\w+`"):
        assert house.operations


@pytest.mark.parametrize("serve", [http.hosted, grpc.hosted, zeromq.hosted], ids=["http", "grpc", "zmq"])
def test_a_place_believes_nobody_without_the_key(serve: Serve) -> None:
    """Whoever calls a hosted service without its key is refused, whatever user they name, and nothing runs."""
    app = conformance.build(Places({}, "the key of this application"))
    runs = _counting(app)
    users = Wire[User](User).encode_msgpack(User("ada", frozenset({"keeper"})))
    with serve(app.host) as address, closing(link_to(address)) as link:
        for name in app.host.operations:
            envelope = Envelope(VERSION, time(), name, "", 5.0, "forged", {}, users, b"\x80")
            for key in (b"", b"another key, and not the right one"):
                frame = seal(envelope, key)
                for answer in (link.ask(frame, 10), next(link.stream(frame, 10))):
                    assert read_fault(read_reply(answer)).kind == "unauthenticated", name
    assert not runs
