"""The method of each operation."""

from __future__ import annotations

from ...app import App
from ...grpc.schema import schema
from ...lock import describe, merge
from .addresses import Addresses


def addresses(app: App) -> Addresses:
    """Return the path of each method; numbers of fields play no part in it.

    Raises:
        RegistrationError: the app cannot be served so.
    """
    made = schema(app, merge(None, describe(app)))
    return Addresses({name: method.name.path for name, method in made.methods.items()}, made.left_out)
