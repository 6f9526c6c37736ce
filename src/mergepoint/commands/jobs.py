"""`mergepoint jobs`: see the jobs of an app, and do with them what a person may have to."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import click
import msgspec

from .. import target as targets
from ..app import App
from ..cli import Failed
from ..cli.failures import EXIT_CODES
from ..cli.prompts import may_ask
from ..errors import ConfigError, Failure
from ..jobs import FINAL, Entry, State, job_of
from ..operation import Operation
from ..tasks import NoSuchJob, Queue, WrongState
from ..tasks.refusals import Act, is_stopping
from .examples import Group
from .jobs_shown import STATES, facts, listed, span, story, summary

BATCH = 500
"""Jobs looked at or changed at a time."""

_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}

_STATES_OF: dict[Act, tuple[State, ...]] = {
    "retry": ("dead",),
    "cancel": ("blocked", "waiting", "running"),
    "expedite": ("waiting",),
}
"""Which jobs `--all` means."""

_DONE: dict[Act, str] = {"retry": "put back", "cancel": "cancelled", "expedite": "moved to the front"}


class Span(click.ParamType[float]):
    """A length of time: `90s`, `30min`, `12h`, `7d`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return it in seconds."""
        found = _SPAN.fullmatch(str(value))
        if not found:
            self.fail(f"Expected a time such as 90s, 30min, 12h or 7d, got {value!r}.", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


class Opened(NamedTuple):
    """The queue of an app that a command works on."""

    queue: Queue
    app: App

    def operation(self, entry: Entry) -> Operation | None:
        """Return what a job runs, or None if the app does not know it."""
        name = entry.message.operation
        return self.queue.app.jobs.get(name) or self.app.jobs.get(name)


@click.group(
    cls=Group,
    examples=[
        "mergepoint jobs list news.py --state waiting",
        "mergepoint jobs show news.py 019a9f3c2d10f3a7c55e81b2",
        "mergepoint jobs retry news.py --all --operation publish",
        "mergepoint jobs purge news.py --state done --older 1d",
    ],
)
def jobs() -> None:
    """Look after the jobs of an app.

    The app has jobs when it has a queue: tasks.Queue(app, db).
    """


def _on_queue(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its TARGET and the option that chooses among several queues."""
    command = click.option("--app", "name", metavar="NAME", help="Whose jobs, if several apps have a queue.")(command)
    return click.argument("target", type=click.Path())(command)


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose among jobs."""
    command = click.option("--queue", metavar="NAME", help="Only those of this queue.")(command)
    return click.option("--operation", metavar="NAME", help="Only those of this command.")(command)


def _printed(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a list."""
    command = click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")(command)
    limit = click.IntRange(1, 10_000)
    return click.option("--limit", type=limit, default=20, show_default=True, help="The most to list.")(command)


@jobs.command(name="list")
@_on_queue
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only those.  [repeat for more]")
@_filtered
@_printed
def list_(target: str, name: str | None, as_json: bool, **chosen: Any) -> None:
    """List jobs, the newest first, and how many there are by state.

    WHEN says when a job is due, how long it runs, or when it ended.
    """
    with _opened(target, name) as (queue, _):
        entries = queue.engine.entries(**chosen)
        counts = queue.engine.counts()
    if as_json:
        _print(list(map(job_of, entries)))
        return
    if entries:
        click.echo(f"{listed(entries)}\n")
    more = f" These are the newest {len(entries)}; --limit shows more." if len(entries) == chosen["limit"] else ""
    none = "" if entries else "None is as asked for. " if counts else ""
    click.echo(f"{none}{summary(counts, chosen['queue'])}{more}")


@jobs.command()
@_on_queue
@_filtered
@_printed
def dead(target: str, name: str | None, as_json: bool, **chosen: Any) -> None:
    """List the dead letters, each with what went wrong last.

    They do not run again by themselves.
    """
    with _opened(target, name) as (queue, _):
        entries = queue.engine.entries(states=_STATES_OF["retry"], **chosen)
    if as_json:
        _print(list(map(job_of, entries)))
    elif entries:
        click.echo(f"{listed(entries)}\n\nOnce the reason is gone: mergepoint jobs retry {target} ID... | --all")
    else:
        click.echo("There are no dead letters.")


@jobs.command()
@_on_queue
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def show(target: str, name: str | None, id: str, as_json: bool) -> None:
    """Tell everything about a job.

    Its arguments, each attempt that failed, its result, and when what happened. What is marked Sensitive is not shown.
    """
    with _opened(target, name) as opened:
        entry = opened.queue.entry(id)
        operation = opened.operation(entry)
        if as_json:
            _print(facts(entry, operation))
        else:
            click.echo(story(entry, operation))


