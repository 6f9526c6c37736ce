"""Headers that keep pages and stored files from doing harm in a browser."""

from __future__ import annotations

from typing import Any

import falcon

PAGE = (
    "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The policy of a page: no script at all, and nothing from elsewhere."""

STORED = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""The policy of a file that somebody stored: whatever it is, it runs nothing and has no origin."""


class Headers:
    """Puts the headers on every answer that does not have its own."""

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: Any, req_succeeded: bool
    ) -> None:
        """Complete the headers; Falcon calls this for errors too."""
        for name, value in (
            ("Content-Security-Policy", PAGE),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cache-Control", "max-age=3600" if request.path.startswith("/static/") else "no-cache"),
        ):
            if response.get_header(name) is None:
                response.set_header(name, value)
