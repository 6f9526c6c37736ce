"""Look into a file: what it is, and what it says about itself. One module per kind, on the library that knows it."""

from __future__ import annotations

from pathlib import Path

from newsroom.inspect import html, pdf, pictures, source, vector
from newsroom.inspect.kinds import Sniffed, sniff
from newsroom.records import Findings, Kind

READERS = {
    Kind.PICTURE: pictures.read,
    Kind.WEB_PAGE: html.read,
    Kind.PDF: pdf.read,
    Kind.SOURCE: source.read,
    Kind.TEXT: source.read,
}


def inspect(content: Path, name: str) -> Findings:
    """Read out of a file what its kind has to say.

    Args:
        content: the bytes.
        name: what the file is called; its ending counts where the content does not tell.

    Raises:
        UnreadableFile: a picture or a PDF that is broken.
        OSError: the file cannot be read.
    """
    sniffed = sniff(content, name)
    if sniffed.media_type == vector.MEDIA_TYPE:
        return vector.read(content, sniffed)
    reader = READERS.get(sniffed.kind, _nothing)
    return reader(content, sniffed)


def _nothing(content: Path, sniffed: Sniffed) -> Findings:
    return Findings(sniffed.kind, sniffed.media_type)
