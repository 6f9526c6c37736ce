"""Lua scripts of this package, run by their digest and loaded again whenever the server has forgotten them."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

from .connection import Server


class Script:
    """A script on a server.

    Args:
        server: where it runs.
        parts: the names of `.lua` files of this package that make up its text, in this order.

    Attributes:
        text: its text.
        digest: what Redis knows it by.
    """

    def __init__(self, server: Server, *parts: str) -> None:
        self.text = "\n".join(_text(part) for part in parts)
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        self._server = server

    def __call__(self, key: str, *arguments: Any) -> Any:
        """Run it with one key, and return its answer.

        Raises:
            RedisUnavailable: the server does not answer.
            redis.ResponseError: the script failed.
        """
        try:
            return self._server.call("EVALSHA", self.digest, 1, key, *arguments)
        except NoScriptError:
            return self._server.call("EVAL", self.text, 1, key, *arguments)


def _text(name: str) -> str:
    return files(__package__).joinpath("lua", f"{name}.lua").read_text()
