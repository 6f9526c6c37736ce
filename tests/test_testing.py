"""The conformance suite itself: it is complete, its cases find what is wrong, and say what it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar, cast
from unittest import SkipTest

import msgspec
import msgspec.inspect as mi
import pytest

from mergepoint import App, anyone
from mergepoint.access import describe
from mergepoint.errors import Failure, Internal, InvalidArgument
from mergepoint.shape import _MAKERS
from mergepoint.testing import comparison, conformance
from mergepoint.testing.comparison import fails, same, soon
from mergepoint.testing.conformance import Called, Need, Service, cases
from mergepoint.testing.failures import Conflict, NoSuchThing
from mergepoint.testing.records import Priority, Track

S = TypeVar("S")

Method = Callable[..., Any]
Spoil = Callable[[Method, tuple[Any, ...], dict[str, Any]], Any]
"""Calls a method of a service as an adapter would that has a fault."""


# --- completeness --------------------------------------------------------------------------------------------------


def test_every_case_has_a_name_of_its_own_and_a_sentence() -> None:
    """A case is found by its name, and says what holds."""
    names = [case.name for case in cases()]
    assert len(names) == len(set(names)) > 80
    assert [case.name for case in cases() if not case.says.endswith(".") or not case.says[:1].isupper()] == []


def test_every_operation_of_the_suite_is_called() -> None:
    """No operation of the suite's app is there for nothing."""
    app, called = conformance.build(), set[str]()
    app.watch(lambda call, seconds, outcome: called.add(call.operation.name))
    for case in cases():
        if not case.left_out(Called()):
            case.run(Called(), app, Service)
    checked = {"limited", "log_in"}  # called by cases about checks, which a call from Python does without
    assert app.operations.keys() - called <= checked | {"fill", "kept"}


def test_every_type_that_can_travel_is_in_the_suite() -> None:
    """The suite has arguments and results of every kind of type that the core knows."""
    found: set[type] = set()
    for operation in conformance.build().operations.values():
        for parameter in operation.contract.parameters:
            _collect(mi.type_info(parameter.type), found)
    known = {kind for kinds in _MAKERS for kind in (kinds if isinstance(kinds, tuple) else (kinds,))}
    assert known - found == {mi.AnyType}


def _collect(info: Any, found: set[type]) -> None:
    if isinstance(info, mi.Type | mi.Field):
        new = type(info) not in found or isinstance(info, mi.Field)
        found.add(type(info))
        if new or not hasattr(info, "fields"):
            for name in info.__struct_fields__:
                _collect(getattr(info, name), found)
    elif isinstance(info, tuple):
        for part in info:
            _collect(part, found)


def test_operations_of_every_sort_are_in_the_suite() -> None:
    """The suite has all that an operation may give, plain and asynchronous ones, and each rule about who may call."""
    operations = conformance.build().operations.values()
    assert {operation.contract.gives for operation in operations} == {"value", "nothing", "stream", "download"}
    assert {operation.contract.asynchronous for operation in operations} == {True, False}
    assert {describe(operation.policy.allow or anyone) for operation in operations} == {
        "anyone",
        "signed_in",
        "role('keeper')",
    }


def test_what_an_adapter_refuses_can_be_left_out() -> None:
    """The suite's app is built without streams or files for an adapter that refuses them at start-up."""
    whole, without = conformance.build(), conformance.build(lacks={"streams", "uploads", "downloads"})
    left_out = [whole.operations[name].contract for name in whole.operations.keys() - without.operations.keys()]
    assert {"stream", "download"} <= {contract.gives for contract in left_out}
    assert any(contract.uploads for contract in left_out)
    assert {operation.contract.gives for operation in without.operations.values()} == {"value", "nothing"}


# --- cases find faults ---------------------------------------------------------------------------------------------


class Spoilt(Called):
    """Calls operations as an adapter does that has a fault."""

    lacks: Mapping[Need, str] = {}

    def __init__(self, spoil: Spoil) -> None:
        self._spoil = spoil

    @contextmanager
    def connect(self, app: App, service: type[S], metadata: Mapping[str, str]) -> Iterator[S]:
        """Give an object whose methods are spoilt."""
        with super().connect(app, service, metadata) as connected:
            yield cast(S, _Spoilt(connected, self._spoil))


class _Spoilt:
    def __init__(self, connected: object, spoil: Spoil) -> None:
        self._connected = connected
        self._spoil = spoil

    def __getattr__(self, name: str) -> Method:
        method = getattr(self._connected, name)
        return lambda *values, **named: self._spoil(method, values, named)


