"""The conformance suite of job engines: what must hold of everything that keeps jobs, one case for each promise.

```
@pytest.mark.parametrize("case", engines.cases(), ids=str)
def test_my_engine(case):
    case.run(lambda: closing(MyEngine(url)))
```

The promises are those of `mergepoint.jobs.Engine`. A case works in a queue of its own, so all may share a store; the
store is to hold nothing else, and to be thrown away afterwards.
"""

from __future__ import annotations

from typing import Any

from . import claiming, groups, leases, limits, listing, people, putting, schedules, settling, waiting
from .case import Case, Workshop

__all__ = ["Case", "Workshop", "cases"]

_TOPICS: tuple[Any, ...] = (
    putting,
    claiming,
    settling,
    leases,
    groups,
    people,
    listing,
    limits,
    waiting,
    schedules,
)


def cases() -> list[Case]:
    """Return everything that must hold, one case each."""
    return [found for topic in _TOPICS for found in vars(topic).values() if isinstance(found, Case)]
