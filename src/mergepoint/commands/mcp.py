"""`mergepoint mcp`: operations as tools for AI agents."""

from __future__ import annotations

import os
import re
import sys
from contextlib import closing

import click

from .. import mcp as adapter
from .. import target as targets
from ..cli.command import headers
from ..mcp import Options
from .examples import Command

TOKEN = "MERGEPOINT_MCP_TOKEN"  # noqa: S105 - the name of a variable, not what is in it
"""The environment variable with the token of the user on whose behalf the agent works."""


@click.command(
    cls=Command,
    examples=[
        "mergepoint mcp hello.py --tool greet               for a client that starts it",
        "mergepoint mcp bats.py --header authorization='Bearer wing'",
        "mergepoint mcp bats.py --http 127.0.0.1:8000       at http://127.0.0.1:8000/mcp",
    ],
)
@click.argument("target", type=click.Path())
@click.option("--tool", "tools", multiple=True, metavar="NAME", help="Serve this operation only.  [repeat for more]")
@click.option("--all", "everything", is_flag=True, help="Serve every operation, though the app knows no users.")
@click.option(
    "--header",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help=f"Metadata of each call; ${TOKEN} becomes authorization='Bearer ...'.  [repeat for more]",
)
@click.option("--http", "address", metavar="HOST:PORT", help="Serve over HTTP; port 0 takes any free one.")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name that callers reach it by over HTTP, beside localhost.  [repeat for more]",
)
def mcp(
    target: str,
    tools: tuple[str, ...],
    everything: bool,
    given: tuple[str, ...],
    address: str | None,
    hosts: tuple[str, ...],
) -> None:
    """Serve operations of the app as tools for AI agents (Model Context Protocol).

    An app that can tell users apart serves all operations, to each caller those that the caller may use. Of any other
    app only what --tool names is served, or with --all everything.

    A client starts the command and talks to it through standard input and output; --http serves many clients at once,
    and each request says in its own headers who is calling.
    """
    if tools and everything:
        raise click.UsageError("--tool and --all contradict each other; drop one.")
    options: Options = {"only": tools or None, "everything": everything}
    if address is None:
        if hosts:
            raise click.UsageError("--host is for HTTP; add --http HOST:PORT.")
        _serve_stdio(target, options, {**_token(), **headers(given)})
    elif given:
        raise click.UsageError("--header is for a single client. Over HTTP each request brings its own headers.")
    else:
        _serve_http(target, options, *_address(address), hosts)


def _serve_stdio(target: str, options: Options, metadata: dict[str, str]) -> None:
    by_hand = sys.stdin.isatty()
    with adapter.protocol_streams() as streams, closing(targets.load(target)) as app:
        server = adapter.server(app, metadata=metadata, **options)
        if by_hand:
            _tell(f"{app.name}: waiting for a client on standard input; clients start this command themselves.")
        adapter.serve_stdio(server, streams)


def _serve_http(target: str, options: Options, host: str, port: int, hosts: tuple[str, ...]) -> None:
    known = hosts if host in ("0.0.0.0", "::") else (*hosts, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared
    with closing(targets.load(target)) as app:
        application = adapter.asgi(app, hosts=known, **options)
        adapter.serve_http(application, host, port, tell=lambda url: _tell(f"{app.name}: tools at {url}"))


def _tell(text: str) -> None:
    click.echo(f"{text} (Ctrl+C ends it)", err=True)


def _token() -> dict[str, str]:
    token = os.environ.get(TOKEN)
    return {"authorization": f"Bearer {token}"} if token else {}


def _address(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[?([\w.:-]*?)\]?:)?(\d{1,5})", text)
    if not found or int(found[2]) > 65535:
        raise click.UsageError(f"Expected --http HOST:PORT, such as 127.0.0.1:8000, got {text!r}.")
    return found[1] or "127.0.0.1", int(found[2])
