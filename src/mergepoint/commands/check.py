"""`mergepoint check`: whether an app can be served, and whether what it stands on works."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import click

from .. import lock
from .. import target as targets
from ..app import App, Resource
from ..cli import Failed, Operations
from ..errors import MergepointError, MissingExtra
from ..place import LOCAL, Place
from ..redact import text as without_secrets
from . import check_protocols
from .check_contract import Recorded
from .examples import Command

ADAPTERS = {"REST": "mergepoint.commands.check_rest"}
"""The modules that check an adapter, imported by name: where its libraries are missing, the rest is checked still."""

SCHEDULES = "mergepoint.commands.check_schedules"
"""The module that checks schedules, imported where an app has some."""

Check = tuple[str, Callable[[], str]]
"""What is checked, and what finds out: it returns something worth saying, or raises what is wrong."""


@click.command(
    cls=Command,
    examples=[
        "mergepoint check hello.py",
        "mergepoint check --offline hello.py    in a build, where no database runs",
        "mergepoint check --update hello.py     record in contract.lock what changed",
    ],
)
@click.argument("target", type=click.Path())
@click.option("--offline", is_flag=True, help="Leave out what needs other processes: databases, brokers, places.")
@click.option("--update", is_flag=True, help="Record in contract.lock what the app promises now.")
@click.option("--accept-breaking", is_flag=True, help="With --update: record changes that break users, too.")
def check(target: str, offline: bool, update: bool, accept_breaking: bool) -> None:
    """Check that the app can be served, that its resources work, and that it keeps what contract.lock promises.

    The exit code is 1 if something does not.
    """
    if accept_breaking and not update:
        raise click.UsageError(
            f"--accept-breaking goes with --update: mergepoint check --update --accept-breaking {target}"
        )
    with closing(targets.load(target)) as app:
        click.echo(f"ok    {target}: app {app.name}")
        recorded = Recorded(app, targets.folder(target) / lock.NAME, target)
        contract = partial(recorded.update, accept_breaking=accept_breaking) if update else recorded.check
        failed = [name for name, run in _checks(app, contract, offline=offline) if not _holds(name, run)]
    if failed:
        raise Failed(f"{len(failed)} of the checks failed: {', '.join(failed)}.", 1)


def _checks(app: App, contract: Callable[[], str], *, offline: bool) -> Iterator[Check]:
    yield "operations", lambda: f"{len(app.operations)}"
    yield "contract", contract
    yield "commands", lambda: f"{len(Operations(app).commands)}, with their options"
    for adapter, module in ADAPTERS.items():
        try:
            yield from importlib.import_module(module).checks(app)
        except MissingExtra as error:
            click.echo(f"skip  {adapter}: {error}")
    yield from check_protocols.checks(app)
    if _has_schedules(app):
        yield "schedules", lambda: str(importlib.import_module(SCHEDULES).check(app))
    for place in () if offline else app.places.values():
        yield _where(place), partial(_reached, place)
    for resource in () if offline else app.resources:
        yield resource.name, partial(_works, resource)


def _has_schedules(app: App) -> bool:
    """Tell whether there are schedules, also of an included app with a queue of its own."""
    return any(getattr(owner, "app", app).schedules for owner in (app, *app.resources))


def _where(place: Place[Any]) -> str:
    name = f"place {place.name}"
    return name if place.address == LOCAL else f"{name} at {without_secrets(place.address)}"


def _reached(place: Place[Any]) -> str:
    place.check()
    return "here" if place.address == LOCAL else "works"


def _works(resource: Resource) -> str:
    resource.check()
    return "works"


def _holds(name: str, run: Callable[[], str]) -> bool:
    try:
        said = run()
    except MissingExtra as error:
        click.echo(f"skip  {name}: {error}")
        return True
    except MergepointError as error:
        click.echo(f"FAIL  {name}: {error}")
    except Exception as error:  # noqa: BLE001 - whatever a check raises is what it found
        click.echo(f"FAIL  {name}: {targets.account(error)}")
    else:
        click.echo(f"ok    {name}: {said}")
        return True
    return False
