"""Method and path of each operation."""

from __future__ import annotations

from ...app import App
from ...rest.routes import routes
from ...site import API
from .addresses import Addresses


def addresses(app: App) -> Addresses:
    """Return method and path of each operation, below what the site has them.

    Raises:
        RegistrationError: the app cannot be served so.
    """
    return Addresses({route.operation.name: f"{route.method} {API}{route.path}" for route in routes(app)})
