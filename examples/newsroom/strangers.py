"""Open what strangers made: which decoders are let near it, how much is unpacked, and what breaks how."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from pypdf.errors import PyPdfError

from newsroom.errors import UnreadableFile
from newsroom.plain import plain
from newsroom.records import Reason

FORMATS = ("PNG", "JPEG", "MPO", "GIF", "WEBP", "TIFF", "BMP", "ICO")
"""Only these decoders are let near a stranger's bytes."""

MOST_PIXELS = 100_000_000
"""A picture is unpacked in memory, with four bytes a pixel; a few kilobytes can claim to be gigabytes."""

BROKEN_PICTURE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    Image.DecompressionBombError,
)
"""What Pillow lets out of a damaged picture: `UnidentifiedImageError` is an OSError, a bad PNG chunk a SyntaxError."""

BROKEN_PDF = (PyPdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError)
"""What pypdf lets out of a damaged file: its own errors, and those of the Python it is written in."""


@contextmanager
def opened(content: Path) -> Iterator[Image.Image]:
    """Open a picture.

    Raises:
        UnreadableFile: it is none, or is found to be broken in the block, or claims more pixels than are unpacked.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd EXIF and of large pictures; MOST_PIXELS decides here.
            with Image.open(content, formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    what = f"{image.width} × {image.height} are more than {MOST_PIXELS:,} pixels"
                    raise UnreadableFile(Reason.BROKEN_PICTURE, what)
                yield image
    except BROKEN_PICTURE as error:
        raise UnreadableFile(Reason.BROKEN_PICTURE, _said(error, content)) from error


def _said(error: Exception, content: Path) -> str:
    return "it is not a picture" if str(content) in str(error) else plain(error, 120)
