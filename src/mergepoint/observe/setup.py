"""Logs, metrics and traces by one call at start-up."""

from __future__ import annotations

import os
from typing import Literal, NamedTuple

from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.trace import TracerProvider

from mergepoint.app import App
from mergepoint.observe.logs import logging
from mergepoint.observe.metrics import Metrics
from mergepoint.observe.traces import provider, tracing


class Observation(NamedTuple):
    """What `setup` put around an app; None for what is off."""

    metrics: Metrics | None
    tracer_provider: TracerProvider | None


class _Exports:
    """Spans on their way out, as a resource of the app: its end sends the last of them."""

    name = "traces"

    def __init__(self, tracer_provider: SDKTracerProvider) -> None:
        self.tracer_provider = tracer_provider

    def check(self) -> None:
        """Do nothing: an app is well even when nobody takes its spans."""

    def close(self) -> None:
        self.tracer_provider.shutdown()


def setup(
    app: App,
    *,
    level: str = "info",
    json: bool | None = None,
    traces: TracerProvider | Literal["auto", "console", "off"] = "auto",
    metrics: bool = True,
) -> Observation:
    """Observe an app: structured logs, metrics at `/metrics`, and spans where an exporter is configured.

    Call it right after the app is made, so that spans enclose whatever else is put around operations.

    Args:
        app: the app, still open for registration.
        level: the least level that is logged.
        json: True for JSON logs, False for text; by default text on a terminal and JSON elsewhere.
        traces: a tracer provider of your own, `console` for spans on standard error, `off`, or `auto` for what the
            `OTEL_` variables of the environment say.
        metrics: True to count calls and mount `/metrics`. `MERGEPOINT_METRICS_DIR` names the folder that several
            worker processes share.

    Returns:
        The metrics and the tracer provider in force.

    Raises:
        ConfigError: an exporter is configured and not installed.
        RegistrationError: the app is already served.
    """
    logging(level, json=json)
    return Observation(_measure(app) if metrics else None, _trace(app, traces))


def _measure(app: App) -> Metrics:
    metrics = Metrics(os.environ.get("MERGEPOINT_METRICS_DIR"), resources=lambda: app.resources)
    app.watch(metrics.watch)
    app.mount("/metrics", metrics.wsgi)
    app.add(metrics)
    return metrics


def _trace(app: App, traces: TracerProvider | Literal["auto", "console", "off"]) -> TracerProvider | None:
    if isinstance(traces, TracerProvider):
        app.around(tracing(traces))
        return traces
    made = None if traces == "off" else provider(app.name, os.environ, console=traces == "console")
    if made is not None:
        app.around(tracing(made))
        app.add(_Exports(made))
    return made
