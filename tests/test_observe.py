"""Logs, metrics, traces and health of an app."""

from __future__ import annotations

import gc
import io
import itertools
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from wsgiref.types import WSGIApplication, WSGIEnvironment
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import msgspec
import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

from mergepoint import App, Call, Sensitive, anyone, observe, signed_in
from mergepoint.errors import ConfigError, MissingExtra
from mergepoint.health import health, status


class NoSuchBat(Exception):
    """No bat has this id."""


@dataclass(frozen=True)
class User:
    id: int


@dataclass(frozen=True)
class Login:
    name: str
    code: Annotated[str, Sensitive]


log = logging.getLogger("test")


def bats() -> App:
    """Make an app whose operations succeed, are refused, break, log and stream."""
    app = App("bats", errors={NoSuchBat: "not_found"})
    app.query(bat, allow=anyone)
    app.query(broken, allow=anyone)
    app.query(chatty, allow=anyone)
    app.query(mine, allow=signed_in)
    app.identify(lambda call: User(7) if "authorization" in call.metadata else None)
    return app


def bat(number: int) -> str:
    """Return a bat's name."""
    if number == 0:
        raise NoSuchBat("hunter2")
    return "Bat"


def broken() -> str:
    """Meet a bug."""
    raise RuntimeError("hunter2")


def flight() -> Iterator[int]:
    """Count wing beats, forever."""
    yield from itertools.count()


def nap() -> None:
    """Do nothing."""


def chatty() -> str:
    """Log a line."""
    log.info("said something")
    return "done"


def mine() -> str:
    """Log a line for a user."""
    log.info("said something")
    return "done"


def run(app: App, name: str, *args: Any, protocol: str = "http", metadata: Mapping[str, str] | None = None) -> Any:
    """Run an operation as an adapter does; return its result or its error."""
    operation = app.operations[name]
    try:
        return operation(Call(operation, protocol=protocol, metadata=metadata or {}), *args)
    except Exception as error:  # noqa: BLE001
        return error


def ask(app: WSGIApplication, *, method: str = "GET", accept: str = "") -> tuple[int, dict[str, str], bytes]:
    """Send a request through the validator of the standard library."""
    environ: WSGIEnvironment = {"REQUEST_METHOD": method, "QUERY_STRING": "", "HTTP_ACCEPT": accept}
    setup_testing_defaults(environ)
    started: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        started[:] = [int(status[:3]), dict(headers)]
        return BytesIO().write

    answer = validator(app)(environ, start)
    body = b"".join(answer)
    answer.close()  # type: ignore[attr-defined]
    code, headers = started
    return code, headers, body


# --- logs ---


@pytest.fixture
def clean_logging() -> Iterator[None]:
    """Put the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def out(clean_logging: None) -> io.StringIO:
    """Log JSON to a buffer."""
    stream = io.StringIO()
    observe.logging(json=True, stream=stream)
    return stream


@pytest.fixture
def text(clean_logging: None) -> io.StringIO:
    """Log text to a buffer."""
    stream = io.StringIO()
    observe.logging(json=False, stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return what was logged as JSON."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_structlog_and_the_standard_library_log_alike(out: io.StringIO) -> None:
    """Both kinds of logger write the same JSON, with time in UTC, level, logger and values."""
    structlog.get_logger("one").info("caught", bats=3)
    logging.getLogger("two").info("caught %d", 3, extra={"bats": 3})
    first, second = lines(out)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", first.pop("timestamp"))
    assert first == {"event": "caught", "bats": 3, "level": "info", "logger": "one"}
    assert second.pop("timestamp").endswith("Z")
    assert second == {"event": "caught 3", "bats": 3, "level": "info", "logger": "two"}


def test_the_level_is_the_least_that_is_logged(out: io.StringIO) -> None:
    """Lines below the level are dropped, for both kinds of logger; setting up again changes it without doubling."""
    stream = io.StringIO()
    observe.logging("warning", json=True, stream=stream)
    structlog.get_logger("one").info("quiet")
    logging.getLogger("two").info("quiet")
    logging.getLogger("two").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]
    assert out.getvalue() == ""


def test_a_stream_that_is_no_terminal_gets_json(clean_logging: None) -> None:
    """The form is JSON unless the stream is a terminal."""
    stream = io.StringIO()
    observe.logging(stream=stream)
    logging.getLogger("one").warning("caught")
    assert lines(stream)[0]["event"] == "caught"


def test_lines_inside_a_call_name_it(out: io.StringIO) -> None:
    """Request id and operation are bound inside a call, the user's id as soon as the call knows it, nothing outside."""
    app = bats()
    operation = app.operations["mine"]
    operation(Call(operation, request_id="r1", metadata={"authorization": "x"}))
    run(app, "chatty", metadata={"authorization": "x"})
    log.info("outside")
    known, unknown, outside = lines(out)
    assert (known["request_id"], known["operation"], known["user_id"]) == ("r1", "mine", 7)
    assert unknown["operation"] == "chatty"
    assert "user_id" not in unknown
    assert not outside.keys() & {"request_id", "operation", "user_id"}


