"""What a caller is told of an exception, and the same exception made again on the other side."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pytest

from mergepoint import Id, Sensitive
from mergepoint.errors import (
    KINDS,
    DeadlineExceeded,
    Failure,
    Internal,
    InvalidArgument,
    Kind,
    MergepointError,
    MissingExtra,
    PermissionDenied,
    Problem,
    RegistrationError,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    missing,
)
from mergepoint.faults import ErrorTable, Fault, code_of
from mergepoint.wire import Wire


@dataclass(frozen=True)
class Wing:
    id: Id
    span: Decimal


class NoSuchBat(LookupError):
    """No bat has this id."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"There is no bat {id}.")
        self.id = id


class NoSuchPup(NoSuchBat):
    """No pup has this id; nobody declares this class."""


class BadWing(Exception):
    """A wing that cannot be flown with."""

    tries: int

    def __init__(self, wing: Wing, token: Annotated[str, Sensitive], _note: object = None) -> None:
        super().__init__("The wing is torn.")
        self.wing = wing
        self.token = token
        self.tries = 3
        self._note = _note


@pytest.fixture
def table() -> ErrorTable:
    """Return a table of two declared classes."""
    return ErrorTable({NoSuchBat: "not_found", BadWing: "failed_precondition"})


def test_every_failure_has_one_root() -> None:
    """One `except MergepointError` catches whatever Mergepoint raises."""
    for cls in (RegistrationError, Failure, InvalidArgument, Internal, Unauthenticated, MissingExtra):
        assert issubclass(cls, MergepointError)


def test_the_kinds_are_those_of_google_rpc() -> None:
    """There are sixteen kinds: google.rpc.Code without OK, in lower case."""
    assert len(KINDS) == 16
    assert {"not_found", "already_exists", "failed_precondition", "data_loss"} <= KINDS


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (InvalidArgument("no"), "invalid_argument"),
        (Unauthenticated(), "unauthenticated"),
        (PermissionDenied(), "permission_denied"),
        (ResourceExhausted("Too many bats."), "resource_exhausted"),
        (DeadlineExceeded(), "deadline_exceeded"),
        (Unavailable("The roost does not answer."), "unavailable"),
        (Unimplemented("No such operation."), "unimplemented"),
        (Internal("00c0ffee00"), "internal"),
        (Failure("What?"), "unknown"),
        (Failure("Not yet.", kind="failed_precondition"), "failed_precondition"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Failure) else value,
)
def test_a_failure_survives_the_way_to_a_caller(failure: Failure, kind: Kind) -> None:
    """Each standard failure arrives as the same class, with its kind, code and message."""
    table = ErrorTable()
    fault = msgspec.json.decode(msgspec.json.encode(table.fault(failure)), type=Fault)
    again = table.failure(fault)
    assert fault.kind == kind
    assert type(again) is type(failure)
    assert isinstance(again, Failure)
    assert (again.kind, again.code, str(again)) == (kind, failure.code, str(failure))


def test_a_failure_carries_a_code_and_fields() -> None:
    """An application may raise `Failure` itself, with a code and public data of its own."""
    failure = Failure("Try tomorrow.", kind="unavailable", code="asleep", fields={"until": "dusk"})
    again = ErrorTable().failure(ErrorTable().fault(failure))
    assert isinstance(again, Failure)
    assert (again.kind, again.code, again.fields) == ("unavailable", "asleep", {"until": "dusk"})


def test_all_problems_travel() -> None:
    """Invalid input arrives with every problem, and the first one in its message."""
    failure = InvalidArgument.of(Problem("$.name", "Missing"), Problem("$.wings", "Expected `int`, got `str`"))
    again = ErrorTable().failure(ErrorTable().fault(failure))
    assert isinstance(again, InvalidArgument)
    assert again.problems == failure.problems
    assert str(again) == "$.name: Missing (and 1 more)"


