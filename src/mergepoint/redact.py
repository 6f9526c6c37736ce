"""Hide what must not be shown: values by their key, by their type's `Sensitive` mark, and passwords inside URLs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

REDACTED = "***"
"""What stands in the place of a secret."""

_WORDS = r"passw|passphrase|pwd|secret|token|authorization|cookie|credential|api[_-]?key|private[_-]?key"
_SECRET_KEY = re.compile(_WORDS, re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^\s:/@]*):[^\s/]*@")
_URL_PARAMETER = re.compile(rf"([?&][\w.-]*(?:{_WORDS})[\w.-]*=)[^&\s#]*", re.IGNORECASE)
_DEPTH = 8


def secret_key(key: str) -> bool:
    """Tell whether a value under this key (`password`, `X-Api-Key`, ...) is a secret by its name."""
    return _SECRET_KEY.search(key) is not None


def sensitive(hint: Any) -> bool:
    """Tell whether a type hint is marked `Sensitive`, itself or anywhere inside it."""
    if get_origin(hint) is Annotated:
        marks = (mark.extra or {} for mark in hint.__metadata__ if isinstance(mark, msgspec.Meta))
        return any(mark.get("sensitive") is True for mark in marks) or sensitive(hint.__origin__)
    return any(sensitive(argument) for argument in get_args(hint))


def text(value: str) -> str:
    """Return the text with the passwords and tokens inside its URLs redacted."""
    if "://" not in value and "?" not in value:
        return value
    return _URL_PARAMETER.sub(rf"\1{REDACTED}", _URL_PASSWORD.sub(rf"\1:{REDACTED}@", value))


def visible(value: Any) -> Any:
    """Return what may be shown of a value.

    Args:
        value: anything; mappings, lists and records (dataclasses, structs, attrs classes, named tuples) are looked
            into.

    Returns:
        The same scalars, with records as dicts, and `***` in the place of every secret.
    """
    return _visible(value, _DEPTH)


def _visible(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return text(value)
    if depth == 0:
        return "..."
    if isinstance(value, Mapping):
        return {key: _entry(str(key), item, depth) for key, item in value.items()}
    kind: Any = type(value)
    if names := _names(kind):
        return _record(value, names, _marked(kind), depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_visible(item, depth - 1) for item in value]
    return value


def _entry(key: str, value: Any, depth: int) -> Any:
    return REDACTED if secret_key(key) else _visible(value, depth - 1)


def _record(value: Any, names: tuple[str, ...], marked: frozenset[str], depth: int) -> dict[str, Any]:
    return {name: REDACTED if name in marked else _entry(name, getattr(value, name, None), depth) for name in names}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """Return the names of a record's fields, and nothing for what is no record."""
    if issubclass(kind, msgspec.Struct):
        return tuple(kind.__struct_fields__)
    if issubclass(kind, tuple):
        return tuple(getattr(kind, "_fields", ()))
    if attributes := getattr(kind, "__attrs_attrs__", ()):
        return tuple(attribute.name for attribute in attributes)
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


@cache
def _marked(kind: Any) -> frozenset[str]:
    try:
        hints = get_type_hints(kind, include_extras=True)
    except NameError:  # a name that only the type checker knows: nothing tells which fields are secret
        return frozenset(_names(kind))
    return frozenset(name for name, hint in hints.items() if sensitive(hint))
