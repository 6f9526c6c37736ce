"""What `mergepoint jobs` shows: tables of jobs, everything about one, and times in people's words."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ..cli.records import cell
from ..cli.table import table
from ..contract import Parameter
from ..errors import InvalidArgument
from ..jobs import Attempt, Entry, Job, State, job_of, moment
from ..lock import fingerprint
from ..operation import Operation
from ..redact import REDACTED, sensitive, visible
from ..wire import Wire

STATES: tuple[State, ...] = ("blocked", "waiting", "running", "dead", "cancelled", "done")
"""In the order in which people care."""

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_SCALARS = (bool, int, float, type(None))


def listed(entries: Iterable[Entry]) -> str:
    """Return jobs as a table; below each that failed, what went wrong last."""
    rows: list[list[str] | str] = [["ID", "STATE", "COMMAND", "QUEUE", "TRIES", "WHEN"]]
    for entry in entries:
        rows += [_row(entry), *map(_failure, entry.history[-1:])]
    return table(rows, whole=(0, 1))


def summary(counts: Mapping[tuple[str, State], int], queue: str | None) -> str:
    """Return how many jobs there are, by state, in a line."""
    totals = {
        state: sum(count for (name, its), count in counts.items() if its == state and queue in (None, name))
        for state in STATES
    }
    told = ", ".join(f"{count:,} {state}" for state, count in totals.items() if count)
    return f"Jobs: {told}." if told else "There are no jobs."


def story(entry: Entry, operation: Operation | None) -> str:
    """Return everything about a job.

    Args:
        entry: the job.
        operation: what it runs, which says what is secret; None if the app does not know it.
    """
    parts = [f"{entry.message.id}: {entry.message.operation}", table(list(_lines(entry, operation)))]
    parts += [f"ARGUMENTS\n{_pretty(arguments(entry, operation))}"]
    if entry.history:
        rows = [["TRY", "WORKER", "BEGAN", "TOOK", "WHAT HAPPENED"], *map(_attempt, entry.history)]
        parts += [f"HISTORY\n{table(rows, whole=(0,))}"]
    if entry.result is not None:
        parts += [f"RESULT\n{_pretty(result(entry, operation))}"]
    return "\n\n".join(parts)


def facts(entry: Entry, operation: Operation | None) -> dict[str, Any]:
    """Return everything about a job for programs; see `story`."""
    message = entry.message
    job: dict[str, Any] = Wire[Job](Job).plain(job_of(entry))
    return job | {
        "arguments": arguments(entry, operation),
        "result": None if entry.result is None else result(entry, operation),
        "owner": message.owner or None,
        "unique": message.unique,
        "retries": message.retries,
        "timeout": message.timeout,
        "keep": message.keep,
        "version": message.version,
        "then": message.then,
        "worker": entry.worker,
    }


# --- values, without what is secret --------------------------------------------------------------------------------


def arguments(entry: Entry, operation: Operation | None) -> dict[str, Any]:
    """Return the arguments of a job; what is secret, or may be as nobody knows better, is redacted."""
    known = {} if operation is None else {parameter.name: parameter for parameter in operation.contract.parameters}
    given = msgspec.json.decode(entry.message.arguments, type=dict[str, Any])
    return {name: _argument(known.get(name), value) for name, value in given.items()}


def _argument(parameter: Parameter | None, value: Any) -> Any:
    if parameter is None:
        return REDACTED
    shown = _shown(parameter.type, value)
    return visible({parameter.name: shown})[parameter.name]  # its name may tell that it is secret


def result(entry: Entry, operation: Operation | None) -> Any:
    """Return what a job gave; what is secret, or may be, is redacted."""
    wire = None if operation is None else operation.contract.result
    return REDACTED if wire is None or entry.result is None else _shown(wire.type, msgspec.json.decode(entry.result))


def _shown(hint: Any, value: Any) -> Any:
    if sensitive(hint):
        return REDACTED
    wire = Wire[Any](hint)
    try:
        read = wire.convert(value)
        return _redacted(visible(read), wire.plain(read))
    except InvalidArgument:  # put in for another version of the command: what is inside may be anything
        return value if isinstance(value, _SCALARS) else REDACTED


def _redacted(shown: Any, plain: Any) -> Any:
    """Return a value as it looks in JSON, with what is redacted in what may be shown of it."""
    if isinstance(plain, dict):
        known = {str(key): item for key, item in shown.items()} if isinstance(shown, Mapping) else {}
        return {key: _redacted(known[key], item) if key in known else REDACTED for key, item in plain.items()}
    if isinstance(plain, list) and isinstance(shown, list):
        return list(map(_redacted, shown, plain))
    return shown if isinstance(shown, str) else plain


def _pretty(value: Any) -> str:
    return "\n".join(
        cell(line) for line in msgspec.json.format(msgspec.json.encode(value), indent=2).decode().split("\n")
    )


# --- times ---------------------------------------------------------------------------------------------------------


def span(seconds: float) -> str:
    """Return a length of time in its largest unit: `45 s`, `3 min`, `2 h`, `5 d`."""
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), _UNITS[-1])
    return f"{int(seconds // size)} {unit}"


def since(then: float, now: float) -> str:
    """Return how far a time is away: `in 3 min`, `2 h ago`, `now`."""
    if abs(then - now) < 1:
        return "now"
    return f"in {span(then - now)}" if then > now else f"{span(now - then)} ago"


def _when(entry: Entry, now: float) -> str:
    """Return what matters most of a job's times."""
    if entry.state == "running" and entry.began is not None:
        return f"for {span(max(now - entry.began, 0))}"
    if entry.state == "blocked":
        return "-"
    return since(entry.due if entry.finished is None else entry.finished, now)


