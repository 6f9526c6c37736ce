"""Make HTML of records with Jinja2, everything escaped, and make a page of every failure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any

import falcon
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from newsroom.pages.asking import Asking
from newsroom.pages.source import highlighted

STATUSES: Mapping[str, HTTPStatus] = {
    "not_found": HTTPStatus.NOT_FOUND,
    "invalid_argument": HTTPStatus.BAD_REQUEST,
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "permission_denied": HTTPStatus.FORBIDDEN,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "deadline_exceeded": HTTPStatus.GATEWAY_TIMEOUT,
}
"""The status of a page that tells of a failure; of any other kind it is 500."""

LONGEST_ENDING = 4

logger = logging.getLogger("newsroom.pages")


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
        }

    def show(self, response: falcon.Response, template: str, **values: Any) -> None:
        """Answer with a page."""
        response.content_type = falcon.MEDIA_HTML
        response.text = self._templates.get_template(template).render(values)

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
        not_found = status is HTTPStatus.NOT_FOUND
        self._tell(response, status, ["There is nothing at this address." if not_found else f"{status.description}."])

    def _tell(self, response: falcon.Response, status: HTTPStatus, messages: list[str]) -> None:
        response.status = status.value
        self.show(response, "problem.html", status=status, messages=messages)


def size(count: int) -> str:
    """Write a number of bytes for people: `18.3 MB`."""
    if count < 1000:
        return f"{count} B"
    amount, units = count / 1000, iter(("kB", "MB", "GB", "TB"))
    unit = next(units)
    while amount >= 999.95:
        amount, unit = amount / 1000, next(units)
    return f"{amount:.1f} {unit}"


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
