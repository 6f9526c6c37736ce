"""Make small pictures with Pillow: of a picture, and of the first picture in a PDF."""

from __future__ import annotations

from io import BytesIO
from itertools import islice
from pathlib import Path

from PIL import Image, ImageOps
from pypdf import PageObject, PdfReader

from newsroom.errors import UnreadableFile
from newsroom.records import Reason
from newsroom.strangers import BROKEN_PDF, BROKEN_PICTURE, opened

SIZE = (320, 240)
"""Pixels, at most."""

PAGES = 10
"""Pages of a PDF that are looked through."""


def of_picture(content: Path) -> bytes:
    """Make a small WebP.

    Raises:
        UnreadableFile: it is no picture, or claims more pixels than are unpacked.
    """
    with opened(content) as picture:
        return _small(picture)


def of_pdf(content: Path) -> bytes | None:
    """Make a small WebP of the first picture that Pillow can read; None where there is none.

    Raises:
        UnreadableFile: it is no PDF.
    """
    try:
        with PdfReader(content) as reader:
            pages = [] if reader.is_encrypted else list(islice(reader.pages, PAGES))
            return next((small for page in pages if (small := _of_page(page))), None)
    except BROKEN_PDF as error:
        raise UnreadableFile(Reason.BROKEN_PDF, str(error)[:120] or "it ends too early") from error


def _of_page(page: PageObject) -> bytes | None:
    pictures = page.images
    for number in range(len(pictures)):
        try:
            picture = pictures[number].image
            if picture is not None:
                return _small(picture)
        except (*BROKEN_PDF, *BROKEN_PICTURE, NotImplementedError, ImportError):
            continue  # in an encoding that is not known here: the PDF itself is fine
    return None


def _small(picture: Image.Image) -> bytes:
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    small = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    small.thumbnail(SIZE)
    target = BytesIO()
    small.save(target, "WEBP", quality=80)
    return target.getvalue()
