"""The supervising process: it owns the address and the workers, and never runs the application's code itself."""

from __future__ import annotations

import functools
import math
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import msgspec
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.mp import MPServer

from .. import target as targets
from ..background import Wishes
from . import ports
from .beside import Beside
from .worker import Load, load

THREADS = 4
"""The threads of a worker unless said. One would do for work that only computes; three more cost it little, and an
operation that waits for a database or another service does not hold up the others."""

ECHO = 0.1
"""Seconds in which one wish to stop may arrive several times: from the terminal and its shell, or from systemd."""

_LOGGERS = {
    "loggers": {
        "_granian": {"propagate": True},
        "granian.access": {"level": "INFO", "propagate": True},
    }
}
_ACCESS = '%(addr)s "%(method)s %(path)s" %(status)d %(dt_ms).1f ms'
_SOURCES = "py|json|toml|ya?ml|html?|jinja2?|css|js|po|sql"
_NO_SOURCE = rf"^(?!.*\.(?:{_SOURCES})$)"
"""Matches files that are no source: a database or a log that changes with every request must not restart anything."""


class Settings(msgspec.Struct, frozen=True):
    """How to serve an app.

    Attributes:
        target: names the app, see `mergepoint.target`.
        host: the address to listen at.
        port: the port; 0 for any free one.
        workers: the number of processes.
        threads: the threads of each, and so the requests it works on at a time.
        reload: True to load the app again whenever a source file below the current folder changes.
        cors: the origins whose pages may call the operations.
        log_level: the least level that is logged.
        json_logs: True for JSON, False for text, None for text on a terminal and JSON elsewhere.
        access_log: True for a line per request; it costs more than many a request does.
        grace: the seconds that requests in flight have to finish when the server stops.
        grpc_port: the port of gRPC; 0 for any free one, None for 50051 if it is free.
        zmq: the address to serve ZeroMQ at, such as `tcp://127.0.0.1:5555`; None for none.
        only: the services to host, for the calls of other processes alone; empty for the whole app.
        background: the workers and schedulers to run in the same processes.
    """

    target: str
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    threads: int = THREADS
    reload: bool = False
    cors: tuple[str, ...] = ()
    log_level: str = "info"
    json_logs: bool | None = None
    access_log: bool = False
    grace: int = 30
    grpc_port: int | None = None
    zmq: str | None = None
    only: tuple[str, ...] = ()
    background: Wishes = Wishes()


def run(settings: Settings) -> None:
    """Serve an app until SIGTERM or SIGINT; requests in flight are finished then. A second signal ends at once.

    Args:
        settings: the app, the address, the workers.

    Raises:
        ConfigError: the address cannot be used.
        SystemExit: 2 if the app cannot be loaded (the reason is on standard error), 1 if a worker crashed.
    """
    with ExitStack() as kept, tempfile.TemporaryDirectory(prefix="mergepoint-") as folder:
        at = ports.choose(settings.host, settings.port, settings.grpc_port, settings.zmq, kept)
        if settings.workers > 1:
            os.environ.setdefault("MERGEPOINT_METRICS_DIR", str(Path(folder, "metrics")))
        wishes = _wishes(settings, at, folder)
        try:
            _server(settings, at.host, at.port).serve(target_loader=functools.partial(load, wishes), wrap_loader=False)
        finally:
            if Path(folder, "unusable").exists() and not settings.reload:
                sys.exit(2)


class _Server(MPServer):
    """Granian, with a second signal that ends it at once."""

    stopping_since = math.inf

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        if monotonic() - self.stopping_since > ECHO:
            for worker in self.wrks:
                worker.kill()  # type: ignore[no-untyped-call]
            sys.exit(1)
        if self.stopping_since == math.inf:
            self.stopping_since = monotonic()
            for worker in self.wrks:
                worker.interrupt_by_parent = True  # that one ends now is no crash
            # Ctrl+C reaches the workers too, and a second signal within a millisecond makes Granian 2.8 lose the first.
            sleep(ECHO)
            super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]


def _server(settings: Settings, host: str, port: int) -> _Server:
    server = _Server(
        settings.target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=settings.threads,
        respawn_failed_workers=True,
        workers_kill_timeout=settings.grace,
        reload=settings.reload,
        reload_ignore_patterns=[_NO_SOURCE],
        reload_ignore_worker_failure=True,
        log_level=LogLevels.debug if settings.log_level == "debug" else LogLevels.error,
        log_dictconfig=_LOGGERS,
        log_access=settings.access_log,
        log_access_format=_ACCESS,
    )
    server.on_reload(lambda: print("Something changed: loading the app again.", flush=True))  # noqa: T201 - to its author
    return server


def _wishes(settings: Settings, at: ports.Addresses, folder: str) -> Load:
    return Load(
        target=settings.target,
        host=at.host,
        port=at.port,
        address=ports.for_people(f"http://{ports.bracketed(settings.host)}:{at.port}"),
        cors=settings.cors,
        log_level=settings.log_level,
        json_logs=settings.json_logs,
        patient=settings.reload,
        folder=folder,
        only=settings.only,
        beside=_beside(settings, at, folder),
    )


def _beside(settings: Settings, at: ports.Addresses, folder: str) -> Beside:
    return Beside(
        folder=folder,
        grpc=at.grpc,
        grpc_asked=settings.grpc_port is not None,
        grpc_refused=at.grpc_refused,
        zmq=at.zmq,
        hosting=bool(settings.only),
        background=settings.background,
        locks=str(targets.folder(settings.target)),
        workers=settings.workers,
        grace=settings.grace,
    )
