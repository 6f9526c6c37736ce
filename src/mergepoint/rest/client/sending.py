"""The arguments of a call as an HTTP request."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from secrets import token_hex
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, NamedTuple, cast
from urllib.parse import quote, urlencode

import msgspec

from ...errors import InvalidArgument, Problem
from ...types import Upload
from .remote import Target
from .transport import CHUNK, Body

IN_MEMORY = 1_000_000
"""Bytes of an upload of unknown length that are kept in memory; more go to a temporary file."""


class Request(NamedTuple):
    """A request to be sent; `path` is below the address of the API."""

    path: str
    body: Body
    headers: dict[str, str]


def request(target: Target, values: Mapping[str, Any], files: Mapping[str, list[Upload]], copies: ExitStack) -> Request:
    """Put the arguments of a call where they belong.

    Args:
        target: where the operation is, and where each of its parameters goes.
        values: the arguments as plain values, by name.
        files: the files, by parameter.
        copies: closes, after the request, the copies that had to be made of files.

    Raises:
        InvalidArgument: a value cannot stand in its place.
    """
    by_place: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "body": {}, "form": {}}
    for name, value in values.items():
        by_place[target.places[name]][name] = value
    query = urlencode([*_pairs(by_place["query"])])
    path = _path(target, by_place["path"]) + ("?" + query if query else "")
    if "form" in target.places.values():
        fields = list(_pairs(by_place["form"]))
        sized = [(name, u, _sized(u.file, copies)) for name, uploads in files.items() for u in uploads]
        return Request(path, *_form(fields, sized))
    if "body" not in target.places.values():
        return Request(path, None, {})
    body = by_place["body"].get(target.whole_body, ...) if target.whole_body else by_place["body"]
    if body is ...:
        return Request(path, None, {})
    return Request(path, msgspec.json.encode(body), {"Content-Type": "application/json"})


def _path(target: Target, values: Mapping[str, Any]) -> str:
    path = target.path
    for name, value in values.items():
        text = _text(value)
        if not text or "/" in text:
            raise InvalidArgument.of(Problem(f"$.{name}", f"Expected text without `/` for a path, got {text!r}"))
        path = path.replace(f"{{{target.in_path[name]}}}", _segment(text))
    return path


def _segment(text: str) -> str:
    # `.` and `..` would be taken for steps in the path (RFC 3986, 5.2.4), so they are escaped though they need not be.
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def _pairs(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield values as text, those of a list one by one."""
    for name, value in values.items():
        if value in ([], ()):
            raise InvalidArgument.of(Problem(f"$.{name}", "An empty list cannot be told from none in a query or form"))
        if value is None:
            raise InvalidArgument.of(Problem(f"$.{name}", "None cannot be told in a query or form; leave it out"))
        for item in value if isinstance(value, list | tuple) else [value]:
            yield name, _text(item)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


# --- multipart/form-data (RFC 7578) ---


def _form(fields: list[tuple[str, str]], files: list[tuple[str, Upload, BinaryIO]]) -> tuple[Body, dict[str, str]]:
    """Return the body and the headers of a form; files are sent as they are read."""
    boundary = token_hex(16)
    parts: list[tuple[bytes, bytes | BinaryIO]] = [
        (_part(boundary, f'name="{_quoted(name)}"'), text.encode()) for name, text in fields
    ]
    for name, upload, content in files:
        told = f'name="{_quoted(name)}"; filename="{_quoted(upload.name)}"'
        parts.append((_part(boundary, told, upload.media_type), content))
    end = f"--{boundary}--\r\n".encode()
    length = sum(len(head) + _length(content) + 2 for head, content in parts) + len(end)
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(length)}
    return _chunks(parts, end), headers


def _part(boundary: str, told: str, media_type: str | None = None) -> bytes:
    kind = f"Content-Type: {_quoted(media_type)}\r\n" if media_type else ""
    return f"--{boundary}\r\nContent-Disposition: form-data; {told}\r\n{kind}\r\n".encode()


def _quoted(text: str) -> str:
    """Write text as a quoted string (RFC 9110, 5.6.4), without the line ends that would begin another header."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "%0D").replace("\n", "%0A")


def _sized(file: BinaryIO, copies: ExitStack) -> BinaryIO:
    """Return a file whose length can be told: itself if it can be searched, else a copy."""
    if file.seekable():
        return file
    copy = copies.enter_context(SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115  # the stack closes it
    shutil.copyfileobj(file, copy)
    copy.seek(0)
    return cast(BinaryIO, copy)


def _length(content: bytes | BinaryIO) -> int:
    if isinstance(content, bytes):
        return len(content)
    here = content.tell()
    length = content.seek(0, os.SEEK_END) - here
    content.seek(here)
    return length


def _chunks(parts: Iterable[tuple[bytes, bytes | BinaryIO]], end: bytes) -> Iterator[bytes]:
    for head, content in parts:
        yield head
        if isinstance(content, bytes):
            yield content
        else:
            while chunk := content.read(CHUNK):
                yield chunk
        yield b"\r\n"
    yield end