def test_a_declared_error_is_told_with_its_public_fields(table: ErrorTable) -> None:
    """Kind, stable code, message and typed attributes are told; ids are strings as everywhere."""
    assert table.fault(NoSuchBat(7)) == Fault("not_found", "no_such_bat", "There is no bat 7.", {"id": "7"})


def test_sensitive_and_private_fields_stay_inside(table: ErrorTable) -> None:
    """What is marked `Sensitive` or begins with an underscore is not told."""
    fault = table.fault(BadWing(Wing(1, Decimal("0.50")), "s3cret", object()))
    assert fault.fields == {"wing": {"id": "1", "span": "0.50"}, "tries": 3}
    assert b"s3cret" not in msgspec.json.encode(fault)


def test_a_subclass_is_told_as_its_nearest_declared_ancestor(table: ErrorTable) -> None:
    """Only the name in the table crosses the wire, never that of an undeclared subclass."""
    assert table.fault(NoSuchPup(7)).code == "no_such_bat"
    assert table.kind(NoSuchPup(7)) == "not_found"
    assert table.may_travel(NoSuchPup(7))


def test_the_nearest_ancestor_wins() -> None:
    """A declared subclass has its own code beside that of its parent, in whatever order they are declared."""
    for order in ([NoSuchBat, NoSuchPup], [NoSuchPup, NoSuchBat]):
        table = ErrorTable(dict.fromkeys(order, "not_found"))
        assert table.fault(NoSuchPup(1)).code == "no_such_pup"
        assert table.fault(NoSuchBat(1)).code == "no_such_bat"


@pytest.mark.parametrize("error", [KeyError("id"), LookupError("x"), RuntimeError("SELECT secret FROM bats")])
def test_an_undeclared_error_tells_nothing(table: ErrorTable, error: Exception) -> None:
    """A bug is `internal` and no more; a bare KeyError is no `not_found`."""
    assert not table.may_travel(error)
    assert table.fault(error) == Fault("internal", "internal", "Something went wrong here.")


def test_a_declared_error_is_raised_again_as_its_class(table: ErrorTable) -> None:
    """The other side gets the same class with the same attributes, typed as they were."""
    again = table.failure(table.fault(BadWing(Wing(2**62, Decimal("1.10")), "s3cret")))
    assert type(again) is BadWing
    assert str(again) == "The wing is torn."
    assert again.wing == Wing(2**62, Decimal("1.10"))
    assert again.tries == 3
    assert not hasattr(again, "token")


def test_making_it_again_does_not_run_its_constructor() -> None:
    """A class whose constructor asks for what is not public can be made again all the same."""
    made: list[object] = []

    class Counted(Exception):
        def __init__(self, secret: Annotated[str, Sensitive]) -> None:
            made.append(secret)
            super().__init__("counted")

    table = ErrorTable({Counted: "aborted"})
    again = table.failure(table.fault(Counted("s3cret")))
    assert type(again) is Counted
    assert str(again) == "counted"
    assert made == ["s3cret"]


def test_an_unknown_code_becomes_a_failure() -> None:
    """A peer that declares more than we know is understood by its kind; no class is looked up by name."""
    again = ErrorTable().failure(Fault("not_found", "no_such_cave", "There is no cave.", {"id": "1"}))
    assert type(again) is Failure
    assert (again.kind, again.code, again.fields, str(again)) == (
        "not_found",
        "no_such_cave",
        {"id": "1"},
        "There is no cave.",
    )


def test_a_code_that_names_a_module_finds_nothing() -> None:
    """A code such as `os.system` is only text."""
    again = ErrorTable().failure(Fault("internal", "os.system", "boo"))
    assert type(again) is Failure


