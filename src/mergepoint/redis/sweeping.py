"""The keys of a server in pages, as a sweep walks over them: a few at a time, without holding anybody up."""

from __future__ import annotations

from ..errors import InvalidArgument, Problem
from ..types import Page
from .connection import Server


class Keys:
    """The keys that match a pattern.

    A key that is there from the beginning of a walk to its end is met at least once; one that comes or goes meanwhile
    may be met or not. A key may be met twice. That is what SCAN promises.

    Args:
        server: the server, or its URL.
        pattern: which keys: `bat:*`, with `?`, `*` and `[abc]` as in the shell.
    """

    def __init__(self, server: Server | str, pattern: str = "*") -> None:
        self._server = Server(server) if isinstance(server, str) else server
        self._pattern = pattern

    def __repr__(self) -> str:
        return f"<Keys {self._pattern} of {self._server.address}>"

    def page(self, after: str | None = None, limit: int = 50, /) -> Page[str]:
        """Look at about so many keys, and return those that match, which may be none; bytes that are no UTF-8 escaped.

        Args:
            after: the `next` of the page before; None for the first page.
            limit: about how many keys to look at.

        Raises:
            InvalidArgument: `after` is no cursor.
            RedisUnavailable: the server does not answer.
        """
        if after is not None and not after.isdecimal():
            raise InvalidArgument.of(Problem("$.after", f"Expected the cursor of an earlier page, got {after!r}"))
        cursor, keys = self._server.call("SCAN", after or "0", "MATCH", self._pattern, "COUNT", str(limit))
        items = [key.decode(errors="surrogateescape") for key in keys]
        return Page(items, None if cursor == b"0" else cursor.decode())
