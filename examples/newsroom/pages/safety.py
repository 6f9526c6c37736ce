"""What keeps pages and stored files from doing harm in a browser: headers, and no orders from other people's pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import falcon

PAGE = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
"""The policy of a page: nothing from elsewhere, and no script but our own files."""

STORED = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""The policy of a file that somebody stored: whatever it is, it runs nothing and has no origin."""

GALLERY = "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; sandbox"
"""The policy of the gallery, whose pages were made of what strangers wrote."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing (RFC 9110, 9.2.1)."""


class Headers:
    """Puts the headers on every answer that does not have its own."""

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: Any, req_succeeded: bool
    ) -> None:
        """Complete the headers; Falcon calls this for errors too."""
        for name, value in (
            ("Content-Security-Policy", GALLERY if request.path.startswith("/gallery/") else PAGE),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cache-Control", "max-age=3600" if request.path.startswith("/static/") else "no-cache"),
        ):
            if response.get_header(name) is None:
                response.set_header(name, value)


class SameOrigin:
    """Refuses every order that does not come from a page of this very site.

    A browser says where a form was: by Sec-Fetch-Site, an older one by Origin. A request that says neither was not made
    by a form of ours. Programs use the API.
    """

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Look at every request before anything else does; Falcon calls this."""
        if request.method not in SAFE and not _is_ours(request):
            raise falcon.HTTPForbidden(description="This form is not on a page of the newsroom")


def _is_ours(request: falcon.Request) -> bool:
    site = request.get_header("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.get_header("Origin")
    return origin is not None and urlsplit(origin).netloc == request.get_header("Host")
