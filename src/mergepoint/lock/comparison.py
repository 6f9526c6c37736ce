"""Compare what an app promised with what it promises now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .effects import (
    CALLERS,
    EVERYBODY,
    GRAPHQL,
    GRPC,
    JOBS,
    MCP,
    PLACES,
    REST,
    Change,
    Event,
    Role,
    breaking,
    change,
    harmless,
)
from .entries import AppLock, Message, OperationLock, Slot
from .numbering import merge
from .texts import Member, Type, alike, parse, same_in_protobuf

Roles = frozenset[Role]

ANSWER: Roles = frozenset({Role.ANSWER})
JOB: Roles = frozenset({Role.JOB})


NOT_THERE = "callers over REST, GraphQL, gRPC, places, commands and MCP are told that there is no such operation"


def compare(old: AppLock, new: AppLock) -> list[Change]:
    """Return what changed, the breaking changes first.

    Args:
        old: what was promised.
        new: what is promised now; its numbers do not matter, they follow from those of `old`.
    """
    found = list(_Comparison(old, merge(old, new)).changes())
    return sorted(dict.fromkeys(found), key=lambda change: not change.breaking)


class _Comparison:
    """Two descriptions of an app, and where the types of the old one stand."""

    def __init__(self, old: AppLock, new: AppLock) -> None:
        self.old = old
        self.new = new
        self.roles = _roles(old)

    def changes(self) -> Iterator[Change]:
        if self.old.version != self.new.version:
            title = f"The version changed from {self.old.version} to {self.new.version}"
            yield breaking(title, "gRPC clients do not find the services, whose package is named after it", GRPC)
        yield from self._operations()
        yield from self._tasks()
        for name, message in self.old.records.items():
            if name in self.new.records:
                yield from self._record(name, message, self.new.records[name])
        for name, values in self.old.enums.items():
            if name in self.new.enums:
                quoted, now = [[f"{value!r}" for value in side] for side in (values, self.new.enums[name])]
                yield from _values(f"The enum {name}", quoted, now, self._roles_of(f"enum {name}"))
        yield from self._errors()

    # --- operations ---

    def _operations(self) -> Iterator[Change]:
        for name, operation in self.old.operations.items():
            if name in self.new.operations:
                yield from self._operation(name, operation, self.new.operations[name])
            elif operation.kind == "command" and name in self.new.tasks:
                yield breaking(f"The command {name} is a task now, which no protocol offers", NOT_THERE, *EVERYBODY)
                yield from self._parameters(name, operation.parameters, self.new.tasks[name], JOB)
            else:
                yield _operation_removed(name, operation)
        for name, operation in self.new.operations.items():
            if name not in self.old.operations:
                yield harmless(f"The {operation.kind} {name} was added")

    def _tasks(self) -> Iterator[Change]:
        for name, parameters in self.old.tasks.items():
            command = self.new.operations.get(name)
            if name in self.new.tasks:
                yield from self._parameters(name, parameters, self.new.tasks[name], JOB)
            elif command is not None and command.kind == "command":
                yield from self._parameters(name, parameters, command.parameters, JOB)
            else:
                yield breaking(f"The task {name} was removed", "queued jobs of it go to the dead letters", JOBS)
        for name in self.new.tasks:
            if name not in self.old.tasks and name not in self.old.operations:
                yield harmless(f"The task {name} was added")

    def _operation(self, name: str, old: OperationLock, new: OperationLock) -> Iterator[Change]:
        if old.kind != new.kind:
            yield _kind_changed(name, old.kind, new.kind)
        if old.http != new.http:
            told = "REST clients do not find it where it was"
            yield breaking(f"{name} moved from {old.http} to {new.http}", told, REST)
        if old.body != new.body:
            yield _body_changed(name, old.body, new.body)
        roles = frozenset({Role.CALL, Role.JOB} if old.kind == "command" else {Role.CALL})
        yield from self._parameters(name, old.parameters, new.parameters, roles)
        if old.gives != new.gives:
            told = "callers over REST, GraphQL, gRPC, places, commands and MCP read its answer in the wrong way"
            title = f"{name} gave a {old.gives} and gives a {new.gives} now".replace("a nothing", "nothing")
            yield breaking(title, told, *EVERYBODY)
        elif old.result is not None and new.result is not None:
            yield from self._type(f"The result of {name}", old.result, new.result, ANSWER, numbered=False)

    def _parameters(self, operation: str, old: Message, new: Message, roles: Roles) -> Iterator[Change]:
        for name in old.fields | new.fields:
            where = f"Parameter {name} of {operation}"
            yield from self._slot(where, old.fields.get(name), new.fields.get(name), roles)

    # --- records and errors ---

    def _record(self, name: str, old: Message, new: Message) -> Iterator[Change]:
        roles = self._roles_of(name)
        if old.tag != new.tag:
            yield change(
                f"{name} was marked {old.tag or 'by nothing'} and is {new.tag or 'by nothing'} now", Event.TAG, roles
            )
        for field in old.fields | new.fields:
            yield from self._slot(f"{name}.{field}", old.fields.get(field), new.fields.get(field), roles)

    def _errors(self) -> Iterator[Change]:
        for code, error in self.old.errors.items():
            now = self.new.errors.get(code)
            if now is None:
                told = "code that handles it, over REST, GraphQL, gRPC, places and commands, meets another failure"
                yield breaking(f"The error {code} was removed", told, *CALLERS)
                continue
            if error.kind != now.kind:
                told = "clients over REST, GraphQL, gRPC, places and commands get another status"
                yield breaking(f"The error {code} changed from {error.kind} to {now.kind}", told, *CALLERS)
            yield from self._error_fields(f"of the error {code}", error.fields, now.fields)
        for code in sorted(self.new.errors.keys() - self.old.errors.keys()):
            yield harmless(f"The error {code} was added")

    def _error_fields(self, where: str, old: dict[str, str], new: dict[str, str]) -> Iterator[Change]:
        for name in old | new:
            if name not in new:
                yield change(f"Field {name} {where} was removed", Event.REMOVED, ANSWER)
            elif name not in old:
                yield harmless(f"Field {name} {where} was added")
            else:
                yield from self._type(f"Field {name} {where}", old[name], new[name], ANSWER, numbered=False)

    # --- one place ---

    def _slot(self, where: str, old: Slot | None, new: Slot | None, roles: Roles) -> Iterator[Change]:
        if new is None:
            yield change(f"{where} was removed", Event.REMOVED, roles)
        elif old is None:
            sent = bool(roles - ANSWER)
            event = Event.REQUIRED if new.required and sent else Event.HARMLESS
            yield change(f"{where} was added{' and is required' * (event is Event.REQUIRED)}", event, roles)
        else:
            yield from _necessity(where, old, new, roles)
            yield from self._type(where, old.type, new.type, roles)

    def _type(
        self, where: str, old_text: str, new_text: str, roles: Roles, *, numbered: bool = True
    ) -> Iterator[Change]:
        if old_text == new_text:
            return
        old, new = parse(old_text), parse(new_text)
        if not alike(old, new):
            was, now = self._form(old), self._form(new)
            was, now = (was, now) if was != now else (f"{was} ({old_text})", f"{now} ({new_text})")
            event = Event.RETYPED if numbered else Event.RESULT_RETYPED
            yield change(f"{where} changed from {old_text} to {new_text}", event, roles, was, now)
            return
        yield from _absence(where, old, new, roles)
        if not same_in_protobuf(old_text, new_text):
            event = Event.RENUMBERED if numbered else Event.MISREAD
            yield change(f"{where} changed from {old_text} to {new_text}", event, roles)
        for pair in _pairs(old, new):
            yield from self._alternatives(where, *pair, roles)

    def _alternatives(self, where: str, old: Type, new: Type, roles: Roles) -> Iterator[Change]:
        one, other = old.only, new.only
        if one is not None and other is not None:
            yield from _values(where, sorted(one.values), sorted(other.values), roles)
            return
        yield from _values(where, old.texts(), new.texts(), roles)
        before, now = _numbers(self.old.unions, old), _numbers(self.new.unions, new)
        if moved := [name for name in before.keys() & now.keys() if before[name] != now[name]]:
            yield change(f"{where} numbers {' and '.join(sorted(moved))} in another way", Event.MISREAD, roles)

    # --- what types are ---

    def _roles_of(self, name: str) -> Roles:
        return frozenset(self.roles.get(name, ()))

    def _form(self, type: Type) -> str:
        """Return what a value looks like in JSON."""
        only = type.only
        if only is None:
            return "one of several types"
        if only.name in _FORMS:
            return _FORMS[only.name]
        if only.name == "Literal":
            return "a string" if all(value.startswith('"') for value in only.values) else "a number"
        if only.name.startswith("enum "):
            enums = self.old.enums | self.new.enums
            values = enums.get(only.name.removeprefix("enum "), [])
            return "a number" if any(isinstance(value, int) for value in values) else "a string"
        return "an object"


_FORMS = {
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "list": "a list",
    "tuple": "a list",
    "Upload": "a file",
} | dict.fromkeys(("Decimal", "Id", "UUID", "bytes", "date", "datetime", "str", "time", "timedelta"), "a string")


def _roles(lock: AppLock) -> dict[str, set[Role]]:
    """Return where every record and enum stands: in parameters, in queued jobs, in results."""
    found: dict[str, set[Role]] = {}
    for operation in lock.operations.values():
        roles = {Role.CALL, Role.JOB} if operation.kind == "command" else {Role.CALL}
        _mark_all(lock, operation.parameters, roles, found)
        if operation.result is not None:
            _mark(lock, operation.result, {Role.ANSWER}, found)
    for parameters in lock.tasks.values():
        _mark_all(lock, parameters, {Role.JOB}, found)
    for error in lock.errors.values():
        for text in error.fields.values():
            _mark(lock, text, {Role.ANSWER}, found)
    return found


def _mark_all(lock: AppLock, message: Message, roles: set[Role], found: dict[str, set[Role]]) -> None:
    for slot in message.fields.values():
        _mark(lock, slot.type, roles, found)


def _mark(lock: AppLock, text: str, roles: set[Role], found: dict[str, set[Role]]) -> None:
    for name in parse(text).names():
        known = found.setdefault(name, set())
        if not roles <= known:
            known |= roles
            _mark_all(lock, lock.records.get(name, Message({})), roles, found)


def _necessity(where: str, old: Slot, new: Slot, roles: Roles) -> Iterator[Change]:
    if new.required and not old.required:
        yield change(f"{where} is required now", Event.REQUIRED, roles)
    elif old.required and not new.required:
        told = "has a default now; it is in every result still, but OpenAPI calls it optional"
        sent = "may be left out by callers now" if Role.CALL in roles else "may be left out now"
        yield harmless(f"{where} {sent if roles - ANSWER else told}")


def _absence(where: str, old: Type, new: Type, roles: Roles) -> Iterator[Change]:
    gained, lost = new.absent - old.absent, old.absent - new.absent
    if "null" in gained:
        yield change(f"{where} may be null now", Event.NULL_GAINED, roles)
    if "null" in lost:
        yield change(f"{where} may not be null any more", Event.NULL_LOST, roles)
    if "unset" in gained:
        yield change(f"{where} may be missing now", Event.UNSET_GAINED, roles)
    if "unset" in lost:
        yield harmless(f"{where} is never missing now")


def _values(where: str, old: list[str], new: list[str], roles: Roles) -> Iterator[Change]:
    """Compare values of an enum or a literal, or members of a union."""
    for value in old:
        if value not in new:
            yield change(f"{where} no longer knows {value}", Event.VALUE_LOST, roles)
    for value in new:
        if value not in old:
            yield change(f"{where} knows {value} now", Event.VALUE_GAINED, roles)


def _pairs(old: Type, new: Type) -> Iterator[tuple[Type, Type]]:
    """Yield types that are alike and stand at the same place, the innermost last."""
    yield old, new
    if old.only and new.only:
        for before, now in zip(old.only.arguments, new.only.arguments, strict=True):
            yield from _pairs(before, now)


def _numbers(unions: Mapping[str, Message], type: Type) -> dict[str, int]:
    """Return the numbers of a union's members, by their type texts."""
    for message in unions.values():
        if {_only(slot.type) for slot in message.fields.values()} == type.members:
            return {slot.type: slot.number for slot in message.fields.values()}
    return {}


def _only(text: str) -> Member | None:
    return parse(text).only


def _operation_removed(name: str, operation: OperationLock) -> Change:
    if operation.kind == "query":
        return breaking(f"The query {name} was removed", NOT_THERE, *EVERYBODY)
    told = f"{NOT_THERE}; queued jobs of it go to the dead letters"
    return breaking(f"The command {name} was removed", told, *EVERYBODY, JOBS)


def _kind_changed(name: str, old: str, new: str) -> Change:
    told = f"REST and GraphQL clients do not find it among the {'queries' if old == 'query' else 'commands'}"
    if new == "command":
        told += "; places and gRPC clients that repeat queries could run it twice"
        return breaking(f"{name} was a query and is a command now", told, REST, GRAPHQL, GRPC, PLACES, MCP)
    told += "; queued jobs of it go to the dead letters"
    return breaking(f"{name} was a command and is a query now", told, REST, GRAPHQL, JOBS)


def _body_changed(name: str, old: str | None, new: str | None) -> Change:
    was, now = [f"only {side}" if side else "an object of its parameters" for side in (old, new)]
    title = f"The body of {name} was {was} and is {now} now"
    return breaking(title, "REST clients that send the old one are refused", REST)
