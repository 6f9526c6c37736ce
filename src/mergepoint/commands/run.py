"""`mergepoint run`: serve an app, or some of its services, and run its jobs."""

from __future__ import annotations

import importlib
from typing import Any

import click
from click.core import ParameterSource

from ..background import THREADS, Wishes
from . import working
from .examples import Command

SERVE = "mergepoint.serve"
"""Imported when the web server is to run: a worker process does without its libraries."""

NAMES = ("web", "worker", "scheduler")

WEB = ("host", "port", "grpc_port", "zmq", "only", "reload", "workers", "cors", "access_log")
"""The options that say nothing where there is no web server."""

ALONE = ("processes", "recycle")
"""The options that say nothing where the worker has no process of its own."""


class Weighted(click.ParamType[tuple[str, float]]):
    """A queue, and how often it comes first compared to others: `mail=3`."""

    name = "queue"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Return the name of the queue and its weight, 1 unless given."""
        queue, _, weight = str(value).partition("=")
        return queue, click.FloatRange(0, min_open=True)(weight, param, ctx) if weight else 1.0


@click.command(
    cls=Command,
    examples=[
        "mergepoint run hello.py --reload",
        "mergepoint run bats.app:create --host 0.0.0.0 --workers 4",
        "mergepoint run bats.app:create --only roost --port 8001",
        "mergepoint run bats.app:create worker scheduler --processes 4",
        "mergepoint run bats.app:create worker --queue mail=3 --queue default",
    ],
)
@click.argument("target", type=click.Path())
@click.argument("names", nargs=-1, type=click.Choice(NAMES), metavar="[web] [worker] [scheduler]")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any free port.")
@click.option("--grpc-port", type=click.IntRange(0, 65535), help="The port of gRPC.  [default: 50051, if it is free]")
@click.option("--zmq", metavar="ADDRESS", help="Serve ZeroMQ too, such as at tcp://127.0.0.1:5555.")
@click.option("--only", multiple=True, metavar="SERVICE", help="Host this service and nothing else.  [repeat for more]")
@click.option("--reload", is_flag=True, help="Load the app again when a file below this folder changes.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes; often one per core.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Requests, or jobs, that a process works on at a time: 1 for work that only computes, 4 or more with a"
    f" database.  [default: 4, and {THREADS} for jobs]",
)
@click.option(
    "--queue",
    "queues",
    multiple=True,
    type=Weighted(),
    metavar="NAME[=WEIGHT]",
    help="Run jobs of this queue only.  [repeat for more]",
)
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="Processes of a worker alone.")
@click.option("--recycle", type=click.IntRange(1), metavar="JOBS", help="A worker alone begins anew after so many.")
@click.option("--cors", multiple=True, metavar="ORIGIN", help="A site whose pages may call, https://bats.example.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least that is logged.",
)
@click.option("--json-logs/--text-logs", default=None, help="By default text on a terminal, JSON elsewhere.")
@click.option("--access-log", is_flag=True, help="Log a line for each request; it costs more than many a request.")
@click.option(
    "--grace",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Seconds for requests in flight, and jobs that run, at the end.",
)
@click.pass_context
def run(ctx: click.Context, /, target: str, names: tuple[str, ...], **options: Any) -> None:
    """Serve the app: REST below /api, its docs at /docs, GraphQL at /graphql, gRPC, health at /health, what it mounts.

    If it has a queue, a worker for its jobs and the scheduler run along. By their names they run without the others:
    web here, worker and scheduler elsewhere. With --only, host services of the app for its other processes: see
    `mergepoint places`.
    """
    _must_fit(ctx, names)
    background = Wishes(
        worker=not names or "worker" in names,
        scheduler=not names or "scheduler" in names,
        asked=bool({"worker", "scheduler"} & {*names}),
        threads=options["threads"] or THREADS,
        queues=dict(options.pop("queues")),
        recycle=options.pop("recycle"),
        grace=float(options["grace"]),
    )
    processes = options.pop("processes")
    if not names or "web" in names:
        _serve(target, background, options)
    else:
        settings = working.Settings(target, processes, background, options["log_level"], options["json_logs"])
        ctx.exit(working.run(settings))


def _serve(target: str, background: Wishes, options: dict[str, Any]) -> None:
    serve: Any = importlib.import_module(SERVE)
    if options["threads"] is None:
        del options["threads"]
    serve.run(serve.Settings(target=target, background=background, **options))


def _must_fit(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Refuse options of what does not run."""
    web, worker = not names or "web" in names, not names or "worker" in names
    for name in _given(ctx):
        option = f"--{name.replace('_', '-')}"
        if name in WEB and not web:
            raise click.UsageError(f"{option} is for the web server: add `web`, or leave it out.")
        if name == "queues" and not worker:
            raise click.UsageError("--queue is for a worker: add `worker`, or leave it out.")
        if name in ALONE and (web or not worker):
            raise click.UsageError(f"{option} is for worker processes of their own: mergepoint run TARGET worker.")


def _given(ctx: click.Context) -> list[str]:
    return [name for name in ctx.params if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT]
