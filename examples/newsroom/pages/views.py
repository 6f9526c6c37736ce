"""One class for each kind of page: what it asks for, and which template shows it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlencode

import falcon

from mergepoint import Download
from newsroom.pages.safety import STORED
from newsroom.pages.showing import Pages
from newsroom.pages.working import about
from newsroom.records import FileDetails, Kind, Sort, Statistics

SHOWN_AS_TEXT = frozenset({Kind.SOURCE, Kind.TEXT, Kind.WEB_PAGE})
SORTS = {
    Sort.PATH: "Path",
    Sort.CHANGED_DOWN: "Newest first",
    Sort.CHANGED: "Oldest first",
    Sort.SIZE_DOWN: "Largest first",
    Sort.SIZE: "Smallest first",
    Sort.PATH_DOWN: "Path, from Z",
}
KINDS = {
    Kind.SOURCE: "Source",
    Kind.TEXT: "Text",
    Kind.PICTURE: "Picture",
    Kind.WEB_PAGE: "Web page",
    Kind.PDF: "PDF",
    Kind.OTHER: "Other",
}

PAGE = "40"
"""Files on a page."""


class Files:
    """The list of files, with its filters and the figures of the whole collection."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Show the files that pass the filters in the query string."""
        ask = self._pages.asking
        takes = ask.takes("files") - {"limit"}
        wanted = _known(request, takes)
        page = ask.ask(request, "files", {**wanted, "limit": PAGE})
        statistics = ask.ask(request, "statistics")
        filters = {name: value for name, value in wanted.items() if name != "cursor"}
        self._pages.show(
            response,
            "files.html",
            page=page,
            statistics=statistics,
            choices=_choices(statistics),
            wanted=dict.fromkeys(takes, "") | wanted,
            filtered=bool(filters.keys() - {"sort"}),
            next=_address(filters | {"cursor": page.next}) if page.next else None,
            first=_address(filters) if "cursor" in wanted else None,
            kinds=KINDS,
        )

    on_head = on_get


class File:
    """One file, with all that is known about it."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def on_get(self, request: falcon.Request, response: falcon.Response, id: int) -> None:
        """Show one file; the beginning of it too, when it is text."""
        ask = self._pages.asking
        details: FileDetails = ask.ask(request, "file", {"id": str(id)})
        is_text = details.file.kind in SHOWN_AS_TEXT and details.file.size > 0
        content = ask.ask(request, "download", {"id": str(id)}).content if is_text else None
        tasks = ask.ask(request, "tasks", {"file_id": str(id)}).items
        self._pages.show(
            response,
            "file.html",
            details=details,
            content=content,
            tasks=tasks,
            kinds=KINDS,
            is_text=details.file.kind in SHOWN_AS_TEXT,
            **about(ask.ask(request, "pipeline", {"id": str(id)})),
        )

    on_head = on_get


class Bytes:
    """What is stored: a file, or the preview of one. It is sent so that it can do nothing in the browser.

    Args:
        pages: how to ask and to show.
        operation: the one that gives the bytes.
        seconds: how long a browser may keep them; the address of a preview changes with its content.
    """

    def __init__(self, pages: Pages, operation: str, *, seconds: int = 0) -> None:
        self._pages = pages
        self._operation = operation
        self._caching = f"private, max-age={seconds}" if seconds else "no-cache"

    def on_get(self, request: falcon.Request, response: falcon.Response, id: int) -> None:
        """Send the bytes."""
        ask = self._pages.asking
        known = _known(request, ask.takes(self._operation))
        download: Download = ask.ask(request, self._operation, {**known, "id": str(id)})
        assert isinstance(download.content, Path)
        response.content_type = download.media_type
        response.set_header("Content-Disposition", _disposition(download))
        response.set_header("Content-Security-Policy", STORED)
        response.set_header("Cache-Control", self._caching)
        response.content_length = download.content.stat().st_size
        if request.method == "GET":
            response.stream = download.content.open("rb")  # the server closes it

    on_head = on_get


class Many:
    """A list that has pages and no filters."""

    def __init__(self, pages: Pages, operation: str, template: str) -> None:
        self._pages = pages
        self._operation = operation
        self._template = template

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Show one page of the list."""
        page = self._pages.asking.ask(request, self._operation, _known(request, {"cursor"}))
        self._pages.show(
            response, self._template, page=page, next=_address({"cursor": page.next}) if page.next else None
        )

    on_head = on_get


class One:
    """One record by its id."""

    def __init__(self, pages: Pages, operation: str, template: str) -> None:
        self._pages = pages
        self._operation = operation
        self._template = template

    def on_get(self, request: falcon.Request, response: falcon.Response, id: int) -> None:
        """Show the record."""
        details = self._pages.asking.ask(request, self._operation, {"id": str(id)})
        self._pages.show(response, self._template, details=details)

    on_head = on_get


def _choices(statistics: Statistics) -> dict[str, list[tuple[str, str]]]:
    """List, for each filter that is a choice, the values and the words for them: only what there is."""
    any_value = ("", "Any")
    shares = {"language": statistics.languages, "tag": statistics.tags, "media_type": statistics.media_types}
    return {
        "sort": [(sort.value, words) for sort, words in SORTS.items()],
        "kind": [any_value, *((kind.value, words) for kind, words in KINDS.items())],
        **{name: [any_value, *((s.value, f"{s.value} ({s.files})") for s in found)] for name, found in shares.items()},
    }


def _known(request: falcon.Request, names: frozenset[str] | set[str]) -> dict[str, str]:
    """Pick what a form filled in: of a value that comes twice the last, of one that is blank nothing."""
    values = {name: request.get_param(name) for name in names}
    return {name: value for name, value in values.items() if value}


def _address(values: dict[str, str]) -> str:
    return f"?{urlencode(values)}"


def _disposition(download: Download) -> str:
    """Write the header of RFC 6266; the name travels as in RFC 8187, so that it needs no quoting."""
    how = "inline" if download.inline else "attachment"
    return how if download.name is None else f"{how}; filename*=UTF-8''{quote(download.name, safe='')}"
