"""Who may call an operation. A predicate is asked about a user; without one it is not asked at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

from .errors import ConfigError
from .shape import CannotTravel
from .wire import Wire

Predicate = Callable[[Any], bool]
"""Takes the user that the application identified; True if that user may."""


def anyone(user: object) -> bool:
    """Let everybody in, with or without a user."""
    return True


def signed_in(user: object) -> bool:
    """Let in whoever the application identified."""
    return True


class role:  # a factory that reads as a word: allow=role("keeper")
    """Let in users whose `roles` hold at least one of these.

    Args:
        names: the roles that may; the user is expected to have an attribute `roles`, a collection of names.
    """

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)

    def __call__(self, user: Any) -> bool:
        """Tell whether the user has one of the roles."""
        return not self.names.isdisjoint(user.roles)

    def __repr__(self) -> str:
        return f"role({', '.join(map(repr, sorted(self.names)))})"


def describe(predicate: Predicate) -> str:
    """Return the name of a predicate for people: `anyone`, `role('keeper')`."""
    return getattr(predicate, "__name__", None) or repr(predicate)


def users(identify: Callable[..., Any] | None) -> Wire[Any] | None:
    """Return how the users of an application travel to its services elsewhere, by what its `identify` returns.

    Raises:
        ConfigError: the type of a user cannot be known, or cannot travel.
    """
    if identify is None:
        return None
    name = getattr(identify, "__name__", "identify")
    try:
        hint = get_type_hints(identify, include_extras=True).get("return")
        if hint is not None:
            return Wire(hint)
        reason = "it does not say what it returns"
    except (CannotTravel, NameError, TypeError) as error:
        reason = str(error)
    raise ConfigError(
        f"app.identify({name}): users cannot go along to a service elsewhere: {reason}."
        f" Write `def {name}(call: Call) -> User | None`, with a record for the user."
    )
