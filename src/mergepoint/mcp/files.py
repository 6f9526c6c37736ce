"""Files over MCP: uploads as objects with base64, downloads as the content that agents know."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import quote

import msgspec
from mcp.types import AudioContent, BlobResourceContents, ContentBlock, EmbeddedResource, ImageContent
from mcp.types import TextResourceContents as TextResource

from ..call import Call
from ..contract import Contract, Parameter
from ..shape import Field, shape_of
from ..types import Download, Meta, Upload
from ..wire import Arguments

CHUNK = 65_536
"""Bytes of a file read at a time."""


class File(msgspec.Struct, frozen=True):
    """A file to send along."""

    content: Annotated[bytes, Meta(extra_json_schema={"description": "The bytes, in base64."})]
    name: str = "file"
    media_type: str = "application/octet-stream"


def arguments(contract: Contract) -> Arguments:
    """Return what reads all arguments out of one object, the files last, as the contract orders them."""
    if not contract.uploads:
        return contract.arguments
    return Arguments("arguments", [*contract.fields, *map(_field, contract.uploads)])


def _field(parameter: Parameter) -> Field:
    hint: Any = list[File]
    if parameter.type is Upload:
        hint = File
    elif type(None) in get_args(parameter.type):
        hint = File | None
    return Field(parameter.name, parameter.name, shape_of(hint), parameter.default)


def opened(value: Any) -> Any:
    """Return what business code gets for a file, or several; every other value as it is."""
    if isinstance(value, File):
        return Upload(value.name, value.media_type, io.BytesIO(value.content))
    return [opened(item) for item in value] if isinstance(value, list) else value


def content_of(file: Download, call: Call, *, name: str, most: int) -> ContentBlock | None:
    """Return a file as content, or None if it is longer than allowed.

    Args:
        file: what to send.
        call: what it answers; reading ends with its time.
        name: what to call the file if it has no name.
        most: the most bytes.
    """
    body = _read(file.content, call, most)
    if body is None:
        return None
    media_type, data = file.media_type, b64encode(body).decode()
    if media_type.startswith("audio/"):
        return AudioContent(data=data, mime_type=media_type)
    if media_type.startswith("image/") and "svg" not in media_type:
        return ImageContent(data=data, mime_type=media_type)
    uri = f"download:{quote(file.name or name)}"
    if (text := _text(media_type, body)) is not None:
        return EmbeddedResource(resource=TextResource(uri=uri, mime_type=media_type, text=text))
    return EmbeddedResource(resource=BlobResourceContents(uri=uri, mime_type=media_type, blob=data))


def _read(content: bytes | Path | Iterable[bytes], call: Call, most: int) -> bytes | None:
    if isinstance(content, bytes):
        return content if len(content) <= most else None
    if isinstance(content, Path):
        with content.open("rb") as file:
            return _joined(iter(lambda: file.read(CHUNK), b""), call, most)
    try:
        return _joined(content, call, most)
    finally:
        if close := getattr(content, "close", None):
            close()


def _joined(chunks: Iterable[bytes], call: Call, most: int) -> bytes | None:
    body = bytearray()
    for chunk in chunks:
        call.check()
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


def _text(media_type: str, body: bytes) -> str | None:
    """Return a file as text if that is what its type says and it is."""
    plain = media_type.partition(";")[0].strip().lower()
    if not (plain.startswith("text/") or plain.endswith(("+json", "+xml", "/json", "/xml"))):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
