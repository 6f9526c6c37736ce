"""Read the words out of files: text as it is, web pages with lxml, PDFs with pypdf."""

from __future__ import annotations

from pathlib import Path

from lxml import etree, html
from pypdf import PdfReader

from mergepoint import Progress
from newsroom.errors import UnreadableFile
from newsroom.records import Kind, Reason
from newsroom.strangers import BROKEN_PDF

LONGEST = 500_000
"""Characters of a text that are searched."""

UNSEEN = ("script", "style", "template", "noscript")
"""Elements whose text nobody reads."""

# No database of ours takes a NUL; others of the kind mark what was found, in snippets.
CONTROL = dict.fromkeys(number for number in range(32) if chr(number) not in "\n\t")


def extract(content: Path, kind: Kind, progress: Progress) -> str:
    """Read the words out of a file.

    Args:
        content: its bytes.
        kind: what it is.
        progress: told how much was read.

    Raises:
        UnreadableFile: it is broken.
    """
    if kind is Kind.PDF:
        text = _of_pdf(content, progress)
    elif kind is Kind.WEB_PAGE:
        text = _of_page(content)
    else:
        text = _of_text(content)
    # Half a surrogate pair, which a broken PDF may have, is no text that could be kept.
    return text.encode(errors="replace").decode().translate(CONTROL)[:LONGEST]


def _of_text(content: Path) -> str:
    with content.open(encoding="utf-8", errors="replace", newline="") as file:
        return file.read(LONGEST)


def _of_page(content: Path) -> str:
    try:
        root = html.parse(str(content), html.HTMLParser(no_network=True, huge_tree=False, encoding="utf-8")).getroot()
    except etree.XMLSyntaxError:
        return ""
    if root is None:
        return ""
    etree.strip_elements(root, *UNSEEN, etree.Comment, etree.ProcessingInstruction, with_tail=False)
    return "\n".join(" ".join(piece.split()) for piece in root.itertext() if not piece.isspace())


def _of_pdf(content: Path, progress: Progress) -> str:
    texts: list[str] = []
    length = 0
    try:
        with PdfReader(content) as reader:
            pages = [] if reader.is_encrypted else reader.pages
            for number, page in enumerate(pages):
                progress(number / len(pages), f"page {number + 1} of {len(pages)}")
                texts.append(page.extract_text())
                length += len(texts[-1])
                if length > LONGEST:
                    break
    except BROKEN_PDF as error:
        raise UnreadableFile(Reason.BROKEN_PDF, str(error)[:120] or "it ends too early") from error
    return "\n".join(texts)
