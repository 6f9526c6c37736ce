"""In which form a caller takes the answer: the `Accept` header of GraphQL over HTTP, and of its event streams."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from falcon.util.mediatypes import quality

from ..wsgi.request import HttpFailure

RESPONSE = "application/graphql-response+json"
JSON = "application/json"
EVENTS = "text/event-stream"
PAGE = "text/html"


class Accepted(NamedTuple):
    """What a caller takes.

    Attributes:
        form: the media type for an answer as a whole; None if the caller takes none of ours.
        events: True if the caller takes a stream of events.
        page: True if this is a browser that somebody sits at.
    """

    form: str | None
    events: bool
    page: bool


@lru_cache(256)
def accepted(accept: str) -> Accepted:
    """Read an `Accept` header; an empty one takes anything.

    The newer media type is chosen where a caller names it and does not like the other one more. A caller who names
    neither gets `application/json`, the only one that clients older than the specification know.

    Raises:
        HttpFailure: it cannot be read.
    """
    try:
        return _read(accept.lower() or "*/*")
    except ValueError:
        message = "The Accept header cannot be read."
        raise HttpFailure(HTTPStatus.BAD_REQUEST, "malformed", message) from None


def _read(accept: str) -> Accepted:
    newer, older = quality(RESPONSE, accept), quality(JSON, accept)
    if newer and (newer > older or (newer == older and RESPONSE in accept)):
        form: str | None = RESPONSE
    else:
        form = JSON if older else None
    page = PAGE in accept and quality(PAGE, accept) >= max(newer, older)
    return Accepted(form, quality(EVENTS, accept) > 0, page)