def _on_some(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the jobs to act on: their ids, or all."""
    command = _filtered(command)
    command = click.option("--all", "every", is_flag=True, help="All with which this can be done.")(command)
    command = click.argument("ids", nargs=-1, metavar="[ID]...")(command)
    return _on_queue(command)


@jobs.command()
@_on_some
def retry(target: str, name: str | None, **chosen: Any) -> None:
    """Put dead and cancelled jobs back.

    They are due at once, as if they had never failed. --all means the dead ones.
    """
    _act("retry", target, name, **chosen)


@jobs.command()
@_on_some
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(target: str, name: str | None, yes: bool, **chosen: Any) -> None:
    """Cancel jobs; those that run are asked to stop.

    What waits for them is cancelled as well.
    """
    if chosen["every"] and not yes:
        _must_agree("Cancel all of them?")
    _act("cancel", target, name, **chosen)


@jobs.command()
@_on_some
def expedite(target: str, name: str | None, **chosen: Any) -> None:
    """Let waiting jobs begin before all others."""
    _act("expedite", target, name, **chosen)


@jobs.command()
@_on_queue
@click.option(
    "--state",
    "states",
    multiple=True,
    required=True,
    type=click.Choice(sorted(FINAL)),
    help="Only those.  [repeat for more]",
)
@click.option("--older", type=Span(), help="Only those that ended so long ago: 90s, 30min, 12h, 7d.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(target: str, name: str | None, states: tuple[State, ...], older: float | None, yes: bool) -> None:
    """Forget jobs that are done, dead or cancelled, for good."""
    if not yes:
        ago = "" if older is None else f" for more than {span(older)}"
        _must_agree(f"Forget all jobs that have been {' or '.join(states)}{ago}?")
    with _opened(target, name) as (queue, _):
        forgotten = queue.engine.purge(states, None if older is None else time.time() - older)
    click.echo(f"{_counted(forgotten)} forgotten.")


# --- inside --------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(target: str, name: str | None) -> Iterator[Opened]:
    with closing(targets.load(target)) as app:
        assert app.operations is not None  # noqa: S101 - looking at them checks what was declared
        yield Opened(_chosen(target, [each for each in app.resources if isinstance(each, Queue)], name), app)


def _chosen(target: str, queues: Sequence[Queue], name: str | None) -> Queue:
    found = [queue for queue in queues if name in (None, queue.app.name)]
    if len(found) == 1:
        return found[0]
    if not queues:
        raise ConfigError(f"The app of {target} has no queue. Make one right after it: tasks.Queue(app, db).")
    names = ", ".join(queue.app.name for queue in queues)
    raise ConfigError(f"Say whose jobs, with --app: {names}." if name is None else f"There are only: {names}.")


def _print(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def _must_agree(question: str) -> None:
    if not may_ask(no_input=False):
        raise Failed(f"{question} Nobody can be asked here; say --yes.", EXIT_CODES["invalid_argument"])
    click.confirm(question, abort=True, err=True)


# --- acts ----------------------------------------------------------------------------------------------------------


def _act(
    act: Act,
    target: str,
    name: str | None,
    *,
    ids: tuple[str, ...],
    every: bool,
    queue: str | None,
    operation: str | None,
) -> None:
    """Do something with the jobs that a command names."""
    if every == bool(ids):
        raise click.UsageError("Expected the ids of jobs, or --all.")
    if ids and (queue or operation):
        raise click.UsageError("--queue and --operation choose among --all; they have no meaning for ids.")
    with _opened(target, name) as (there, _):
        if every:
            changed = sum(len(_change(act, there, *batch)) for batch in _batches(there, act, queue, operation))
            click.echo(f"{_counted(changed)} {_DONE[act]}.")
        else:
            _act_on_each(act, there, ids)


def _act_on_each(act: Act, queue: Queue, ids: Sequence[str]) -> None:
    """Go on after a job with which it cannot be done, and say so at the end."""
    refused: list[Failure] = []
    for id in ids:
        try:
            click.echo(f"{id}: {_act_on_one(act, queue, id)}")
        except (NoSuchJob, WrongState) as error:
            refused.append(error)
    if refused:
        code = max(EXIT_CODES.get(error.kind, 1) for error in refused)
        raise Failed("\n".join(map(str, refused)), code)


def _act_on_one(act: Act, queue: Queue, id: str) -> str:
    """Return what was done with one job."""
    job = queue.job(id)
    if act == "cancel" and is_stopping(job):
        return "cancelled already"
    if not _change(act, queue, id):
        raise WrongState(act, queue.job(id))
    return "asked to stop" if act == "cancel" and job.state == "running" else _DONE[act]


def _change(act: Act, queue: Queue, *ids: str) -> list[str]:
    return {"retry": queue.retry, "cancel": queue.cancel, "expedite": queue.expedite}[act](*ids)


def _batches(queue: Queue, act: Act, name: str | None, operation: str | None) -> Iterator[list[str]]:
    """Yield the ids of all jobs with which something can be done."""
    before = None
    while found := queue.engine.entries(
        states=_STATES_OF[act], queue=name, operation=operation, before=before, limit=BATCH
    ):
        yield [entry.message.id for entry in found]
        before = found[-1].message.id


def _counted(number: int) -> str:
    return f"{number:,} job{'s' * (number != 1)}"
