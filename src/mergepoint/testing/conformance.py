"""The conformance suite: one app with every type, error, stream and policy, and what must hold of it on any protocol.

```
@pytest.mark.parametrize("case", conformance.cases(), ids=str)
def test_my_adapter(case):
    case.run(MyDriver(), conformance.build(), conformance.Service)
```
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Any

from ..app import App
from ..place import Places
from . import calls, downloads, failures, streams, structures, uploads, values
from .case import NEEDS, Case, Driver, Need, cases_of
from .drivers import Called, Direct, Placed

__all__ = ["NEEDS", "Backstage", "Called", "Case", "Direct", "Driver", "Need", "Placed", "Service", "build", "cases"]

_TOPICS: dict[Any, Need | None] = {
    calls: None,  # the first, because it says which parameters come from the application
    values: None,
    structures: None,
    failures: None,
    streams: "streams",
    uploads: "uploads",
    downloads: "downloads",
}
"""The modules that have operations and cases, and what an adapter may lack for all of it."""


class Service(
    values.Values,
    structures.Structures,
    failures.Failures,
    calls.Calls,
    streams.Streams,
    uploads.Uploads,
    downloads.Downloads,
):
    """All operations of the suite, as their callers see them."""

    def __init__(self) -> None:
        structures.Structures.__init__(self)
        calls.Calls.__init__(self)
        streams.Streams.__init__(self)


class Backstage(Service):
    """The service as it stands behind an app. Some of its methods are asynchronous, and callers cannot tell."""

    async def later(self, value: str) -> str:  # type: ignore[override]  # callers wait for it
        """Answer with a text."""
        await asyncio.sleep(0)
        return value

    async def nap_later(self, seconds: float) -> str:  # type: ignore[override]  # the same
        """Sleep for a while."""
        await asyncio.sleep(seconds)
        return "awake"

    async def later_up_to(self, count: streams.Count) -> AsyncIterator[int]:  # type: ignore[override]  # the same
        """Count from nothing."""
        for number in range(count):
            await asyncio.sleep(0)
            yield number


def build(places: Places | None = None, *, lacks: Collection[str] = ()) -> App:
    """Return the app of the suite.

    Args:
        places: where its service runs; the app has it without a place unless given.
        lacks: what the adapter lacks: operations with `streams`, `uploads` or `downloads` are left out if it refuses
            them.
    """
    app = App("conformance", errors=failures.ERRORS, places=places)
    service = Backstage() if places is None else app.place(Backstage, Backstage)
    for topic, need in _TOPICS.items():
        if need not in lacks:
            topic.register(app, service)
    return app


def cases() -> list[Case]:
    """Return everything that must hold, one case each."""
    return cases_of(_TOPICS)
