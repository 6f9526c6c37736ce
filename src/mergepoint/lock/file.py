"""The file of the contract lock: `contract.lock`, made to be read in a diff and not to be edited."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ..errors import MergepointError
from .entries import AppLock, Message, OperationLock
from .texts import WORDS, parse

NAME = "contract.lock"
"""What the file is called."""

FORMAT = 1
ABOUT = "What these apps promise on every protocol. Written by `mergepoint check --update`: commit it, do not edit it."
RESTORE = "Take the file back from version control, then run `mergepoint check --update TARGET`"


class LockError(MergepointError):
    """A `contract.lock` cannot be relied on. The message says what is wrong with it and what to do."""


def read(path: Path, app: str) -> AppLock | None:
    """Read what was recorded of an app.

    Args:
        path: the file.
        app: the name of the app.

    Returns:
        What it promised, or None if there is no file or nothing of this app in it.

    Raises:
        LockError: the file cannot be read, or was edited by hand.
    """
    recorded = _apps(path).get(app)
    if recorded is None:
        return None
    seals = _without_seals(path, recorded)
    try:
        lock = msgspec.convert(recorded, AppLock)
    except msgspec.ValidationError as error:
        raise _foreign(path, f"{app}: {error}") from None
    _must_be_whole(path, lock, seals)
    return lock


def write(path: Path, app: str, lock: AppLock) -> None:
    """Record what an app promises; the other apps of the file stay as they are.

    Raises:
        LockError: the file is there and cannot be read, or it cannot be written.
    """
    path = path.resolve()
    try:
        with _alone_in(path.parent):
            apps = {**_apps(path), app: _sealed(lock)}
            _put(path, render({"about": ABOUT, "format": FORMAT, "apps": dict(sorted(apps.items()))}))
    except OSError as error:
        raise LockError(f"{path.name} cannot be written: {error.strerror}.") from None


def _put(path: Path, text: str) -> None:
    """Replace a file as a whole, so that nobody ever reads half of it."""
    if path.exists() and path.read_text("utf-8") == text:
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, "utf-8")
    unfinished.replace(path)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from writing there: both would begin with the same file, and one be lost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _apps(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LockError(f"{path.name} cannot be read: {error.strerror}.") from None
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if b"<<<<<<<" in data:
            raise LockError(
                f"{path.name} holds a conflict of two branches. Take the side of the branch you merge into, whole,"
                " then run `mergepoint check --update TARGET`."
            ) from None
        raise _foreign(path, str(error)) from None
    if not isinstance(found, dict) or not isinstance(found.get("apps"), dict):
        raise _foreign(path, "it has no `apps`")
    if found.get("format") != FORMAT:
        raise LockError(
            f"{path.name} has the format {found.get('format')!r}, and this Mergepoint reads {FORMAT}."
            " Upgrade Mergepoint if the file is newer."
        )
    apps: dict[str, Any] = found["apps"]
    return apps


def _foreign(path: Path, reason: str) -> LockError:
    return LockError(f"{path.name} is no contract lock that Mergepoint wrote ({reason}). {RESTORE}.")


# --- seals ---------------------------------------------------------------------------------------------------------


def _seal(where: str, entry: Message | OperationLock) -> str:
    """Return a checksum of all that is recorded of one thing, so that an edit by hand is noticed."""
    return hashlib.sha256(msgspec.json.encode([where, entry], order="sorted")).hexdigest()[:8]


def _entries(lock: AppLock) -> Iterator[tuple[str, Message | OperationLock, Message]]:
    """Yield what is sealed, under its part and name, and the message in it that has numbers."""
    for name, operation in lock.operations.items():
        yield f"operations.{name}", operation, operation.parameters
    for part, messages in (("tasks", lock.tasks), ("records", lock.records), ("unions", lock.unions)):
        for name, message in messages.items():
            yield f"{part}.{name}", message, message


def _plain_entries(app: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the same of what a file holds, and nothing where it holds something else."""
    for part in ("operations", "tasks", "records", "unions"):
        found = app.get(part) if isinstance(app, dict) else None
        for name, entry in found.items() if isinstance(found, dict) else ():
            if isinstance(entry, dict):
                yield f"{part}.{name}", entry


def _sealed(lock: AppLock) -> dict[str, Any]:
    """Return a lock as plain values in the order of the file, each entry with its seal."""
    plain: dict[str, Any] = msgspec.to_builtins(lock)
    seals = {where: _seal(where, entry) for where, entry, _ in _entries(lock)}
    for where, entry in _plain_entries(plain):
        entry["seal"] = seals[where]
    for part in ("operations", "tasks", "records", "unions", "enums", "errors", "retired"):
        if part in plain:
            plain[part] = dict(sorted(plain[part].items()))
    return plain


def _without_seals(path: Path, app: Any) -> dict[str, Any]:
    if not isinstance(app, dict):
        raise _foreign(path, "an app is no object")
    return {where: entry.pop("seal", None) for where, entry in _plain_entries(app)}


def _must_be_whole(path: Path, lock: AppLock, seals: dict[str, Any]) -> None:
    """Refuse what nobody but a person could have written."""
    for where, entry, message in _entries(lock):
        fault = next(_faults(lock, message), None)
        if fault is None and seals.get(where) != _seal(where, entry):
            fault = "the fields, their types or their numbers are not those that were recorded"
        if fault is not None:
            name = where.partition(".")[2]
            raise LockError(f"{path.name} was edited by hand. In `{name}`, {fault}. {RESTORE}.")


def _faults(lock: AppLock, message: Message) -> Iterator[str]:
    """Yield what is wrong with the numbers and types of a message."""
    owners: dict[int, str] = {}
    for name, slot in message.fields.items():
        number = slot.number
        if number < 1:
            yield f"`{name}` has the number {number}"
        if number in owners:
            yield f"`{owners[number]}` and `{name}` have the same number {number}"
        if number in message.reserved.values():
            yield f"`{name}` has the number {number}, which is reserved"
        if unknown := _unknown(lock, slot.type):
            yield f"`{name}` has the type {slot.type}, and {unknown}"
        owners[number] = name


def _unknown(lock: AppLock, text: str) -> str | None:
    known = WORDS | lock.records.keys() | {f"enum {name}" for name in lock.enums}
    try:
        missing = sorted(set(parse(text).names()) - known)
    except ValueError as error:
        return str(error)
    return f"there is no {missing[0].removeprefix('enum ')}" if missing else None


# --- text ----------------------------------------------------------------------------------------------------------


def render(value: Any, indent: str = "") -> str:
    """Return JSON with one field a line: an object that holds others is spread out, the rest stands on one line."""
    if not isinstance(value, dict) or not any(isinstance(item, (dict, list)) for item in value.values()):
        return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
    inner = f"{indent}  "
    lines = (f"{inner}{msgspec.json.encode(key).decode()}: {render(item, inner)}" for key, item in value.items())
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}" + "\n" * (not indent)
