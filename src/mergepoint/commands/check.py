"""`mergepoint check`: whether an app can be served, and whether what it stands on works."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import click

from .. import target as targets
from ..app import App, Resource
from ..cli import Failed, Operations
from ..errors import MergepointError, MissingExtra
from .examples import Command

ADAPTERS = {"REST": "mergepoint.commands.check_rest"}
"""The modules that check an adapter, imported by name: where its libraries are missing, the rest is checked still."""

Check = tuple[str, Callable[[], str]]
"""What is checked, and what finds out: it returns something worth saying, or raises what is wrong."""


@click.command(
    cls=Command,
    examples=[
        "mergepoint check hello.py",
        "mergepoint check --offline hello.py    in a build, where no database runs",
    ],
)
@click.argument("target")
@click.option("--offline", is_flag=True, help="Leave out what needs other services: databases, brokers.")
def check(target: str, offline: bool) -> None:
    """Check that the app can be served and that its resources work.

    The exit code is 1 if something does not.
    """
    with closing(targets.load(target)) as app:
        click.echo(f"ok    {target}: app {app.name}")
        failed = [name for name, run in _checks(app, offline=offline) if not _holds(name, run)]
    if failed:
        raise Failed(f"{len(failed)} of the checks failed: {', '.join(failed)}.", 1)


def _checks(app: App, *, offline: bool) -> Iterator[Check]:
    yield "operations", lambda: f"{len(app.operations)}"
    yield "commands", lambda: f"{len(Operations(app).commands)}, with their options"
    for adapter, module in ADAPTERS.items():
        try:
            yield from importlib.import_module(module).checks(app)
        except MissingExtra as error:
            click.echo(f"skip  {adapter}: {error}")
    for resource in () if offline else app.resources:
        yield resource.name, partial(_works, resource)


def _works(resource: Resource) -> str:
    resource.check()
    return "works"


def _holds(name: str, run: Callable[[], str]) -> bool:
    try:
        said = run()
    except MergepointError as error:
        click.echo(f"FAIL  {name}: {error}")
    except Exception as error:  # noqa: BLE001 - whatever a check raises is what it found
        click.echo(f"FAIL  {name}: {targets.account(error)}")
    else:
        click.echo(f"ok    {name}: {said}")
        return True
    return False
