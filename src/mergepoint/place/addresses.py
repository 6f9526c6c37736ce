"""Where the services of an app run, as configuration says it."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping

import msgspec

from ..errors import ConfigError
from .resilience import Resilience

LOCAL, LOOPBACK = "local", "loopback"
SHORTEST_KEY = 16
"""Characters of a key."""


class Places(msgspec.Struct, frozen=True):
    """Where the services of an app run, and how calls to them are made.

    Attributes:
        at: the address of each service by name: `local`, `loopback`, or a URL; `*` for all others.
        key: what calls between processes are signed with, the same everywhere; at least 16 characters.
        resilience: how a service that fails is borne.
    """

    at: Mapping[str, str] = {}
    key: str | None = None
    resilience: Resilience = Resilience()

    def __post_init__(self) -> None:
        if self.key is not None and len(self.key) < SHORTEST_KEY:
            raise ConfigError(f"The key for calls between services is too short: at least {SHORTEST_KEY} characters.")

    @classmethod
    def read(cls, text: str, key: str | None = None) -> Places:
        """Read places from text: `local`, `loopback`, or `files=http://host:8001, publishing=grpc://host:50051`.

        Raises:
            ConfigError: it has another form.
        """
        at = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, address = part.partition("=")
            at[name.strip() if equals else "*"] = address.strip() if equals else part
        for address in at.values():
            _must_be_address(address, text)
        return cls(at, key or None)

    @classmethod
    def of_environment(cls, app: str, environ: Mapping[str, str] = os.environ) -> Places:
        """Read places from `<APP>_PLACES` and `<APP>_KEY`.

        Raises:
            ConfigError: a value has another form.
        """
        return cls.read(environ.get(f"{app.upper()}_PLACES", ""), environ.get(f"{app.upper()}_KEY"))

    def address(self, name: str) -> str:
        """Return where a service runs."""
        return self.at.get(name) or self.at.get("*") or LOCAL

    def must_name_only(self, names: list[str]) -> None:
        """Raise ConfigError if a service is placed that does not exist."""
        for name in self.at.keys() - {"*", *names}:
            near = difflib.get_close_matches(name, names, 1)
            meant = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(names) or 'none'}."
            raise ConfigError(f"places: no service is called `{name}`; {meant}")

    def signing_key(self, address: str) -> bytes:
        """Return the key that calls to an address are signed with.

        Raises:
            ConfigError: there is none, and nothing else would prove to the other side who is calling.
        """
        if self.key:
            return self.key.encode()
        if "certificate=" in address:
            return b""  # mutual TLS is the proof
        raise ConfigError(
            "Services in several processes need a key that calls between them are signed with: secret, and the same for"
            f" all of them. Set <APP>_KEY, for instance to {os.urandom(24).hex()}"
        )


def _must_be_address(address: str, text: str) -> None:
    if address not in (LOCAL, LOOPBACK) and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s]+", address):
        raise ConfigError(
            "places: expected `local`, `loopback`, or addresses such as files=http://127.0.0.1:8001,"
            f" publishing=grpc://127.0.0.1:50051; got {text!r}."
        )