def test_secrets_are_redacted(out: io.StringIO) -> None:
    """Secret keys however deep, Sensitive fields of records and passwords in URLs are stars."""
    structlog.get_logger().info(
        "to https://bat:hunter2@host/?token=hunter2&x=1",
        password="hunter2",
        headers={"Authorization": "hunter2", "Set-Cookie": "hunter2", "X-Api-Key": "hunter2", "Accept": "*/*"},
        login=[Login("ada", "hunter2")],
    )
    logging.getLogger().warning("connecting to %s", "postgresql://bat:hunter2@db/bats")
    (first, second) = lines(out)
    assert "hunter2" not in out.getvalue()
    assert first["event"] == "to https://bat:***@host/?token=***&x=1"
    assert first["headers"]["Accept"] == "*/*"
    assert first["login"] == [{"name": "ada", "code": "***"}]
    assert second["event"] == "connecting to postgresql://bat:***@db/bats"


class Key(NamedTuple):
    name: str
    code: Annotated[str, Sensitive]


def test_every_kind_of_record_keeps_its_secrets(out: io.StringIO) -> None:
    """Structs, named tuples and dataclasses are redacted alike; one whose types cannot be read shows nothing."""

    class Struct(msgspec.Struct):
        name: str
        code: Annotated[str, Sensitive]

    class Local:
        """Known to this function alone."""

    @dataclass
    class Closed:
        name: str
        local: Local

    record: Any
    for record in (Key("ada", "hunter2"), Struct("ada", "hunter2"), Login("ada", "hunter2")):
        structlog.get_logger().info("seen", record=record)
    structlog.get_logger().info("seen", record=Closed("ada", Local()))
    *known, closed = (line["record"] for line in lines(out))
    assert known == [{"name": "ada", "code": "***"}] * 3
    assert closed == {"name": "***", "local": "***"}


FORGERY = "x\n2026-01-01 [info] forged\r\x1b[2J\x9b1m\u2028\u202e"


def test_users_cannot_forge_json_lines(out: io.StringIO) -> None:
    """Line ends, control characters and lone surrogates of values stay inside their line, escaped."""
    structlog.get_logger().info(FORGERY, **{"key\n": FORGERY}, bad="\udc80")
    logging.getLogger().warning("%s", FORGERY)
    written = out.getvalue()
    assert written.count("\n") == 2
    assert written.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", written)
    assert lines(out)[0]["event"] == FORGERY


def test_users_cannot_forge_text_lines(text: io.StringIO) -> None:
    """In text, too, a value never ends its line or reaches the terminal as a command."""
    structlog.get_logger().info(FORGERY, **{"key\n": FORGERY})
    logging.getLogger().warning("%s", FORGERY)
    written = text.getvalue()
    assert len(written.splitlines()) == 2
    assert "\\n2026-01-01 [info] forged\\r\\x1b[2J\\x9b1m\\u2028\\u202e" in written
    assert not set(written) & set("\x1b\x9b\r\u2028\u202e")


def test_a_traceback_is_one_json_field(out: io.StringIO) -> None:
    """An exception is written as text in the field `exception`, by both kinds of logger."""
    try:
        raise LookupError("no bat at https://a:hunter2@b/")
    except LookupError:
        structlog.get_logger().exception("failed")
        logging.getLogger().exception("failed")
    for line in lines(out):
        assert line["exception"].startswith("Traceback (most recent call last):\n")
        assert line["exception"].endswith("LookupError: no bat at https://a:***@b/\n")
        assert "exc_info" not in line


