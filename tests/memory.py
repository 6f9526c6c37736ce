"""An engine that keeps jobs in this process's memory: the contract in its shortest form, to test the suite with."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

from mergepoint.jobs import (
    FINAL,
    LONGEST_HISTORY,
    MOST_CRASHES,
    PRIORITIES,
    Attempt,
    Claim,
    Entry,
    Lane,
    Message,
    Outcome,
    Standing,
    State,
    moment,
)


@dataclass
class Record:
    """What is kept of a job."""

    message: Message
    state: State
    due: float
    needs: int
    changed: float
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
    token: int = 0
    losses: int = 0
    leased: float = 0.0
    rank: int = 0

    @property
    def entry(self) -> Entry:
        """Return what is known of the job."""
        return Entry(**{name: getattr(self, name) for name in Entry.__struct_fields__})

    def change(self, state: State, **values: Any) -> None:
        """Give it another state."""
        self.state, self.changed, self.worker = state, time.time(), None
        self.finished = self.changed if state in FINAL else None
        for name, value in values.items():
            setattr(self, name, value)

    def remember(self, attempt: Attempt | None) -> None:
        """Add to its history."""
        if attempt is not None:
            self.history = (*self.history, attempt)[-LONGEST_HISTORY:]

    def holds(self, claim: Claim) -> bool:
        """Tell whether a claim is the one under which it runs."""
        return self.state == "running" and self.token == claim.token


@dataclass
class Shelf:
    """Where memory engines keep their jobs."""

    records: dict[str, Record] = field(default_factory=dict)
    ticks: dict[str, float] = field(default_factory=dict)
    values: dict[str, bytes] = field(default_factory=dict)
    begun: list[tuple[str, float]] = field(default_factory=list)
    changed: Condition = field(default_factory=Condition)


class Memory:
    """An engine on a shelf."""

    name = "memory"

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._records = shelf.records
        self._wakes = 0

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._shelf.changed:
            yield
            self._shelf.changed.notify_all()

    def put(self, messages: Sequence[Message]) -> list[str]:
        with self._changing():
            return [self._put(message) for message in messages]

    def _put(self, message: Message) -> str:
        if message.id not in self._records:
            if message.unique is not None and (holder := self._holder(message.unique)):
                return holder.message.id
            now = time.time()
            due = now + message.delay if message.at is None else message.at
            state: State = "blocked" if message.needs else "waiting"
            rank = 1 + PRIORITIES.index(message.priority)
            self._records[message.id] = Record(message, state, due, message.needs, now, rank=rank)
        return message.id

    def _holder(self, unique: str) -> Record | None:
        found = (each for each in self._records.values() if each.message.unique == unique and each.state not in FINAL)
        return next(found, None)

    def claim(
        self, worker: str, lanes: Sequence[Lane], limit: int, lease: float, outcomes: Sequence[Outcome] = ()
    ) -> list[Claim]:
        with self._changing():
            self.settle(outcomes)
            claims: list[Claim] = []
            for lane in lanes:
                ready = self._ready(lane)[: limit - len(claims)]
                claims += [self._begin(record, worker, lease) for record in ready]
            return claims

    def _ready(self, lane: Lane) -> list[Record]:
        now, queued = time.time(), [each for each in self._records.values() if each.message.queue == lane.queue]
        found = sorted((each for each in queued if each.state == "waiting" and each.due <= now), key=_order)
        if lane.concurrency is not None:
            found = found[: max(0, lane.concurrency - sum(each.state == "running" for each in queued))]
        if lane.rate is not None:
            window = max(1.0, 1.0 / lane.rate)
            recent = sum(queue == lane.queue and at > now - window for queue, at in self._shelf.begun)
            found = found[: max(0, int(lane.rate * window) - recent)]
        return found

    def _begin(self, record: Record, worker: str, lease: float) -> Claim:
        now = time.time()
        self._shelf.begun.append((record.message.queue, now))
        record.change("running", worker=worker, began=now, leased=now + lease)
        record.token, record.attempts = record.token + 1, record.attempts + 1
        return Claim(record.message, record.token, record.attempts, record.failures)

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        with self._changing():
            for outcome in outcomes:
                record = self._records.get(outcome.claim.message.id)
                if record and record.holds(outcome.claim):
                    self._settle(record, outcome)

    def _settle(self, record: Record, outcome: Outcome) -> None:
        record.remember(outcome.attempt)
        due = time.time() + outcome.delay
        match outcome.verdict:
            case "done":
                record.change("done", result=outcome.result)
                self._finished(record.message)
                if not record.message.keep:
                    del self._records[record.message.id]
            case "dead":
                record.change("dead")
            case "retry" if not record.cancelling:
                record.change("waiting", due=due, failures=record.failures + 1)
            case "release" if not record.cancelling:
                record.change("waiting", due=due, attempts=record.attempts - 1)
            case _:
                self._cancel(record)

    def _finished(self, message: Message) -> None:
        last = self._records.get(message.then or "")
        if last:
            last.needs -= 1
            if last.state == "blocked" and last.needs <= 0:
                last.change("waiting")

    def _cancel(self, record: Record) -> None:
        record.change("cancelled")
        last = self._records.get(record.message.then or "")
        if last and last.state == "blocked":
            self._cancel(last)

    def extend(self, worker: str, claims: Collection[Claim], lease: float) -> Standing:
        with self._changing():
            mine = {each.message.id: self._records[each.message.id] for each in claims if self._has(each)}
            for record in mine.values():
                record.leased = time.time() + lease
            lost = frozenset(claim.message.id for claim in claims if claim.message.id not in mine)
            return Standing(lost, frozenset(id for id, record in mine.items() if record.cancelling))

    def _has(self, claim: Claim) -> bool:
        record = self._records.get(claim.message.id)
        return record is not None and record.holds(claim)

    def recover(self, most_crashes: int = MOST_CRASHES) -> int:
        with self._changing():
            now = time.time()
            for record in [each for each in self._records.values() if each.state in {"done", "cancelled"}]:
                if record.changed + record.message.keep < now:
                    del self._records[record.message.id]
            lost = [each for each in self._records.values() if each.state == "running" and each.leased < now]
            return sum(self._give_back(record, most_crashes) for record in lost)

    def _give_back(self, record: Record, most_crashes: int) -> bool:
        began = moment(record.began or 0.0)
        message = "The worker gave no sign of life."
        record.remember(Attempt(record.attempts, record.worker or "", began, None, "lost", "worker_lost", message))
        record.losses += 1
        if record.cancelling:
            self._cancel(record)
        elif record.losses >= most_crashes:
            record.change("dead")
        else:
            record.change("waiting", due=time.time())
            return True
        return False

    def wait(self, queues: Collection[str], seconds: float) -> None:
        end, wakes = time.time() + seconds, self._wakes
        with self._shelf.changed:
            while (now := time.time()) < end and self._wakes == wakes:
                dues = [
                    each.due
                    for each in self._records.values()
                    if each.state == "waiting" and each.message.queue in queues
                ]
                if dues and min(dues) <= now:
                    return
                self._shelf.changed.wait(min([end, *dues]) - now)

    def wake(self) -> None:
        with self._changing():
            self._wakes += 1

    def report(self, claim: Claim, progress: float, note: str) -> bool:
        with self._changing():
            record = self._records.get(claim.message.id)
            if record is None or not record.holds(claim):
                return False
            record.progress, record.note = progress, note
            return not record.cancelling

    def get(self, id: str) -> Entry | None:
        with self._shelf.changed:
            record = self._records.get(id)
            return None if record is None else record.entry

    def entries(
        self,
        *,
        states: Collection[State] = (),
        queue: str | None = None,
        operation: str | None = None,
        owner: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Entry]:
        wanted = {"queue": queue, "operation": operation, "owner": owner}.items()
        with self._shelf.changed:
            found = [
                record
                for id, record in sorted(self._records.items(), reverse=True)
                if (not states or record.state in states) and (before is None or id < before)
                if all(value is None or getattr(record.message, name) == value for name, value in wanted)
            ]
            return [record.entry for record in found[:limit]]

    def counts(self) -> dict[tuple[str, State], int]:
        with self._shelf.changed:
            return dict(Counter((record.message.queue, record.state) for record in self._records.values()))

    def cancel(self, ids: Collection[str]) -> list[str]:
        with self._changing():
            return [id for id in ids if (record := self._records.get(id)) and self._stop(record)]

    def _stop(self, record: Record) -> bool:
        if record.state in FINAL:
            return False
        if record.state == "running":
            record.cancelling = True
        else:
            self._cancel(record)
        return True

    def retry(self, ids: Collection[str]) -> list[str]:
        with self._changing():
            return [id for id in ids if (record := self._records.get(id)) and self._put_back(record)]

    def _put_back(self, record: Record) -> bool:
        unique = record.message.unique
        if record.state not in {"dead", "cancelled"} or (unique is not None and self._holder(unique)):
            return False
        state: State = "blocked" if record.needs > 0 else "waiting"
        record.change(state, due=time.time(), failures=0, losses=0, cancelling=False)
        return True

    def expedite(self, ids: Collection[str]) -> list[str]:
        with self._changing():
            found = [id for id in ids if id in self._records and self._records[id].state == "waiting"]
            for id in found:
                self._records[id].due, self._records[id].rank = time.time(), 0
            return found

    def purge(self, states: Collection[State], before: float | None = None) -> int:
        with self._changing():
            found = [
                id
                for id, record in self._records.items()
                if record.state in states and record.state != "running" and (before is None or record.changed < before)
            ]
            for id in found:
                del self._records[id]
            return len(found)

    def fire(self, schedule: str, tick: float, messages: Sequence[Message]) -> bool:
        with self._changing():
            if self._shelf.ticks.get(schedule, tick - 1.0) >= tick:
                return False
            self._shelf.ticks[schedule] = tick
            self.put(messages)
            return True

    def begin(self, schedule: str, tick: float) -> None:
        with self._changing():
            self._shelf.ticks.setdefault(schedule, tick)

    def last_tick(self, schedule: str) -> float | None:
        return self._shelf.ticks.get(schedule)

    def load(self, name: str) -> bytes | None:
        return self._shelf.values.get(name)

    def save(self, name: str, value: bytes) -> None:
        self._shelf.values[name] = value

    def check(self) -> None:
        """It always works."""

    def close(self) -> None:
        """It has nothing to let go of."""


def _order(record: Record) -> tuple[int, float]:
    return record.rank, record.due
