"""What `mergepoint check` finds out about REST, where its libraries are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..app import App
from ..rest.openapi import describe
from ..rest.routes import routes
from ..site import API, addresses, site


def checks(app: App) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield what must hold for an app to be served over HTTP: a name, and what finds out and says something of it."""
    yield "REST", lambda: f"{_counted(len(routes(app)), 'route')} below {API}"
    yield "description", lambda: _description(app)
    yield "site", lambda: _site(app)


def _description(app: App) -> str:
    document = describe(app, API)
    return f"OpenAPI {document['openapi']}, {_counted(len(document['paths']), 'path')}"


def _site(app: App) -> str:
    site(app)
    return ", ".join(address.path for address in addresses(app))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
