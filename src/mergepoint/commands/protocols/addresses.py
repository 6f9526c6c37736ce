"""What a module of a protocol says of the operations of an app."""

from __future__ import annotations

import msgspec


class Addresses(msgspec.Struct, frozen=True):
    """Where operations stand on a protocol.

    Attributes:
        by_name: what callers write there for each operation, by its name.
        left_out: why an operation does not stand there, by its name.
    """

    by_name: dict[str, str]
    left_out: dict[str, str] = {}
