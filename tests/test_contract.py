"""What is read from a signature, and what is refused at registration: with the callable, the fault and the remedy."""

import functools
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pytest

from mergepoint import UNSET, App, Call, Download, Id, Meta, Page, Sensitive, Unset, Upload
from mergepoint.contract import REQUIRED, Contract
from mergepoint.errors import RegistrationError

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTypes


@dataclass(frozen=True)
class Bat:
    id: Id
    name: str


@dataclass(frozen=True)
class Cave:
    depth: float


class Gate:
    """No record: it has no fields."""


Clock = Callable[[], datetime]


def _contract(function: Callable[..., Any], **options: Any) -> Contract:
    app = App("roost")
    app.query(function, name="ask", **options)
    return app.operations["ask"].contract


def _refusal(function: Any, kind: str = "query", **options: Any) -> str:
    app = App("roost")
    with pytest.raises(RegistrationError) as caught:
        getattr(app, kind)(function, **options)
    return str(caught.value)


# --- what is read --------------------------------------------------------------------------------------------------


def test_parameters_are_read_in_order() -> None:
    """Name, type, default and documentation of each parameter are known, in the order of the signature."""

    def find(name: Annotated[str, Meta(min_length=1)], limit: int = 20, *, secret: Annotated[str, Sensitive]) -> Bat:
        """Find a bat by its name.

        The first one wins.

        Args:
            name: what its keeper
                calls it.
            limit (int): how far to look.
            secret: known to its keeper.

        Returns:
            The bat.
        """
        return Bat(limit, name + secret)

    contract = _contract(find)
    name, limit, secret = contract.parameters
    assert (name.name, name.required, name.doc) == ("name", True, "what its keeper calls it.")
    assert (limit.type, limit.default, limit.required, limit.doc) == (int, 20, False, "how far to look.")
    assert (secret.default, secret.sensitive, limit.sensitive) == (REQUIRED, True, False)
    assert contract.summary == "Find a bat by its name."
    assert contract.description == "The first one wins."


@pytest.mark.parametrize(
    ("hint", "gives"),
    [
        (Bat, "value"),
        (Page[Bat], "value"),
        (Bat | None, "value"),
        (None, "nothing"),
        (Download, "download"),
        (Iterator[Bat], "stream"),
        (Generator[Bat, None, None], "stream"),
        (AsyncIterator[Bat], "stream"),
    ],
)
def test_the_result_says_what_an_operation_gives(hint: Any, gives: str) -> None:
    """A value, nothing, a file or a stream: read from the return hint."""

    def ask() -> Any: ...

    ask.__annotations__["return"] = hint
    assert _contract(ask).gives == gives


def test_coroutines_are_recognised() -> None:
    """`async def` functions and asynchronous generators are run on the loop."""

    async def wait() -> int:
        return 1

    async def count() -> AsyncIterator[int]:
        yield 1

    assert _contract(wait).asynchronous
    assert _contract(count).asynchronous
    assert not _contract(plain).asynchronous


def plain(number: int = 1) -> int:
    """Return a number."""
    return number


def test_uploads_stand_apart_from_values() -> None:
    """Files are named apart from what is read from a body, alone, in a list or optional."""

    def shelve(label: str, cover: Upload, pages: list[Upload], back: Upload | None = None) -> None: ...

    contract = _contract(shelve)
    assert [p.name for p in contract.parameters] == ["label"]
    assert [p.name for p in contract.uploads] == ["cover", "pages", "back"]
    assert [p.required for p in contract.uploads] == [True, True, False]


def test_methods_objects_and_wrapped_functions_are_callables_too() -> None:
    """A bound method, an object with `__call__` and a decorated function are read like a function."""

    class Roost:
        def bat(self, id: Id) -> Bat:
            return Bat(id, "Flap")

    class Greeter:
        def __call__(self, name: str) -> str:
            return f"Hello, {name}!"

    @functools.wraps(plain)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return plain(*args, **kwargs)

    callables: list[tuple[Callable[..., Any], list[str]]] = [
        (Roost().bat, ["id"]),
        (Greeter(), ["name"]),
        (wrapped, ["number"]),
    ]
    for function, names in callables:
        assert [p.name for p in _contract(function).parameters] == names


