"""`mergepoint run`: serve an app, or some of its services."""

from __future__ import annotations

from typing import Any

import click

from ..serve import Settings
from ..serve import run as serve
from ..serve.server import THREADS
from .examples import Command


@click.command(
    cls=Command,
    examples=[
        "mergepoint run hello.py --reload",
        "mergepoint run bats.app:create --host 0.0.0.0 --workers 4",
        "mergepoint run bats.app:create --only roost --port 8001",
    ],
)
@click.argument("target", type=click.Path())
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
    default=THREADS,
    show_default=True,
    help="Requests that a worker works on at a time: 1 for work that only computes, 4 or more with a database.",
)
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
    "--grace", type=click.IntRange(1), default=30, show_default=True, help="Seconds for requests in flight at the end."
)
def run(**options: Any) -> None:
    """Serve the app: REST below /api, its docs at /docs, GraphQL at /graphql, gRPC, health at /health, what it mounts.

    With --only, host services of the app for its other processes: see `mergepoint places`.
    """
    serve(Settings(**options))
