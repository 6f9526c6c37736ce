"""When to try again, and when to stop trying."""

from __future__ import annotations

import threading
import time

import pytest

from mergepoint.errors import Unavailable
from mergepoint.place.resilience import Breaker, Budget, Resilience


def test_retries_are_a_fifth_of_the_calls_at_most() -> None:
    """From the first call on, whatever happens."""
    budget, spent = Budget(0.2), 0
    for calls in range(1, 1000):
        budget.earn()
        spent += budget.spend()
        assert calls + spent <= 1.2 * calls + 1e-6
    assert spent == 199


def test_a_quiet_time_saves_no_storm() -> None:
    """What was not spent is kept up to ten retries."""
    budget = Budget(0.2)
    for _ in range(10_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == 10


def test_the_breaker_opens_after_failures_in_a_row() -> None:
    """One success in between begins the count anew."""
    breaker = Breaker("Roost", failures=3, probe=60)
    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed, breaker.failed):
        breaker.enter()
        outcome()
    assert not breaker.is_open
    breaker.failed()
    with pytest.raises(Unavailable, match="Roost is out of reach"):
        breaker.enter()


def test_one_probe_at_a_time_goes_through() -> None:
    """However many threads want to call when it is time."""
    breaker, through = Breaker("Roost", failures=1, probe=0.1), []
    breaker.failed()
    time.sleep(0.11)

    def call() -> None:
        try:
            breaker.enter()
        except Unavailable:
            return
        through.append(1)

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert through == [1]
    breaker.succeeded()
    assert not breaker.is_open


def test_waits_grow_and_vary() -> None:
    """Five attempts have four waits between them, each at most twice the one before it could be."""
    many = [list(Resilience(backoff=0.1).waits()) for _ in range(200)]
    assert {len(waits) for waits in many} == {4}
    for position in range(4):
        assert max(waits[position] for waits in many) <= 0.1 * 2**position
    assert len({waits[0] for waits in many}) > 100
