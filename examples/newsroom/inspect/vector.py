"""Read the dimensions of an SVG with lxml. An SVG is a program as much as a picture: it is never shown, only sent."""

from __future__ import annotations

import re
from pathlib import Path

from lxml import etree

from newsroom.errors import UnreadableFile
from newsroom.inspect.kinds import Sniffed
from newsroom.plain import plain
from newsroom.records import Findings, Picture, Reason

MEDIA_TYPE = "image/svg+xml"
ROOT = "{http://www.w3.org/2000/svg}svg"
PIXELS = re.compile(r"\s*([0-9]{1,7})(\.[0-9]*)?(px)?\s*")


def read(content: Path, sniffed: Sniffed) -> Findings:
    """Read width and height in pixels, or those of the view box; 0 × 0 where it says neither.

    Raises:
        UnreadableFile: it is not an SVG.
    """
    root = _parse(content)
    title = root.findtext("{http://www.w3.org/2000/svg}title")
    width, height = _dimensions(root)
    return Findings(
        sniffed.kind,
        sniffed.media_type,
        title=plain(title) or None if title else None,
        facts=Picture(width, height, "SVG"),
    )


def _parse(content: Path) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.parse(str(content), parser).getroot()
    except (etree.XMLSyntaxError, OSError) as error:
        raise UnreadableFile(Reason.BROKEN_PICTURE, "it is not well-formed XML") from error
    if root.tag not in (ROOT, "svg"):
        raise UnreadableFile(Reason.BROKEN_PICTURE, "it is XML, but not SVG")
    return root


def _dimensions(root: etree._Element) -> tuple[int, int]:
    said = (PIXELS.fullmatch(root.get("width", "")), PIXELS.fullmatch(root.get("height", "")))
    if said[0] and said[1]:
        return int(said[0][1]), int(said[1][1])
    box = [PIXELS.fullmatch(part) for part in root.get("viewBox", "").replace(",", " ").split()[2:4]]
    width, height = [int(part[1]) if part else 0 for part in (*box, None, None)][:2]
    return width, height
