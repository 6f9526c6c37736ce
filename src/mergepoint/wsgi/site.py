"""Several WSGI applications as one, each under its own prefix."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from mergepoint.errors import RegistrationError
from mergepoint.wsgi.answer import problem
from mergepoint.wsgi.bar import Listing, Script, title_of


class _Mount(NamedTuple):
    prefix: str
    """As it stands in the environ: without the last slash, UTF-8 read as Latin-1 (PEP 3333, section "Unicode")."""
    inside: str
    app: WSGIApplication


class Site:
    """A WSGI application made of others: each request goes to the one with the longest matching prefix.

    A prefix matches whole path segments: `/api` serves `/api` and `/api/bats`, not `/apiary`. The application finds its
    prefix in `SCRIPT_NAME` and the rest in `PATH_INFO`. What matches nothing is a 404 with problem details.

    Args:
        mounts: WSGI applications by prefix. ASGI ones go through `mergepoint.asgi.from_asgi`.
        inject: what every application finds in its environ, by key, such as `site.user`: a value, or a function
            of the environ that is called for each request.
        bar: True to serve `/site.json`, the list of the applications, and `/site.js`, the script that draws a bar with
            links to them.
        titles: what the bar calls the applications, by prefix.

    Raises:
        RegistrationError: a prefix is malformed or there twice, an application is not WSGI, or an injected key is not
            the site's to set.
    """

    def __init__(
        self,
        mounts: Mapping[str, WSGIApplication],
        *,
        inject: Mapping[str, Any] | None = None,
        bar: bool = False,
        titles: Mapping[str, str] | None = None,
    ) -> None:
        apps = _normalized(mounts)
        if bar:
            listed = {prefix or "/": (titles or {}).get(prefix or "/", title_of(prefix)) for prefix in apps}
            apps = _with_bar(apps, listed)
        self._table = _table(apps)
        self._root = self._table.get("", ())
        self._values, self._functions = _injected(inject or {})

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        path = environ.get("PATH_INFO", "")
        end = path.find("/", 1)
        for prefix, inside, app in self._table.get(path[1:] if end < 0 else path[1:end], self._root):
            if path == prefix or path.startswith(inside):
                if prefix:
                    environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
                    environ["PATH_INFO"] = path[len(prefix) :]
                if self._values or self._functions:
                    self._inject(environ)
                return app(environ, start_response)
        return problem(environ, start_response, HTTPStatus.NOT_FOUND, "Nothing is served at this path.")

    def _inject(self, environ: WSGIEnvironment) -> None:
        environ.update(self._values)
        for key, function in self._functions:
            environ[key] = function(environ)


def _normalized(mounts: Mapping[str, WSGIApplication]) -> dict[str, WSGIApplication]:
    """Return the applications by prefix without the last slash, so that the root is the empty one."""
    apps: dict[str, WSGIApplication] = {}
    for prefix, app in mounts.items():
        name = prefix.removesuffix("/")
        if not prefix.startswith("/") or "//" in prefix:
            raise RegistrationError(f"Site: expected a prefix such as '/api', got {prefix!r}.")
        if name in apps:
            raise RegistrationError(f"Site: {prefix!r} is there twice, with and without the slash; leave one out.")
        _must_be_wsgi(prefix, app)
        apps[name] = app
    return apps


def _must_be_wsgi(prefix: str, app: object) -> None:
    if not callable(app):
        raise RegistrationError(f"Site: expected a WSGI application at {prefix!r}, got {type(app).__name__}.")
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__):
        remedy = "wrap it: mergepoint.asgi.from_asgi(app)"
        raise RegistrationError(f"Site: expected a WSGI application at {prefix!r}, got an ASGI one; {remedy}.")


def _with_bar(apps: dict[str, WSGIApplication], titles: Mapping[str, str]) -> dict[str, WSGIApplication]:
    ours: dict[str, WSGIApplication] = {"/site.json": Listing(titles), "/site.js": Script()}
    if taken := ours.keys() & apps.keys():
        raise RegistrationError(f"Site: {min(taken)!r} belongs to the bar; mount the application elsewhere.")
    return {**apps, **ours}


def _table(apps: Mapping[str, WSGIApplication]) -> dict[str, tuple[_Mount, ...]]:
    """Return, for each first segment of a path, the mounts that may serve it, the longest first."""
    encoded = {prefix.encode().decode("latin-1"): app for prefix, app in apps.items()}
    longest_first = sorted(encoded, key=len, reverse=True)
    mounts = [_Mount(prefix, prefix + "/", encoded[prefix]) for prefix in longest_first]
    segments = {_first_segment(mount.prefix) for mount in mounts}
    return {segment: tuple(mount for mount in mounts if _may_serve(mount, segment)) for segment in segments}


def _first_segment(prefix: str) -> str:
    return prefix[1:].partition("/")[0]


def _may_serve(mount: _Mount, segment: str) -> bool:
    return _first_segment(mount.prefix) in (segment, "")


def _injected(
    inject: Mapping[str, Any],
) -> tuple[dict[str, Any], list[tuple[str, Callable[[WSGIEnvironment], Any]]]]:
    """Return the constant values and the functions apart."""
    for key in inject:
        # PEP 3333: a server's or framework's own variables have a dot in their name.
        if "." not in key or key.startswith("wsgi."):
            raise RegistrationError(f"Site: expected a key of your own such as 'site.user' to inject, got {key!r}.")
    values = {key: value for key, value in inject.items() if not callable(value)}
    return values, [(key, value) for key, value in inject.items() if callable(value)]
