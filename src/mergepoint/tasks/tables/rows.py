"""Rows of jobs: how messages become them, and how claims and entries are read from them."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from ...jobs import LONGEST_HISTORY, Attempt, Claim, Entry, Message, State
from .schema import TIERS

EXPEDITED = 10**17
"""Taken off the due time of those that go before all others: 3,170 years in microseconds."""

_JSON = msgspec.json.Encoder()
_MESSAGE = msgspec.json.Decoder(Message)
_HISTORY = msgspec.json.Decoder(tuple[Attempt, ...])


class NewRow(msgspec.Struct, frozen=True):
    """What is written of a message that is put in."""

    id: str
    operation: str
    owner: str
    queue: str
    state: State
    priority: int
    due: int
    changed: int
    needs: int
    unique_key: str | None
    message: str


class Row(msgspec.Struct):
    """A job as it stands in its table; what changes it writes the fields of `Change` back."""

    id: str
    queue: str
    state: State
    priority: int
    due: int
    changed: int
    needs: int
    unique_key: str | None
    message: str
    token: int
    attempts: int
    failures: int
    losses: int
    progress: float
    note: str | None
    worker: str | None
    began: int | None
    renewed: int | None
    lease: int | None
    cancelling: bool
    expires: int | None
    history: str | None
    result: str | None


class Taken(NamedTuple):
    """What a claim brings of each job."""

    id: str
    queue: str
    priority: int
    due: int
    message: str
    token: int
    attempts: int
    failures: int


class Done(msgspec.Struct, frozen=True):
    """What is written of a job that is done."""

    id: str
    token: int
    expires: int
    result: str | None


CHANGING = tuple(name for name in Row.__struct_fields__ if name not in {"id", "queue", "message", "token"})
"""The fields of a row that may be another after a change; a claim makes the token."""


def micros(seconds: float) -> int:
    """Return seconds as whole microseconds."""
    return round(seconds * 1_000_000)


def digest(key: str) -> str:
    """Return what stands for a unique key: short, and compared alike by every database."""
    return blake2b(key.encode(), digest_size=16).hexdigest()


def new_row(message: Message, now: int) -> NewRow:
    """Make the row of a message that is put in now."""
    return NewRow(
        message.id,
        message.operation,
        message.owner,
        message.queue,
        "blocked" if message.needs > 0 else "waiting",
        TIERS[message.priority],
        now + micros(message.delay) if message.at is None else micros(message.at),
        now,
        message.needs,
        None if message.unique is None else digest(message.unique),
        _JSON.encode(message).decode(),
    )


def packed(rows: Collection[Any]) -> str:
    """Write rows as JSON, which PostgreSQL and SQLite take as a table."""
    return _JSON.encode(rows).decode()


def changes(row: Row) -> dict[str, Any]:
    """Return what a change writes back of a row."""
    return {name: getattr(row, name) for name in CHANGING}


def message_of(row: Row | Taken) -> Message:
    """Read the message of a row."""
    return _MESSAGE.decode(row.message)


def claim_of(row: Taken) -> Claim:
    """Return what a worker is given."""
    return Claim(_MESSAGE.decode(row.message), row.token, row.attempts, row.failures)


def history_of(row: Row) -> tuple[Attempt, ...]:
    """Read the attempts that did not end well."""
    return _HISTORY.decode(row.history) if row.history else ()


def remember(row: Row, attempt: Attempt | None) -> None:
    """Add an attempt to the history of a row."""
    if attempt is not None:
        row.history = packed((*history_of(row), attempt)[-LONGEST_HISTORY:])


def entry_of(row: Row) -> Entry:
    """Return what is known of a job."""
    final = row.state in {"done", "dead", "cancelled"}
    return Entry(
        message=message_of(row),
        state=row.state,
        due=(row.due + EXPEDITED if row.due < 0 else row.due) / 1_000_000,
        attempts=row.attempts,
        failures=row.failures,
        progress=row.progress,
        note=row.note or "",
        result=None if row.result is None else row.result.encode(),
        history=history_of(row),
        began=_seconds(row.began),
        finished=row.changed / 1_000_000 if final else None,
        worker=row.worker,
        cancelling=row.cancelling,
    )


def _seconds(time: int | None) -> float | None:
    return None if time is None else time / 1_000_000
