"""Apps: registering, what makes no sense, combining, owning resources."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from mergepoint import App, Call, anyone, signed_in
from mergepoint.errors import RegistrationError


class NoSuchBat(Exception):
    """No bat has this name."""


class CaveFlooded(Exception):
    """Nobody can live there now."""


def squeak(loud: bool = False) -> str:
    """Say what bats say."""
    return "EEK" if loud else "eek"


def bat(id: int, name: str = "") -> str:
    """Find a bat."""
    return f"{id} {name}"


class Roost:
    def bats(self) -> list[str]:
        return ["Flap"]


def _run(app: App, name: str, *values: Any, **options: Any) -> Any:
    operation = app.operations[name]
    return operation(Call(operation, **options), *values)


# --- registering ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["query", "command"])
def test_registering_returns_the_callable_unchanged(kind: str) -> None:
    """Called or used as a decorator, with or without options, it gives back the very same object."""

    def register(number: int, function: Callable[..., Any]) -> Any:
        decorate = getattr(App(f"roost{number}"), kind)
        ways = [
            lambda: decorate(function),
            lambda: decorate(function, deadline=3),
            lambda: decorate()(function),
            lambda: decorate(deadline=3, name="other")(function),
        ]
        return ways[number]()

    method = Roost().bats
    for number in range(4):
        assert register(number, squeak) is squeak
        assert register(number, method) is method
    assert squeak(loud=True) == "EEK"


def test_an_operation_is_named_after_its_callable() -> None:
    """The callable's own name unless another is given; a bound method has its method's name."""
    app = App("roost")
    app.query(squeak)
    app.query(squeak, name="shriek")
    app.query(Roost().bats)
    assert list(app.operations) == ["squeak", "shriek", "bats"]
    assert [operation.name for operation in app.operations.values()] == ["squeak", "shriek", "bats"]


def test_the_policy_is_kept_as_given() -> None:
    """Adapters read from the operation what was said at registration."""
    app = App("roost", errors={NoSuchBat: "not_found"})
    app.query(bat, http="GET /bats/{id}", allow=anyone, cache=60, deadline=2.5, raises=(NoSuchBat,), max_body=100)
    app.command(squeak, http="POST /squeaks", status=201, body="loud", location="/squeaks/{id}")
    policy = app.operations["bat"].policy
    assert (policy.http, policy.allow, policy.cache, policy.deadline) == ("GET /bats/{id}", anyone, 60, 2.5)
    assert (policy.raises, policy.max_body) == ((NoSuchBat,), 100)
    policy = app.operations["squeak"].policy
    assert (policy.status, policy.body, policy.location) == (201, "loud", "/squeaks/{id}")
    assert (app.operations["bat"].kind, app.operations["squeak"].kind) == ("query", "command")


def _refusal(act: Callable[[App], Any]) -> str:
    with pytest.raises(RegistrationError) as caught:
        act(App("roost"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda app: (app.query(squeak), app.command(squeak)),
            "roost.squeak: registered twice. Give one of them another name: name=...",
        ),
        (
            lambda app: app.query(lambda: "eek"),
            "roost.<lambda>: the name of an operation has letters, digits and underscores. Give it one: name=...",
        ),
        (
            lambda app: app.command(squeak, cache=60),
            "roost.squeak: a command may change things, so its result cannot be cached. Drop cache=.",
        ),
        (lambda app: app.query(squeak, deadline=0), "roost.squeak: a deadline of 0 s leaves no time at all."),
        (
            lambda app: app.command(squeak, body="bat"),
            "roost.squeak: body='bat' names no parameter; there are `loud`.",
        ),
        (
            lambda app: app.command(squeak, http="GET /squeaks"),
            (
                "roost.squeak: GET does not fit a command."
                " A command is a POST, PUT, PATCH or DELETE; make it a query if it changes nothing."
            ),
        ),
        (
            lambda app: app.query(squeak, http="POST /squeaks"),
            "roost.squeak: POST does not fit a query. A query is a GET; make it a command if it changes things.",
        ),
        (
            lambda app: app.query(bat, http="GET /bats/{bat_id}"),
            "roost.bat: http='GET /bats/{bat_id}' has `bat_id`, its parameters are `id`, `name`.",
        ),
        (
            lambda app: app.query(bat, http="/bats/{id}"),
            "roost.bat: http='/bats/{id}' is no method and path, such as 'GET /bats/{id}'.",
        ),
        (
            lambda app: (app.mount("/old", object()), app.mount("/old", object())),
            "roost: cannot mount at '/old'; choose a free path that begins with `/`.",
        ),
        (
            lambda app: app.mount("old", object()),
            "roost: cannot mount at 'old'; choose a free path that begins with `/`.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(act: Callable[[App], Any], message: str) -> None:
    """A policy that contradicts itself or its callable is refused at once, with the remedy."""
    assert _refusal(act) == message


@pytest.mark.parametrize("name", ["Bat Friend", "", "bat-friend", "7bats", "BATS", "bats\n"])
def test_an_app_has_a_plain_name(name: str) -> None:
    """The name becomes part of paths and packages, so it is checked."""
    with pytest.raises(RegistrationError) as caught:
        App(name)
    assert str(caught.value) == (
        f"app {name!r}: a name has lower-case letters, digits and underscores, such as `batfriend`."
    )


def test_a_type_is_provided_before_it_is_used() -> None:
    """An operation that already reads the type from its callers would go on doing so: the order is refused."""

    def act(app: App) -> None:
        app.query(bat)
        app.provide(int, lambda: 7)

    assert _refusal(act) == (
        "roost: bat already takes `id` from its callers; move app.provide(int, ...) before its registration."
    )


@pytest.mark.parametrize(
    ("what", "act"),
    [
        ("query", lambda app: app.query(squeak, name="late")),
        ("command", lambda app: app.command(squeak, name="late")),
        ("identify", lambda app: app.identify(lambda call: None)),
        ("provide", lambda app: app.provide(bytes, lambda: b"")),
        ("around", lambda app: app.around(lambda call: None)),
        ("watch", lambda app: app.watch(lambda *told: None)),
        ("include", lambda app: app.include(App("other"))),
    ],
)
@pytest.mark.parametrize("included", [False, True])
def test_a_served_app_takes_nothing_more(what: str, act: Callable[[App], Any], included: bool) -> None:
    """Once the operations are known to an adapter, later registrations would be lost: they are refused.

    That holds for the apps it includes as well.
    """
    app, inner = App("roost"), App("cave")
    app.include(inner)
    assert dict(app.operations) == {}
    late = inner if included else app
    with pytest.raises(RegistrationError) as caught:
        act(late)
    assert str(caught.value) == (
        f"{late.name}: app.{what}(...) comes too late, the app is already served; register before that."
    )


# --- combining -----------------------------------------------------------------------------------------------------


def _named(name: str, lines: list[str]) -> Callable[[Call], AbstractContextManager[None]]:
    @contextmanager
    def around(call: Call) -> Iterator[None]:
        lines.append(name)
        yield

    return around


def test_an_included_app_gives_its_name_to_its_operations() -> None:
    """They are called `<app>.<operation>`, however deep."""
    app, cave, hall = App("roost"), App("cave"), App("hall")
    for each in (app, cave, hall):
        each.query(squeak)
    cave.include(hall)
    app.include(cave)
    assert list(app.operations) == ["squeak", "cave.squeak", "cave.hall.squeak"]
    assert _run(app, "cave.hall.squeak", True) == "EEK"


def test_surroundings_of_an_included_app_stand_inside_its_parents() -> None:
    """The parent's context managers are around all, the included app's around its own operations only."""
    lines: list[str] = []
    app, cave = App("roost"), App("cave")
    cave.around(_named("cave", lines))
    app.include(cave)
    app.around(_named("roost", lines))
    app.query(squeak)
    cave.query(squeak)
    _run(app, "cave.squeak")
    assert lines == ["roost", "cave"]
    lines.clear()
    _run(app, "squeak")
    assert lines == ["roost"]


def test_an_included_app_can_still_stand_alone() -> None:
    """Including an app changes nothing in it: its tests run it by itself."""
    lines: list[str] = []
    app, cave = App("roost"), App("cave")
    cave.query(squeak)
    app.around(_named("roost", lines))
    app.include(cave)
    assert _run(app, "cave.squeak") == _run(cave, "squeak") == "eek"
    assert lines == ["roost"]


def test_the_parent_identifies_for_apps_that_do_not() -> None:
    """Users known to the parent are known in included apps, and these must say whom they allow."""
    app, cave = App("roost"), App("cave")
    app.identify(lambda call: call.metadata.get("user"))
    app.include(cave)
    cave.query(squeak, allow=signed_in)
    assert _run(app, "cave.squeak", metadata={"user": "Ada"}) == "eek"

    app, cave = App("roost"), App("cave")
    app.identify(lambda call: None)
    app.include(cave)
    cave.query(squeak)
    with pytest.raises(RegistrationError, match=r"^roost: who may call `cave\.squeak`\?"):
        _ = app.operations


def test_an_included_app_may_identify_for_itself() -> None:
    """Its own `identify` comes before the parent's."""
    app, cave = App("roost"), App("cave")
    app.identify(lambda call: "of the roost")
    cave.identify(lambda call: "of the cave")
    app.include(cave)

    @cave.query(allow=signed_in)
    def who(call: Call) -> str:
        return str(call.user)

    assert _run(app, "cave.who") == "of the cave"