def test_hints_written_as_text_are_read() -> None:
    """Hints that are written as text are resolved where the callable was defined."""

    def ask(bat: "Bat | None" = None) -> "list[Bat]":
        return [bat] if bat else []

    assert _contract(ask).parameters[0].type == Bat | None


def test_the_call_is_no_parameter_of_the_callers() -> None:
    """A parameter of type `Call` is filled with the call, wherever it stands."""
    app = App("roost")

    @app.query
    def who(first: int, call: Call, *, last: int = 3) -> str:
        return f"{call.request_id} {first} {last}"

    operation = app.operations["who"]
    assert [p.name for p in operation.contract.parameters] == ["first", "last"]
    assert operation(Call(operation, request_id="r1"), 1) == "r1 1 3"


def test_a_provided_type_comes_from_the_context() -> None:
    """A provider may take the call or nothing, and fills optional parameters of its type as well."""
    app = App("roost")
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    app.provide(Clock, lambda: lambda: noon)
    app.provide(Gate, lambda call: call.protocol)

    @app.query
    def when(bat: str, clock: Clock, gate: Gate | None = None) -> str:
        return f"{bat} {clock().isoformat()} {gate}"

    operation = app.operations["when"]
    assert [p.name for p in operation.contract.parameters] == ["bat"]
    assert operation(Call(operation, protocol="test"), "Flap") == "Flap 2026-11-21T12:00:00+00:00 test"


def test_a_provider_written_in_c_takes_nothing() -> None:
    """A builtin without a signature is called without arguments."""
    app = App("roost")
    app.provide(Gate, dict)

    @app.query
    def gate(gate: Gate) -> str:
        return repr(gate)

    operation = app.operations["gate"]
    assert operation(Call(operation)) == "{}"


def test_the_arguments_are_one_object() -> None:
    """They are read from an object keyed by parameter names, into a tuple in the order of the signature."""

    def adopt(name: str, bat: Bat, color: str | Unset = UNSET, wings: list[int] = [1, 2]) -> None:  # noqa: B006
        ...

    arguments = _contract(adopt).arguments
    assert arguments.decode_json(b'{"bat":{"id":"7","name":"x"},"name":"Flap"}') == ("Flap", Bat(7, "x"), UNSET, [1, 2])
    assert arguments.convert({"name": "Flap", "bat": {"id": "7", "name": "x"}, "color": "red"})[2] == "red"


def test_a_mutable_default_is_fresh_for_each_call() -> None:
    """What one call does to a default is not seen by the next."""

    def collect(items: list[int] = []) -> None:  # noqa: B006
        ...

    arguments = _contract(collect).arguments
    arguments.decode_json(b"{}")[0].append(1)
    assert arguments.decode_json(b"{}") == ([],)


@pytest.mark.parametrize("value", [None, 5, UNSET])
def test_null_left_out_and_given_are_three_things(value: object) -> None:
    """A parameter that allows both tells `None` from left out."""

    def ask(limit: int | Unset | None = UNSET) -> None: ...

    body = {} if value is UNSET else {"limit": value}
    assert _contract(ask).arguments.decode_json(msgspec.json.encode(body)) == (value,)


# --- what is refused -----------------------------------------------------------------------------------------------


def test_a_parameter_without_a_hint_is_refused() -> None:
    """Protocols read hints, so there must be one."""

    def greet(name) -> str:  # type: ignore[no-untyped-def]
        return str(name)

    assert _refusal(greet) == (
        "roost.greet: parameter `name` has no type hint. Write `name: str`, or whatever it is: protocols read it."
    )


def test_a_result_without_a_hint_is_refused() -> None:
    """A callable that returns nothing says so."""

    def greet(name: str): ...  # type: ignore[no-untyped-def]

    assert _refusal(greet) == (
        "roost.greet: it does not say what it returns. Add `-> None`, or the type of its result."
    )


