"""Show settings to people: what is in force, with its secrets redacted, and what could be set."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from mergepoint import redact
from mergepoint.config.schema import Field, Setting, fields, record_of, settings


def redacted(record: Any) -> dict[str, Any]:
    """Return settings as a flat dict that may be shown to anybody.

    Args:
        record: what `load` returned.

    Returns:
        Values by their path (`database.url`), in the order they are declared. Values marked `Sensitive`, values whose
        name says they are secret, and passwords inside URLs are `***`.
    """
    return dict(_rows(record, ()))


def _rows(record: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    kind: Any = type(record)
    for field in fields(kind).values():
        value = getattr(record, field.name)
        here = (*path, field.name)
        if record_of(type(value)):
            yield from _rows(value, here)
        else:
            yield ".".join(here), _shown(field, value)


def _shown(field: Field, value: Any) -> Any:
    if value is None:
        return None
    secret = field.sensitive or (isinstance(value, str) and redact.secret_key(field.name))
    return redact.REDACTED if secret else redact.visible(value)


def show(record: Any) -> str:
    """Return settings as a table of two columns, path and value, with secrets redacted as in `redacted`."""
    rows = redacted(record)
    width = max(map(len, rows), default=0)
    return "\n".join(f"{path:<{width}}  {value}" for path, value in rows.items())


def example(record: type, *, prefix: str) -> str:
    """Return an environment file that lists every variable.

    Args:
        record: the application's class of settings.
        prefix: what the variables begin with.

    Returns:
        One line for each variable, with its default, commented out unless it is required; above it what it is for
        (the `description` of its `msgspec.Meta`) and its type.
    """
    return "\n".join(_lines(setting) for setting in settings(record, prefix))


def _lines(setting: Setting) -> str:
    field = setting.field
    notes = [type_text(field.type), *(["required"] if field.required else []), *(["secret"] if field.sensitive else [])]
    value = "" if field.required or field.default is None else _default_text(field)
    comment = "" if field.required else "# "
    doc = _doc(field.type)
    return f"# {doc}{' ' if doc else ''}({', '.join(notes)})\n{comment}{setting.variable}={value}\n"


def _default_text(field: Field) -> str:
    value = _shown(field, field.default)
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode().strip('"')


def _doc(hint: Any) -> str:
    marks = (mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, msgspec.Meta))
    return " ".join(mark.description for mark in marks if mark.description)


def type_text(hint: Any) -> str:
    """Return a type as people write it: `int`, `list[str]`, `Path | None`."""
    if hasattr(hint, "__metadata__"):
        return type_text(hint.__origin__)
    if get_origin(hint) in (Union, UnionType):
        return " | ".join(type_text(member) for member in get_args(hint)).replace("NoneType", "None")
    return hint.__name__ if isinstance(hint, type) and not get_origin(hint) else str(hint).replace("typing.", "")
