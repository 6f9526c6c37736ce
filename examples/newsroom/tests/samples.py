"""Small real files, made by the libraries that people make theirs with."""

from __future__ import annotations

from io import BytesIO

from PIL import Image
from pypdf import PdfWriter


def jpeg(width: int = 60, height: int = 40, camera: str = "Box 1") -> bytes:
    """Make a photograph of nothing, with the camera's name in its EXIF."""
    target = BytesIO()
    exif = Image.Exif()
    exif[0x0110] = camera
    Image.new("RGB", (width, height), "teal").save(target, "JPEG", exif=exif)
    return target.getvalue()


def png(width: int = 30, height: int = 20) -> bytes:
    """Make a half transparent picture."""
    target = BytesIO()
    Image.new("RGBA", (width, height), (200, 30, 60, 128)).save(target, "PNG")
    return target.getvalue()


def pdf(pages: int = 3, title: str = "The annual report", password: str | None = None) -> bytes:
    """Make a PDF of empty pages."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 300)
    writer.add_metadata({"/Title": title, "/Author": "The desk"})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    target = BytesIO()
    writer.write(target)
    return target.getvalue()
