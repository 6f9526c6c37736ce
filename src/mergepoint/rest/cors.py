"""Cross-origin requests: only the origins on the list may read answers (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from ..errors import RegistrationError

EXPOSED = "ETag, Location, X-Request-Id, Mergepoint-Wrote"
"""The headers of an answer that a page of another origin may read."""

Header = tuple[str, str]


class Cors:
    """The list of origins whose pages may call."""

    def __init__(self, origins: Collection[str]) -> None:
        for origin in origins:
            if not re.fullmatch(r"https?://[^/\s*]+", origin):
                raise RegistrationError(
                    f"cors: {origin!r} is no origin, such as 'https://bats.example'; it has no path and no `*`."
                )
        self.origins = frozenset(origins)

    def __bool__(self) -> bool:
        return bool(self.origins)

    def respond(self, origin: str, start_response: Callable[..., Any]) -> Callable[..., Any]:
        """Return a `start_response` that lets the origin read the answer, if it is on the list."""
        headers = [("Vary", "Origin")]
        if origin in self.origins:
            headers += [("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", EXPOSED)]
        return lambda status, given, *error: start_response(status, [*given, *headers], *error)

    def preflight(self, environ: dict[str, Any], methods: str) -> list[Header]:
        """Return what to tell a browser that asks before it sends the request proper."""
        if environ.get("HTTP_ORIGIN") not in self.origins or "HTTP_ACCESS_CONTROL_REQUEST_METHOD" not in environ:
            return []
        asked = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
        names = [name for name in re.split(r"\s*,\s*", asked) if re.fullmatch(r"[A-Za-z0-9\-]+", name)]
        return [
            ("Access-Control-Allow-Methods", methods),
            *([("Access-Control-Allow-Headers", ", ".join(names))] if names else []),
            ("Access-Control-Max-Age", "600"),
        ]
