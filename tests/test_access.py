"""Who may call an operation: nobody is asked who they are without need, and nothing is read before they may."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mergepoint import App, Call, anyone, role, signed_in
from mergepoint.access import describe
from mergepoint.errors import Internal, PermissionDenied, RegistrationError, Unauthenticated
from mergepoint.operation import Operation


@dataclass(frozen=True)
class Keeper:
    name: str
    roles: frozenset[str] = frozenset()


KEEPERS = {"wing": Keeper("Ada"), "claw": Keeper("Grace", frozenset({"head keeper"}))}


def keeper_of(call: Call) -> Keeper | None:
    """Find out who is calling."""
    return KEEPERS.get(call.metadata.get("authorization", ""))


def squeak() -> str:
    """Say what bats say."""
    return "eek"


def _allowing(predicate: Any, identify: Any = keeper_of) -> Operation:
    app = App("roost")
    app.identify(identify)
    app.query(squeak, allow=predicate)
    return app.operations["squeak"]


def _call(operation: Operation, token: str = "") -> Any:
    return operation(Call(operation, metadata={"authorization": token}))


def test_anyone_needs_no_user() -> None:
    """`anyone` lets in callers who are nobody, and does not even ask who they are."""

    def identify(call: Call) -> Keeper | None:
        raise AssertionError("asked without need")

    assert _call(_allowing(anyone, identify)) == "eek"


@pytest.mark.parametrize("predicate", [signed_in, role("head keeper"), lambda keeper: True])
def test_nobody_is_not_let_in(predicate: Any) -> None:
    """Every other rule needs a user; without one the caller is told to sign in."""
    with pytest.raises(Unauthenticated, match=r"^Sign in first\.$"):
        _call(_allowing(predicate))


def test_signed_in_lets_every_user_in() -> None:
    """`signed_in` asks for a user and for nothing else."""
    assert _call(_allowing(signed_in), "wing") == "eek"


def test_the_right_role_is_let_in() -> None:
    """One of the named roles is enough."""
    assert _call(_allowing(role("doctor", "head keeper")), "claw") == "eek"


def test_the_wrong_role_is_not_let_in() -> None:
    """A user without one of the roles is told no, and not why."""
    with pytest.raises(PermissionDenied, match=r"^You may not do this\.$"):
        _call(_allowing(role("head keeper")), "wing")


def test_a_function_of_the_user_decides() -> None:
    """Any function that takes the user is a rule."""
    operation = _allowing(lambda keeper: keeper.name == "Ada")
    assert _call(operation, "wing") == "eek"
    with pytest.raises(PermissionDenied):
        _call(operation, "claw")


def test_a_rule_is_never_asked_about_nobody() -> None:
    """A rule may rely on there being a user."""
    asked: list[Any] = []

    def rule(keeper: Keeper) -> bool:
        asked.append(keeper)
        return True

    operation = _allowing(rule)
    with pytest.raises(Unauthenticated):
        _call(operation)
    _call(operation, "wing")
    assert asked == [KEEPERS["wing"]]


def test_a_user_is_identified_once_in_a_call() -> None:
    """However often the user is looked at, `identify` runs once."""
    asked: list[Call] = []

    def identify(call: Call) -> Keeper:
        asked.append(call)
        return KEEPERS["wing"]

    app = App("roost")
    app.identify(identify)

    @app.query(allow=signed_in)
    def name(call: Call) -> str:
        return f"{call.user.name} {call.user.name}"

    operation = app.operations["name"]
    assert operation(Call(operation)) == "Ada Ada"
    assert len(asked) == 1


def test_a_user_is_known_only_when_somebody_asked() -> None:
    """Looking for a log line does not identify anybody."""
    operation = _allowing(anyone)
    call = Call(operation, metadata={"authorization": "wing"})
    assert call.known_user is None
    assert call.user == KEEPERS["wing"]
    assert call.known_user == KEEPERS["wing"]


def test_arguments_are_not_read_before_access_is_granted() -> None:
    """A caller who may not come in learns nothing of the arguments, and costs no reading."""

    def read(source: Any) -> tuple[Any, ...]:
        raise AssertionError("read without need")

    operation = _allowing(signed_in)
    with pytest.raises(Unauthenticated):
        operation.run(Call(operation), b"{}", read)


def test_a_stream_asks_as_well() -> None:
    """A stream gives no item to those who may not have it."""
    made: list[str] = []
    app = App("roost")
    app.identify(keeper_of)

    @app.query(allow=signed_in)
    def squeaks() -> Iterator[str]:
        made.append("eek")
        yield "eek"

    operation = app.operations["squeaks"]
    with pytest.raises(Unauthenticated):
        list(_call(operation))
    assert made == []
    assert list(_call(operation, "wing")) == ["eek"]


def test_an_identify_that_fails_closes_the_door() -> None:
    """When it cannot be found out who is calling, nobody gets in; the reason stays in the log."""

    def identify(call: Call) -> Keeper:
        raise RuntimeError("the session store is gone")

    with pytest.raises(Internal) as caught:
        _call(_allowing(signed_in, identify))
    assert "session store" not in str(caught.value)


def test_a_rule_that_fails_closes_the_door() -> None:
    """A rule that cannot decide lets nobody in: here a user who has no roles at all."""
    operation = _allowing(role("head keeper"), lambda call: object())
    with pytest.raises(Internal):
        _call(operation)


def test_an_app_with_users_must_say_whom_each_operation_allows() -> None:
    """Without `allow` the app does not start once it can tell users apart."""
    app = App("roost")
    app.identify(keeper_of)
    app.query(squeak)
    app.command(squeak, name="shriek")
    with pytest.raises(RegistrationError) as caught:
        _ = app.operations
    assert str(caught.value) == (
        "roost: who may call `shriek`, `squeak`? The app can identify users, so each operation says so:"
        " allow=anyone, allow=signed_in, allow=role(...) or a function of the user."
    )


def test_a_rule_without_users_could_never_be_met() -> None:
    """`allow=signed_in` in an app that identifies nobody does not start."""
    app = App("roost")
    app.query(squeak, allow=signed_in)
    with pytest.raises(RegistrationError) as caught:
        _ = app.operations
    assert str(caught.value) == "roost: nobody could call `squeak`: app.identify(...) is missing."


def test_an_app_without_users_is_open() -> None:
    """Without `identify`, operations need no `allow`."""
    app = App("roost")
    app.query(squeak)
    app.query(squeak, name="hello", allow=anyone)
    assert [operation(Call(operation)) for operation in app.operations.values()] == ["eek", "eek"]


@pytest.mark.parametrize(
    ("predicate", "text"),
    [(anyone, "anyone"), (signed_in, "signed_in"), (role("b", "a"), "role('a', 'b')"), (keeper_of, "keeper_of")],
)
def test_a_rule_has_a_name_for_people(predicate: Any, text: str) -> None:
    """Listings name a rule as it was written."""
    assert describe(predicate) == text
