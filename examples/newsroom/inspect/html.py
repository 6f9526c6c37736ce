"""Read the title and the links of a web page with lxml, however broken the page is. Nothing it refers to is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree, html

from newsroom.inspect.kinds import Sniffed
from newsroom.plain import plain
from newsroom.records import Findings, Link, WebPage

MOST_LINKS = 500
LONGEST_ADDRESS = 2000


def read(content: Path, sniffed: Sniffed) -> Findings:
    """Find the title and the links, each address once; a page without content has neither."""
    page = _parse(content)
    if page is None:
        return Findings(sniffed.kind, sniffed.media_type, facts=WebPage())
    title = page.findtext(".//title")
    return Findings(
        sniffed.kind,
        sniffed.media_type,
        language="HTML",
        title=plain(title) or None if title else None,
        facts=WebPage(_links(page)),
    )


def _parse(content: Path) -> html.HtmlElement | None:
    parser = html.HTMLParser(no_network=True, huge_tree=False)
    try:
        root: html.HtmlElement | None = html.parse(str(content), parser).getroot()
    except etree.XMLSyntaxError:
        return None
    return root


def _links(page: html.HtmlElement) -> tuple[Link, ...]:
    links: dict[str, Link] = {}
    for link in _anchors(page):
        links.setdefault(link.address, link)
        if len(links) == MOST_LINKS:
            break
    return tuple(links.values())


def _anchors(page: html.HtmlElement) -> Iterator[Link]:
    for anchor in page.iter("a"):
        address = plain(anchor.get("href", ""), LONGEST_ADDRESS)
        if address and not address.startswith("#"):
            yield Link(address, plain(anchor.text_content()))
