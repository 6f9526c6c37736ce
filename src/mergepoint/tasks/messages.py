"""Make the messages of jobs: arguments checked and written, in the name of whoever asks for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypedDict

import msgspec

from ..call import Call
from ..errors import InvalidArgument, Problem
from ..jobs import PRIORITIES, Message, Priority, new_id
from ..lock import fingerprint
from ..operation import Operation
from ..shape import CannotTravel
from ..wire import Wire


class When(TypedDict, total=False):
    """How a single job is put in; what is left out is as its command's policy says.

    Attributes:
        delay: seconds, or a time span, until it is due.
        at: when it is due.
        priority: `high`, `normal` or `low`.
        unique: a key of which there is at most one unfinished job; another one returns the job that there is.
        retries: how often it may fail and be tried again.
        timeout: the seconds that one attempt may take.
        keep: the seconds that its outcome can be looked up.
    """

    delay: float | timedelta
    at: datetime
    priority: Priority
    unique: str
    retries: int
    timeout: float
    keep: float


class Form:
    """Makes the messages of one command.

    Args:
        operation: the command, as jobs run it.
        owner: says whose job it is that a user puts in.

    Attributes:
        operation: the same.
    """

    def __init__(self, operation: Operation, owner: Callable[[Any], str]) -> None:
        self.operation = operation
        self._owner = owner
        policy = operation.policy
        self._usual = Message(
            id="",
            operation=operation.name,
            version=fingerprint(operation.contract),
            queue=policy.lane(operation.name).queue,
            retries=policy.retries,
            timeout=policy.timeout,
            keep=policy.keep,
        )

    def message(self, values: tuple[Any, ...], call: Call | None, when: When) -> Message:
        """Return the message of a job.

        Args:
            values: the arguments, as the contract orders them.
            call: the call that asks for it; its user and its trace go along.
            when: what differs from the command's policy.

        Raises:
            InvalidArgument: an argument or an option is not what it should be.
            ConfigError: the users of the application cannot travel.
        """
        contract = self.operation.contract
        arguments = contract.write(values, json=True)
        contract.arguments.decode_json(arguments)  # writing looks at no types; what does not fit is told now
        changes = _told(when) if when else {}
        if call is not None:
            changes.update(self._origin(call))
        return msgspec.structs.replace(
            self._usual, id=new_id(), arguments=msgspec.Raw(arguments), created=time.time(), **changes
        )

    def _origin(self, call: Call) -> dict[str, Any]:
        along: dict[str, Any] = {"metadata": dict(call.onward)} if call.onward else {}
        if call.user is not None:
            along["owner"] = self._owner(call.user)
            along["user"] = msgspec.Raw(self._users.encode_json(call.user))
        return along

    @cached_property
    def _users(self) -> Wire[Any]:
        users = self.operation.users
        assert users is not None  # noqa: S101 - there is a user, so the app can identify users
        return users


def owner_by_id(user: Any) -> str:
    """Return the `id` of a user as text, or of one without the whole of it."""
    if (id := getattr(user, "id", None)) is not None:
        return str(id)
    try:
        return Wire(type(user)).encode_json(user).decode()
    except CannotTravel:
        return str(user)


def _told(when: When) -> dict[str, Any]:
    """Return the fields of a message that its options say."""
    if problems := list(filter(None, (_problem(name, value) for name, value in when.items()))):
        raise InvalidArgument.of(*problems)
    told: dict[str, Any] = dict(when)
    if isinstance(delay := told.get("delay"), timedelta):
        told["delay"] = delay.total_seconds()
    if (at := told.get("at")) is not None:
        told["at"] = at.timestamp()
    return told


def _problem(name: str, value: Any) -> Problem | None:
    """Return what is wrong with an option, or None."""
    expected = _EXPECTED.get(name)
    if expected is None:
        return Problem(f"$.{name}", f"Unknown option; there are {', '.join(_EXPECTED)}")
    fits, what = expected
    return None if fits(value) else Problem(f"$.{name}", f"Expected {what}, got {value!r}")


def _is_span(value: Any) -> bool:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    return isinstance(seconds, int | float) and seconds >= 0


_EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "delay": (_is_span, "seconds or a time span, not negative"),
    "at": (lambda value: isinstance(value, datetime) and value.tzinfo is not None, "a time that knows its zone"),
    "priority": (PRIORITIES.__contains__, " or ".join(map(repr, PRIORITIES))),
    "unique": (lambda value: isinstance(value, str) and 0 < len(value) <= 200, "a text of 1 to 200 characters"),
    "retries": (lambda value: isinstance(value, int) and value >= 0, "a count"),
    "timeout": (lambda value: isinstance(value, int | float) and value > 0, "seconds, more than 0"),
    "keep": (lambda value: isinstance(value, int | float) and value >= 0, "seconds"),
}
