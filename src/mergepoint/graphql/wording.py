"""What descriptions say: docstrings of records and their attributes, and notes that types do not show."""

from __future__ import annotations

import inspect
import re
from typing import NamedTuple

from ..shape import shape_of

_SECTION = re.compile(r"^(?:Attributes|Args):\n((?:[ \t]+.*(?:\n|$)|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^ {2,8}(\w+)(?: \([^)]*\))?: +(.+(?:\n {6,}.+)*)", re.MULTILINE)

SENSITIVE = "Sensitive: it is not shown in logs and messages."


class Told(NamedTuple):
    """What a docstring says of a record, and of each of its attributes."""

    text: str | None
    attributes: dict[str, str]


def told(record: object) -> Told:
    """Read the docstring of a record."""
    text = inspect.cleandoc(shape_of(record).form.__doc__ or "")
    section = _SECTION.search(text)
    if not section:
        return Told(text or None, {})
    attributes = {name: " ".join(doc.split()) for name, doc in _ENTRY.findall(section[1])}
    return Told(text.replace(section[0], "").strip() or None, attributes)


def joined(*sentences: str | None) -> str | None:
    """Return sentences as one description, None for none."""
    return " ".join(filter(None, sentences)) or None