def test_a_traceback_cannot_forge_text_lines(text: io.StringIO) -> None:
    """Every line of a traceback is marked as a part of it, those of the exception's message too."""
    try:
        raise LookupError(FORGERY)
    except LookupError:
        structlog.get_logger().exception("failed")
    first, *rest = text.getvalue().rstrip("\n").split("\n")
    assert "failed" in first
    assert len(rest) > 3
    assert all(line.startswith("  | ") for line in rest)
    assert "\x1b" not in text.getvalue()


def test_a_bug_is_logged_with_the_request_it_broke(out: io.StringIO) -> None:
    """The log of an incident has request id, operation and traceback."""
    run(bats(), "broken")
    (line,) = lines(out)
    assert line["level"] == "error"
    assert line["operation"] == "broken"
    assert line["request_id"]
    assert "RuntimeError: hunter2" in line["exception"]


# --- metrics ---


def samples(metrics: observe.Metrics) -> dict[tuple[str, ...], float]:
    """Return the samples of `/metrics` by name and label values."""
    _, _, body = ask(metrics.wsgi)
    families = text_string_to_metric_families(body.decode())
    return {
        (s.name, *(s.labels[k] for k in ("operation", "kind", "outcome", "le") if k in s.labels)): s.value
        for family in families
        for s in family.samples
    }


def measured(metrics: observe.Metrics) -> App:
    """Make an app that these metrics watch."""
    app = bats()
    app.watch(metrics.watch)
    return app


def test_calls_are_counted_by_operation_and_outcome() -> None:
    """Good calls, declared errors, bugs and refusals are told apart."""
    metrics = observe.Metrics()
    app = measured(metrics)
    for number in (1, 2, 0):
        run(app, "bat", number)
    run(app, "broken")
    run(app, "mine")
    counted = samples(metrics)
    assert counted["mergepoint_calls_total", "bat", "query", "ok"] == 2
    assert counted["mergepoint_calls_total", "bat", "query", "not_found"] == 1
    assert counted["mergepoint_calls_total", "broken", "query", "internal"] == 1
    assert counted["mergepoint_calls_total", "mine", "query", "unauthenticated"] == 1


def test_durations_fall_into_cumulative_buckets() -> None:
    """A bucket counts the calls up to its bound, the bound included, whatever their outcome."""
    metrics = observe.Metrics()
    operation = bats().operations["bat"]
    for seconds, outcome in ((0.0005, "ok"), (0.02, "ok"), (0.025, "not_found"), (60.0, "ok")):
        metrics.watch(Call(operation), seconds, outcome)
    counted = samples(metrics)
    bucket = "mergepoint_call_seconds_bucket"
    found = [counted[bucket, "bat", bound] for bound in ("0.0005", "0.01", "0.025", "10.0", "+Inf")]
    assert found == [1, 1, 3, 3, 4]
    assert counted["mergepoint_call_seconds_count", "bat"] == 4
    assert counted["mergepoint_call_seconds_sum", "bat"] == pytest.approx(60.0455)


def test_counts_of_all_threads_add_up() -> None:
    """No call is lost, also those of threads that ended; and of those nothing else is kept."""
    metrics = observe.Metrics()
    app = measured(metrics)

    def work() -> None:
        for _ in range(100):
            run(app, "bat", 1)

    for _ in range(5):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    work()
    assert samples(metrics)["mergepoint_calls_total", "bat", "query", "ok"] == 2100
    gc.collect()
    samples(metrics)
    assert len(metrics._counts._threads) == 1


WORKER = """
import os, sys
from mergepoint import App, Call, observe

app = App("bats")
@app.query
def nap() -> None: pass
metrics = observe.Metrics(sys.argv[1])
app.watch(metrics.watch)
operation = app.operations["nap"]
for _ in range(int(sys.argv[2])):
    operation(Call(operation))
"""


