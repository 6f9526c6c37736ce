"""One OpenTelemetry span for each operation, a child of the caller's where the call says so."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import entry_points

from opentelemetry import context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mergepoint.call import Call
from mergepoint.errors import ConfigError

# The kinds that are this side's fault; of a refusal the caller is to blame, and the span is no error.
_OUR_FAULT = {"unknown", "deadline_exceeded", "unimplemented", "internal", "unavailable", "data_loss"}
_PROTOCOLS = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


def tracing(tracer_provider: TracerProvider) -> Callable[[Call], AbstractContextManager[None]]:
    """Return a function for `app.around` that makes a span of each operation.

    The span carries operation, kind, protocol, request id and outcome, and of an error its class alone: neither
    arguments nor messages, which may hold secrets. Its parent is the span that the call's `traceparent` names
    (W3C Trace Context), or the current one.

    Args:
        tracer_provider: makes the spans and knows where they go.
    """
    tracer = tracer_provider.get_tracer("mergepoint")
    propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span_around(call: Call) -> Iterator[None]:
        parent = propagator.extract(call.metadata, context=context.get_current())
        with tracer.start_as_current_span(
            call.operation.name,
            context=parent,
            kind=SpanKind.INTERNAL if call.protocol == "python" else SpanKind.SERVER,
            attributes=_attributes(call),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            propagator.inject(call.onward)
            try:
                yield
            except BaseException as error:
                _mark(span, call, error)
                raise
            span.set_attribute("mergepoint.outcome", "ok")

    return span_around


def _attributes(call: Call) -> dict[str, str]:
    return {
        "mergepoint.operation": call.operation.name,
        "mergepoint.kind": call.operation.kind,
        "mergepoint.protocol": call.protocol,
        "mergepoint.request_id": call.request_id,
    }


def _mark(span: Span, call: Call, error: BaseException) -> None:
    """Say how the operation failed. A stream that its reader closed did not."""
    if isinstance(error, GeneratorExit):
        span.set_attribute("mergepoint.outcome", "ok")
        return
    kind = call.operation.errors.kind(error)
    span.set_attribute("mergepoint.outcome", kind)
    span.set_attribute("error.type", f"{type(error).__module__}.{type(error).__qualname__}")
    if kind in _OUR_FAULT:
        span.set_status(Status(StatusCode.ERROR, kind))


def provider(service: str, environ: Mapping[str, str], *, console: bool = False) -> SDKTracerProvider | None:
    """Make a tracer provider as the standard variables of OpenTelemetry say.

    Args:
        service: the service's name, unless `OTEL_SERVICE_NAME` says otherwise.
        environ: `OTEL_TRACES_EXPORTER` names the exporters (`otlp`, `console`); an OTLP endpoint alone means `otlp`.
        console: True to write spans to standard error, for development.

    Returns:
        The provider, or None when no exporter is configured.

    Raises:
        ConfigError: an exporter is configured and not installed.
    """
    names = ["console"] if console else _exporters(environ)
    if not names:
        return None
    resource = Resource.create({"service.name": service}).merge(OTELResourceDetector().detect())
    made = SDKTracerProvider(resource=resource, shutdown_on_exit=False)
    for name in names:
        made.add_span_processor(_processor(name, environ))
    return made


def _exporters(environ: Mapping[str, str]) -> list[str]:
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return []
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    names = environ.get("OTEL_TRACES_EXPORTER") or ("otlp" if endpoint else "none")
    return [name.strip() for name in names.split(",") if name.strip() not in ("", "none")]


def _processor(name: str, environ: Mapping[str, str]) -> SpanProcessor:
    if name == "console":
        return SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stderr))
    found = entry_points(group="opentelemetry_traces_exporter")
    for candidate in _entry_points_of(name, environ):
        if candidate in found.names:
            return BatchSpanProcessor(found[candidate].load()())
    raise ConfigError(
        f"OTEL_TRACES_EXPORTER: expected an installed exporter, got {name!r}."
        " Install it, such as: pip install opentelemetry-exporter-otlp-proto-http"
    )


def _entry_points_of(name: str, environ: Mapping[str, str]) -> list[str]:
    if name != "otlp":
        return [name]
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol:
        return [_PROTOCOLS.get(protocol, protocol)]
    return ["otlp_proto_http", "otlp_proto_grpc"]
