"""HTML made of Python calls: every text is escaped unless it was made here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Any

import msgspec

_EMPTY = frozenset({"input", "link", "meta"})  # elements that have no end tag (HTML, 13.1.2)


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = str | Iterable["Content"] | None


def tag(name: str, /, *content: Content, **attributes: str | bool | None) -> Html:
    """Make an element.

    Args:
        name: such as `section`.
        content: elements, which stay as they are, and text, which is escaped; also lists of these; None is nothing.
        attributes: by name, `class_` for `class`, `data_path` for `data-path`; True has no value, None and False
            leave it out.
    """
    told = "".join(_attribute(key, value) for key, value in attributes.items() if value not in (None, False))
    return Html(f"<{name}{told}>" if name in _EMPTY else f"<{name}{told}>{joined(content)}</{name}>")


def joined(content: Content) -> Html:
    """Join elements and text to one."""
    if content is None:
        return Html("")
    if isinstance(content, Html):
        return content
    return Html(escape(content)) if isinstance(content, str) else Html("".join(map(joined, content)))


def _attribute(key: str, value: Any) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def prose(text: str) -> Html:
    """Write a docstring: paragraphs, lists with `-`, and code between backticks."""
    return joined(_block(block) for block in re.split(r"\n\s*\n", text.strip()) if block)


def _block(text: str) -> Html:
    lines = re.split(r"^\s*[-*] +", text, flags=re.MULTILINE)
    before = tag("p", spans(lines[0])) if lines[0].strip() else None
    return joined([before, tag("ul", [tag("li", spans(line)) for line in lines[1:]]) if lines[1:] else None])


def spans(text: str) -> Html:
    """Write a line of a docstring, with code between backticks, single or double."""
    parts = re.split(r"(``.+?``|`.+?`)", " ".join(text.split()))
    return joined(tag("code", part.strip("`")) if index % 2 else part for index, part in enumerate(parts))


_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\d[\d.eE+-]*)')


def json(value: Any) -> Html:
    """Write a value as JSON, indented and coloured."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    parts, end = [], 0
    for found in _TOKEN.finditer(text):
        parts += [text[end : found.start()], *_coloured(found)]
        end = found.end()
    return joined([*parts, text[end:]])


def _coloured(found: re.Match[str]) -> list[str]:
    string, colon, word, number = found.groups()
    if string and colon:
        return [tag("span", string, class_="key"), colon]
    if string:
        return [tag("span", string, class_="string")]
    return [tag("span", word or number, class_="number")]
