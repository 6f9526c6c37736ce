"""What a job becomes on its way through the broker: the arguments of a task, and the rest of its claim as a header."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from ..jobs import Claim, Engine
from ..redact import REDACTED, visible

HEADER = "mergepoint"
"""The header of Celery's message."""

LARGEST = 64 * 1024
"""Bytes of arguments from which they stay in the store: brokers are made for small messages."""

LONGEST_REPR = 1024
"""Characters of the arguments that Celery's tools see, as many as Celery itself shows."""

_MARK = b'"__type__"'
"""What the serializer of Celery takes for something else than a plain object; some of it, it refuses."""

_NOTHING = msgspec.Raw(b"{}")


class Handover(msgspec.Struct, frozen=True, omit_defaults=True):
    """A claim on its way from the relay to a process of the pool.

    Attributes:
        worker: whose claim it is.
        claim: without the arguments of its message, which are those of the task.
        travels: False if the arguments stayed in the store.
    """

    worker: str
    claim: Claim
    travels: bool = True

    @property
    def id(self) -> str:
        """The id of the job."""
        return self.claim.message.id

    @property
    def key(self) -> tuple[str, int]:
        """What tells this claim of the job from later ones."""
        return self.id, self.claim.token


class Parcel(msgspec.Struct, frozen=True):
    """What is given to Celery.

    Attributes:
        header: the handover.
        kwargs: the arguments of the task.
        shown: the arguments as Celery's tools may show them.
    """

    header: str
    kwargs: dict[str, Any]
    shown: str


def pack(worker: str, claim: Claim, secret: Collection[str]) -> Parcel:
    """Make what is given to Celery of a claim.

    Args:
        worker: whose claim it is.
        claim: the claim.
        secret: the names of arguments that must not be shown; a job that has some is read from the store.
    """
    arguments: dict[str, Any] = msgspec.json.decode(claim.message.arguments)
    travels = (
        not secret and len(bytes(claim.message.arguments)) <= LARGEST and _MARK not in msgspec.json.encode(arguments)
    )
    header = msgspec.json.encode(Handover(worker, _bare(claim), travels)).decode()
    return Parcel(header, arguments if travels else {}, _shown(arguments, secret))


def unpack(header: str) -> Handover:
    """Read a header."""
    return msgspec.json.decode(header, type=Handover)


def complete(handover: Handover, kwargs: dict[str, Any], engine: Engine) -> Claim | None:
    """Return the claim with its arguments, or None if the store does not know the job any more.

    Args:
        handover: the claim without them.
        kwargs: the arguments of the task.
        engine: where they are if they did not travel.
    """
    if handover.travels:
        return _with(handover.claim, msgspec.Raw(msgspec.json.encode(kwargs)))
    entry = engine.get(handover.id)
    return None if entry is None else _with(handover.claim, entry.message.arguments)


def _bare(claim: Claim) -> Claim:
    return _with(claim, _NOTHING)


def _with(claim: Claim, arguments: msgspec.Raw) -> Claim:
    message = msgspec.structs.replace(claim.message, arguments=arguments)
    return msgspec.structs.replace(claim, message=message)


def _shown(arguments: dict[str, Any], secret: Collection[str]) -> str:
    open_ones = {name: REDACTED if name in secret else value for name, value in arguments.items()}
    shown = repr(visible(open_ones))
    return shown if len(shown) <= LONGEST_REPR else shown[: LONGEST_REPR - 3] + "..."
