"""What there is to say of a field, beside its type, in a comment above it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..types import UNSET
from .kinds import Kind, Many, Part, Scalar


def remarks(part: Part) -> str:
    """Return what a caller needs to know of a field: the values it may have, whether it is required, its default."""
    return " ".join(filter(None, [part.doc, *_remarks(part)]))


def _remarks(part: Part) -> Iterator[str]:
    if values := _values(part.value.kind):
        yield f"One of: {', '.join(map(str, values))}."
    elif text := _MEANINGS.get(part.value.kind.text):
        yield text
    if part.required and not part.value.nullable and not part.repeats:
        yield "Required."
    elif default := _shown(part):
        yield f"Unless given: {default}."


_MEANINGS = {
    "Decimal": "A decimal number as text.",
    "UUID": "A UUID as text.",
    "date": "A date as text, 2026-01-31.",
    "time": "A time of day as text, 12:30:00.",
}


def _values(kind: Kind) -> tuple[str | int, ...]:
    if isinstance(kind, Many):
        return _values(kind.item.kind)
    return kind.values if isinstance(kind, Scalar) else ()


def _shown(part: Part) -> str | None:
    """Return the default of a part as JSON, if it is worth showing."""
    if part.required or part.sensitive or part.default is None or part.default is UNSET or part.default in ((), "", 0):
        return None
    try:
        text = msgspec.json.encode(part.default).decode()
    except (TypeError, ValueError):
        return None
    return text if text not in ("[]", "{}", "false") and len(text) < 80 else None
