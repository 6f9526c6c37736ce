"""All routes of an app as one WSGI application."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from falcon.routing import CompiledRouter

from ..app import App
from ..faults import ErrorTable
from ..wsgi.request import SECURITY, request_id
from .cors import Cors
from .endpoint import Endpoint, Header, StartResponse, endpoint, refuse
from .problems import HttpFailure
from .request import Environ
from .routes import PLACEHOLDER, Route, routes

NO_PARTS: Mapping[str, str] = MappingProxyType({})


def wsgi(app: App, *, prefix: str = "", cors: Collection[str] = ()) -> Rest:
    """Return the WSGI application that serves the operations of an app; see `Rest` for the arguments."""
    return Rest(app, prefix=prefix, cors=cors)


class Resource:
    """One path and what may be done with it."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}

    @property
    def allowed(self) -> str:
        """The methods of this path, as the header `Allow` has them."""
        head = ["HEAD"] if "GET" in self.endpoints else []
        return ", ".join([*sorted(self.endpoints), *head, "OPTIONS"])


class Rest:
    """The WSGI application of an app's operations."""

    def __init__(self, app: App, *, prefix: str = "", cors: Collection[str] = ()) -> None:
        """Prepare all routes.

        Args:
            app: whose operations to serve.
            prefix: what every path begins with, such as `/api`.
            cors: the origins whose pages may call, such as `https://bats.example`.

        Raises:
            RegistrationError: an operation cannot be served over HTTP.
        """
        self.prefix = prefix
        self.cors = Cors(cors)
        self._fixed: dict[str, Resource] = {}
        self._templates: dict[str, Resource] = {}
        self._router = CompiledRouter()
        for route in routes(app):
            self._add(route)
        self._leaves = _leaves(self._templates)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as WSGI has it (PEP 3333)."""
        if self.cors and "HTTP_ORIGIN" in environ:
            start_response = self.cors.respond(environ["HTTP_ORIGIN"], start_response)
        path = environ["PATH_INFO"]
        resource, parts = self._fixed.get(path), NO_PARTS
        if resource is None:
            resource, parts = self._find(path)
            if resource is None:
                return _refuse(environ, start_response, "no_such_path", "There is nothing at this path.")
        answer = resource.endpoints.get(environ["REQUEST_METHOD"])
        if answer is None:
            return self._other_method(resource, parts, environ, start_response)
        return answer(environ, start_response, parts)

    def _add(self, route: Route) -> None:
        # Named by position, so that /bats/{id} and /bats/{bat_id}/wings can stand beside each other.
        position = itertools.count()
        path = PLACEHOLDER.sub(lambda _: f"{{p{next(position)}}}", self.prefix + route.path)
        known = self._templates if "{" in path else self._fixed
        if path not in known:
            known[path] = Resource()
            if known is self._templates:
                self._router.add_route(path, known[path])
        known[path].endpoints[route.method] = endpoint(route, self.prefix)

    def _find(self, path: str) -> tuple[Resource | None, Mapping[str, str]]:
        if not path.isascii():
            try:
                path = path.encode("latin-1").decode()  # PEP 3333: bytes come as Latin-1
            except UnicodeDecodeError:
                return None, NO_PARTS
        head, _, last = path.rpartition("/")
        if last and (leaf := self._leaves.get(head)):  # /bats/{id}, the commonest template: half the router's time
            return leaf, {"p0": last}
        found: Any = self._router.find(path)
        return (None, NO_PARTS) if found is None else (found[0], found[2])

    def _other_method(
        self, resource: Resource, parts: Mapping[str, str], environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        method, allow = environ["REQUEST_METHOD"], ("Allow", resource.allowed)
        if method == "HEAD" and "GET" in resource.endpoints:
            return _without_body(resource.endpoints["GET"](environ, start_response, parts))
        if method == "OPTIONS":
            start_response("204 No Content", [allow, *self.cors.preflight(environ, resource.allowed), *SECURITY])
            return []
        message = f"Only {resource.allowed} can be used here."
        return _refuse(environ, start_response, "method_not_allowed", message, [allow])


def _leaves(templates: Mapping[str, Resource]) -> dict[str, Resource]:
    """Return, by what stands before it, the resources whose only placeholder is the whole last part of the path."""
    heads = Counter(path.rpartition("/")[0] for path in templates)
    leaves = {path.removesuffix("/{p0}"): resource for path, resource in templates.items() if path.endswith("/{p0}")}
    return {head: resource for head, resource in leaves.items() if heads[head] == 1}


def _refuse(
    environ: Environ, start_response: StartResponse, code: str, message: str, extra: Iterable[Header] = ()
) -> list[bytes]:
    fault = ErrorTable().fault(HttpFailure(code, message, kind="unimplemented"))
    return refuse(fault, request_id(environ), start_response, extra=extra)


def _without_body(body: Iterable[bytes]) -> list[bytes]:
    """Answer HEAD: what a GET would answer, but for its body (RFC 9110, 9.3.2)."""
    if close := getattr(body, "close", None):
        close()
    return []
