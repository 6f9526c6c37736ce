"""Health and status of an app over HTTP, for load balancers, orchestrators and people."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from http import HTTPStatus
from time import monotonic
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from mergepoint.app import App, Resource
from mergepoint.wsgi.answer import answer_json, not_allowed, reads_only


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a resource answered: `ok` or `failed`, and then the class of the error, nothing else of it."""

    name: str
    status: str
    error: str | None = None


def health(app: App, *, seconds: float = 2.0) -> WSGIApplication:
    """Return a WSGI application for `/health`: 200 if every resource of the app works, else 503.

    Args:
        app: the app whose resources are asked, all at once.
        seconds: the longest a check may take; then it has failed.
    """
    asked: dict[int, _Asked] = {}
    lock = threading.Lock()

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not reads_only(environ):
            return not_allowed(environ, start_response)
        with lock:
            running = [asked.setdefault(id(resource), _Asked(resource)).begin() for resource in app.resources]
        checks = _results(app.resources, running, monotonic() + seconds)
        well = all(check.status == "ok" for check in checks)
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        return answer_json(
            environ, start_response, {"status": "ok" if well else "failed", "checks": checks}, status=status
        )

    return answer


class _Asked:
    """A resource and its latest check. One that hangs is not asked again, so that probes pile up no threads."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.latest: Future[None] | None = None

    def begin(self) -> Future[None]:
        if self.latest is None or self.latest.done():
            self.latest = Future()
            name = f"mergepoint-health-{self.resource.name}"
            threading.Thread(target=self._run, args=(self.latest,), name=name, daemon=True).start()
        return self.latest

    def _run(self, future: Future[None]) -> None:
        try:
            self.resource.check()
        except BaseException as error:  # noqa: BLE001 - whatever a check raises is its answer
            future.set_exception(error)
        else:
            future.set_result(None)


def _results(resources: list[Resource], running: list[Future[None]], until: float) -> list[Check]:
    return [_result(resource, future, until) for resource, future in zip(resources, running, strict=True)]


def _result(resource: Resource, future: Future[None], until: float) -> Check:
    try:
        error = future.exception(timeout=max(0.0, until - monotonic()))
    except TimeoutError as late:
        error = late
    return Check(resource.name, "ok") if error is None else Check(resource.name, "failed", type(error).__name__)


def status(app: App, *, version: str | None = None) -> WSGIApplication:
    """Return a WSGI application for `/status`: which service this is, and how long it has been up.

    Args:
        app: the app.
        version: the version of the deployed program; that of the app's interface unless given.

    Returns:
        An application that answers with JSON: name, version, uptime in seconds, process id, Python's version and the
        number of operations.
    """
    began = monotonic()

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not reads_only(environ):
            return not_allowed(environ, start_response)
        facts = {
            "name": app.name,
            "version": version or app.version,
            "uptime": round(monotonic() - began, 3),
            "process": os.getpid(),
            "python": platform.python_version(),
            "operations": len(app.operations),
        }
        return answer_json(environ, start_response, facts)

    return answer
