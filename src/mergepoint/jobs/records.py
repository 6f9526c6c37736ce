"""What a job is: the message that asks for it, what a worker is given, what becomes of it, and what people see."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from random import getrandbits
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

State: TypeAlias = Literal["blocked", "waiting", "running", "done", "dead", "cancelled"]
"""`blocked` until other jobs are done; `waiting` for its time and a worker; `dead` in the dead letters."""

Verdict: TypeAlias = Literal["done", "retry", "dead", "release", "cancelled"]
"""What becomes of a job after a run; `release` puts it back as if it had not begun."""

Priority: TypeAlias = Literal["high", "normal", "low"]

PRIORITIES: tuple[Priority, ...] = ("high", "normal", "low")
"""From the first served to the last; an engine may store the position."""

FINAL: frozenset[State] = frozenset({"done", "dead", "cancelled"})
"""The states in which a job stays unless a person puts it back."""

DEFAULT = "default"
"""The queue of jobs that name none."""

LONGEST_HISTORY = 20
"""The attempts that are kept of a job; the oldest go first."""

if TYPE_CHECKING:
    _MaybeRaw: TypeAlias = msgspec.Raw | None
else:
    _MaybeRaw = msgspec.Raw  # msgspec reads raw JSON, or none, but not what is declared as either


class Message(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What asks for a job. Its JSON is what every engine stores; `docs/jobs-redis.md` has it for other languages.

    Attributes:
        id: 24 hexadecimal digits, in the order of time.
        operation: the name of the command to run.
        arguments: a JSON object by parameter name.
        version: the fingerprint of the command's contract, see `mergepoint.lock.fingerprint`.
        created: when it was asked for, in seconds since 1970.
        queue: the queue it waits in.
        priority: which jobs of the queue go first.
        at: when it is due, in seconds since 1970 by the engine's clock; None for now.
        delay: or the seconds after it was put in.
        unique: a key of which there is at most one unfinished job.
        retries: how often it may fail and be tried again.
        timeout: the seconds that one attempt may take.
        keep: the seconds that its outcome can be looked up.
        user: who asked for it, as JSON; the job runs in that name.
        owner: who may see and cancel it, in the words of the application; nobody's if empty.
        metadata: what goes along with the call, such as its trace.
        then: the id of the job that waits for this one.
        needs: how many jobs this one waits for.
    """

    id: str
    operation: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    version: str = ""
    created: float = 0.0
    queue: str = DEFAULT
    priority: Priority = "normal"
    at: float | None = None
    delay: float = 0.0
    unique: str | None = None
    retries: int = 5
    timeout: float = 3600.0
    keep: float = 3600.0
    user: _MaybeRaw = None
    owner: str = ""
    metadata: dict[str, str] = {}
    then: str | None = None
    needs: int = 0


class Attempt(msgspec.Struct, frozen=True):
    """One run of a job that did not end well.

    Attributes:
        number: counts from 1.
        worker: which worker ran it.
        began: when.
        seconds: how long it ran; None if its worker was lost.
        outcome: `failed`, or `lost` if the worker died.
        code: the stable name of the failure.
        message: what went wrong, as a caller may know it; for a bug, the incident number under which the log has it.
    """

    number: int
    worker: str
    began: datetime
    seconds: float | None
    outcome: Literal["failed", "lost"]
    code: str
    message: str


class Claim(msgspec.Struct, frozen=True):
    """A job in the hands of a worker.

    Attributes:
        message: what to do.
        token: grows with every claim of the job; who comes with an older one is too late.
        attempts: how often it was begun, this time included.
        failures: how often it failed since it was put in or put back by a person.
    """

    message: Message
    token: int
    attempts: int = 1
    failures: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """What became of a claim.

    Attributes:
        claim: the claim.
        verdict: what is to become of the job.
        result: what it gave, as JSON.
        delay: seconds until it is due again, for `retry` and `release`.
        attempt: what to add to its history.
    """

    claim: Claim
    verdict: Verdict
    result: bytes | None = None
    delay: float = 0.0
    attempt: Attempt | None = None


class Lane(msgspec.Struct, frozen=True):
    """A queue as workers take from it.

    Attributes:
        queue: its name.
        concurrency: the most jobs of it that run at a time, over all workers; None for no limit.
        rate: the most jobs of it that begin in a second, over all workers; None for no limit.
    """

    queue: str = DEFAULT
    concurrency: int | None = None
    rate: float | None = None

    @property
    def limited(self) -> bool:
        """True if not every job that is due may begin."""
        return self.concurrency is not None or self.rate is not None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """All that an engine knows of a job. Times are in seconds since 1970."""

    message: Message
    state: State
    due: float
    attempts: int = 0
    failures: int = 0
    progress: float = 0.0
    note: str = ""
    result: bytes | None = None
    history: tuple[Attempt, ...] = ()
    began: float | None = None
    finished: float | None = None
    worker: str | None = None
    cancelling: bool = False


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as people and programs see it.

    Attributes:
        id: names it.
        operation: the command that it runs.
        state: where it stands.
        queue: the queue it waits in.
        priority: which jobs of the queue go first.
        progress: how much of it is done, from 0 to 1, as it says itself.
        note: what it is doing, as it says itself.
        result: what it gave, as JSON; None before, and for a command that gives nothing.
        attempts: how often it was begun.
        history: the attempts that did not end well, the oldest first.
        created: when it was asked for.
        due: when it may begin.
        began: when it was last begun.
        finished: when it reached its last state.
        cancelling: True if it runs and was asked to stop.
    """

    id: str
    operation: str
    state: State
    queue: str = DEFAULT
    priority: Priority = "normal"
    progress: float = 0.0
    note: str = ""
    result: str | None = None
    attempts: int = 0
    history: list[Attempt] = []
    created: datetime
    due: datetime
    began: datetime | None = None
    finished: datetime | None = None
    cancelling: bool = False

    @property
    def is_final(self) -> bool:
        """True if nothing more will happen to it by itself."""
        return self.state in FINAL


def new_id() -> str:
    """Return 24 hexadecimal digits: the milliseconds since 1970, then 52 random bits."""
    return "%011x%013x" % (time.time_ns() // 1_000_000, getrandbits(52))  # noqa: UP031 - half the time of an f-string


def moment(seconds: float) -> datetime:
    """Return seconds since 1970 as a time that knows its zone."""
    return datetime.fromtimestamp(seconds, UTC)


def job_of(entry: Entry) -> Job:
    """Return what people see of an entry."""
    message = entry.message
    return Job(
        id=message.id,
        operation=message.operation,
        state=entry.state,
        queue=message.queue,
        priority=message.priority,
        progress=1.0 if entry.state == "done" else entry.progress,
        note=entry.note,
        result=None if entry.result is None else entry.result.decode(),
        attempts=entry.attempts,
        history=list(entry.history),
        created=moment(message.created),
        due=moment(entry.due),
        began=None if entry.began is None else moment(entry.began),
        finished=None if entry.finished is None else moment(entry.finished),
        cancelling=entry.cancelling,
    )
