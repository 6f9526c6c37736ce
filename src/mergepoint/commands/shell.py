"""`mergepoint shell`: an interactive Python with the operations of an app."""

from __future__ import annotations

import code
import importlib
import importlib.util
import platform
import rlcompleter
import sys
from collections.abc import Callable
from contextlib import closing
from inspect import Parameter, Signature
from types import SimpleNamespace
from typing import Any

import click

from .. import target as targets
from ..app import App
from ..call import Call
from ..cli import headers
from ..contract import REQUIRED
from ..operation import Operation
from .examples import Command


@click.command(cls=Command, examples=["mergepoint shell hello.py", '>>> greet(name="Bat")', "'Hello, Bat!'"])
@click.argument("target", type=click.Path())
@click.option("--header", multiple=True, metavar="NAME=VALUE", help="Metadata of every call.  [repeat for more]")
def shell(target: str, header: tuple[str, ...]) -> None:
    """Open an interactive Python where the operations of the app are functions.

    A call goes through the whole policy of its operation: access, transaction, deadline, errors.
    """
    with closing(targets.load(target)) as app:
        names = {"app": app, **functions(app, headers(header))}
        if sys.stdin.isatty():
            _complete(names)
            code.interact(_banner(app), local=names, exitmsg="")
        else:
            _run_piped(names)


def functions(app: App, metadata: dict[str, str]) -> dict[str, Any]:
    """Return the operations of an app as functions by name; those of an included app are attributes of its name."""
    found: dict[str, Any] = {}
    for name, operation in app.operations.items():
        *path, last = name.split(".")
        place = found
        for part in path:
            place = vars(place.setdefault(part, SimpleNamespace()))
        place[last] = _function(operation, metadata)
    return found


def _function(operation: Operation, metadata: dict[str, str]) -> Callable[..., Any]:
    def run(*values: Any, **named: Any) -> Any:
        return operation(Call(operation, protocol="command", metadata=metadata), *values, **named)

    contract = operation.contract
    run.__name__ = run.__qualname__ = operation.name
    run.__doc__ = "\n\n".join(filter(None, [contract.summary, contract.description]))
    run.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(
                p.name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if p.default is REQUIRED else p.default,
                annotation=p.type,
            )
            for p in (*contract.parameters, *contract.uploads)
        ]
    )
    return run


def _banner(app: App) -> str:
    names = ", ".join(app.operations) or "none yet"
    python = platform.python_version()
    return f"Python {python}, app {app.name}.\nOperations: {names}. help(...) explains one; `app` is the app."


def _complete(names: dict[str, Any]) -> None:
    """Complete names with Tab, where Python was built with readline."""
    if importlib.util.find_spec("readline"):
        readline = importlib.import_module("readline")
        readline.set_completer(rlcompleter.Completer(names).complete)
        readline.parse_and_bind("tab: complete")


def _run_piped(names: dict[str, Any]) -> None:
    """Run standard input line by line, as if it were typed, without prompts."""
    console = code.InteractiveConsole(names)
    for line in sys.stdin:
        console.push(line.rstrip("\n"))
    console.push("")  # ends a block that is still open
