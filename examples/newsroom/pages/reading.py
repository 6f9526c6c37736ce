"""The pages of what was made of files: search, source, differences, and the way to the gallery."""

from __future__ import annotations

from pathlib import Path

import falcon
from markupsafe import Markup

from newsroom.errors import NothingToSearch
from newsroom.pages.showing import Pages
from newsroom.records import FileDetails

GALLERY = "/gallery/index.html"


class Search:
    """Full-text search."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Show the form, and what was found."""
        text = request.get_param("text", default="")
        hits, problem = None, None
        if text.strip():
            try:
                hits = self._pages.asking.ask(request, "search", {"text": text, "limit": "50"})
            except NothingToSearch as error:
                problem = str(error)
        self._pages.show(response, "search.html", text=text, hits=hits, problem=problem)

    on_head = on_get


class Source:
    """The whole source of a file, coloured."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def on_get(self, request: falcon.Request, response: falcon.Response, id: int) -> None:
        """Show it."""
        ask = self._pages.asking.ask
        details: FileDetails = ask(request, "file", {"id": str(id)})
        made: Path = ask(request, "highlighted", {"id": str(id)}).content
        # Our own job made it: Pygments escapes what it marks up.
        source = Markup(made.read_text(encoding="utf-8"))  # noqa: S704
        self._pages.show(response, "source.html", file=details.file, source=source)

    on_head = on_get


class Difference:
    """What differs between two versions; it is shown while it is being found."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def on_get(self, request: falcon.Request, response: falcon.Response, id: int) -> None:
        """Show the difference of two versions."""
        ask = self._pages.asking.ask
        details: FileDetails = ask(request, "file", {"id": str(id)})
        newer = request.get_param("newer") or str(details.file.version)
        older = request.get_param("older") or (str(int(newer) - 1) if newer.isdecimal() else newer)
        changes = ask(request, "difference", {"id": str(id), "older": older, "newer": newer})
        self._pages.stream(response, "difference.html", file=details.file, older=older, newer=newer, items=changes)


class Gallery:
    """The way to the gallery, which is plain files.

    Args:
        pages: how to show.
        folder: where the gallery is.
    """

    def __init__(self, pages: Pages, folder: Path) -> None:
        self._pages = pages
        self._folder = folder

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Lead to its index, once there is one."""
        if (self._folder / "index.html").exists():
            raise falcon.HTTPFound(GALLERY)
        self._pages.show(response, "gallery.html")
