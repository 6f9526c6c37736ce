"""`mergepoint check`: whether an app can be served, and whether what it stands on works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

import click

from .. import rest
from .. import target as targets
from ..app import App
from ..cli import Failed, Operations
from ..site import API, addresses, site


class Check(NamedTuple):
    """One thing that must hold, and how to find out; what `run` returns is worth saying, what it raises is wrong."""

    name: str
    run: Callable[[], str]


@click.command()
@click.argument("target")
@click.option("--offline", is_flag=True, help="Leave out what needs other services: databases, brokers.")
def check(target: str, offline: bool) -> None:
    """Check that the app can be served and that its resources work; the exit code is 1 if something does not.

    \b
    mergepoint check hello.py
    mergepoint check --offline hello.py       in a build, where no database runs
    """
    with closing(targets.load(target)) as app:
        click.echo(f"ok    {target}: app {app.name}")
        failed = [check for check in _checks(app, offline=offline) if not _holds(check)]
    if failed:
        raise Failed(f"{len(failed)} of the checks failed: {', '.join(check.name for check in failed)}.", 1)


def _checks(app: App, *, offline: bool) -> Iterator[Check]:
    yield Check("operations", lambda: f"{len(app.operations)}")
    yield Check("commands", lambda: f"{len(Operations(app).commands)}, with their options")
    yield Check("REST", lambda: f"{len(rest.routes.routes(app))} routes below {API}")
    yield Check("description", lambda: _description(app))
    yield Check("site", lambda: _site(app))
    for resource in () if offline else app.resources:
        yield Check(resource.name, lambda resource=resource: resource.check() or "works")


def _description(app: App) -> str:
    return f"OpenAPI {rest.openapi(app, prefix=API)['openapi']}"


def _site(app: App) -> str:
    site(app)
    return ", ".join(address.path for address in addresses(app))


def _holds(check: Check) -> bool:
    try:
        said = check.run()
    except Exception as error:  # noqa: BLE001 - whatever a check raises is what it found
        click.echo(f"FAIL  {check.name}: {targets.account(error)}")
        return False
    click.echo(f"ok    {check.name}: {said}")
    return True
