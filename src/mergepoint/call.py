"""The context of one invocation: the same on every protocol."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from random import getrandbits
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from .errors import DeadlineExceeded
from .types import Progress

if TYPE_CHECKING:
    from .operation import Operation

ONWARD = ("traceparent", "tracestate", "baggage", "mergepoint-wrote")
"""The metadata that goes on to further calls unless somebody changes it: W3C Trace Context and Baggage, and where the
database stood after a write."""

_NOT_ASKED: Any = object()
_current: ContextVar[Call | None] = ContextVar("mergepoint.call", default=None)


def new_request_id() -> str:
    """Return 16 hexadecimal digits that no other request has."""
    return "%016x" % getrandbits(64)  # noqa: UP031 - half the time of an f-string


class Call(msgspec.Struct, eq=False):  # a struct, because one is made for every call
    """One invocation of an operation.

    Attributes:
        operation: what is called.
        protocol: how it came: `http`, `command`, ...
        metadata: what came along with it, by lower-case name, such as `authorization`.
        request_id: names the call in answers and logs; a new one unless the caller chose it.
        seconds: the time the caller still has; never more counts than the operation's own deadline.
        began: when the call began, in seconds of `time.monotonic()`.
    """

    operation: Operation
    protocol: str = "python"
    metadata: Mapping[str, str] = {}
    request_id: str = msgspec.field(default_factory=new_request_id)
    seconds: float | None = None
    began: float = msgspec.field(default_factory=monotonic)
    _user: Any = _NOT_ASKED
    _reply: dict[str, str] | None = None
    _onward: dict[str, str] | None = None
    _progress: Progress | None = None

    @property
    def expires(self) -> float:
        """When the time of this call is over, in seconds of `time.monotonic()`."""
        deadline = self.operation.policy.deadline
        return self.began + (deadline if self.seconds is None or self.seconds > deadline else self.seconds)

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
    def replies(self) -> bool:
        """True if there is metadata to go back."""
        return bool(self._reply)

    @property
    def reply(self) -> dict[str, str]:
        """Metadata that goes back with the answer."""
        if self._reply is None:
            self._reply = {}
        return self._reply

    @property
    def onward(self) -> dict[str, str]:
        """Metadata that goes along with the calls made from within this one: its trace, and what the database wrote."""
        if self._onward is None:
            self._onward = {name: self.metadata[name] for name in ONWARD if name in self.metadata}
        return self._onward

    @property
    def progress(self) -> Progress:
        """What the operation tells its progress to."""
        return self._progress or self._unheard

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

    def _unheard(self, done: float, note: str = "") -> None:
        self.check()


def take_in(reply: Mapping[str, str]) -> None:
    """Hand the metadata of another service's answer on: to the caller of the current call, and to calls that follow."""
    call = _current.get()
    if call is not None and reply:
        call.reply.update(reply)
        call.onward.update((name, value) for name, value in reply.items() if name in ONWARD)


def current() -> Call | None:
    """Return the call that this thread or task is working on."""
    return _current.get()


enter = _current.set
"""Make a call the current one; it returns the token to give to `leave`."""

leave = _current.reset
"""Make the call before the current one again."""
