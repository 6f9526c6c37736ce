"""How a failure travels: what is told of an exception, and the same exception made again on the other side."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from random import getrandbits
from typing import Any, get_type_hints

import msgspec

from .errors import KINDS, Failure, Internal, InvalidArgument, Kind, Problem, RegistrationError
from .shape import CannotTravel
from .types import Meta
from .wire import Wire

logger = logging.getLogger("mergepoint")


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a caller is told of a failure; every protocol writes this in its own form."""

    kind: Kind
    code: str
    message: str
    fields: dict[str, Any] = {}
    problems: tuple[Problem, ...] = ()
    incident: str | None = None


class Declared(msgspec.Struct, frozen=True):
    """One exception class of the application, and how it is told.

    Attributes:
        error: the class.
        kind: the kind of failure it is.
        code: its stable name, `no_such_bat` for `NoSuchBat`.
        fields: its public, typed attributes and how each travels.
    """

    error: type[Exception]
    kind: Kind
    code: str
    fields: dict[str, Wire[Any]]


class ErrorTable:
    """The exceptions that an application declares. Every other exception is a bug and stays inside."""

    def __init__(self, kinds: Mapping[type[Exception], Kind] | None = None) -> None:
        self._by_class: dict[type[BaseException], Declared | None] = {}
        self._by_code: dict[str, Declared] = {}
        for error, kind in (kinds or {}).items():
            self.declare(error, kind)

    def __iter__(self) -> Iterator[Declared]:
        return iter(self._by_code.values())

    def declare(self, error: type[Exception], kind: Kind) -> None:
        """Add a class of the application.

        Raises:
            RegistrationError: the class is not the application's own, the kind is unknown, or the code is taken.
        """
        _must_be_declarable(error, kind)
        code = code_of(error)
        taken = self._by_code.get(code)
        if taken and taken.error is not error:
            raise RegistrationError(
                f"errors: {_full_name(error)} and {_full_name(taken.error)} would both travel as `{code}`; rename one."
            )
        self._by_code[code] = Declared(error, kind, code, _public_fields(error))
        self._by_class.clear()

    def merge(self, other: ErrorTable) -> None:
        """Add everything that another table declares."""
        for declared in other:
            self.declare(declared.error, declared.kind)

    def find(self, error: type[BaseException]) -> Declared | None:
        """Return how a class is told: its own entry or that of its nearest declared ancestor."""
        if error not in self._by_class:
            mine = {declared.error: declared for declared in self}
            self._by_class[error] = next((mine[cls] for cls in error.__mro__ if cls in mine), None)
        return self._by_class[error]

    def may_travel(self, error: BaseException) -> bool:
        """Tell whether a caller may learn of this exception."""
        return isinstance(error, Failure) or self.find(type(error)) is not None

    def kind(self, error: BaseException) -> Kind:
        """Return the kind of an exception; `internal` for one that nobody declared."""
        if declared := self.find(type(error)):
            return declared.kind
        return error.kind if isinstance(error, Failure) else "internal"

    def fault(self, error: BaseException) -> Fault:
        """Return what a caller is told. Of an exception nobody declared, that is nothing but its kind."""
        if declared := self.find(type(error)):
            return Fault(declared.kind, declared.code, str(error), dict(_values(declared, error)))
        if isinstance(error, InvalidArgument):
            return Fault(error.kind, error.code, error.message, error.fields, error.problems)
        if isinstance(error, Internal):
            return Fault(error.kind, error.code, error.message, incident=error.incident)
        if isinstance(error, Failure):
            return Fault(error.kind, error.code, error.message, error.fields)
        return Fault("internal", "internal", "Something went wrong here.")

    def failure(self, fault: Fault) -> Exception:
        """Make the exception again that a fault tells of: the same class if it is declared here, else a `Failure`."""
        if declared := self._by_code.get(fault.code):
            return _revived(declared, fault)
        if fault.kind == "invalid_argument":
            failure: Failure = InvalidArgument(fault.message, fault.problems)
            failure.code = fault.code
            return failure
        if fault.incident:
            return Internal(fault.incident)
        cls = _STANDARD.get(fault.kind, Failure)
        failure = cls.__new__(cls)
        Failure.__init__(failure, fault.message, kind=fault.kind, code=fault.code, fields=fault.fields)
        return failure


def incident(where: str, error: BaseException) -> Internal:
    """Log a bug with its traceback, and return what a caller is told of it: the number of the incident.

    Args:
        where: what the log says of the place, such as `roost.bat, request 5f3a`.
        error: the bug.
    """
    number = f"{getrandbits(40):010x}"
    logger.error("Incident %s in %s", number, where, exc_info=error)
    return Internal(number)


def code_of(error: type[Exception]) -> str:
    """Return the stable name of an exception class: `no_such_bat` for `NoSuchBat`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", error.__name__).lower()


_STANDARD: dict[str, type[Failure]] = {cls.kind: cls for cls in Failure.__subclasses__() if cls is not Internal}


def _must_be_declarable(error: type[Exception], kind: str) -> None:
    if not (isinstance(error, type) and issubclass(error, Exception)):
        raise RegistrationError(f"errors: {error!r} is not an exception class.")
    if error.__module__ == "builtins":
        raise RegistrationError(
            f"errors: {error.__name__} is Python's own, so a bug would look like an answer; declare a class of yours."
        )
    if kind not in KINDS:
        raise RegistrationError(
            f"errors: {error.__name__}: unknown kind {kind!r}; choose from {', '.join(sorted(KINDS))}."
        )


def _public_fields(error: type[Exception]) -> dict[str, Wire[Any]]:
    fields: dict[str, Wire[Any]] = {}
    for name, hint in {**_hints(error.__init__), **_hints(error)}.items():
        if not name.startswith("_") and name != "return" and not is_sensitive(hint):
            try:
                fields[name] = Wire(hint)
            except CannotTravel as reason:
                raise RegistrationError(f"errors: {error.__name__}.{name} cannot travel: {reason}.") from None
    return fields


def _hints(of: Any) -> dict[str, Any]:
    try:
        return get_type_hints(of, include_extras=True)
    except (NameError, TypeError):
        return {}


def is_sensitive(hint: Any) -> bool:
    """Tell whether a type hint carries the mark `Sensitive`."""
    return any(isinstance(m, Meta) and (m.extra or {}).get("sensitive") for m in getattr(hint, "__metadata__", ()))


def _revived(declared: Declared, fault: Fault) -> Exception:
    # Without running its __init__: the class may ask for more there than it makes public.
    error = declared.error.__new__(declared.error)
    error.args = (fault.message,)
    for name, wire in declared.fields.items():
        if name in fault.fields:
            object.__setattr__(error, name, wire.convert(fault.fields[name]))
    return error


def _values(declared: Declared, error: BaseException) -> Iterator[tuple[str, Any]]:
    """Yield the public fields of an exception as they travel."""
    for name, wire in declared.fields.items():
        if hasattr(error, name):
            try:
                yield name, wire.plain(getattr(error, name))
            except Exception:  # the caller must learn of the error, even if the error is not what its hints say
                logger.exception("%s.%s is not what its type hint says; left out", declared.code, name)


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
