"""Background commands: operations that put a job in and answer with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ..contract import Contract
from ..wire import Wire
from .records import Job

if TYPE_CHECKING:
    from ..call import Call
    from ..operation import Operation

Defer = Callable[["Operation", tuple[Any, ...], "Call"], Job]
"""Puts in a job of a command with these arguments, for the caller of a call, and returns it."""


def deferred(contract: Contract, job: Callable[[], Operation], defer: Defer) -> Contract:
    """Return the contract of a command as its callers see it when it runs in the background.

    Args:
        contract: of the command itself.
        job: returns the operation that the job will run.
        defer: puts the job in.
    """

    def invoke(call: Call, values: tuple[Any, ...]) -> Job:
        return defer(job(), values, call)

    return msgspec.structs.replace(
        contract, result=Wire(Job), gives="value", asynchronous=False, invoke=invoke, plain=None
    )
