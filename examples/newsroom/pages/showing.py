"""Make HTML of records with Jinja2, everything escaped, and make a page of every failure."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any, Protocol

import falcon
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from newsroom.pages.asking import Asking
from newsroom.pages.source import highlighted
from newsroom.plain import size

STATUSES: Mapping[str, HTTPStatus] = {
    "not_found": HTTPStatus.NOT_FOUND,
    "invalid_argument": HTTPStatus.BAD_REQUEST,
    "failed_precondition": HTTPStatus.CONFLICT,
    "aborted": HTTPStatus.CONFLICT,
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "permission_denied": HTTPStatus.FORBIDDEN,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "deadline_exceeded": HTTPStatus.GATEWAY_TIMEOUT,
}
"""The status of a page that tells of a failure; of any other kind it is 500."""

LONGEST_ENDING = 4
PIECES = 50
"""Pieces of a page that are sent at a time."""

logger = logging.getLogger("newsroom.pages")


class Closable(Protocol):
    """Items that have to be told when nobody wants more of them."""

    def __iter__(self) -> Iterator[Any]:
        """Begin."""

    def close(self) -> None:
        """End."""


class Pages:
    """Renders templates; views are made of it.

    Args:
        asking: how views ask for what they show.
    """

    def __init__(self, asking: Asking) -> None:
        self.asking = asking
        self._templates = Environment(
            loader=PackageLoader("newsroom.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "size": size,
            "number": number,
            "time": time,
            "ending": ending,
            "highlighted": highlighted,
            "clock": clock,
        }

    def show(self, response: falcon.Response, template: str, **values: Any) -> None:
        """Answer with a page."""
        response.content_type = falcon.MEDIA_HTML
        response.text = self._templates.get_template(template).render(values)

    def stream(self, response: falcon.Response, template: str, items: Closable, **values: Any) -> None:
        """Answer with a page of items that is made while it is sent."""
        pieces = self._templates.get_template(template).stream(items=items, **values)
        pieces.enable_buffering(PIECES)

        def sent() -> Iterator[bytes]:
            with closing(items):
                for piece in pieces:
                    yield piece.encode()

        response.content_type = falcon.MEDIA_HTML
        response.stream = sent()

    def failed(self, request: falcon.Request, response: falcon.Response, error: Exception, params: object) -> None:
        """Answer with what may be told of an exception: Falcon's error handler for everything."""
        fault = self.asking.fault(error)
        status = STATUSES.get(fault.kind, HTTPStatus.INTERNAL_SERVER_ERROR)
        if fault.kind == "internal" and fault.incident is None:
            logger.error("A page could not be shown: %s", request.path, exc_info=error)
        problems = [f"{problem.path.removeprefix('$.')}: {problem.message}" for problem in fault.problems]
        self._tell(response, status, problems or [fault.message])

    def refused(self, request: falcon.Request, response: falcon.Response, error: object, params: object) -> None:
        """Answer with a page for an address or a method that does not exist: Falcon's error handler for its own."""
        assert isinstance(error, falcon.HTTPError)
        status = HTTPStatus(error.status_code)
        response.set_headers(error.headers or {})
        said = {HTTPStatus.NOT_FOUND: "There is nothing at this address"}.get(status) or error.description
        self._tell(response, status, [f"{said or status.description}."])

    def _tell(self, response: falcon.Response, status: HTTPStatus, messages: list[str]) -> None:
        response.status = status.value
        self.show(response, "problem.html", status=status, messages=messages)


def clock(moment: datetime) -> Markup:
    """Write the time of a moment for people, and all of it for programs."""
    return Markup('<time datetime="{}">{}</time>').format(
        moment.isoformat(timespec="milliseconds"), f"{moment:%H:%M:%S}"
    )


def ending(name: str) -> str:
    """Write what a file name ends with, as far as a small mark has room: `py`."""
    suffix = PurePosixPath(name).suffix.lstrip(".").lower()
    return suffix if len(suffix) <= LONGEST_ENDING else f"{suffix[: LONGEST_ENDING - 1]}…"


def number(count: int) -> str:
    """Write a number with thin spaces between the thousands."""
    return f"{count:,}".replace(",", "\u2009")


def time(moment: datetime) -> Markup:
    """Write a moment for people, and for programs in the `datetime` attribute."""
    return Markup('<time datetime="{}">{}</time>').format(
        moment.isoformat(timespec="seconds"), f"{moment:%Y-%m-%d %H:%M} UTC"
    )
