"""Load an app in a process that shall run it: with logs, metrics and traces around it, as far as they are installed."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable
from types import ModuleType

from . import target as targets
from .app import App, Resource
from .errors import MissingExtra, RegistrationError

OBSERVE = "mergepoint.observe"
"""Imported by its name, as an app runs without it where its libraries are missing."""


def load(target: str, log_level: str, json_logs: bool | None) -> tuple[App, list[str]]:
    """Load the app that a target names.

    Args:
        target: see `mergepoint.target`.
        log_level: the least level that is logged.
        json_logs: True for JSON, False for text, None for text on a terminal and JSON elsewhere.

    Returns:
        The app, and what people should know of how it was loaded.

    Raises:
        MergepointError: there is no such app, or it cannot work.
    """
    try:
        observe = importlib.import_module(OBSERVE)
    except MissingExtra as error:
        logging.basicConfig(level=log_level.upper())
        return targets.load(target), [f"Without metrics: {error}"]
    observe.logging(log_level, json=json_logs)
    app = targets.load(target)
    return app, _measured(app, observe, log_level, json_logs)


def _measured(app: App, observe: ModuleType, log_level: str, json_logs: bool | None) -> list[str]:
    if "/metrics" in app.mounts:
        return []  # the application observes itself, in its own way
    try:
        observe.setup(app, level=log_level, json=json_logs)
    except RegistrationError:
        return ["Without metrics: the app is closed for registration; call observe.setup(app) right after App(...)."]
    return []


def announcement(app: App, does: str, rows: list[tuple[str, str]], notes: Iterable[str]) -> str:
    """Return what runs, for people.

    Args:
        app: the app.
        does: what is said of it: `is served`.
        rows: addresses, or names of what runs, and what each is.
        notes: further lines.
    """
    width = max(len(where) for where, _ in rows)
    lines = [f"  {where.ljust(width)}  {what}" for where, what in rows]
    owned = [f"It stands on: {repr(r).strip('<>')}." for r in app.resources if _tells_of_itself(r)]
    elsewhere = [f"Elsewhere: {repr(place).strip('<>')}." for place in app.places.values() if not place.is_here]
    return "\n".join([f"{app.name} {does}:", *lines, *notes, *owned, *elsewhere, "Ctrl+C stops it."])


def _tells_of_itself(resource: Resource) -> bool:
    return type(resource).__repr__ is not object.__repr__
