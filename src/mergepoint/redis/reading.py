"""Read what the scripts answer: claims, and all that is known of a job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from ..jobs import FINAL, Attempt, Claim, Entry, Message, State, moment

UNREADABLE = "(unreadable)"
"""What stands for the operation of a job whose message is none; no operation can have this name."""

_WORDS = 5  # of which the answer to a claim has, for each job: id, token, attempts, failures, message


class _Stored(msgspec.Struct, frozen=True):
    """An attempt as it is stored: a worker writes its time in ISO 8601, a script in seconds since 1970."""

    number: int
    worker: str
    began: datetime | float
    seconds: float | None
    outcome: Any
    code: str
    message: str

    def attempt(self) -> Attempt:
        began = self.began if isinstance(self.began, datetime) else moment(self.began)
        return Attempt(self.number, self.worker, began, self.seconds, self.outcome, self.code, self.message)


_decode_message = msgspec.json.Decoder(Message).decode
_decode_attempt = msgspec.json.Decoder(_Stored).decode


def claims_in(answer: list[Any]) -> list[Claim]:
    """Return the claims in the answer of `claim.lua`. A message that is none has the operation `UNREADABLE`."""
    try:
        return [
            Claim(_decode_message(answer[at + 4]), answer[at + 1], answer[at + 2], answer[at + 3])
            for at in range(0, len(answer), _WORDS)
        ]
    except (msgspec.DecodeError, TypeError):
        return [
            Claim(_message(answer[at], answer[at + 4]), *answer[at + 1 : at + 4])
            for at in range(0, len(answer), _WORDS)
        ]


def entry_in(answer: Sequence[Any]) -> Entry:
    """Return what `show.lua` answers of one job."""
    id, text, words, history = answer
    fields = dict(zip(words[::2], words[1::2], strict=True))
    state = cast("State", fields[b"state"].decode())
    return Entry(
        message=_message(id, text),
        state=state,
        due=int(fields[b"due"]) / 1e6,
        attempts=int(fields.get(b"attempts", 0)),
        failures=int(fields.get(b"failures", 0)),
        progress=float(fields.get(b"progress", 0.0)),
        note=fields.get(b"note", b"").decode(),
        result=fields.get(b"result"),
        history=tuple(_decode_attempt(attempt).attempt() for attempt in history),
        began=int(fields[b"began"]) / 1e6 if b"began" in fields else None,
        finished=int(fields[b"since"]) / 1e6 if state in FINAL else None,
        worker=fields[b"worker"].decode() if state == "running" else None,
        cancelling=state == "running" and b"cancelling" in fields,
    )


def _message(id: bytes, text: bytes | None) -> Message:
    try:
        return _decode_message(text or b"")
    except msgspec.DecodeError:
        return Message(id=id.decode(), operation=UNREADABLE)
