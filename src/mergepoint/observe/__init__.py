"""Logs, metrics and traces of an app: structlog, Prometheus and OpenTelemetry, set up by one call or piece by piece.

```
observe.setup(app)
```
"""

from mergepoint.errors import missing

try:
    from mergepoint.observe.logs import logging
    from mergepoint.observe.metrics import Metrics
    from mergepoint.observe.setup import Observation, setup
    from mergepoint.observe.traces import provider, tracing
except ModuleNotFoundError as error:
    raise missing("mergepoint.observe", error, extra="observe") from None

__all__ = ["Metrics", "Observation", "logging", "provider", "setup", "tracing"]
