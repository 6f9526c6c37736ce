"""`mergepoint routes`: where each operation stands on each protocol, and its policy."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import click
import msgspec

from .. import target as targets
from ..access import describe
from ..app import App
from ..cli import Failed
from ..cli.table import table
from ..operation import Operation
from .examples import Command
from .protocols import MODULES, Protocol, protocols

SHOWN_FIRST = "REST"
SAME_NAME = ("command", "ZeroMQ")
"""Protocols that call every operation by its own name; a column of these would say nothing."""

Facts = dict[str, Any]


@click.command(
    cls=Command,
    examples=[
        "mergepoint routes hello.py",
        "mergepoint routes hello.py greet     all there is to say of one operation",
        "mergepoint routes --json hello.py",
    ],
)
@click.argument("target", type=click.Path())
@click.argument("operation", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
def routes(target: str, operation: str | None, as_json: bool) -> None:
    """List the operations of the app on every protocol: where they stand, who may call, deadline, cache.

    Background commands and tasks are listed with their queue and its limits, too.

    With an OPERATION, tell its whole policy too: the errors it may end with, how much it takes, whether it may be
    sent twice.
    """
    with closing(targets.load(target)) as app:
        chosen = [_operation(app, operation)] if operation else list(_all(app).values())
        made = protocols(app)
        facts = [_facts(each, app, made) for each in chosen]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2))
    elif operation:
        click.echo(_story(chosen[0], facts[0], made))
    else:
        click.echo("\n\n".join(_overview(facts, made)))


def _all(app: App) -> dict[str, Operation]:
    """Return the operations, then the tasks."""
    return {**app.operations, **{name: job for name, job in app.jobs.items() if name not in app.operations}}


def _operation(app: App, name: str) -> Operation:
    there = _all(app)
    for candidate in (name, name.replace("-", "_")):
        if candidate in there:
            return there[candidate]
    near = difflib.get_close_matches(name, there, 1)
    meant = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(there) or 'none'}."
    raise Failed(f"There is no operation {name!r}. {meant}", 2)


def _facts(operation: Operation, app: App, made: Sequence[Protocol]) -> Facts:
    """Return what there is to say of an operation; seconds and bytes are numbers."""
    name, policy = operation.name, operation.policy
    method, _, path = made[0].addresses.get(name, "").partition(" ")
    declared = app.errors if policy.raises is None else filter(None, map(app.errors.find, policy.raises))
    offered = name in app.operations
    runs = "task" if not offered else "background" if policy.background else None
    return {
        "method": method or None,
        "path": path or None,
        "operation": name,
        "kind": operation.kind,
        "who": "nobody" if not offered else "anyone" if policy.allow is None else describe(policy.allow),
        "deadline": policy.deadline if offered else None,
        "cache": policy.cache,
        "idempotent": operation.kind == "query" or policy.idempotent,
        "max_body": policy.max_body,
        "gives": operation.contract.gives,
        "joins": policy.joins,
        "errors": [{"code": error.code, "kind": error.kind} for error in declared],
        "protocols": {MODULES[p.name]: p.addresses[name] for p in made if name in p.addresses},
        "left_out": {MODULES[p.name]: reason for p in made if (reason := p.missing or p.left_out.get(name))},
        "job": None if runs is None else {"runs": runs, **_job_facts(operation)},
    }


def _job_facts(operation: Operation) -> Facts:
    """Return what holds for the jobs of a background command or task."""
    policy, lane = operation.policy, operation.policy.lane(operation.name)
    return {
        "queue": lane.queue,
        "timeout": policy.timeout,
        "retries": policy.retries,
        "keep": policy.keep,
        "concurrency": lane.concurrency,
        "rate": lane.rate,
    }


# --- for people ----------------------------------------------------------------------------------------------------


def _overview(facts: Sequence[Facts], made: Sequence[Protocol]) -> Iterator[str]:
    """Yield the policies beside REST, the other protocols, and what is not there with the reason."""
    if not facts:
        yield "The app has no operations yet. Register one: @app.query above a function."
        return
    offered = [fact for fact in facts if not _is_task(fact)]
    if offered:
        policy = ("operation", "kind", "who", "deadline", "cache")
        yield _table(offered, (*(("method", "path") if made[0].addresses else ()), *policy))
    others = [p for p in made if p.addresses and p.name != SHOWN_FIRST and p.name not in SAME_NAME]
    if others:
        rows = [[fact["operation"], *(_at(p, fact) for p in others)] for fact in offered]
        yield table([["OPERATION", *(p.name.upper() for p in others)], *rows])
    if waiting := [fact for fact in facts if fact["job"]]:
        yield table([["JOB", "KIND", "QUEUE", "TIMEOUT", "RETRIES", "LIMITS"], *map(_job_cells, waiting)])
    width = shutil.get_terminal_size().columns
    notes = [click.wrap_text(note, width, subsequent_indent="  ") for note in _notes(facts, made)]
    if notes:
        yield "\n".join(notes)


def _table(facts: Sequence[Facts], columns: Sequence[str]) -> str:
    return table([[column.upper() for column in columns], *([_cell(fact[c]) for c in columns] for fact in facts)])


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:g} s" if isinstance(value, float | int) else str(value)


def _is_task(fact: Facts) -> bool:
    return fact["job"] is not None and fact["job"]["runs"] == "task"


def _job_cells(fact: Facts) -> list[str]:
    job = fact["job"]
    cells = [job["runs"], job["queue"], _cell(job["timeout"]), str(job["retries"]), _limits(job)]
    return [fact["operation"], *cells]


def _limits(job: Facts) -> str:
    limits = [f"{job['concurrency']} at a time"] if job["concurrency"] is not None else []
    return ", ".join([*limits, *([f"{job['rate']:g} a second"] if job["rate"] is not None else [])]) or "-"


def _at(protocol: Protocol, fact: Facts) -> str:
    return protocol.addresses.get(fact["operation"], "-")


def _notes(facts: Sequence[Facts], made: Sequence[Protocol]) -> Iterator[str]:
    named = [p.name for p in made if p.name in SAME_NAME and p.addresses]
    if named:
        yield f"By their own name: {', '.join(named)}."
    for protocol in made:
        if protocol.missing:
            yield f"{protocol.name}: {protocol.missing}"
        for reason in dict.fromkeys(protocol.left_out.values()):
            without = [name for name, why in protocol.left_out.items() if why == reason]
            who = "none" if len(without) == len(facts) - sum(map(_is_task, facts)) else f"not {', '.join(without)}"
            yield f"{protocol.name}, {who}: {reason}"


def _story(operation: Operation, fact: Facts, made: Sequence[Protocol]) -> str:
    """Return everything about one operation, a line for each."""
    errors = ", ".join(f"{error['code']} ({error['kind']})" for error in fact["errors"])
    lines = [
        ("kind", f"{fact['kind']}, {'may' if fact['idempotent'] else 'must not'} be sent twice"),
        ("who", fact["who"]),
        ("deadline", _cell(fact["deadline"])),
        ("cache", _cell(fact["cache"])),
        ("input", f"at most {fact['max_body']:,} bytes"),
        ("errors", errors or "none declared"),
        *([("joins", fact["joins"])] if fact["joins"] else []),
        *(_job_lines(fact["job"]) if fact["job"] else []),
        *((p.name, _story_at(p, operation.name, fact)) for p in made if not _is_task(fact)),
    ]
    title = f"{operation.name}: {operation.contract.summary}" if operation.contract.summary else operation.name
    return f"{title}\n\n{table(lines)}"


def _job_lines(job: Facts) -> list[tuple[str, str]]:
    return [
        ("runs", "only as a job" if job["runs"] == "task" else "in the background; callers get the job"),
        ("queue", job["queue"]),
        ("limits", _limits(job)),
        ("timeout", _cell(job["timeout"])),
        ("retries", str(job["retries"])),
        ("kept", f"{_cell(job['keep'])} after its end"),
    ]


def _story_at(protocol: Protocol, name: str, fact: Facts) -> str:
    return protocol.addresses.get(name) or f"- {fact['left_out'][MODULES[protocol.name]]}"
