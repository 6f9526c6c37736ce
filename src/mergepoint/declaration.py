"""What an app is told of its operations before it is served: their declarations, and whether they make sense."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, TypedDict

import msgspec

from .access import Predicate, anyone
from .contract import Contract
from .errors import RegistrationError
from .jobs.deferring import Defer
from .operation import Around, Identify, Policy, Watcher


class Options(TypedDict, total=False):
    """The policy of an operation, as `app.query` and `app.command` take it; `Policy` says what each means."""

    name: str
    allow: Predicate | None
    deadline: float
    cache: float
    raises: tuple[type[Exception], ...]
    max_body: int
    http: str
    status: int
    body: str
    location: str
    idempotent: bool
    joins: str
    background: bool
    retries: int
    timeout: float
    keep: float
    queue: str
    concurrency: int
    rate: float
    atomic: bool


class JobOptions(TypedDict, total=False):
    """The policy of a command that only jobs run, as `app.task` takes it; `Policy` says what each means."""

    name: str
    raises: tuple[type[Exception], ...]
    retries: int
    timeout: float
    keep: float
    queue: str
    concurrency: int
    rate: float
    atomic: bool


class Declaration(msgspec.Struct, frozen=True):
    """An operation as it was registered, before the chain around it is put together."""

    name: str
    kind: Literal["query", "command"]
    contract: Contract
    policy: Policy
    function: Callable[..., Any]
    offered: bool = True

    @property
    def can_wait(self) -> bool:
        """True if jobs can run it."""
        return self.kind == "command" and self.contract.gives in ("value", "nothing") and not self.contract.uploads


class Surroundings(msgspec.Struct, frozen=True):
    """What apps put around their operations; an included app's stands inside its parent's."""

    identify: Identify | None = None
    arounds: list[Around] = []
    watchers: list[Watcher] = []
    defer: Defer | None = None

    def inside(self, outer: Surroundings) -> Surroundings:
        """Return these inside those of the app around."""
        identify = self.identify or outer.identify
        defer = self.defer or outer.defer
        return Surroundings(identify, outer.arounds + self.arounds, outer.watchers + self.watchers, defer)


def must_make_sense(where: str, declaration: Declaration) -> None:
    """Raise RegistrationError for a policy that contradicts itself or the contract."""
    policy, contract = declaration.policy, declaration.contract
    names = {parameter.name for parameter in contract.parameters}
    if policy.deadline <= 0:
        raise RegistrationError(f"{where}: a deadline of {policy.deadline} s leaves no time at all.")
    if policy.cache is not None and declaration.kind == "command":
        raise RegistrationError(f"{where}: a command may change things, so its result cannot be cached. Drop cache=.")
    if policy.body is not None and policy.body not in names:
        raise RegistrationError(f"{where}: body={policy.body!r} names no parameter; there are {_listed(names)}.")
    if (policy.background or not declaration.offered) and not declaration.can_wait:
        raise RegistrationError(
            f"{where}: only a command without files and streams can run as a job. Store a file first, and pass its id."
        )
    if policy.background and policy.location is not None:
        raise RegistrationError(f"{where}: it answers before anything is made, so location= leads nowhere. Drop it.")
    _jobs_must_make_sense(where, policy)
    if policy.http is not None:
        _http_must_make_sense(where, declaration, policy.http, names)


def _jobs_must_make_sense(where: str, policy: Policy) -> None:
    fits = {
        "retries": policy.retries >= 0,
        "timeout": policy.timeout > 0,
        "keep": policy.keep >= 0,
        "concurrency": policy.concurrency is None or policy.concurrency >= 1,
        "rate": policy.rate is None or policy.rate > 0,
    }
    if wrong := [f"{name}={getattr(policy, name)}" for name in fits if not fits[name]]:
        raise RegistrationError(f"{where}: no job can run with {', '.join(wrong)}. Leave it out, or give it more.")


def _http_must_make_sense(where: str, declaration: Declaration, http: str, names: set[str]) -> None:
    match = re.fullmatch(r"(GET|POST|PUT|PATCH|DELETE) (/\S*)", http)
    if not match:
        raise RegistrationError(f"{where}: http={http!r} is no method and path, such as 'GET /bats/{{id}}'.")
    if (match[1] == "GET") != (declaration.kind == "query"):
        remedy = (
            "A query is a GET; make it a command if it changes things."
            if declaration.kind == "query"
            else ("A command is a POST, PUT, PATCH or DELETE; make it a query if it changes nothing.")
        )
        raise RegistrationError(f"{where}: {match[1]} does not fit a {declaration.kind}. {remedy}")
    if unknown := set(re.findall(r"\{(\w+)\}", match[2])) - names:
        raise RegistrationError(f"{where}: http={http!r} has {_listed(unknown)}, its parameters are {_listed(names)}.")


def must_say_whom_they_allow(app: str, declared: list[tuple[str, Declaration, Surroundings]]) -> None:
    """Raise RegistrationError unless, once users can be told apart, every operation says whom it allows."""
    silent = [name for name, d, around in declared if around.identify and d.offered and d.policy.allow is None]
    if silent:
        raise RegistrationError(
            f"{app}: who may call {_listed(silent)}? The app can identify users, so each operation says so:"
            " allow=anyone, allow=signed_in, allow=role(...) or a function of the user."
        )
    closed = [name for name, d, around in declared if not around.identify and d.policy.allow not in (None, anyone)]
    if closed:
        raise RegistrationError(f"{app}: nobody could call {_listed(closed)}: app.identify(...) is missing.")


def must_have_a_queue(app: str, declared: list[tuple[str, Declaration, Surroundings]]) -> None:
    """Raise RegistrationError for background commands that have nowhere to put their jobs."""
    lost = [name for name, d, around in declared if d.policy.background and around.defer is None]
    if lost:
        raise RegistrationError(
            f"{app}: {_listed(lost)} shall run in the background, but there is no queue:"
            " call mergepoint.tasks.Queue(app, db) right after App(...)."
        )


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"
