"""Read dimensions and EXIF of a picture with Pillow, prove that it can be shown, and make the small one for pages."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import ExifTags, Image, ImageOps

from newsroom.errors import UnreadableFile
from newsroom.inspect.kinds import Sniffed
from newsroom.inspect.plain import plain
from newsroom.records import Findings, Picture, Reason

FORMATS = ("PNG", "JPEG", "MPO", "GIF", "WEBP", "TIFF", "BMP", "ICO")
"""Only these decoders are let near a stranger's bytes."""

MOST_PIXELS = 100_000_000
"""A picture is unpacked in memory, with four bytes a pixel; a few kilobytes can claim to be gigabytes."""

PREVIEW = (640, 640)
"""Pixels of the small picture, at most."""

POINTERS = frozenset({ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop})
"""Entries that only say where in the file others are."""

MOST_EXIF = 60
LONGEST_EXIF = 200
BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, Image.DecompressionBombError)
"""What Pillow lets out of a damaged picture: `UnidentifiedImageError` is an OSError, a bad PNG chunk a SyntaxError."""


def read(content: Path, sniffed: Sniffed) -> Findings:
    """Unpack the picture, so that what is kept can be shown, and read its dimensions and EXIF.

    Raises:
        UnreadableFile: it is broken, or claims more pixels than are unpacked.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd EXIF and of large pictures; MOST_PIXELS decides here.
            return _read(content, sniffed)
    except BROKEN as error:
        raise UnreadableFile(Reason.BROKEN_PICTURE, _said(error, content)) from error


def _read(content: Path, sniffed: Sniffed) -> Findings:
    with Image.open(content, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise UnreadableFile(
                Reason.BROKEN_PICTURE, f"{image.width} × {image.height} are more than {MOST_PIXELS:,} pixels"
            )
        picture = Picture(
            image.width, image.height, image.format or "", getattr(image, "n_frames", 1), dict(_exif(image))
        )
        return Findings(sniffed.kind, sniffed.media_type, facts=picture, preview=_preview(image))


def _exif(image: Image.Image) -> Iterator[tuple[str, str]]:
    exif = image.getexif()
    tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    for number, value in list(tags.items())[:MOST_EXIF]:
        name = ExifTags.TAGS.get(number)
        if name is None or number in POINTERS or isinstance(value, bytes | dict):
            continue
        if text := plain(value, LONGEST_EXIF):
            yield name, text


def _preview(image: Image.Image) -> bytes:
    image.load()
    upright = ImageOps.exif_transpose(image)
    small = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    small.thumbnail(PREVIEW)
    target = BytesIO()
    small.save(target, "WEBP", quality=80)
    return target.getvalue()


def _said(error: Exception, content: Path) -> str:
    return "it is not a picture" if str(content) in str(error) else plain(error, 120)
