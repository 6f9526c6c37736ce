"""Whether a caller takes the media type of an answer."""

from __future__ import annotations

from functools import lru_cache

from falcon.util.mediatypes import quality

from .problems import HttpFailure

OFFERED: dict[str, tuple[str, ...]] = {
    "value": ("application/json",),
    "stream": ("application/x-ndjson", "text/event-stream"),
}
"""The media types of an answer, by what the operation gives; a download has its own."""


def must_accept(accept: str, gives: str) -> None:
    """Refuse a caller who takes none of the media types that the answer could have.

    Raises:
        HttpFailure: `not_acceptable`, or `malformed` if the header cannot be read.
    """
    offered = OFFERED.get(gives)
    if offered and "*/*" not in accept and not any(accepts(accept, media_type) for media_type in offered):
        raise HttpFailure("not_acceptable", f"This answers with {' or '.join(offered)}.", kind="unimplemented")


@lru_cache(256)
def accepts(accept: str, media_type: str) -> bool:
    """Tell whether an `Accept` header takes a media type."""
    try:
        return quality(media_type, accept) > 0
    except ValueError:
        raise HttpFailure("malformed", "The Accept header cannot be read.") from None
