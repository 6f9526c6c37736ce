"""The field of each operation."""

from __future__ import annotations

from ...app import App
from ...graphql.naming import Names
from ...graphql.roots import ROOT, Roots
from .addresses import Addresses


def addresses(app: App) -> Addresses:
    """Return the field of each operation, below its root type: `Query.bats`.

    Raises:
        RegistrationError: the app cannot be served so.
    """
    roots = Roots(app.operations, Names())
    by_name = {
        field.extensions[ROOT].operation.name: f"{kind.capitalize()}.{name}"
        for kind, fields in roots.fields.items()
        for name, field in fields.items()
    }
    return Addresses(by_name, roots.left_out)