def test_errors_of_included_apps_are_told_too() -> None:
    """The table of an app holds those of the apps it includes."""
    app = App("roost", errors={NoSuchBat: "not_found"})
    app.include(App("cave", errors={CaveFlooded: "unavailable"}))
    assert {declared.code: declared.kind for declared in app.errors} == {
        "no_such_bat": "not_found",
        "cave_flooded": "unavailable",
    }


def test_two_included_apps_cannot_share_a_name() -> None:
    """Their operations could not be told apart."""

    def act(app: App) -> None:
        app.include(App("cave"))
        app.include(App("cave"))

    assert _refusal(act) == "roost: two included apps are named 'cave'; rename one."


def test_watchers_of_parent_and_included_app_are_told() -> None:
    """The parent's watcher hears of every operation, the included app's of its own."""
    told: list[str] = []
    app, cave = App("roost"), App("cave")
    app.watch(lambda call, seconds, outcome: told.append(f"roost heard {call.operation.name}"))
    cave.watch(lambda call, seconds, outcome: told.append(f"cave heard {call.operation.name}"))
    app.include(cave)
    app.query(squeak)
    cave.query(squeak)
    _run(app, "squeak")
    _run(app, "cave.squeak")
    assert told == ["roost heard squeak", "roost heard cave.squeak", "cave heard cave.squeak"]


