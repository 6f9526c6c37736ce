"""Worker and scheduler processes of their own, for `mergepoint run TARGET worker`."""

from __future__ import annotations

import functools
import gc
import importlib
import signal
import sys
from typing import Any

import msgspec

from .. import loading
from ..background import Background, Wishes
from ..errors import MergepointError

PROCESSES = "mergepoint.tasks.processes"
"""Imported when it runs: the web server does without its libraries."""

UNUSABLE = 2
"""The exit code of a process whose app cannot be loaded."""


class Settings(msgspec.Struct, frozen=True):
    """What such a process needs to know.

    Attributes:
        target: names the app, see `mergepoint.target`.
        processes: how many there are.
        background: what runs in each.
        log_level: the least level that is logged.
        json_logs: True for JSON, False for text, None for text on a terminal and JSON elsewhere.
    """

    target: str
    processes: int
    background: Wishes
    log_level: str
    json_logs: bool | None


def run(settings: Settings) -> int:
    """Run processes until SIGTERM or SIGINT, and return the exit code.

    Args:
        settings: what each of them does.

    Raises:
        MissingExtra: the libraries of jobs are not installed.
    """
    processes: Any = importlib.import_module(PROCESSES)
    work, background = functools.partial(_work, settings), settings.background
    code: int = processes.Supervisor(work, processes=settings.processes, grace=background.grace).run()
    return code


def _work(settings: Settings, announce: Any) -> None:
    """Load the app in a process, and work until SIGTERM."""
    try:
        app, notes = loading.load(settings.target, settings.log_level, settings.json_logs)
        background = Background(app, settings.background)
    except MergepointError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)  # noqa: T201 - to whoever started the worker
        sys.exit(UNUSABLE)
    gc.freeze()  # what is there now stays: the collector need not look at it again and again
    does = "runs jobs" if settings.processes == 1 else f"runs jobs, in {settings.processes} processes like this"
    told = loading.announcement(app, does, background.rows, [*notes, *background.notes])
    try:
        background.run(lambda: announce(told), frozenset({signal.SIGTERM}))
    finally:
        app.close()
