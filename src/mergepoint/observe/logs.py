"""Structured logs: structlog and the standard library through one chain, readable on a terminal, JSON elsewhere."""

from __future__ import annotations

import json as standard_json
import logging as standard
import sys
import traceback
from collections.abc import Sequence
from typing import Any, TextIO

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from mergepoint import redact
from mergepoint.call import current

_HANDLER = "mergepoint"
# C0 and C1 controls, and what else ends a line or turns text around on a screen: none of it may act in a log.
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_ESCAPES = {code: repr(chr(code))[1:-1] for code in _CONTROLS}


def logging(level: str = "info", *, json: bool | None = None, stream: TextIO | None = None) -> None:
    """Send everything that structlog and the standard library log through one chain.

    Each line carries the time in UTC, level and logger, and inside a call its request id, operation and the user's id;
    with tracing on, the trace and span too. Secrets are redacted, control characters escaped.

    Args:
        level: the least level that is logged.
        json: True for a JSON object per line, False for text; by default text on a terminal and JSON elsewhere.
        stream: where lines go; standard error unless given.
    """
    stream = stream or sys.stderr
    if json is None:
        json = not stream.isatty()
    number = standard.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_context(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    _handle(number, stream, _formatter(json=json, colors=stream.isatty()))


def _handle(level: int, stream: TextIO, formatter: standard.Formatter) -> None:
    """Give the root logger one handler, in the place of one from an earlier call."""
    root = standard.getLogger()
    for handler in root.handlers:
        if handler.get_name() == _HANDLER:
            root.removeHandler(handler)
    handler = standard.StreamHandler(stream)
    handler.set_name(_HANDLER)
    handler.setFormatter(formatter)
    root.addHandler(handler)
    root.setLevel(level)
    # Alembic tells of its plugins at every start; what it does is told by whoever asked for it.
    standard.getLogger("alembic").setLevel(max(level, standard.WARNING))


def _context() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        add_call,
        add_span,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _formatter(*, json: bool, colors: bool) -> standard.Formatter:
    clean: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact_values]
    finish: Sequence[Processor]
    if json:
        # ASCII alone: no character of a value can act on a terminal, and lone surrogates are written, not refused.
        finish = [format_traceback, structlog.processors.JSONRenderer(standard_json.dumps, ensure_ascii=True)]
    else:
        finish = [escape_controls, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_indented)]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_context(), structlog.stdlib.ExtraAdder(), drop_formatted],
        processors=[*clean, *finish],
    )


def add_call(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add what names the current call: request id, operation, and the id of the user once the call knows it."""
    call = current()
    if call is not None:
        event.setdefault("request_id", call.request_id)
        event.setdefault("operation", call.operation.name)
        # Never `call.user`: it may ask a database, and what it asks may log.
        user = getattr(call.known_user, "id", None)
        if user is not None:
            event.setdefault("user_id", user)
    return event


def add_span(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the ids of the current trace and span, as W3C writes them."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event.setdefault("trace_id", trace.format_trace_id(span.trace_id))
        event.setdefault("span_id", trace.format_span_id(span.span_id))
    return event


def drop_formatted(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop what other handlers of the standard library leave on a record when they write it before us."""
    event.pop("message", None)
    event.pop("asctime", None)
    return event


def redact_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put stars in the place of secrets: by key, by `Sensitive` fields of records, and passwords in URLs."""
    return {
        key: value if key == "exc_info" else redact.REDACTED if redact.secret_key(key) else redact.visible(value)
        for key, value in event.items()
    }


def format_traceback(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the traceback of an exception into the field `exception`, as text."""
    error = _exception(event.pop("exc_info", None))
    if error is not None:
        event["exception"] = redact.text("".join(traceback.format_exception(error)))
    return event


def escape_controls(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write control characters of keys and values as escapes, so that no value begins a line of its own."""
    return {_escaped(key): value if key == "exc_info" else _escaped(value) for key, value in event.items()}


def _escaped(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value).translate(_ESCAPES)


def _indented(out: TextIO, error: Any) -> None:
    """Write a traceback whose every line is marked as a part of it, whatever the exception's message holds."""
    text = redact.text("".join(traceback.format_exception(error[1])))
    # Not splitlines: it also splits where a terminal does not.
    out.writelines(f"\n  | {line.translate(_ESCAPES)}" for line in text.rstrip("\n").split("\n"))


def _exception(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exception() if exc_info else None