def test_worker_processes_add_up(tmp_path: Path) -> None:
    """The worker that is asked adds the counts of the others, those that ended too, to its own."""
    for number in ("3", "4"):
        subprocess.run([sys.executable, "-c", WORKER + "metrics.close()", str(tmp_path), number], check=True)
    metrics = observe.Metrics(tmp_path)
    app = App("bats")
    app.query(nap)
    app.watch(metrics.watch)
    run(app, "nap")
    key = ("mergepoint_calls_total", "nap", "query", "ok")
    assert samples(metrics)[key] == 8
    run(app, "nap")
    assert samples(metrics)[key] == 9
    metrics.close()
    assert samples(observe.Metrics(tmp_path))[key] == 9


def test_a_worker_writes_by_itself(tmp_path: Path) -> None:
    """What a worker counted is in the folder soon, without anybody asking it, so that a killed one is counted."""
    wait = "import time\nwhile not list(__import__('pathlib').Path(sys.argv[1]).glob('*.json')): time.sleep(.05)\n"
    killed = WORKER + wait + "os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", killed, str(tmp_path), "5"], check=False, timeout=60)
    assert done.returncode == -9
    assert samples(observe.Metrics(tmp_path))["mergepoint_calls_total", "nap", "query", "ok"] == 5


def test_a_forked_worker_starts_at_nothing(tmp_path: Path) -> None:
    """Calls made before a fork are the parent's alone; the child's come on top."""
    forked = WORKER + (
        "child = os.fork()\noperation(Call(operation))\nmetrics.close()\nif child: os.waitpid(child, 0)\n"
    )
    subprocess.run([sys.executable, "-c", forked, str(tmp_path), "5"], check=True, timeout=60)
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert samples(observe.Metrics(tmp_path))["mergepoint_calls_total", "nap", "query", "ok"] == 7


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A wrong folder is one clear error at start-up."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"Not a directory.* Name one that this process may write to"):
        observe.Metrics(tmp_path / "file" / "metrics")


def test_a_full_folder_does_not_stop_anything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When counts cannot be written, that is logged, and what this worker knows is still shown."""
    metrics = observe.Metrics(tmp_path / "gone")
    app = measured(metrics)
    (tmp_path / "gone").rmdir()
    run(app, "bat", 1)
    assert samples(metrics)["mergepoint_calls_total", "bat", "query", "ok"] == 1
    assert "metrics cannot be written" in caplog.text
    metrics.close()


def test_metrics_are_served_as_prometheus_wants_them() -> None:
    """Text by default, OpenMetrics where accepted; GET and HEAD alone; further metrics of the registry with it."""
    metrics = observe.Metrics()
    Counter("bats_seen", "Bats seen.", registry=metrics.registry).inc(3)
    code, headers, body = ask(metrics.wsgi)
    assert (code, headers["Cache-Control"]) == (200, "no-store")
    assert headers["Content-Type"].startswith("text/plain")
    assert b"bats_seen_total 3.0" in body
    assert ask(metrics.wsgi, accept="application/openmetrics-text")[2].endswith(b"# EOF\n")
    assert ask(metrics.wsgi, method="HEAD")[2] == b""
    assert ask(metrics.wsgi, method="POST")[0] == 405


# --- traces ---


@pytest.fixture
def spans() -> Iterator[tuple[App, Callable[[], tuple[ReadableSpan, ...]]]]:
    """Make an app with tracing, and a function that returns the spans it ended."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = bats()
    app.around(observe.tracing(provider))
    yield app, exporter.get_finished_spans
    provider.shutdown()


Traced = tuple[App, Callable[[], tuple[ReadableSpan, ...]]]


def test_an_operation_is_a_span(spans: Traced) -> None:
    """Name, kind, protocol, request id and outcome are in it."""
    app, ended = spans
    operation = app.operations["bat"]
    operation(Call(operation, protocol="http", request_id="r1"), 1)
    (span,) = ended()
    assert (span.name, span.kind, span.parent) == ("bat", SpanKind.SERVER, None)
    assert span.attributes == {
        "mergepoint.operation": "bat",
        "mergepoint.kind": "query",
        "mergepoint.protocol": "http",
        "mergepoint.request_id": "r1",
        "mergepoint.outcome": "ok",
    }


