"""What runs beside the web server, in the same processes: gRPC, ZeroMQ, workers and schedulers, as far as installed."""

from __future__ import annotations

import importlib
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from .. import lock
from ..app import App
from ..background import Background, Wishes
from ..errors import MissingExtra
from ..place import Host
from .ports import for_people
from .shared import Shared

GRPC, ZMQ = "mergepoint.grpc", "mergepoint.zmq"
"""Imported by their names, as an app is served without them where their libraries are missing."""

SLACK = 100_000
"""Bytes that a message of ZeroMQ may have beyond the longest body."""

LAST = 0.3
"""Seconds of the grace that are left, when everything else is over, to close the app."""


class Beside(msgspec.Struct, frozen=True):
    """What to serve beside HTTP.

    Attributes:
        folder: where the workers of this run meet.
        grpc: the address of gRPC, host and port; None for none.
        grpc_asked: True if its user wants gRPC, and not just what there is.
        grpc_refused: why there is no gRPC though nobody said so.
        zmq: the address of ZeroMQ; None for none.
        hosting: True to take the calls of other processes and nothing else.
        background: the workers and schedulers to run.
        locks: the folder that may hold `contract.lock`.
        workers: how many processes share these addresses.
        grace: the seconds that calls in flight have to finish at the end.
    """

    folder: str
    grpc: str | None = None
    grpc_asked: bool = False
    grpc_refused: str = ""
    zmq: str | None = None
    hosting: bool = False
    background: Wishes = Wishes()
    locks: str = "."
    workers: int = 1
    grace: float = 30


class Server(NamedTuple):
    """A server that runs.

    Attributes:
        address: where it listens, for people.
        what: what it serves.
        stop: ends it, within some seconds.
    """

    address: str
    what: str
    stop: Callable[[float], object]


class Servers:
    """The servers beside HTTP of one worker.

    They refuse new calls as soon as the worker is asked to end. To wait until HTTP is done, which may take all of the
    grace, would leave nothing of it for them.

    Args:
        wishes: what to serve.

    Attributes:
        rows: address, or name, of each that runs, and what it does.
        notes: why others do not run.
    """

    def __init__(self, wishes: Beside) -> None:
        self.rows: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self._wishes = wishes
        self._lock = threading.Lock()
        self._stops: list[Callable[[float], object]] = []
        self._ending: list[threading.Thread] = []
        self._ends: float | None = None

    def start(self, app: App) -> None:
        """Start what is wished for, as far as the libraries are there.

        Raises:
            ConfigError: an address or a queue cannot be used.
            MissingExtra: the library of what its user asked for is not installed.
        """
        with ExitStack() as undo:
            for begin in (_grpc, _zmq):
                try:
                    server = begin(app, self._wishes)
                except MissingExtra as error:
                    if begin is _zmq or self._wishes.grpc_asked:
                        raise
                    self.notes.append(f"Without gRPC: {error}")
                    continue
                if server is not None:
                    undo.callback(server.stop, 0)
                    self.rows.append((server.address, server.what))
                    self._stops.append(server.stop)
            if not self._wishes.hosting:
                self._begin_background(app)
            undo.pop_all()
        if self._wishes.grpc_refused:
            self.notes.append(self._wishes.grpc_refused)
        if self._stops:
            self._listen_for_the_end()

    def stop(self) -> None:
        """Refuse new calls, and return when those in flight are over, or the grace is."""
        with self._lock:
            if self._ends is None:
                seconds = max(self._wishes.grace - LAST, 0)
                self._ends = monotonic() + seconds
                self._ending = [threading.Thread(target=stop, args=(seconds,), daemon=True) for stop in self._stops]
                for thread in self._ending:
                    thread.start()
        for thread in self._ending:
            thread.join(max(self._ends - monotonic(), 0))

    def _begin_background(self, app: App) -> None:
        background = Background(app, self._wishes.background)
        background.start()
        self.rows += background.rows
        self.notes += background.notes
        if background.rows:
            self._stops.append(background.stop)

    def _listen_for_the_end(self) -> None:
        """Learn of signals beside the handlers, which are the web server's, and set after this."""
        told, teller = os.pipe()
        os.set_blocking(teller, False)
        signal.set_wakeup_fd(teller, warn_on_full_buffer=False)
        threading.Thread(target=self._end_when_told, args=(told,), name="mergepoint-end", daemon=True).start()

    def _end_when_told(self, told: int) -> None:
        while os.read(told, 1)[0] not in (signal.SIGTERM, signal.SIGINT):
            pass
        self.stop()


def _grpc(app: App, wishes: Beside) -> Server | None:
    if wishes.grpc is None:
        return None
    module: Any = importlib.import_module(GRPC)
    recorded = lock.read(Path(wishes.locks, lock.NAME), app.name)
    server = module.server(
        None if wishes.hosting else app,
        lock=lock.merge(recorded, lock.describe(app)),
        host=_host(app),
        address=wishes.grpc,
        reuse_port=True,
    )
    server.start()
    what = "calls of other processes" if wishes.hosting else "gRPC, with health and reflection"
    return Server(for_people(f"grpc://{wishes.grpc}"), what, server.stop)


def _zmq(app: App, wishes: Beside) -> Server | None:
    if wishes.zmq is None:
        return None
    module: Any = importlib.import_module(ZMQ)
    server = _shared(module, app, wishes) if wishes.workers > 1 else _answering(module, app, wishes, None)
    server.start()
    what = "calls of other processes" if wishes.hosting else "ZeroMQ"
    return Server(for_people(f"zmq+{wishes.zmq.removeprefix('zmq+')}"), what, server.stop)


def _answering(module: Any, app: App, wishes: Beside, connect: str | None) -> Any:
    if wishes.hosting:
        return module.serve_host(_host(app), wishes.zmq, connect=connect)
    return module.server(app, wishes.zmq, host=_host(app), connect=connect)


def _shared(module: Any, app: App, wishes: Beside) -> Shared:
    host = _host(app)
    frames = [o.policy.max_body for o in app.operations.values()] + ([host.max_frame] if host else [])
    broker = partial(module.broker, wishes.zmq, max_message=SLACK + max(frames, default=0))
    return Shared(broker, partial(_answering, module, app, wishes), wishes.folder)


def _host(app: App) -> Host | None:
    return app.host if app.key and app.places else None
