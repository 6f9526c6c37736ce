"""`mergepoint places`: which service runs where, and whether it can be reached."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import click
import msgspec

from .. import target as targets
from ..cli import Failed
from ..cli.table import table
from ..errors import MergepointError
from ..place import LOCAL, Place
from ..redact import text as without_secrets
from .examples import Command

HEADINGS = ("NAME", "SERVICE", "WHERE", "METHODS", "STATUS")
HERE, WORKS = "here", "works"


@click.command(
    cls=Command,
    examples=[
        "mergepoint places bats.app:create",
        "mergepoint places --offline bats.app:create     ask no other process",
    ],
)
@click.argument("target", type=click.Path())
@click.option("--check/--offline", default=True, help="Ask each service elsewhere whether it works.  [default: check]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
def places(target: str, check: bool, as_json: bool) -> None:
    """Show which service of the app runs where, by the configuration of this process.

    The exit code is 1 if one of them cannot be used.
    """
    with closing(targets.load(target)) as app:
        assert app.operations is not None  # noqa: S101 - looking at them checks the configuration
        found = list(app.places.values())
        states = _states(found) if check else [None] * len(found)
        facts = [_facts(place, state) for place, state in zip(found, states, strict=True)]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2))
    elif not facts:
        click.echo(f"No service of {app.name} has a place: app.place(Service, build) gives one.")
    else:
        click.echo(table([HEADINGS, *map(_cells, facts)]))
    if failing := [fact["name"] for fact in facts if fact["status"] not in (None, HERE, WORKS)]:
        raise Failed(f"{len(failing)} of {len(facts)} cannot be used: {', '.join(failing)}.", 1)


def _states(found: Iterable[Place[Any]]) -> list[str]:
    """Ask all at once: each that is out of reach takes its time to be so."""
    with ThreadPoolExecutor() as threads:
        return list(threads.map(_state, found))


def _state(place: Place[Any]) -> str:
    try:
        place.check()
    except MergepointError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever a check raises is what it found
        return targets.account(error).splitlines()[-1]
    return HERE if place.address == LOCAL else WORKS


def _facts(place: Place[Any], status: str | None) -> dict[str, Any]:
    return {
        "name": place.name,
        "service": place.service.__name__,
        "where": without_secrets(place.address),
        "methods": list(place.methods),
        "status": status,
    }


def _cells(facts: dict[str, Any]) -> list[str]:
    return [facts["name"], facts["service"], facts["where"], ", ".join(facts["methods"]), facts["status"] or "-"]
