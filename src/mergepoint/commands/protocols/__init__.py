"""Where each operation stands on each protocol: one module for each, imported by name, for its extra may be missing."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import msgspec

from ...app import App
from ...errors import MissingExtra, RegistrationError
from .addresses import Addresses

MODULES = {"REST": "rest", "GraphQL": "graphql", "gRPC": "grpc", "command": "command", "ZeroMQ": "zmq", "MCP": "mcp"}
"""The protocols in the order they are shown, and what knows of them."""


class Protocol(msgspec.Struct, frozen=True):
    """What one protocol makes of an app.

    Attributes:
        name: such as `gRPC`.
        addresses: where each operation stands there, by name.
        left_out: why an operation does not, by name.
        missing: why nothing does: the extra is not installed, or the app cannot be served.
    """

    name: str
    addresses: dict[str, str] = {}
    left_out: dict[str, str] = {}
    missing: str = ""


def protocols(app: App) -> list[Protocol]:
    """Return what each protocol makes of the operations of an app."""
    return list(_each(app))


def _each(app: App) -> Iterator[Protocol]:
    for name, module in MODULES.items():
        try:
            found: Addresses = importlib.import_module(f"{__name__}.{module}").addresses(app)
        except (MissingExtra, RegistrationError) as error:
            yield Protocol(name, missing=str(error))
        else:
            yield Protocol(name, found.by_name, found.left_out)
