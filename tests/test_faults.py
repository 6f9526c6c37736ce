"""The fault suite in short: every promise on every engine. Whole, it is `python -m tests.faults --full`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.faults.promises import PROMISES, SHORT
from tests.faults.stage import ENGINES, stage

SHORTER = {"celery": (1, 2, 4, 7)}
"""Starting Celery takes long: here it is put to these, with `python -m tests.faults` to all."""

TRIED = [(engine, number) for engine in ENGINES for number in SHORTER.get(engine, PROMISES)]


@pytest.mark.parametrize(("engine", "number"), TRIED)
def test_a_promise_holds(engine: str, number: int, record_property: Callable[[str, object], None]) -> None:
    """What the promise says is so on this engine; its figures are printed."""
    with stage(engine) as set_up:
        finding = PROMISES[number](set_up, SHORT)
    record_property(f"promise {number}, {engine}", ", ".join(f"{k} {v}" for k, v in finding.figures.items()))
    assert not finding.broken, finding
