"""What `mergepoint check` finds out about the other protocols: how many operations stand there, and which do not."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from ..app import App
from . import protocols
from .protocols.addresses import Addresses

OTHERS = ("GraphQL", "gRPC", "ZeroMQ", "MCP")
"""The protocols besides REST and the command, which have checks of their own."""


def checks(app: App) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield, for each protocol, its name and what counts the operations there; `MissingExtra` says that it cannot."""
    for name in OTHERS:
        yield name, partial(_count, name, app)


def _count(name: str, app: App) -> str:
    module = importlib.import_module(f"{protocols.__name__}.{protocols.MODULES[name]}")
    found: Addresses = module.addresses(app)
    return f"{len(found.by_name)} of {len(app.operations)} operations{_told(found.left_out)}"


def _told(left_out: Mapping[str, str]) -> str:
    """Say what is left out and why, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        by_reason.setdefault(reason, []).append(name)
    return "".join(f"\n      without {', '.join(names)}: {reason}" for reason, names in by_reason.items())
