"""What happens in a worker process before its first request: logs, the app, its site."""

from __future__ import annotations

import difflib
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable
from http import HTTPStatus
from multiprocessing.util import Finalize
from pathlib import Path
from time import monotonic, sleep
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from .. import loading
from ..app import App
from ..errors import ConfigError, MergepointError
from ..site import addresses, hosting_addresses, hosting_site, lacking, site
from ..wsgi import problem
from .beside import Beside, Servers

PATIENCE = 10
"""Seconds in which a worker that has loaded its app begins to listen; far more than it takes."""


class Load(msgspec.Struct, frozen=True):
    """All that a worker needs to know.

    Attributes:
        target: names the app.
        host: the address that Granian listens at.
        port: its port.
        address: the site's, for people: `http://127.0.0.1:8000`.
        cors: the origins whose pages may call.
        log_level: the least level that is logged.
        json_logs: True for JSON, False for text, None for text on a terminal and JSON elsewhere.
        patient: True if an app that cannot be loaded is waited for, because its author works on it.
        folder: where the processes of this run leave each other notes: `announced`, `unusable`.
        only: the services to host, if this process is there for the calls of others alone.
        beside: what to serve beside HTTP.
    """

    target: str
    host: str
    port: int
    address: str
    cors: tuple[str, ...]
    log_level: str
    json_logs: bool | None
    patient: bool
    folder: str
    only: tuple[str, ...]
    beside: Beside


def load(wishes: Load) -> WSGIApplication:
    """Load the app in a worker process and return its site; the end of the process will close the app."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A forked worker has the handlers of its parent, which would swallow the signal; Granian's come after this.
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, name="mergepoint-parent", daemon=True).start()
    if wishes.patient:
        # A cached module counts as current if size and second of its source are the same: too coarse for an editor.
        sys.dont_write_bytecode = True
    try:
        app, notes = loading.load(wishes.target, wishes.log_level, wishes.json_logs)
        # Processes of multiprocessing end without running `atexit`; this is what they run instead.
        Finalize(app, app.close, exitpriority=0)
        return _served(app, notes, wishes)
    except MergepointError as error:
        return _without_app(wishes, error)


def _served(app: App, notes: list[str], wishes: Load) -> WSGIApplication:
    _take_in(app, wishes.only)
    application = hosting_site(app) if wishes.only else site(app, cors=wishes.cors)
    servers = Servers(wishes.beside)
    servers.start(app)
    Finalize(servers, servers.stop, exitpriority=1)
    if _is_first(wishes.folder, "announced"):
        served = hosting_addresses(app) if wishes.only else addresses(app)
        rows = [(wishes.address + at.path, at.what) for at in served]
        rows += servers.rows
        notes += [*([] if wishes.only else lacking(app)), *servers.notes]
        told = loading.announcement(app, "is served", rows, notes)
        threading.Thread(target=_announce, args=(told, wishes.host, wishes.port), daemon=True).start()
    return application


def _take_in(app: App, only: tuple[str, ...]) -> None:
    """Host these services here, wherever they are said to run, and no others; all of them if none is named.

    Raises:
        ConfigError: the app has no service of this name.
    """
    for name in only:
        if name not in app.places:
            near = difflib.get_close_matches(name, app.places, 1)
            there = f"{', '.join(app.places) or 'it has none'}"
            expected = f"expected a service of {app.name} that is at a place: {there}."
            raise ConfigError(f"--only {name}: " + (f"did you mean `{near[0]}`?" if near else expected))
        app.places[name].take_in()
    for place in app.places.values():
        if only and place.name not in only:
            place.keep_in()


def _end_with_parent() -> None:
    """End, as SIGTERM does it, when the supervising process is gone: a worker without one could never be stopped."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _without_app(wishes: Load, error: MergepointError) -> WSGIApplication:
    """Say why there is no app, and end the server; or, while its author works on it, answer in its place."""
    first = _is_first(wishes.folder, "unusable")
    if first or wishes.patient:
        print(f"Error: {error}", file=sys.stderr, flush=True)  # noqa: T201 - to whoever started the server
    if wishes.patient:
        return _unavailable
    if first:  # one signal: a second one would end the server at once
        os.kill(os.getppid(), signal.SIGTERM)
    sleep(PATIENCE)  # until the supervisor ends this process: to leave by itself would look like a crash
    sys.exit(2)


def _is_first(folder: str, note: str) -> bool:
    """Leave a note for the other processes; True if there was none."""
    try:
        Path(folder, note).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _unavailable(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    detail = "The application could not be loaded; its terminal says why."
    return problem(environ, start_response, HTTPStatus.SERVICE_UNAVAILABLE, detail)


def _announce(told: str, host: str, port: int) -> None:
    """Print what is served as soon as somebody answers, so that whoever waits for it can begin."""
    until = monotonic() + PATIENCE
    while monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=1).close()
            break
        except OSError:
            sleep(0.01)
    print(told, flush=True)  # noqa: T201 - what the user waits for