def test_open_argument_lists_are_refused() -> None:
    """`*args` and `**kwargs` cannot be described."""

    def many(*names: str) -> None: ...
    def named(**names: str) -> None: ...

    assert _refusal(many) == (
        "roost.many: no protocol can say what `*names: str` takes."
        " Write the parameters out, or take a list or a record."
    )
    assert "`**names: str`" in _refusal(named)


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        (Any, "Any says nothing about the value; use a record, a union, or dict[str, str]"),
        (object, "object has no form that every protocol knows; use a record, or a type of the standard"),
        (list[Any], "Any says nothing about the value; use a record, a union, or dict[str, str]"),
        (Gate, "Gate has no form that every protocol knows; use a record, or a type of the standard"),
        (complex, "complex has no form that every protocol knows; use a record, or a type of the standard"),
        (bytearray, "ByteArray has no form that every protocol knows; use a record, or a type of the standard"),
        (dict[bool, int], "Bool cannot be the key of an object; use a list of records"),
        (dict[tuple[int, int], int], "Tuple cannot be the key of an object; use a list of records"),
        (Id | str, "Id cannot be told from the other members of its union; use a record"),
        (
            Annotated[datetime, Meta(tz=False)],
            "a datetime without a zone means another moment on every machine; drop Meta(tz=False)",
        ),
    ],
    ids=str,
)
def test_a_parameter_that_cannot_travel_is_refused(hint: Any, reason: str) -> None:
    """The message says why the type cannot travel, what to use, and how to take it from the context instead."""

    def ask(it: Any) -> None: ...

    ask.__annotations__["it"] = hint
    refusal = _refusal(ask)
    assert refusal.startswith(f"roost.ask: parameter `it` cannot travel: {reason}.")
    assert refusal.endswith("call app.provide(" + getattr(hint, "__name__", str(hint)) + ", ...) before.")


def test_a_union_of_dataclasses_is_refused() -> None:
    """They could not be told apart on the wire; the message says how they can."""

    def ask(it: Bat | Cave) -> None: ...

    refusal = _refusal(ask)
    assert "parameter `it` cannot travel: Type unions may not contain more than one" in refusal
    assert "make the members msgspec.Struct classes with tag=True" in refusal


def test_a_union_of_texts_is_refused() -> None:
    """A date and a text both travel as strings; the message says to keep one."""

    def ask(it: datetime | str) -> None: ...

    assert "; keep one of them." in _refusal(ask)


def test_a_result_that_cannot_travel_is_refused() -> None:
    """A result must be writable by every protocol."""

    def ask() -> Gate:
        return Gate()

    assert _refusal(ask) == (
        "roost.ask: its result cannot travel: Gate has no form that every protocol knows;"
        " use a record, or a type of the standard. Return a record instead."
    )


def test_a_stream_of_what_cannot_travel_is_refused() -> None:
    """Each item of a stream is a result."""

    def ask() -> Iterator[Gate]:
        yield Gate()

    assert "roost.ask: its result cannot travel: Gate" in _refusal(ask)


def test_a_name_for_type_checkers_only_is_refused() -> None:
    """A hint that is imported under `if TYPE_CHECKING` does not exist when the program runs."""

    def ask(price: "OnlyForTypes") -> None: ...

    assert _refusal(ask) == (
        "roost.ask: its type hints name `OnlyForTypes`, which cannot be found when the program runs."
        " Define it at the top level of the module, and import it outside `if TYPE_CHECKING`."
    )


def test_what_is_no_callable_is_refused() -> None:
    """A number is no operation."""
    assert _refusal(7, name="seven") == (
        "roost.seven: 7 is no callable with a signature. Register a function or a bound method."
    )


def test_a_record_inside_a_record_is_looked_at_too() -> None:
    """The fault may lie deep: it is found at registration all the same."""

    @dataclass
    class Deep:
        caves: dict[str, list[Gate]]

    def ask(it: Deep) -> None: ...

    assert "parameter `it` cannot travel: Gate has no form" in _refusal(ask)
