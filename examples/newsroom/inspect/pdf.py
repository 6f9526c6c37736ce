"""Read the pages, title and author of a PDF with pypdf."""

from __future__ import annotations

from pathlib import Path

from pypdf import PdfReader

from newsroom.errors import UnreadableFile
from newsroom.inspect.kinds import Sniffed
from newsroom.plain import plain
from newsroom.records import Findings, Pdf, Reason
from newsroom.strangers import BROKEN_PDF


def read(content: Path, sniffed: Sniffed) -> Findings:
    """Count the pages and read the title and author, as far as the PDF lets itself be read.

    Raises:
        UnreadableFile: it is broken.
    """
    try:
        with PdfReader(content) as reader:
            return _findings(reader, sniffed)
    except BROKEN_PDF as error:
        raise UnreadableFile(Reason.BROKEN_PDF, plain(error, 120) or "it ends too early") from error


def _findings(reader: PdfReader, sniffed: Sniffed) -> Findings:
    if reader.is_encrypted:
        return Findings(sniffed.kind, sniffed.media_type, facts=Pdf(encrypted=True))
    about = reader.metadata
    return Findings(
        sniffed.kind,
        sniffed.media_type,
        title=_text(about.title) if about else None,
        facts=Pdf(pages=len(reader.pages), author=_text(about.author) if about else None),
    )


def _text(value: str | None) -> str | None:
    return plain(value) or None if value else None
