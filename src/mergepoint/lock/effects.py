"""What becomes of whom when a contract changes: the rules, as data."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import msgspec

REST, GRAPHQL, GRPC, PLACES, JOBS, COMMANDS, MCP = PROTOCOLS = (
    "REST",
    "GraphQL",
    "gRPC",
    "places",
    "queued jobs",
    "commands",
    "MCP",
)
"""Whose users may break."""

TEXTUAL = (REST, GRAPHQL, PLACES, COMMANDS)
CALLERS = (REST, GRAPHQL, GRPC, PLACES, COMMANDS)
EVERYBODY = (*CALLERS, MCP)


class Role(Enum):
    """Where a type stands: who writes it, and who reads it."""

    CALL = "sent by callers"
    JOB = "kept in queued jobs"
    ANSWER = "read by callers"


class Event(Enum):
    """A kind of change to a parameter, a field or a type."""

    REMOVED = "removed"
    REQUIRED = "required"
    RETYPED = "retyped"
    RESULT_RETYPED = "retyped, where nothing has a number"
    RENUMBERED = "under another number"
    MISREAD = "of another form in protobuf"
    NULL_GAINED = "may be null"
    NULL_LOST = "may not be null"
    UNSET_GAINED = "may be missing"
    VALUE_LOST = "a value less"
    VALUE_GAINED = "a value more"
    TAG = "another tag"
    HARMLESS = "harmless"


class Effect(NamedTuple):
    """What a change does to those who stand in one role.

    Attributes:
        role: who they are.
        protocols: over which they break.
        told: what becomes of them; `{was}` and `{now}` are the forms of a value before and after.
    """

    role: Role
    protocols: tuple[str, ...]
    told: str


SENT_ELSEWHERE = "what gRPC clients send under its old number is overlooked"
SENT_OTHERWISE = (
    "callers over REST, GraphQL, places and commands that send {was} are refused where {now} is expected now"
)
FOUND_ELSEWHERE = "gRPC clients do not find it under its new number"
FOUND_OTHERWISE = "clients over REST, GraphQL, places and commands get {now} where they expect {was}"

EFFECTS: dict[Event, tuple[Effect, ...]] = {
    Event.REMOVED: (
        Effect(Role.CALL, TEXTUAL, "callers over REST, GraphQL, places and commands that send it are refused"),
        Effect(Role.CALL, (GRPC,), "what gRPC clients send is overlooked"),
        Effect(Role.JOB, (JOBS,), "queued jobs that hold it go to the dead letters"),
        Effect(Role.ANSWER, (GRAPHQL,), "GraphQL queries that ask for it are refused"),
        Effect(
            Role.ANSWER, (REST, GRPC, PLACES, COMMANDS), "clients over REST, gRPC, places and commands do not find it"
        ),
    ),
    Event.REQUIRED: (
        Effect(
            Role.CALL, CALLERS, "callers over REST, GraphQL, gRPC, places and commands that leave it out are refused"
        ),
        Effect(Role.JOB, (JOBS,), "queued jobs without it go to the dead letters"),
    ),
    Event.RETYPED: (
        Effect(Role.CALL, (GRPC,), SENT_ELSEWHERE),
        Effect(Role.CALL, TEXTUAL, SENT_OTHERWISE),
        Effect(Role.JOB, (JOBS,), "queued jobs with the old form go to the dead letters"),
        Effect(Role.ANSWER, (GRPC,), FOUND_ELSEWHERE),
        Effect(Role.ANSWER, TEXTUAL, FOUND_OTHERWISE),
    ),
    Event.RESULT_RETYPED: (
        Effect(Role.ANSWER, (GRPC,), "gRPC clients read it wrongly"),
        Effect(Role.ANSWER, TEXTUAL, FOUND_OTHERWISE),
    ),
    Event.RENUMBERED: (
        Effect(Role.CALL, (GRPC,), SENT_ELSEWHERE),
        Effect(Role.ANSWER, (GRPC,), FOUND_ELSEWHERE),
    ),
    Event.MISREAD: (
        Effect(Role.CALL, (GRPC,), "what gRPC clients send is read wrongly"),
        Effect(Role.ANSWER, (GRPC,), "gRPC clients read it wrongly"),
    ),
    Event.NULL_GAINED: (
        Effect(
            Role.ANSWER,
            CALLERS,
            "clients over REST, GraphQL, gRPC, places and commands meet null where there always was a value",
        ),
    ),
    Event.NULL_LOST: (
        Effect(Role.CALL, CALLERS, "callers over REST, GraphQL, gRPC, places and commands that send null are refused"),
        Effect(Role.JOB, (JOBS,), "queued jobs with null go to the dead letters"),
    ),
    Event.UNSET_GAINED: (
        Effect(
            Role.ANSWER,
            CALLERS,
            "clients over REST, GraphQL, gRPC, places and commands do not find it where there always was a value",
        ),
    ),
    Event.VALUE_LOST: (
        Effect(Role.CALL, CALLERS, "callers over REST, GraphQL, gRPC, places and commands that send it are refused"),
        Effect(Role.JOB, (JOBS,), "queued jobs with it go to the dead letters"),
        Effect(Role.ANSWER, CALLERS, "clients over REST, GraphQL, gRPC, places and commands wait for it in vain"),
    ),
    Event.VALUE_GAINED: (
        Effect(Role.ANSWER, (GRAPHQL, GRPC), "GraphQL and gRPC clients must bear a value that they do not know"),
        Effect(Role.ANSWER, (PLACES,), "places of the old version refuse an answer with it"),
    ),
    Event.TAG: (
        Effect(
            Role.CALL, (REST, PLACES, COMMANDS), "callers over REST, places and commands with the old tag are refused"
        ),
        Effect(Role.JOB, (JOBS,), "queued jobs with the old tag go to the dead letters"),
        Effect(Role.ANSWER, (REST, PLACES, COMMANDS), "clients over REST, places and commands do not know the new tag"),
    ),
    Event.HARMLESS: (),
}
"""Who breaks, by kind of change. A change that says nothing of a role does not concern it."""

BEARABLE = frozenset({Event.VALUE_GAINED, Event.HARMLESS})
"""Changes that are compatible even where they have effects: clients are told to take care, as GraphQL has it
(a new enum value or union member is "dangerous", not breaking) and as proto3 has it (enums are open)."""


class Change(msgspec.Struct, frozen=True):
    """One difference between two contracts.

    Attributes:
        breaking: True if users of the old one break.
        sentence: what changed, where, and what becomes of whom.
        breaks: whose users break, or have to take care, of `PROTOCOLS`.
    """

    breaking: bool
    sentence: str
    breaks: tuple[str, ...] = ()


def change(title: str, event: Event, roles: frozenset[Role], was: str = "", now: str = "") -> Change:
    """Return a change with what becomes of those in the roles given.

    Args:
        title: what changed and where: `Bat.weight changed from float to str`.
        event: what kind of change it is.
        roles: who writes and reads what changed.
        was: the form of a value before, such as `a number`.
        now: its form after.
    """
    effects = [effect for effect in EFFECTS[event] if effect.role in roles]
    told = "; ".join(effect.told.format(was=was, now=now) for effect in effects)
    protocols = {protocol for effect in effects for protocol in effect.protocols}
    return Change(
        bool(effects) and event not in BEARABLE,
        f"{title}: {told}." if told else f"{title}.",
        tuple(protocol for protocol in PROTOCOLS if protocol in protocols),
    )


def breaking(title: str, told: str, *protocols: str) -> Change:
    """Return a breaking change with what becomes of whom in its own words."""
    return Change(True, f"{title}: {told}.", tuple(protocol for protocol in PROTOCOLS if protocol in protocols))


def harmless(title: str) -> Change:
    """Return a compatible change."""
    return Change(False, f"{title}.")
