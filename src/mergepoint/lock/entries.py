"""What the contract lock holds of an app."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec


class Slot(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A field of a record, a parameter, or a member of a union.

    Attributes:
        number: its number in protobuf.
        type: its type in canonical text, without constraints: `Id`, `list[Bat]`, `Bat | null`, `enum Diet`; with
            `| unset` where it may be missing from what is written.
        required: True if who writes it may not leave it out.
    """

    number: int
    type: str
    required: bool = False


class Message(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A record, the parameters of an operation, or a union, with the numbers of its parts.

    Attributes:
        fields: its parts by their name on the wire, in the order of their numbers.
        reserved: numbers that are never used again, by the name they had. Where a field has that name again, the key
            ends with the number: `weight__4`.
        tag: how a record is told from others in JSON, such as `type=Cat`.
    """

    fields: dict[str, Slot] = {}
    reserved: dict[str, int] = {}
    tag: str = ""


class OperationLock(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An operation.

    Attributes:
        kind: `query` or `command`.
        gives: `value`, `nothing`, `stream` or `download`.
        parameters: values first, then uploads (`Upload`, `list[Upload]`).
        result: the type of the result, or of one item of the stream.
        http: method and path over REST, below the prefix.
        body: the parameter that is the whole body over REST, if one is.
    """

    kind: str
    gives: str
    parameters: Message
    result: str | None = None
    http: str = ""
    body: str | None = None


class ErrorLock(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A declared error: its kind, and the types of its public fields."""

    kind: str
    fields: dict[str, str] = {}


class AppLock(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that the protocols of an app promise.

    Attributes:
        version: that of the app.
        operations: by name.
        records: those that parameters, results and errors lead to, by the name of their form (`Bat`, `Page_Bat`).
        unions: those with two members or more, by `union_name`; their fields are the members.
        enums: their values, by name.
        errors: by code.
        retired: numbers of records and operations that are gone, by `records.Bat` or `operations.adopt`.
        tasks: the parameters of commands that only jobs run, by name; nobody needs their numbers.
    """

    version: str
    operations: dict[str, OperationLock]
    records: dict[str, Message] = {}
    unions: dict[str, Message] = {}
    enums: dict[str, list[str | int]] = {}
    errors: dict[str, ErrorLock] = {}
    retired: dict[str, dict[str, int]] = {}
    tasks: dict[str, Message] = {}


def union_name(members: Sequence[str]) -> str:
    """Return what a union of these members is called, whatever their order: `Cat_or_Dog`."""
    return "_or_".join(sorted(re.sub(r"\W+", "_", member).strip("_") for member in members))
