"""Read the type texts of a contract lock again, and tell what is the same in protobuf."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_LITERAL = re.compile(r'Literal\[((?:"(?:[^"\\]|\\.)*"|[^"\]])*)\]')
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|-?\d+|enum \w+|\w+|[\[\],|])')
SCALARS = ("bool", "bytes", "datetime", "date", "Decimal", "float", "Id", "int", "str", "timedelta", "time", "UUID")
WORDS = frozenset({*SCALARS, "Literal", "Upload", "dict", "enum", "list", "null", "tuple", "unset"})
"""What type texts are made of besides names; a record of such a name could not be told from it."""

_ABSENT = frozenset({"null", "unset"})


class Member(NamedTuple):
    """One alternative of a type: its name, and what stands in its brackets.

    Attributes:
        name: `Bat`, `list`, `enum Diet`, `Literal`.
        arguments: the types in the brackets.
        values: the values of a literal, as JSON.
    """

    name: str
    arguments: tuple[Type, ...] = ()
    values: frozenset[str] = frozenset()


class Type(NamedTuple):
    """A type text, taken apart.

    Attributes:
        members: what a value that is there may be.
        absent: `null` and `unset`, if it may be that.
    """

    members: frozenset[Member]
    absent: frozenset[str] = frozenset()

    @property
    def only(self) -> Member | None:
        """The one alternative, if there is just one."""
        return next(iter(self.members)) if len(self.members) == 1 else None

    def texts(self) -> list[str]:
        """Return the alternatives as texts, in order."""
        return sorted(map(_text, self.members))

    def names(self) -> Iterator[str]:
        """Yield the names of all types in it, at any depth: `list`, `Bat`, `enum Diet`."""
        for member in self.members:
            yield member.name
            for argument in member.arguments:
                yield from argument.names()


def bare(text: str) -> str:
    """Return a type text without the values of literals: members of unions are named so."""
    return _LITERAL.sub(lambda found: "str" if '"' in found[1] else "int", text)


def parse(text: str) -> Type:
    """Take a type text apart.

    Raises:
        ValueError: it is none.
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens).replace(" ", "") != re.sub(r"\s", "", text):
        raise ValueError(f"{text!r} is no type")
    try:
        found = _type(tokens)
    except IndexError:
        raise ValueError(f"{text!r} ends too early") from None
    if tokens:
        raise ValueError(f"{text!r} goes on too long")
    return found


def _type(tokens: list[str]) -> Type:
    members = [_member(tokens)]
    while tokens and tokens[0] == "|":
        tokens.pop(0)
        members.append(_member(tokens))
    absent = {member.name for member in members} & _ABSENT
    present = frozenset(member for member in members if member.name not in _ABSENT)
    return Type(present, frozenset(absent))


def _member(tokens: list[str]) -> Member:
    name = tokens.pop(0)
    if not name[0].isalpha() and name[0] != "_":
        raise ValueError(f"{name!r} is no name of a type")
    if not tokens or tokens[0] != "[":
        return Member(name)
    tokens.pop(0)
    if name == "Literal":
        return Member(name, values=frozenset(_until_closed(tokens)))
    arguments = []
    while tokens[0] != "]":
        arguments.append(_type(tokens))
        if tokens[0] == ",":
            tokens.pop(0)
    tokens.pop(0)
    return Member(name, tuple(arguments))


def _text(member: Member) -> str:
    arguments = [" | ".join([*argument.texts(), *sorted(argument.absent)]) for argument in member.arguments]
    inside = ", ".join([*arguments, *sorted(member.values)])
    return f"{member.name}[{inside}]" if inside else member.name


def _until_closed(tokens: list[str]) -> Iterator[str]:
    while (token := tokens.pop(0)) != "]":
        if token != ",":  # noqa: S105 - a comma is no password
            yield token


def alike(old: Type, new: Type) -> bool:
    """Tell whether a type is what it was, apart from absence at its top, literal values and members of a union."""
    one, other = old.only, new.only
    if one is None or other is None:
        return one is other and bool(old.members & new.members)
    if one.name != other.name or len(one.arguments) != len(other.arguments) or _forms(one) != _forms(other):
        return False
    pairs = zip(one.arguments, other.arguments, strict=True)
    return all(before.absent == now.absent and alike(before, now) for before, now in pairs)


def same_in_protobuf(old: str, new: str) -> bool:
    """Tell whether a field may keep its number: what was written for one type is read as the other."""
    before, now = parse(old), parse(new)
    # A list or an object that may be absent has another form than one that is at least empty; of anything else
    # absence is just that it is not there.
    repeats = before.only is not None and before.only.name in ("list", "dict")
    return alike(before, now) and (bool(before.absent) == bool(now.absent) or not repeats)


def _forms(member: Member) -> set[bool]:
    """Return whether the values of a literal are text, numbers, or both."""
    return {value.startswith('"') for value in member.values}
