"""How a field's value is read off an object: source text, for generated code and for graphql-core's resolvers alike.

All text is made of names that the application's own classes have, never of anything that came over the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec.inspect as mi

from ..types import UNSET, Page
from .leaves import SEQUENCES, known
from .naming import is_enum

Reading = Callable[[str], str]
"""Makes, of the source text of an object, that of a value of it. The text may stand in it several times."""


def _edges(page: Page[Any]) -> list[tuple[Any, str | None]]:
    """Return the items of a page with their cursors; only the last one's is known, which begins the next page."""
    edges: list[tuple[Any, str | None]] = [(item, None) for item in page.items]
    if edges:
        edges[-1] = (edges[-1][0], page.next)
    return edges


NAMES: dict[str, Any] = {"UNSET": UNSET, "edges": _edges}
"""What readings refer to."""


def shaping(info: mi.Type) -> Reading | None:
    """Return how values of a type get the form that the schema shows: entries for a dict; None if they have it."""
    this = known(info)
    shape = _shaping(this.info)
    return _unless_none(shape) if shape and this.nullable else shape


def _shaping(info: mi.Type) -> Reading | None:
    if isinstance(info, mi.DictType):
        return _entries(shaping(info.key_type), shaping(info.value_type))
    if isinstance(info, mi.EnumType) and not is_enum(member.value for member in info.cls):
        return lambda x: f"{x}._value_"
    inner: Reading | None = None
    if isinstance(info, SEQUENCES):
        inner = shaping(info.item_type)
    elif isinstance(info, mi.TupleType) and info.item_types:
        inner = shaping(info.item_types[0])
    return each(inner)


def each(inner: Reading | None) -> Reading | None:
    """Return how the items of a list get their form; None if they have it."""
    return inner and (lambda x: f"[{inner('v')} for v in {x}]")


def _entries(key: Reading | None, value: Reading | None) -> Reading:
    if not (key or value):
        return lambda x: f"list({x}.items())"
    return lambda x: f"[({_applied(key, 'k')}, {_applied(value, 'v')}) for k, v in {x}.items()]"


def _applied(reading: Reading | None, text: str) -> str:
    return reading(text) if reading else text


def _unless_none(reading: Reading) -> Reading:
    return lambda x: f"(None if {x} is None else {reading(x)})"


def of_attribute(field: mi.Field, record: mi.Type) -> Reading:
    """Return how a field of a record is read, in the form that the schema shows."""
    if isinstance(record, mi.TypedDictType):
        text = f"[{field.name!r}]" if field.required else f".get({field.name!r})"
    else:
        text = f".{field.name}"
    shape = shaping(field.type)
    if may_be_unset(field):
        shape = _unless_unset(shape)
    elif shape and not field.required and isinstance(record, mi.TypedDictType):
        shape = _unless_none(shape)
    return then(lambda o: o + text, shape)


def may_be_unset(field: mi.Field) -> bool:
    """Tell whether a field of a record may be `Unset`."""
    return not field.required and field.default is field.default_factory


def _unless_unset(reading: Reading | None) -> Reading:
    return lambda x: f"(None if {x} is UNSET or {x} is None else {_applied(reading, x)})"


def then(first: Reading, second: Reading | None) -> Reading:
    """Return how to read one thing and shape it; what is read first is read once."""
    return first if second is None else (lambda o: f"(lambda x: {second('x')})({first(o)})")


def function(reading: Reading, *parameters: str) -> Callable[..., Any]:
    """Return a reading as a function of the object, and of further parameters that it does not look at."""
    return eval(f"lambda {', '.join(('o', *parameters))}: {reading('o')}", dict(NAMES))  # type: ignore[no-any-return]  # noqa: S307