def test_the_caller_is_the_parent(spans: Traced) -> None:
    """A W3C traceparent of the call continues its trace; a malformed one begins a new trace."""
    app, ended = spans
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    run(app, "bat", 1, metadata={"traceparent": f"00-{trace}-{parent}-01"})
    run(app, "bat", 1, metadata={"traceparent": "00-x-y-01"})
    continued, begun = ended()
    assert continued.parent is not None
    assert f"{continued.context.trace_id:032x}" == trace
    assert f"{continued.parent.span_id:016x}" == parent
    assert begun.parent is None


@pytest.mark.parametrize(
    ("name", "args", "outcome", "code"),
    [("bat", (0,), "not_found", StatusCode.UNSET), ("broken", (), "internal", StatusCode.ERROR)],
)
def test_an_error_is_recorded_without_its_message(
    spans: Traced, name: str, args: tuple[int, ...], outcome: str, code: StatusCode, out: io.StringIO
) -> None:
    """The span has outcome and class of the error; it failed only when the fault is this side's; no secret leaks."""
    app, ended = spans
    assert isinstance(run(app, name, *args), Exception)
    (span,) = ended()
    assert span.attributes is not None
    assert span.attributes["mergepoint.outcome"] == outcome
    assert str(span.attributes["error.type"]).rpartition(".")[2] in ("NoSuchBat", "RuntimeError")
    assert span.status.status_code is code
    assert "hunter2" not in span.to_json()


def test_a_stream_that_is_closed_early_is_no_error() -> None:
    """A reader who has had enough of a stream ends its span, with the outcome ok."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = App("bats")
    app.query(flight)
    app.around(observe.tracing(provider))
    stream = run(app, "flight")
    assert next(stream) == 0
    stream.close()
    (span,) = exporter.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["mergepoint.outcome"] == "ok"
    provider.shutdown()


def test_log_lines_name_their_span(spans: Traced, out: io.StringIO) -> None:
    """A line that is logged inside a span has the ids of trace and span."""
    app, ended = spans
    run(app, "chatty")
    (span,), (line,) = ended(), lines(out)
    assert line["trace_id"] == f"{span.context.trace_id:032x}"
    assert line["span_id"] == f"{span.context.span_id:016x}"


@pytest.mark.parametrize(
    "environ", [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_EXPORTER": "x", "OTEL_SDK_DISABLED": "true"}]
)
def test_tracing_is_off_unless_configured(environ: dict[str, str]) -> None:
    """Without an exporter there is no provider."""
    assert observe.provider("bats", environ) is None


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"OTEL_TRACES_EXPORTER": "pigeon"}, "pigeon"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "pigeon"}, "otlp"),
    ],
)
def test_an_exporter_that_is_not_installed_is_refused(environ: dict[str, str], name: str) -> None:
    """A configured exporter that cannot be found is one clear error; an OTLP endpoint alone asks for `otlp`."""
    with pytest.raises(ConfigError, match=rf"expected an installed exporter, got '{name}'\. Install it"):
        observe.provider("bats", environ)


def test_the_console_shows_spans(capsys: pytest.CaptureFixture[str]) -> None:
    """For development, spans go to standard error under the service's name."""
    provider = observe.provider("bats", {}, console=True)
    assert provider is not None
    with provider.get_tracer("test").start_as_current_span("nap"):
        pass
    provider.shutdown()
    span = json.loads(capsys.readouterr().err)
    assert span["name"] == "nap"
    assert span["resource"]["attributes"]["service.name"] == "bats"


# --- setup ---


