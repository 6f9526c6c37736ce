"""The suite of engines itself: its cases say what holds, and find what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest
from tests.memory import Memory, Record, Shelf

from mergepoint.jobs import Claim, Engine, Lane, Message, Outcome, Standing
from mergepoint.testing import engines

CASES = {case.name: case for case in engines.cases()}


def test_every_case_has_a_name_of_its_own_and_a_sentence() -> None:
    """A case is found by its name, and says what holds."""
    assert len(CASES) == len(engines.cases()) > 140
    assert [case.name for case in CASES.values() if not case.says.endswith(".") or not case.says[:1].isupper()] == []


def test_the_suite_asks_for_all_that_an_engine_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """No method of the interface is left out by the cases."""
    methods = {name for name in vars(Engine) if not name.startswith("_") and callable(getattr(Engine, name))}
    called: set[str] = set()

    class Watched(Memory):
        def __getattribute__(self, name: str) -> Any:
            called.add(name)
            return super().__getattribute__(name)

    for name in (
        "beginnings",
        "it-works",
        "pages",
        "reports",
        "saved-values",
        "the-last-tick",
        "wait-ends-when-jobs-come-back",
        "purge-by-state",
        "retry-takes-its-key-again",
        "recover-counts",
        "extended-leases",
        "counted-by-queue-and-state",
    ):
        _run(name, Watched)
    assert methods - called == {"close"}  # that is the workshop's to call


class IgnoresKeys(Memory):
    def _holder(self, unique: str) -> Record | None:
        return None


class RewritesArguments(Memory):
    def put(self, messages: Sequence[Message]) -> list[str]:
        rewritten = [
            msgspec.structs.replace(
                each, arguments=msgspec.Raw(msgspec.json.encode(msgspec.json.decode(each.arguments)))
            )
            for each in messages
        ]
        return super().put(rewritten)


class ServesTheLatest(Memory):
    def _ready(self, lane: Lane) -> list[Record]:
        return super()._ready(lane)[::-1]


class ServesWhatIsNotDue(Memory):
    def _ready(self, lane: Lane) -> list[Record]:
        for record in self._records.values():
            record.due = 0.0
        return super()._ready(lane)


class KnowsNoLimits(Memory):
    def _ready(self, lane: Lane) -> list[Record]:
        return super()._ready(Lane(lane.queue))


class BelievesWhoeverComes(Memory):
    def settle(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.claim.message.id in self._records:
                self._settle(self._records[outcome.claim.message.id], outcome)


class KeepsEveryClaim(Memory):
    def extend(self, worker: str, claims: Collection[Claim], lease: float) -> Standing:
        return Standing(frozenset(), super().extend(worker, claims, lease).cancelled)


class BeginsTooEarly(Memory):
    def _finished(self, message: Message) -> None:
        if message.then in self._records:
            self._records[message.then].needs = 0
        super()._finished(message)


class LetsWorkersDie(Memory):
    def _give_back(self, record: Record, most_crashes: int) -> bool:
        return super()._give_back(record, 1000)


class TriesAgainWhatWasCancelled(Memory):
    def _settle(self, record: Record, outcome: Outcome) -> None:
        record.cancelling = False
        super()._settle(record, outcome)


class PutsBackWhatIsTaken(Memory):
    def _put_back(self, record: Record) -> bool:
        record.message = msgspec.structs.replace(record.message, unique=None)
        return super()._put_back(record)


class ForgetsWhatRuns(Memory):
    def purge(self, states: Collection[Any], before: float | None = None) -> int:
        for id in [id for id, record in self._records.items() if record.state in states]:
            del self._records[id]
        return 0


class ListsTheOldestFirst(Memory):
    def entries(self, **filters: Any) -> list[Any]:
        return super().entries(**filters)[::-1]


class FiresAgain(Memory):
    def fire(self, schedule: str, tick: float, messages: Sequence[Message]) -> bool:
        self._shelf.ticks.pop(schedule, None)
        return super().fire(schedule, tick, messages)


FAULTS: list[tuple[type[Memory], str]] = [
    (IgnoresKeys, "one-job-for-a-unique-key"),
    (IgnoresKeys, "unique-keys-in-many-threads"),
    (IgnoresKeys, "retry-two-with-one-key"),
    (RewritesArguments, "messages-come-back-exactly"),
    (ServesTheLatest, "claims-by-priority-then-due"),
    (ServesTheLatest, "expedited-jobs-go-first"),
    (ServesWhatIsNotDue, "not-before-its-time"),
    (KnowsNoLimits, "concurrency-over-workers"),
    (KnowsNoLimits, "rate-over-workers"),
    (BelievesWhoeverComes, "late-outcomes-are-ignored"),
    (BelievesWhoeverComes, "an-outcome-counts-once"),
    (KeepsEveryClaim, "extend-tells-what-is-lost"),
    (BeginsTooEarly, "blocked-until-all-are-done"),
    (LetsWorkersDie, "a-job-that-kills-its-workers"),
    (TriesAgainWhatWasCancelled, "a-cancelled-job-does-not-begin-again"),
    (PutsBackWhatIsTaken, "retry-when-its-key-is-taken"),
    (ForgetsWhatRuns, "purge-never-takes-what-runs"),
    (ListsTheOldestFirst, "the-newest-first"),
    (FiresAgain, "a-tick-is-fired-once"),
]


@pytest.mark.parametrize("name", sorted({name for _, name in FAULTS}))
def test_an_engine_without_a_fault_passes(name: str) -> None:
    """What the cases find below is the fault, and nothing else."""
    _run(name, Memory)


@pytest.mark.parametrize(("faulty", "name"), FAULTS)
def test_a_faulty_engine_is_found_out(faulty: type[Memory], name: str) -> None:
    """An engine that breaks a promise fails the case that is about it."""
    with pytest.raises(AssertionError):
        _run(name, faulty)


def _run(name: str, engine: type[Memory]) -> None:
    shelf = Shelf()
    CASES[name].run(lambda: nullcontext(engine(shelf)))
