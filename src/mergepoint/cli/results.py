"""What an operation answers, as bytes for standard output or a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ..contract import Contract
from ..operation import Stream
from ..types import Download
from ..wire import Wire
from .records import shown

CHUNK = 65_536
"""Bytes of a file read at a time."""


def written(contract: Contract, result: Any, *, json: bool, to_terminal: bool = False) -> Iterator[bytes]:
    """Write a result: text as it is, all else as indented JSON; the items of a stream one a line.

    Args:
        contract: what the operation gives.
        result: what it gave.
        json: True for JSON in one line, text too.
        to_terminal: True if people read it: a list of records is a table then.
    """
    if contract.gives == "download":
        return _content(result)
    assert contract.result is not None  # noqa: S101 - so a contract says of all but downloads
    if contract.gives == "stream":
        return _items(result, _line(contract.result, json=json, pretty=False))
    if contract.gives == "nothing":
        return iter(())
    table = shown(contract.result, result) if to_terminal and not json else None
    return iter([_line(contract.result, json=json, pretty=True)(result) if table is None else table.encode() + b"\n"])


def _items(stream: Stream, line: Callable[[Any], bytes]) -> Iterator[bytes]:
    try:
        yield from map(line, stream)
    finally:
        stream.close()


def _line(wire: Wire[Any], *, json: bool, pretty: bool) -> Callable[[Any], bytes]:
    def write(value: Any) -> bytes:
        text = wire.encode_json(value)
        if text.startswith(b'"') and not json:
            text = msgspec.json.decode(text, type=str).encode()
        elif pretty and not json:
            text = msgspec.json.format(text, indent=2)
        return text + b"\n"

    return write


def _content(file: Download) -> Iterator[bytes]:
    if isinstance(file.content, bytes):
        yield file.content
    elif isinstance(file.content, Path):
        with file.content.open("rb") as opened:
            yield from iter(lambda: opened.read(CHUNK), b"")
    else:
        yield from file.content