# --- resources -----------------------------------------------------------------------------------------------------


class Pipe:
    """A resource that writes down when it is closed."""

    def __init__(self, name: str, lines: list[str], *, stuck: bool = False) -> None:
        self.name = name
        self._lines = lines
        self._stuck = stuck

    def check(self) -> None:
        """Work always."""

    def close(self) -> None:
        """Close, or fail to."""
        self._lines.append(self.name)
        if self._stuck:
            raise OSError(f"{self.name} is stuck")


def test_resources_are_closed_in_reverse() -> None:
    """The last added is closed first, and those of included apps before the app's own."""
    lines: list[str] = []
    app, cave = App("roost"), App("cave")
    app.add(Pipe("first", lines))
    app.add(Pipe("second", lines))
    cave.add(Pipe("third", lines))
    app.include(cave)
    app.close()
    assert lines == ["third", "second", "first"]


def test_a_resource_that_cannot_be_closed_does_not_keep_the_others_open() -> None:
    """All are closed; then the failure is told."""
    lines: list[str] = []
    app = App("roost")
    app.add(Pipe("first", lines))
    app.add(Pipe("second", lines, stuck=True))
    with pytest.raises(OSError, match="second is stuck"):
        app.close()
    assert lines == ["second", "first"]


def test_apps_share_nothing() -> None:
    """What is registered with one app is unknown to every other."""
    one, other = App("one", errors={NoSuchBat: "not_found"}), App("other")
    one.query(squeak)
    one.around(_named("one", []))
    assert dict(other.operations) == {}
    assert list(other.errors) == []


class Lost(Exception):
    """Something is not where it was."""


def lose() -> None:
    """Lose something."""
    raise Lost


def test_what_an_app_says_of_an_error_goes_before_what_an_included_one_says() -> None:
    """Two apps may declare the same class; the one that includes the other decides its kind."""
    inner, outer = App("inner", errors={Lost: "data_loss"}), App("outer", errors={Lost: "not_found"})
    inner.command(lose)
    outer.include(inner)
    assert outer.operations["inner.lose"].errors.kind(Lost()) == "not_found"
