"""Names in the schema: which GraphQL allows, and that each means one thing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..errors import RegistrationError

RESERVED = ("Query", "Mutation", "Subscription")
"""The names of the root types."""

_NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class CannotCarry(Exception):
    """GraphQL has no form for a part of an operation. The message says for which, and what to use instead."""


def is_name(text: object) -> bool:
    """Tell whether a text may name something in a schema (GraphQL, 2.1.9; two underscores are introspection's)."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def checked(text: str, what: str) -> str:
    """Return a name.

    Raises:
        CannotCarry: GraphQL does not allow it.
    """
    if is_name(text):
        return text
    raise CannotCarry(
        f"{what} `{text}` is no name in GraphQL, which has letters, digits and underscores, not two first"
    )


def is_enum(values: Iterable[object]) -> bool:
    """Tell whether values can be those of a GraphQL enum (GraphQL, 3.9)."""
    return all(is_name(value) and value not in ("true", "false", "null") for value in values)


def camel(*words: str) -> str:
    """Return words as the name of a type: `BatMood` for `Bat` and `mood`."""
    parts = (part for word in words for part in re.split(r"[_\W]+", word))
    return "".join(part[:1].upper() + part[1:] for part in parts)


class Names:
    """The types of one schema, by name."""

    def __init__(self) -> None:
        self._owners: dict[str, tuple[Any, str]] = {name: (name, f"the root type {name}") for name in RESERVED}

    def claim(self, name: str, owner: Any, what: str) -> str:
        """Take a name for a type.

        Args:
            name: the name.
            owner: what the type stands for; the same one may claim its name again.
            what: how messages call it.

        Raises:
            RegistrationError: something else has the name.
            CannotCarry: GraphQL does not allow it.
        """
        checked(name, f"{what}:")
        taken, by = self._owners.setdefault(name, (owner, what))
        if taken != owner:
            raise RegistrationError(
                f"GraphQL: {what} and {by} would both be the type `{name}`; rename one of them, or leave one out."
            )
        return name

    def is_free(self, name: str) -> bool:
        """Tell whether nothing has the name yet."""
        return name not in self._owners

    def snapshot(self) -> dict[str, tuple[Any, str]]:
        """Return what is claimed now, for `restore`."""
        return dict(self._owners)

    def restore(self, snapshot: dict[str, tuple[Any, str]]) -> None:
        """Forget what was claimed since."""
        self._owners = snapshot
