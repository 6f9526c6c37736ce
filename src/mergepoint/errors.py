"""Every exception of Mergepoint. No protocol is known here: adapters translate a `Failure` to a standard.

MergepointError
├── RegistrationError       an application that cannot work as it is declared; raised at start-up
├── ConfigError             settings that cannot be used; every problem at once
├── MissingExtra            a part whose third-party library is not installed (an ImportError too)
└── Failure                 what may reach a caller: kind, code, message, fields
    ├── InvalidArgument     the caller's input, with every problem found in it
    ├── Unauthenticated     nobody is signed in
    ├── PermissionDenied    somebody is, and may not
    ├── ResourceExhausted   a limit was reached
    ├── DeadlineExceeded    the call's time ran out
    ├── Unavailable         a service this one needs cannot be reached
    ├── Unimplemented       the other side does not know this operation
    ├── Cancelled           somebody wanted the work to stop
    └── Internal            a bug: only an incident number leaves the process
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import msgspec

Kind = Literal[
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
]
"""The kinds of failure, those of google.rpc.Code in lower case."""

KINDS: frozenset[str] = frozenset(get_args(Kind))


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong with a caller's input.

    `path` leads to it from the arguments (`$.bat.wings[2]`); `message` says what was expected and what came.
    """

    path: str
    message: str


class MergepointError(Exception):
    """The root of every exception that Mergepoint raises."""


class RegistrationError(MergepointError):
    """An operation or app cannot work as declared. The message names the callable, the fault and the remedy."""


class ConfigError(MergepointError):
    """Settings are missing or wrong. The message lists every problem with the place it came from."""


class MissingExtra(MergepointError, ImportError):
    """A part of Mergepoint was imported without the library it stands on."""


class Failure(MergepointError):
    """A failure that may reach the caller, on any protocol.

    Args:
        message: what went wrong, for the caller's eyes.
        kind: one of the google.rpc kinds.
        code: a stable, machine-readable name; the kind unless said.
        fields: further public data.
    """

    kind: Kind = "unknown"

    def __init__(
        self, message: str, *, kind: Kind | None = None, code: str | None = None, fields: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        if kind is not None:
            self.kind = kind
        self.message = message
        self.code = code or self.kind
        self.fields = fields or {}


class InvalidArgument(Failure):
    """The caller's input is wrong. `problems` holds everything found, each with its path."""

    kind: Kind = "invalid_argument"

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems

    @classmethod
    def of(cls, *problems: Problem) -> InvalidArgument:
        """Make one failure of some problems; its message names the first and counts the rest."""
        first, *rest = problems
        more = f" (and {len(rest)} more)" if rest else ""
        return cls(f"{first.path}: {first.message}{more}", problems)


class Unauthenticated(Failure):
    """The operation needs a user, and the call carries none."""

    kind: Kind = "unauthenticated"

    def __init__(self, message: str = "Sign in first.") -> None:
        super().__init__(message)


class PermissionDenied(Failure):
    """The user may not run this operation."""

    kind: Kind = "permission_denied"

    def __init__(self, message: str = "You may not do this.") -> None:
        super().__init__(message)


class ResourceExhausted(Failure):
    """A limit was reached: try again later, or with less."""

    kind: Kind = "resource_exhausted"


class DeadlineExceeded(Failure):
    """The time this call had ran out before it was done."""

    kind: Kind = "deadline_exceeded"

    def __init__(self, message: str = "The time for this call ran out.") -> None:
        super().__init__(message)


class Unavailable(Failure):
    """Something this operation needs cannot be reached now."""

    kind: Kind = "unavailable"


class Unimplemented(Failure):
    """The other side does not know the operation, or not in this form."""

    kind: Kind = "unimplemented"


class Cancelled(Failure):
    """Somebody wanted this work to stop."""

    kind: Kind = "cancelled"

    def __init__(self, message: str = "This was cancelled.") -> None:
        super().__init__(message)


class Internal(Failure):
    """A bug. The traceback is in the log of the process that met it, under the incident number."""

    kind: Kind = "internal"
    text: ClassVar[str] = "Something went wrong here. The incident number is {incident}."

    def __init__(self, incident: str) -> None:
        super().__init__(self.text.format(incident=incident))
        self.incident = incident


def missing(module: str, error: ImportError, *, extra: str) -> MissingExtra:
    """Say which extra brings the library that `module` could not import."""
    return MissingExtra(f"`{module}` needs {error.name}: pip install 'mergepoint[{extra}]'", name=error.name)
