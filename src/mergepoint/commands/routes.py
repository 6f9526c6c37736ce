"""`mergepoint routes`: where each operation stands over HTTP, and its policy."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click
import msgspec

from .. import target as targets
from ..access import describe
from ..rest.routes import Route
from ..rest.routes import routes as routes_of
from ..site import API
from .examples import Command
from .table import table

HEADINGS = ("METHOD", "PATH", "OPERATION", "KIND", "WHO", "DEADLINE", "CACHE")


@click.command(cls=Command, examples=["mergepoint routes hello.py", "mergepoint routes --json hello.py"])
@click.argument("target")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
def routes(target: str, as_json: bool) -> None:
    """List the operations of the app: method, path, kind, who may call, deadline, cache."""
    with closing(targets.load(target)) as app:
        found = [_facts(route) for route in routes_of(app)]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        click.echo(table([HEADINGS, *(_cells(facts) for facts in found)]))


def _facts(route: Route) -> dict[str, Any]:
    """Return what there is to say of a route; seconds are numbers."""
    operation, policy = route.operation, route.operation.policy
    return {
        "method": route.method,
        "path": API + route.path,
        "operation": operation.name,
        "kind": operation.kind,
        "who": "anyone" if policy.allow is None else describe(policy.allow),
        "deadline": policy.deadline,
        "cache": policy.cache,
    }


def _cells(facts: dict[str, Any]) -> list[str]:
    return [_seconds(value) if value is None or isinstance(value, float | int) else value for value in facts.values()]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:g} s"
