"""Give numbers to what an app promises now, without ever moving or reusing one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from .entries import AppLock, Message, Slot
from .texts import same_in_protobuf


def merge(old: AppLock | None, new: AppLock) -> AppLock:
    """Return a description with the numbers that a lock gave before.

    What is new gets the numbers after the greatest ever used. What is removed, or has a type that protobuf would
    misread, leaves its number reserved; a field of another type gets a new one.

    Args:
        old: the lock until now; None if there was none.
        new: what the code promises.
    """
    if old is None:
        return new
    retired = dict(old.retired)
    records = {
        name: _numbered(_before(old.records, "records", name, retired), message)
        for name, message in new.records.items()
    }
    unions = {name: _numbered(_ancestor(old.unions, name, message), message) for name, message in new.unions.items()}
    parameters = {name: operation.parameters for name, operation in old.operations.items()}
    operations = {
        name: replace(
            operation,
            parameters=_numbered(_before(parameters, "operations", name, retired), operation.parameters),
        )
        for name, operation in new.operations.items()
    }
    retired |= _gone("records", old.records, records) | _gone("operations", parameters, operations)
    enums = {name: _values(old.enums.get(name, ()), values) for name, values in new.enums.items()}
    return replace(new, records=records, unions=unions, operations=operations, enums=enums, retired=retired)


def _before(known: Mapping[str, Message], part: str, name: str, retired: dict[str, dict[str, int]]) -> Message | None:
    """Return what a message was before; one that comes back finds its old numbers reserved."""
    if name in known:
        return known[name]
    numbers = retired.pop(f"{part}.{name}", None)
    return None if numbers is None else Message({}, numbers)


def _gone(part: str, old: Mapping[str, Message], new: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return the numbers of the messages that are no longer there."""
    names = set(new)
    return {
        f"{part}.{name}": {field: slot.number for field, slot in message.fields.items()} | message.reserved
        for name, message in old.items()
        if name not in names and (message.fields or message.reserved)
    }


def _ancestor(unions: Mapping[str, Message], name: str, message: Message) -> Message | None:
    """Return the union that this one was, perhaps under another name: a member more or less renames it."""
    if name in unions:
        return unions[name]
    members = message.fields.keys()
    alike = [(len(members & union.fields.keys()), name) for name, union in sorted(unions.items())]
    shared, ancestor = max(alike, default=(0, ""), key=lambda pair: pair[0])
    return unions[ancestor] if shared else None


def _numbered(before: Message | None, now: Message) -> Message:
    """Return a message with the numbers it had, and new ones for what is new."""
    if before is None:
        return now
    greatest = max((*(slot.number for slot in before.fields.values()), *before.reserved.values()), default=0)
    fields: dict[str, Slot] = {}
    for name, slot in now.fields.items():
        known = before.fields.get(name)
        if known is None or not same_in_protobuf(known.type, slot.type):
            greatest += 1
            fields[name] = replace(slot, number=greatest)
        else:
            fields[name] = replace(slot, number=known.number)
    in_order = dict(sorted(fields.items(), key=lambda item: item[1].number))
    return replace(now, fields=in_order, reserved=_reserved(before, in_order))


def _reserved(before: Message, fields: Mapping[str, Slot]) -> dict[str, int]:
    """Return the numbers that a message leaves behind; a name in use again gets its old number as an ending."""
    kept = {slot.number for slot in fields.values()}
    left = {name: slot.number for name, slot in before.fields.items() if slot.number not in kept}
    reserved: dict[str, int] = {}
    for name, number in [*before.reserved.items(), *left.items()]:
        free = name
        while free in fields or free in reserved:
            free = f"{free}__{number}"
        reserved[free] = number
    return dict(sorted(reserved.items(), key=lambda item: item[1]))


def _values(old: Iterable[str | int], new: list[str | int]) -> list[str | int]:
    """Return the values of an enum in the order in which they were first known."""
    known = [value for value in old if value in new]
    return known + [value for value in new if value not in known]
