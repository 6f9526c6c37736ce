"""The name of each operation in requests over ZeroMQ."""

from __future__ import annotations

from ... import zmq  # noqa: F401 - where its library is missing, so is the protocol
from ...app import App
from .addresses import Addresses


def addresses(app: App) -> Addresses:
    """Return what requests call each operation."""
    return Addresses({name: name for name in app.operations})