def _changed(kind: type, change: Callable[[Any], Any]) -> Spoil:
    """Return a fault that changes results of a type."""

    def spoil(method: Method, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
        result = method(*values, **named)
        return change(result) if type(result) is kind else result

    return spoil


def _told(change: Callable[[Exception], Exception]) -> Spoil:
    """Return a fault that raises other errors than it should."""

    def spoil(method: Method, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
        try:
            return method(*values, **named)
        except Exception as error:
            raise change(error) from error

    return spoil


def _without(exception: NoSuchThing) -> NoSuchThing:
    exception.price = Decimal("1.5")
    return exception


def _unclosed(method: Method, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Give a stream that nobody can end."""
    result = method(*values, **named)
    return _Unclosed(result) if hasattr(result, "close") else result


class _Unclosed:
    def __init__(self, items: Any) -> None:
        self._items = items

    def __next__(self) -> Any:
        return next(self._items)

    def close(self) -> None:
        """Do nothing."""


FAULTS: dict[str, Spoil] = {
    "numbers": _changed(float, int),
    "moments": _changed(datetime, lambda moment: moment.replace(microsecond=0)),
    "amounts": _changed(Decimal, Decimal.normalize),
    "lists-and-tuples": _changed(tuple, list),
    "sets": _changed(frozenset, set),
    "choices": _changed(Priority, int),
    "records": _changed(Track, msgspec.to_builtins),
    "dicts": _changed(dict, lambda found: {str(key): value for key, value in found.items()}),
    "optional": _changed(type(None), lambda nothing: 0),
    "nothing": _changed(type(None), lambda nothing: ""),
    "declared-errors": _told(lambda error: _without(error) if isinstance(error, NoSuchThing) else error),
    "errors-without-fields": _told(lambda error: Conflict(str(error).strip("x")) if str(error) else error),
    "every-kind": _told(lambda error: Failure(str(error), kind="unknown")),
    "failures-with-a-code": _told(lambda error: Failure(str(error), kind=getattr(error, "kind", "unknown"))),
    "bugs": _told(lambda error: Internal("")),
    "strangers": lambda method, values, named: "done",
    "streams-closed-early": _unclosed,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that loses a little is not let through by the case that is about it."""
    monkeypatch.setattr(comparison, "PATIENCE", 0.1)
    (case,) = [case for case in cases() if case.name == name]
    case.run(Called(), conformance.build(), Service)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, the case did not pass
        case.run(Spoilt(FAULTS[name]), conformance.build(), Service)
    assert not isinstance(caught.value, SkipTest)


# --- what is told --------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Bat:
    name: str
    wings: list[float]


@pytest.mark.parametrize(
    ("got", "expected", "complaint"),
    [
        (1, 1.0, "at `$`: expected 1.0 (float), got 1 (int)"),
        (True, 1, "at `$`: expected 1 (int), got True (bool)"),
        (0.0, -0.0, "at `$`: expected -0.0 (float), got 0.0 (float)"),
        (Decimal("1.5"), Decimal("1.50"), "at `$`: expected Decimal('1.50') (Decimal), got Decimal('1.5') (Decimal)"),
        ([1, "2"], [1, 2], "at `$[1]`: expected 2 (int), got '2' (str)"),
        ([1], [1, 2], "at `$[1]`: expected 2 (int), got nothing"),
        ({"a": 1, "b": 2}, {"a": 1}, "at `$['b']`: expected nothing, got 2 (int)"),
        (Bat("Flap", [1]), Bat("Flap", [1.0]), "at `$.wings[0]`: expected 1.0 (float), got 1 (int)"),
        ({1}, {1.0}, "at `$`: expected {1.0} (set), got {1} (set)"),
    ],
)
def test_a_difference_is_told_with_its_place(got: object, expected: object, complaint: str) -> None:
    """Values are the same if they are equal, and of the same type, to their last part."""
    same(expected, expected)
    with pytest.raises(AssertionError) as caught:
        same(got, expected)
    assert str(caught.value) == complaint


def test_the_same_moment_in_another_zone_is_the_same() -> None:
    """Moments are compared as moments."""
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    same(noon.astimezone(), noon)


def test_a_failure_is_of_the_very_class() -> None:
    """A subclass is another error, and an answer is none."""

    def refuse() -> None:
        raise InvalidArgument("No.")

    assert fails(InvalidArgument, refuse).message == "No."
    with pytest.raises(InvalidArgument):
        fails(Failure, refuse)
    with pytest.raises(AssertionError, match="expected Failure, but it answered 'yes'"):
        fails(Failure, lambda: "yes")


def test_waiting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come about is given up, with its name."""
    monkeypatch.setattr(comparison, "PATIENCE", 0.01)
    soon(lambda: True, "yes")
    with pytest.raises(AssertionError, match="still not so: the bats are asleep"):
        soon(lambda: False, "the bats are asleep")


def test_a_case_that_cannot_run_says_why() -> None:
    """What a driver lacks skips a case, for pytest and unittest alike, with the reason."""
    driver = Spoilt(_unclosed)
    driver.lacks = {"streams": "a letter holds one thing", "state": "each letter goes elsewhere"}
    (case,) = [case for case in cases() if case.name == "streams-closed-early"]
    with pytest.raises(SkipTest, match=r"^state: each letter goes elsewhere; streams: a letter holds one thing$"):
        case.run(driver, conformance.build(), Service)


def test_a_driver_lacks_only_what_is_known() -> None:
    """A word that no case knows would leave out nothing, so it is refused."""
    driver = Spoilt(_unclosed)
    driver.lacks = {"stream": "a slip"}  # type: ignore[dict-item]  # that is what is tried
    with pytest.raises(ValueError, match=r"lacks stream; there is only absent fields, borders"):
        cases()[0].left_out(driver)
