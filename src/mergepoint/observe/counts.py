"""Count calls without locks in the threads that make them, and add them up when somebody asks."""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_left
from collections.abc import Callable, Mapping

from mergepoint.call import Call
from mergepoint.operation import Operation

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of the durations' histogram, in seconds; a last bucket above them all is implied."""

Key = tuple[str, str, str]
"""Operation, kind, outcome."""

Totals = dict[Key, list[float]]
"""For each key the number of calls in each bucket and, last, the seconds of all calls."""

_Cells = dict[tuple[Operation, str], list[float]]


class _Alive:
    """Lives as long as a thread does: only the thread's local storage refers to it."""


class Counts:
    """The calls of this process.

    Attributes:
        began: called when a thread counts for the first time.
    """

    def __init__(self) -> None:
        self.began: Callable[[], object] = lambda: None
        self._lock = threading.Lock()
        self._threads: list[tuple[weakref.ref[_Alive], _Cells]] = []
        self._ended: Totals = {}
        self._local = threading.local()
        forget = weakref.WeakMethod(self._forget)
        os.register_at_fork(after_in_child=lambda: (method := forget()) and method())

    def watch(self, call: Call, seconds: float, outcome: str) -> None:
        """Count a call: a watcher for `app.watch`."""
        try:
            cells: _Cells = self._local.cells
        except AttributeError:
            cells = self._adopt()
        key = (call.operation, outcome)
        # Only this thread writes to these lists, so there is nothing to lock.
        try:
            cell = cells[key]
        except KeyError:
            cell = cells[key] = _empty()
        cell[bisect_left(BUCKETS, seconds)] += 1
        cell[-1] += seconds

    def totals(self) -> Totals:
        """Add up what all threads counted, those that ended too."""
        with self._lock:
            self._bury()
            totals: Totals = {}
            add(totals, self._ended)
            for _, cells in self._threads:
                add(totals, _named(cells))
            return totals

    def _adopt(self) -> _Cells:
        """Begin to count in a thread."""
        local = self._local
        local.alive, local.cells = _Alive(), {}
        with self._lock:
            self._bury()
            self._threads.append((weakref.ref(local.alive), local.cells))
        self.began()
        return local.cells  # type: ignore[no-any-return]

    def _bury(self) -> None:
        """Keep the counts of threads that ended, and nothing else of them."""
        ended = [cells for alive, cells in self._threads if alive() is None]
        if ended:
            self._threads = [thread for thread in self._threads if thread[0]() is not None]
        for cells in ended:
            add(self._ended, _named(cells))

    def _forget(self) -> None:
        """Start at nothing in a forked child: what was counted so far is the parent's to report."""
        self._lock = threading.Lock()
        self._threads = []
        self._ended = {}
        self._local = threading.local()


def _empty() -> list[float]:
    return [0] * (len(BUCKETS) + 1) + [0.0]


def _named(cells: _Cells) -> Totals:
    totals: Totals = {}
    # copy() is one step under the interpreter's lock; the thread may add a key at any moment.
    for (operation, outcome), cell in cells.copy().items():
        add(totals, {(operation.name, operation.kind, outcome): cell})
    return totals


def add(totals: Totals, more: Mapping[Key, list[float]]) -> None:
    """Add counts to counts, in place."""
    for key, cell in more.items():
        mine = totals.setdefault(key, _empty())
        for index, count in enumerate(cell):
            mine[index] += count