def test_one_call_sets_everything_up(clean_logging: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Logs, metrics and traces are in force after it, and the app's end closes them."""
    monkeypatch.setenv("MERGEPOINT_METRICS_DIR", str(tmp_path))
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = bats()
    seen = observe.setup(app, level="warning", json=True, traces=provider)
    run(app, "bat", 1)
    assert seen.metrics is not None
    assert samples(seen.metrics)["mergepoint_calls_total", "bat", "query", "ok"] == 1
    assert ask(app.mounts["/metrics"])[0] == 200
    assert [span.name for span in exporter.get_finished_spans()] == ["bat"]
    assert logging.getLogger().level == logging.WARNING
    app.close()
    assert list(tmp_path.glob("*.json"))
    provider.shutdown()


def test_the_end_of_the_app_ends_the_export(clean_logging: None, capsys: pytest.CaptureFixture[str]) -> None:
    """A provider that setup made is a resource of the app: always well, and shut down with it."""
    app = bats()
    seen = observe.setup(app, json=True, traces="console", metrics=False)
    assert ask(health(app))[0] == 200
    app.close()
    run(app, "bat", 1)
    assert isinstance(seen.tracer_provider, TracerProvider)
    assert '"name": "bat"' not in capsys.readouterr().err


def test_everything_but_logs_can_be_off(clean_logging: None) -> None:
    """What is off leaves nothing in the app."""
    app = bats()
    assert observe.setup(app, traces="off", metrics=False) == (None, None)
    assert not app.mounts
    assert not app.resources


def test_a_missing_library_is_named_with_its_remedy() -> None:
    """Without the extra, importing says what is missing and how to get it."""
    code = (
        "import sys; sys.modules['structlog'] = None\n"
        "from mergepoint.errors import MissingExtra\n"
        "try: import mergepoint.observe\n"
        "except MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "`mergepoint.observe` needs structlog: pip install 'mergepoint[observe]'\n"
    assert issubclass(MissingExtra, ImportError)


# --- health ---


class Part:
    """A resource whose check does what the test says."""

    def __init__(self, name: str, check: Callable[[], object] = lambda: None) -> None:
        self.name = name
        self._check = check

    def check(self) -> None:
        self._check()

    def close(self) -> None:
        """Nothing to close."""


def fail() -> None:
    """Fail with a secret in the message."""
    raise ConnectionError("postgresql://bat:hunter2@db refused")


def test_a_healthy_app_answers_200() -> None:
    """Every resource is named with ok; an app without resources is well."""
    app = App("bats")
    assert ask(health(app))[::2] == (200, b'{"status":"ok","checks":[]}')
    app.add(Part("database"))
    code, headers, body = ask(health(app))
    assert (code, headers["Cache-Control"]) == (200, "no-store")
    assert json.loads(body) == {"status": "ok", "checks": [{"name": "database", "status": "ok"}]}


def test_a_failed_resource_is_a_503_without_details() -> None:
    """The class of the error is told, its message is not; the other resources are told too."""
    app = App("bats")
    app.add(Part("cache"))
    app.add(Part("database", fail))
    code, _, body = ask(health(app))
    assert code == 503
    failed = {"name": "database", "status": "failed", "error": "ConnectionError"}
    assert json.loads(body) == {"status": "failed", "checks": [{"name": "cache", "status": "ok"}, failed]}


def test_a_check_that_hangs_has_failed_and_is_not_started_again() -> None:
    """A slow resource fails in time, probe after probe, with one thread; when it is back, it is well."""
    release, started = threading.Event(), []

    def hang() -> None:
        started.append(1)
        release.wait(60)

    app = App("bats")
    app.add(Part("database", hang))
    probe = health(app, seconds=0.01)
    for _ in range(3):
        code, _, body = ask(probe)
        assert (code, json.loads(body)["checks"][0]["error"]) == (503, "TimeoutError")
    assert len(started) == 1
    release.set()
    patient = health(app, seconds=60)
    assert ask(patient)[0] == 200


def test_status_says_who_this_is() -> None:
    """Name, version, uptime, process, Python and the number of operations."""
    app = bats()
    facts = json.loads(ask(status(app, version="1.2.3"))[2])
    assert facts.pop("uptime") >= 0
    python = ".".join(map(str, sys.version_info[:3]))
    assert facts == {"name": "bats", "version": "1.2.3", "process": os.getpid(), "python": python, "operations": 4}
    assert json.loads(ask(status(app))[2])["version"] == app.version


@pytest.mark.parametrize("make", [health, status])
def test_health_and_status_answer_get_and_head_alone(make: Callable[[App], WSGIApplication]) -> None:
    """HEAD has no body, POST is refused with the methods that are not."""
    assert ask(make(App("bats")), method="HEAD")[2] == b""
    code, headers, _ = ask(make(App("bats")), method="POST")
    assert (code, headers["Allow"]) == (405, "GET, HEAD")
