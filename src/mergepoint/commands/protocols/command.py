"""The command of each operation."""

from __future__ import annotations

from ...app import App
from .addresses import Addresses


def addresses(app: App) -> Addresses:
    """Return what to write after `mergepoint call TARGET`."""
    return Addresses({name: name for name in app.operations})