def test_a_field_that_is_not_what_it_says_does_not_hide_the_error(caplog: pytest.LogCaptureFixture) -> None:
    """A field whose value cannot be written is left out, and the log says so; the caller still gets the error."""

    class Torn(Exception):
        def __init__(self, wing: Wing) -> None:
            super().__init__("The wing is torn.")
            self.wing = wing

    table = ErrorTable({Torn: "aborted"})
    assert table.fault(Torn(None)) == Fault("aborted", "torn", "The wing is torn.")  # type: ignore[arg-type]
    assert "torn.wing" in caplog.text


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("NoSuchBat", "no_such_bat"),
        ("HTTPFailed", "http_failed"),
        ("BadURL", "bad_url"),
        ("Torn", "torn"),
        ("Not2Day", "not2_day"),
    ],
)
def test_the_code_is_the_classs_name(name: str, code: str) -> None:
    """The code is the class's name in snake case; abbreviations stay together."""
    assert code_of(type(name, (Exception,), {})) == code


def _refusal(errors: Any) -> str:
    with pytest.raises(RegistrationError) as caught:
        ErrorTable(errors)
    return str(caught.value)


def test_the_table_takes_only_classes_of_the_application() -> None:
    """An exception of Python's own is refused: every slip in the code would become an answer."""
    assert _refusal({KeyError: "not_found"}) == (
        "errors: KeyError is Python's own, so a bug would look like an answer; declare a class of yours."
    )


def test_the_table_takes_only_exception_classes() -> None:
    """What is no exception class is refused."""
    assert _refusal({Wing: "not_found"}).endswith("is not an exception class.")
    assert _refusal({KeyboardInterrupt: "cancelled"}).endswith("is not an exception class.")


def test_the_table_takes_only_known_kinds() -> None:
    """An unknown kind is refused, with the list of kinds."""
    refusal = _refusal({NoSuchBat: "missing"})
    assert refusal.startswith("errors: NoSuchBat: unknown kind 'missing'; choose from aborted, already_exists,")


def test_two_classes_cannot_share_a_code() -> None:
    """Two classes of the same name are refused, with the full name of both."""
    other = type("NoSuchBat", (Exception,), {"__module__": "cave"})
    refusal = _refusal({NoSuchBat: "not_found", other: "not_found"})
    assert re.fullmatch(
        r"errors: cave\.NoSuchBat and \S+NoSuchBat would both travel as `no_such_bat`; rename one\.", refusal
    )


def test_public_fields_must_be_able_to_travel() -> None:
    """A public attribute that no protocol carries is refused when the table is made."""

    class Broken(Exception):
        def __init__(self, cause: object) -> None:
            self.cause = cause

    refusal = _refusal({Broken: "internal"})
    assert refusal.startswith("errors: Broken.cause cannot travel: object has no form that every protocol knows")


def test_a_table_merges_another(table: ErrorTable) -> None:
    """What an included app declares is told by the app that includes it."""

    class CaveFlooded(Exception):
        pass

    table.merge(ErrorTable({CaveFlooded: "unavailable"}))
    assert {declared.code for declared in table} == {"no_such_bat", "bad_wing", "cave_flooded"}
    assert table.fault(CaveFlooded("wet")).kind == "unavailable"


def test_a_fault_is_small_on_the_wire() -> None:
    """What a failure does not have is not written."""
    assert msgspec.json.decode(msgspec.json.encode(ErrorTable().fault(Unavailable("Gone.")))) == {
        "kind": "unavailable",
        "code": "unavailable",
        "message": "Gone.",
    }


def test_a_missing_extra_says_what_to_install() -> None:
    """The message has the command, and the class is an ImportError too."""
    error = missing("mergepoint.rest", ModuleNotFoundError("No module named 'falcon'", name="falcon"), extra="rest")
    assert str(error) == "`mergepoint.rest` needs falcon: pip install 'mergepoint[rest]'"
    assert isinstance(error, ImportError)


def test_the_field_types_are_read_once(table: ErrorTable) -> None:
    """The declaration holds how each public field travels, for descriptions."""
    declared = table.find(NoSuchBat)
    assert declared is not None
    assert isinstance(declared.fields["id"], Wire)
    assert declared.fields.keys() == {"id"}
