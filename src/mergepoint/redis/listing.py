"""Look at the jobs of a worklist: in lists with filters, the newest first, and counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import get_args

from ..jobs import Entry, State
from .connection import Server
from .reading import entry_in
from .scripts import Script

RANKS = ("first", "high", "normal", "low")
"""The parts of a queue in the order in which they are served; `first` has what was expedited."""

PAGE = 200
"""Jobs that are looked at in one call."""

FEW = 20_000
"""Jobs that are sorted here rather than looked for among all."""

_COUNTED: tuple[State, ...] = ("waiting", "running", "blocked", "done", "dead", "cancelled")


class Listing:
    """Reads what a worklist has; changes nothing.

    Args:
        server: where it is.
        prefix: what its keys begin with.
    """

    def __init__(self, server: Server, prefix: str) -> None:
        self._server = server
        self._prefix = prefix
        self._show = Script(server, "common", "show")
        self._counts = Script(server, "common", "counts")

    def get(self, id: str) -> Entry | None:
        """Return what is known of a job, or None."""
        return next(self._entries([id.encode()]), None)

    def counts(self) -> dict[tuple[str, State], int]:
        """Return how many jobs there are, by queue and state."""
        answer = self._counts(self._prefix)
        width = 1 + len(_COUNTED)
        return {
            (answer[at].decode(), state): count
            for at in range(0, len(answer), width)
            for state, count in zip(_COUNTED, answer[at + 1 : at + width], strict=True)
            if count
        }

    def entries(
        self,
        states: Collection[State],
        queue: str | None,
        before: str | None,
        fits: Callable[[Entry], bool],
        limit: int,
    ) -> list[Entry]:
        """Return the newest jobs that fit, as many as the limit."""
        few = self._few(states, queue) if states or queue is not None else None
        ids = self._newest(before) if few is None else (id for id in few if before is None or id < before.encode())
        found = self._fitting(ids, min(limit, PAGE), lambda entry: _is_of(entry, states, queue) and fits(entry))
        return list(islice(found, limit))

    def keys(self, states: Collection[State], queue: str | None = None) -> list[str]:
        """Return the names of the sorted sets that have the jobs in some states, without the prefix."""
        queues = [queue] if queue is not None else [name.decode() for name in self._queues()]
        wanted = states or get_args(State)
        return [f"{part}:{name}" for name in queues for state in wanted for part in _parts(state)]

    def _queues(self) -> list[bytes]:
        names: list[bytes] = self._server.call("SMEMBERS", f"{self._prefix}queues")
        return names

    def _few(self, states: Collection[State], queue: str | None) -> list[bytes] | None:
        """Return the ids of all jobs in some states, the newest first; None if they are too many to sort here."""
        counted = self.counts().items()
        if sum(count for (of, state), count in counted if _fits(of, queue) and (not states or state in states)) > FEW:
            return None
        keys = self.keys(states, queue)
        return sorted(
            (id for key in keys for id in self._server.call("ZRANGE", self._prefix + key, 0, -1)), reverse=True
        )

    def _newest(self, before: str | None) -> Iterator[bytes]:
        edge = "+" if before is None else f"({before}"
        while ids := self._server.call("ZRANGE", f"{self._prefix}jobs", edge, "-", "BYLEX", "REV", "LIMIT", 0, PAGE):
            yield from ids
            edge = f"({ids[-1].decode()}"

    def _fitting(self, ids: Iterator[bytes], page: int, fits: Callable[[Entry], bool]) -> Iterator[Entry]:
        while some := list(islice(ids, page)):
            yield from filter(fits, self._entries(some))
            page = PAGE

    def _entries(self, ids: list[bytes]) -> Iterator[Entry]:
        return map(entry_in, self._show(self._prefix, *ids))


def _parts(state: State) -> list[str]:
    return [f"waiting:{rank}" for rank in RANKS] if state == "waiting" else [state]


def _is_of(entry: Entry, states: Collection[State], queue: str | None) -> bool:
    return (not states or entry.state in states) and _fits(entry.message.queue, queue)


def _fits(queue: str, wanted: str | None) -> bool:
    return wanted is None or queue == wanted
