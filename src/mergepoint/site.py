"""What `mergepoint run` serves, as one WSGI application for any server: REST, GraphQL, health, and what is mounted."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import NamedTuple
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from . import rest
from .app import App
from .errors import ConfigError, MissingExtra, RegistrationError
from .health import health, status
from .rest import docs
from .wsgi import Secure, Site, answer, problem

API = "/api"
"""What the path of every operation begins with."""


GRAPHQL = "mergepoint.graphql"
RPC = "mergepoint.rpc"
"""Imported by their names, as an app is served without them where their libraries are missing."""

PLACE = "/place"
"""Where the services that live here take the calls of other processes."""


class Address(NamedTuple):
    """A path of the site and what answers there."""

    path: str
    what: str


def site(app: App, *, cors: Collection[str] = ()) -> WSGIApplication:
    """Return the whole site of an app as one WSGI application.

    REST is at `/api`, its docs page at `/docs`, its description at `/openapi.json`, GraphQL at `/graphql`, health at
    `/health` and `/status`, and every mounted application where it is mounted: `/metrics` after `observe.setup(app)`.
    Without an application at `/`, that path leads to the docs. Calls of other processes come in at `/place`, if the app
    has services at places and a key.

    Args:
        app: the app; registration ends here.
        cors: the origins whose pages may call the operations, such as `https://bats.example`.

    Raises:
        RegistrationError: an operation cannot be served over HTTP, or an application is mounted at one of these paths.
    """
    ours: dict[str, WSGIApplication] = {
        "/docs": docs.page(app, API),
        "/openapi.json": docs.description(app, API),
        **_graphql(app),
        **_always(app),
    }
    if app.key and app.places and not _missing(RPC):
        ours |= {PLACE: _place(app)}
    _must_be_free(app, ours.keys())
    others = Secure(Site({"/": _front, **ours, **app.mounts}))
    return _beside(rest.wsgi(app, prefix=API, cors=cors), API, others)


def hosting_site(app: App) -> WSGIApplication:
    """Return the site of a process that is there for the calls of other processes, and serves nobody else.

    Raises:
        ConfigError: the app has no key that those calls could be signed with.
        MissingExtra: what takes such calls over HTTP is not installed.
    """
    if not app.key:
        raise ConfigError(
            f"{app.name}: a service in a process of its own needs a key that calls are signed with, the same for all"
            f" processes: set {app.name.upper()}_KEY."
        )
    metrics = {path: wsgi for path, wsgi in app.mounts.items() if path == "/metrics"}
    return _beside(_place(app, prefix=PLACE), PLACE, Secure(Site({**_always(app), **metrics})))


def addresses(app: App) -> list[Address]:
    """Return what the site of an app serves where, in the order a newcomer would try it."""
    count = len(app.operations)
    return [
        Address(API, f"REST: {count} operation{'' if count == 1 else 's'}"),
        Address("/docs", "their documentation, to read and to try"),
        Address("/openapi.json", "their description"),
        *([] if _missing(GRAPHQL) else [Address("/graphql", "GraphQL, with a page to try it")]),
        *_for_machines(app),
        *(Address(path, _described(path, mounted)) for path, mounted in sorted(app.mounts.items())),
    ]


def lacking(app: App) -> list[str]:
    """Return what the site of an app goes without, as a library is not installed: `Without GraphQL: ...`."""
    wanted = {"GraphQL": GRAPHQL, **({"calls of other processes": RPC} if app.key and app.places else {})}
    return [f"Without {what}: {error}" for what, module in wanted.items() if (error := _missing(module))]


def hosting_addresses(app: App) -> list[Address]:
    """Return what `hosting_site` serves where."""
    metrics = [Address(path, _described(path, mounted)) for path, mounted in app.mounts.items() if path == "/metrics"]
    return [Address(PLACE, f"calls to {', '.join(sorted(_hosted(app)))}"), *_for_machines(app), *metrics]


def _for_machines(app: App) -> list[Address]:
    return [Address("/health", "whether all works: 200 or 503"), Address("/status", "name, version, uptime")]


def _hosted(app: App) -> list[str]:
    return [name for name, place in app.places.items() if place.is_hosted]


def _always(app: App) -> dict[str, WSGIApplication]:
    return {"/health": health(app), "/status": status(app)}


def _place(app: App, *, prefix: str = "") -> WSGIApplication:
    return importlib.import_module(RPC).wsgi(app.host, prefix=prefix)  # type: ignore[no-any-return]  # it is a module


def _graphql(app: App) -> dict[str, WSGIApplication]:
    if _missing(GRAPHQL):
        return {}
    return {"/graphql": importlib.import_module(GRAPHQL).wsgi(app, graphiql=True)}


def _missing(module: str) -> MissingExtra | None:
    try:
        importlib.import_module(module)
    except MissingExtra as error:
        return error
    return None


def _beside(first: WSGIApplication, path: str, others: WSGIApplication) -> WSGIApplication:
    """Serve an application below a path, and others elsewhere; the way to the first is one comparison longer."""
    below = path + "/"

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = environ.get("PATH_INFO", "")
        if asked.startswith(below) or asked == path:
            return first(environ, start_response)
        return others(environ, start_response)

    return application


def _must_be_free(app: App, ours: Collection[str]) -> None:
    for path in app.mounts:
        bare = path.removesuffix("/")
        if bare in (*ours, API) or bare.startswith(API + "/"):
            raise RegistrationError(f"{app.name}: the site itself answers at {bare}; mount {path!r} at another path.")


def _front(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Lead from `/` to the docs, where the application has no page of its own there."""
    if environ.get("PATH_INFO", "") not in ("", "/"):
        return problem(environ, start_response, HTTPStatus.NOT_FOUND, "Nothing is served at this path.")
    to_docs = [("Location", environ.get("SCRIPT_NAME", "") + "/docs")]
    text = b"The documentation is at /docs.\n"
    return answer(environ, start_response, text, media_type="text/plain", status=HTTPStatus.FOUND, headers=to_docs)


def _described(path: str, mounted: Callable[..., object]) -> str:
    """Return the name of a mounted application: that of its class or function."""
    if path == "/metrics":
        return "how often and how long, for Prometheus"
    owner = getattr(mounted, "__self__", mounted)
    return getattr(mounted if owner is mounted else type(owner), "__name__", type(mounted).__name__)
