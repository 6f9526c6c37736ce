"""Where settings come from, and where missing ones would be set: what the messages lead people to."""

from __future__ import annotations

from typing import Any, NamedTuple

from mergepoint.config.schema import variable


class Place(NamedTuple):
    """Where a value came from: a file or a variable, and the JSON path inside it."""

    source: str
    path: str = ""
    text: bool = False
    """True for a variable, where a number arrives as text."""

    def inside(self, key: str | int) -> Place:
        """Return the place of a part of the value."""
        step = f"[{key}]" if isinstance(key, int) else f".{key}"
        return self._replace(path=(self.path or "$") + step)

    @property
    def remedy(self) -> str:
        """Say what to do when something is missing here."""
        return "Add it there."

    def __str__(self) -> str:
        return f"{self.source} {self.path}" if self.path else self.source


class Name(NamedTuple):
    """Where a value would be set: the names that lead to it from the settings."""

    prefix: str
    names: tuple[str, ...] = ()

    def inside(self, name: str) -> Name:
        """Return the name of a part of the value."""
        return self._replace(names=(*self.names, name))

    @property
    def remedy(self) -> str:
        """Say what to do when something is missing here."""
        return f"Set it, or add $.{'.'.join(self.names)} to a file."

    def __str__(self) -> str:
        return variable(self.prefix, self.names) if self.names else self.prefix


Where = Name | Place


class Leaf(NamedTuple):
    """A value that does not merge with others, and its place."""

    value: Any
    place: Place


class Items(NamedTuple):
    """The nodes of a list of records, and the list's place."""

    nodes: list[Any]
    place: Place
