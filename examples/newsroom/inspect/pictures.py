"""Read dimensions and EXIF of a picture with Pillow, prove that it can be shown, and make the small one for pages."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import ExifTags, Image, ImageOps

from newsroom.inspect.kinds import Sniffed
from newsroom.plain import plain
from newsroom.records import Findings, Picture
from newsroom.strangers import opened

PREVIEW = (640, 640)
"""Pixels of the small picture, at most."""

POINTERS = frozenset({ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop})
"""Entries that only say where in the file others are."""

MOST_EXIF = 60
LONGEST_EXIF = 200


def read(content: Path, sniffed: Sniffed) -> Findings:
    """Unpack the picture, so that what is kept can be shown, and read its dimensions and EXIF.

    Raises:
        UnreadableFile: it is broken, or claims more pixels than are unpacked.
    """
    with opened(content) as image:
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
