"""Prometheus metrics of every call, of one process or of several that share a folder.

prometheus_client takes a lock for every increment and its files for several processes are written on every one; here
calls are only counted (see `counts`), and written about once a second.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from mergepoint.errors import Unavailable
from mergepoint.observe.counts import BUCKETS, Counts, Totals, add
from mergepoint.observe.snapshots import Snapshots
from mergepoint.wsgi.answer import answer, not_allowed, reads_only


class Metrics:
    """The metrics of an app: `app.watch(metrics.watch)` counts, `app.mount("/metrics", metrics.wsgi)` shows.

    Each worker process writes what it counted to a file of its own in the folder, about once a second; the one that is
    asked adds up all files, those of workers that ended too, so that counters never go down. Give each start of the
    service an empty folder.

    Args:
        folder: shared by the worker processes; made if missing. None for a single process.
        resources: returns the resources of the app. Those that have a method `gauges` tell figures of the moment, such
            as the number of jobs that wait: `(name, documentation, labels, value)` each.

    Attributes:
        name: names the metrics among the resources of an app.
        registry: where further metrics of prometheus_client may register; those are of one process.
        watch: counts a call.

    Raises:
        ConfigError: the folder cannot be made.
    """

    name = "metrics"

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, *, resources: Callable[[], Iterable[Any]] = tuple
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self._counts = Counts()
        self._resources = resources
        self._snapshots = None if folder is None else Snapshots(Path(folder), self._counts)
        self.watch = self._counts.watch

    def collect(self) -> Iterator[Metric]:
        """Return the metrics as prometheus_client's registry wants them."""
        totals = self._counts.totals() if self._snapshots is None else self._snapshots.totals()
        yield _calls(totals)
        yield _durations(totals)
        yield from _gauges(self._resources())

    def wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request with the metrics as text: a WSGI application for `/metrics`."""
        if not reads_only(environ):
            return not_allowed(environ, start_response)
        encode, media_type = choose_encoder(environ.get("HTTP_ACCEPT", ""))
        fresh = [("Cache-Control", "no-store")]
        return answer(environ, start_response, encode(self.registry), media_type=media_type, headers=fresh)

    def check(self) -> None:
        """Do nothing: an app is well even when its metrics are not."""

    def close(self) -> None:
        """Write what was counted since the last time."""
        if self._snapshots is not None:
            self._snapshots.close()


def _calls(totals: Totals) -> Metric:
    calls = CounterMetricFamily(
        "mergepoint_calls", "Calls of operations by outcome.", labels=["operation", "kind", "outcome"]
    )
    for key, cell in sorted(totals.items()):
        calls.add_metric(key, sum(cell[:-1]))
    return calls


def _durations(totals: Totals) -> Metric:
    seconds = HistogramMetricFamily("mergepoint_call_seconds", "Seconds that calls took.", labels=["operation"])
    by_operation: Totals = {}
    for (operation, _, _), cell in sorted(totals.items()):
        add(by_operation, {(operation, "", ""): cell})
    for (operation, _, _), cell in by_operation.items():
        seconds.add_metric([operation], list(_cumulative(cell)), cell[-1])
    return seconds


def _gauges(resources: Iterable[Any]) -> Iterable[Metric]:
    families: dict[str, GaugeMetricFamily] = {}
    for gauges in (resource.gauges for resource in resources if hasattr(resource, "gauges")):
        with suppress(Unavailable):  # health tells of that; the other metrics are needed all the more
            for name, documentation, labels, value in gauges():
                family = families.setdefault(name, GaugeMetricFamily(name, documentation, labels=list(labels)))
                family.add_metric(list(labels.values()), value)
    return families.values()


def _cumulative(cell: list[float]) -> Iterator[tuple[str, float]]:
    count = 0.0
    for bound, calls in zip([*map(str, BUCKETS), "+Inf"], cell[:-1], strict=True):
        count += calls
        yield bound, count