def _at(seconds: float | None, now: float) -> str:
    return "-" if seconds is None else f"{moment(seconds):%Y-%m-%d %H:%M:%S} UTC, {since(seconds, now)}"


# --- cells ---------------------------------------------------------------------------------------------------------


def _row(entry: Entry) -> list[str]:
    message = entry.message
    return [
        message.id,
        _state(entry),
        cell(message.operation),
        cell(message.queue),
        str(entry.attempts),
        _when(entry, time.time()),
    ]


def _state(entry: Entry) -> str:
    return "stopping" if entry.cancelling and entry.state == "running" else entry.state


def _begun(attempts: int) -> str:
    return {0: "not begun yet", 1: "begun once"}.get(attempts, f"begun {attempts} times")


def _failure(attempt: Attempt) -> str:
    return cell(f"{attempt.code}: {attempt.message}")


def _attempt(attempt: Attempt) -> list[str]:
    took = "lost" if attempt.seconds is None else f"{attempt.seconds:.1f} s"
    began = since(attempt.began.timestamp(), time.time())
    return [str(attempt.number), cell(attempt.worker), began, took, _failure(attempt)]


def _lines(entry: Entry, operation: Operation | None) -> Iterator[tuple[str, str]]:
    message, now = entry.message, time.time()
    yield "state", f"{_state(entry)}, {_begun(entry.attempts)}"
    yield "queue", cell(f"{message.queue}, {message.priority} priority")
    if entry.state == "running" or entry.note:
        yield "progress", cell(f"{job_of(entry).progress:.0%} {entry.note}".strip())
    yield "owner", cell(message.owner or None)
    yield "put in", _at(message.created, now)
    yield "due", _at(entry.due, now)
    yield "began", _at(entry.began, now) + (cell(f", on {entry.worker}") if entry.worker else "")
    yield "finished", _at(entry.finished, now)
    yield "policy", f"{message.retries} retries, {message.timeout:g} s each, kept for {message.keep:g} s"
    if message.unique is not None:
        yield "unique", cell(message.unique)
    if message.then is not None:
        yield "before", message.then
    if operation is None:
        yield "command", "this app has none of this name, so nobody knows what is secret"
    elif message.version and message.version != fingerprint(operation.contract):
        yield "command", "has changed since the job was put in"
