"""The context of one invocation: the same on every protocol."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from random import getrandbits
from time import monotonic
from typing import TYPE_CHECKING, Any

from .errors import DeadlineExceeded

if TYPE_CHECKING:
    from .operation import Operation

_NOT_ASKED = object()
_current: ContextVar[Call | None] = ContextVar("mergepoint.call", default=None)


class Call:
    """One invocation of an operation.

    Attributes:
        operation: what is called.
        protocol: how it came: `http`, `command`, ...
        request_id: names the call in answers and logs.
        metadata: what came along with it, by lower-case name, such as `authorization`.
        expires: when its time is over, in seconds of `time.monotonic()`.
        reply: metadata that goes back with the answer.
    """

    __slots__ = ("_user", "expires", "metadata", "operation", "protocol", "reply", "request_id")

    def __init__(
        self,
        operation: Operation,
        *,
        protocol: str = "python",
        metadata: Mapping[str, str] | None = None,
        request_id: str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Begin a call.

        Args:
            operation: what is called.
            protocol: how it came.
            metadata: what came along, by lower-case name.
            request_id: one that the caller chose; a new one unless given.
            seconds: the time the caller still has; never more than the operation's own deadline.
        """
        deadline = operation.policy.deadline
        self.operation = operation
        self.protocol = protocol
        self.metadata = {} if metadata is None else metadata
        self.request_id = request_id or new_request_id()
        self.expires = monotonic() + (deadline if seconds is None or seconds > deadline else seconds)
        self.reply: dict[str, str] = {}
        self._user: Any = _NOT_ASKED

    @property
    def user(self) -> Any:
        """Who is calling, as the application's `identify` says, asked once; None for nobody."""
        if self._user is _NOT_ASKED:
            identify = self.operation.identify
            self._user = None if identify is None else identify(self)
        return self._user

    def remaining(self) -> float:
        """Return the seconds left; negative when the time is over."""
        return self.expires - monotonic()

    def check(self) -> None:
        """Stop here if the time is over: for loops that take long.

        Raises:
            DeadlineExceeded: the time is over.
        """
        if monotonic() > self.expires:
            raise DeadlineExceeded


def new_request_id() -> str:
    """Return 16 hexadecimal digits that no other request has."""
    return f"{getrandbits(64):016x}"


def current() -> Call | None:
    """Return the call that this thread or task is working on."""
    return _current.get()


def enter(call: Call) -> Token[Call | None]:
    """Make a call the current one; give the token to `leave`."""
    return _current.set(call)


def leave(token: Token[Call | None]) -> None:
    """Make the call before the current one again."""
    _current.reset(token)
