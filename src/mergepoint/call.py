"""The context of one invocation: the same on every protocol."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
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
    """

    __slots__ = ("_reply", "_user", "expires", "metadata", "operation", "protocol", "request_id")

    def __init__(
        self,
        operation: Operation,
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
        self._reply: dict[str, str] | None = None
        self._user: Any = _NOT_ASKED

    @property
    def user(self) -> Any:
        """Who is calling, as the application's `identify` says, asked once; None for nobody."""
        if self._user is _NOT_ASKED:
            identify = self.operation.identify
            self._user = None if identify is None else identify(self)
        return self._user

    @property
    def known_user(self) -> Any:
        """The user if somebody asked for it already, else None; never asks by itself."""
        return None if self._user is _NOT_ASKED else self._user

    @property
    def reply(self) -> dict[str, str]:
        """Metadata that goes back with the answer."""
        if self._reply is None:
            self._reply = {}
        return self._reply

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
    return "%016x" % getrandbits(64)  # noqa: UP031 - half the time of an f-string


def current() -> Call | None:
    """Return the call that this thread or task is working on."""
    return _current.get()


enter = _current.set
"""Make a call the current one; it returns the token to give to `leave`."""

leave = _current.reset
"""Make the call before the current one again."""
