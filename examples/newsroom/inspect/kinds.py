"""Decide what a file is, by its first bytes, then by its name. What a sender claims is not asked."""

from __future__ import annotations

import mimetypes
from pathlib import Path, PurePosixPath

from msgspec import Struct
from pygments.lexers import find_lexer_class_for_filename

from newsroom.records import Kind

HEAD = 8192
"""How many bytes are looked at."""

SIGNATURES: tuple[tuple[int, bytes, Kind, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", Kind.PICTURE, "image/png"),
    (0, b"\xff\xd8\xff", Kind.PICTURE, "image/jpeg"),
    (0, b"GIF87a", Kind.PICTURE, "image/gif"),
    (0, b"GIF89a", Kind.PICTURE, "image/gif"),
    (8, b"WEBP", Kind.PICTURE, "image/webp"),
    (0, b"II*\0", Kind.PICTURE, "image/tiff"),
    (0, b"MM\0*", Kind.PICTURE, "image/tiff"),
    (0, b"%PDF-", Kind.PDF, "application/pdf"),
)
"""Where a mark begins, the mark, and what it is a mark of."""

ENDINGS: dict[str, tuple[Kind, str]] = {
    ".png": (Kind.PICTURE, "image/png"),
    ".jpg": (Kind.PICTURE, "image/jpeg"),
    ".jpeg": (Kind.PICTURE, "image/jpeg"),
    ".gif": (Kind.PICTURE, "image/gif"),
    ".webp": (Kind.PICTURE, "image/webp"),
    ".tif": (Kind.PICTURE, "image/tiff"),
    ".tiff": (Kind.PICTURE, "image/tiff"),
    ".bmp": (Kind.PICTURE, "image/bmp"),
    ".ico": (Kind.PICTURE, "image/vnd.microsoft.icon"),
    ".svg": (Kind.PICTURE, "image/svg+xml"),
    ".pdf": (Kind.PDF, "application/pdf"),
    ".html": (Kind.WEB_PAGE, "text/html"),
    ".htm": (Kind.WEB_PAGE, "text/html"),
    ".xhtml": (Kind.WEB_PAGE, "application/xhtml+xml"),
}
"""Endings that say what the content must be: a `.png` that is no picture is broken, not something else."""


class Sniffed(Struct, frozen=True):
    """What a file is; `language` is Pygments' name for that of a source file."""

    kind: Kind
    media_type: str
    language: str | None = None


def sniff(content: Path, name: str) -> Sniffed:
    """Decide what a file is.

    Args:
        content: the bytes.
        name: what the file is called.
    """
    with content.open("rb") as file:
        head = file.read(HEAD)
    for offset, mark, kind, media_type in SIGNATURES:
        if head.startswith(mark, offset):
            return Sniffed(kind, media_type)
    if known := ENDINGS.get(PurePosixPath(name).suffix.lower()):
        return Sniffed(*known)
    return _text(head, name) or Sniffed(Kind.OTHER, _media_type(name, "application/octet-stream"))


def _text(head: bytes, name: str) -> Sniffed | None:
    if b"\0" in head:
        return None
    lexer = find_lexer_class_for_filename(name)
    if lexer is not None and lexer.name != "Text only":
        media_type = lexer.mimetypes[0] if lexer.mimetypes else "text/plain"
        return Sniffed(Kind.SOURCE, media_type, lexer.name)
    return Sniffed(Kind.TEXT, _media_type(name, "text/plain")) if _is_utf8(head) else None


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # The head may end in the middle of a character: up to three of its four bytes.
        return len(head) == HEAD and error.start >= HEAD - 3
    return True


def _media_type(name: str, otherwise: str) -> str:
    # Our own MimeTypes knows Python's table only; the module's functions read the machine's, and machines differ.
    media_type, encoding = mimetypes.MimeTypes().guess_type(name)
    return otherwise if media_type is None or encoding else media_type
