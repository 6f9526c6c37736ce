"""Find everything that is wrong with a plain value, where msgspec stops at the first fault."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Annotated, Any, Union

import msgspec
import msgspec.inspect as mi

from .errors import Problem
from .shape import finite, form_of, read_id, translation_of
from .types import Meta

Step = Problem | None
"""What one look at a value found: a problem, or nothing."""


def examine(raw: Any, info: mi.Type, *, text: bool = False, path: str = "$") -> Iterator[Step]:
    """Find everything that is wrong with a plain value, where msgspec stops at the first fault.

    Args:
        raw: dicts, lists, strings and numbers.
        info: the inspected form.
        text: numbers and booleans may come as text.
        path: where the value stands.

    Returns:
        One step for each value that was looked at, so that the caller can stop.
    """
    match _chosen(info, raw), raw:
        case mi.StructType() as record, dict():
            yield from _record_steps(raw, record, text=text, path=path)
        case (mi.ListType() | mi.SetType() | mi.FrozenSetType() | mi.VarTupleType()) as inner, list():
            for index, item in enumerate(raw):
                yield from examine(item, inner.item_type, text=text, path=f"{path}[{index}]")
        case mi.TupleType(item_types), list() if len(raw) == len(item_types):
            for index, (item, item_type) in enumerate(zip(raw, item_types, strict=True)):
                yield from examine(item, item_type, text=text, path=f"{path}[{index}]")
        case mi.DictType() as inner, dict():
            for key, item in raw.items():
                yield _leaf_step(key, inner.key_type, text=True, path=f"{path}.{key}", what="Key: ")
                yield from examine(item, inner.value_type, text=text, path=f"{path}.{key}")
        case _:
            yield _leaf_step(raw, info, text=text, path=path)


def _chosen(info: mi.Type, raw: Any) -> mi.Type | None:
    """Return the type that a value should have, without notes; None if the value is no member of the union."""
    if isinstance(info, mi.Metadata):
        return _chosen(info.type, raw)
    if isinstance(info, mi.UnionType):
        return next(filter(None, (_chosen(member, raw) for member in info.types)), None)
    return info if _may_be(info, raw) else None


def _may_be(info: mi.Type, raw: Any) -> bool:
    """Tell whether a plain value is worth comparing with a type, by what holds the value and by the tag of a record."""
    if isinstance(info, mi.StructType):
        return isinstance(raw, dict) and (info.tag is None or raw.get(info.tag_field) == info.tag)
    return isinstance(raw, dict) if isinstance(info, mi.DictType) else isinstance(raw, list)


def _record_steps(raw: dict[str, Any], info: mi.StructType, *, text: bool, path: str) -> Iterator[Step]:
    wrong = False
    for step in _field_steps(raw, info, text=text, path=path):
        wrong = wrong or step is not None
        yield step
    if not wrong:
        yield from _construction_problems(raw, info, text=text, path=path)


def _field_steps(raw: dict[str, Any], info: mi.StructType, *, text: bool, path: str) -> Iterator[Step]:
    fields = {field.encode_name: field for field in info.fields}
    for key in raw:
        if key not in fields and key != info.tag_field:
            near = difflib.get_close_matches(str(key), fields, 1)
            yield Problem(f"{path}.{key}", "Unknown field" + (f"; did you mean `{near[0]}`?" if near else ""))
    for name, field in fields.items():
        if name in raw:
            yield from examine(raw[name], field.type, text=text, path=f"{path}.{name}")
        elif field.required:
            yield Problem(f"{path}.{name}", "Missing")


def known_parts(raw: Any, info: mi.Type) -> Any:
    """Return a plain value without the fields that a form does not know."""
    match _chosen(info, raw), raw:
        case mi.StructType() as record, dict():
            fields = {field.encode_name: field.type for field in record.fields}
            known = {name: known_parts(value, fields[name]) for name, value in raw.items() if name in fields}
            return known if record.tag is None else {record.tag_field: record.tag, **known}
        case (mi.ListType() | mi.SetType() | mi.FrozenSetType() | mi.VarTupleType()) as inner, list():
            return [known_parts(item, inner.item_type) for item in raw]
        case mi.TupleType(item_types), list() if len(raw) == len(item_types):
            return [known_parts(item, item_type) for item, item_type in zip(raw, item_types, strict=True)]
        case mi.DictType() as inner, dict():
            return {key: known_parts(item, inner.value_type) for key, item in raw.items()}
    return raw


def _construction_problems(raw: Any, info: mi.StructType, *, text: bool, path: str) -> Iterator[Problem]:
    """Try the record's own checks (`__post_init__`), now that its fields are right one by one."""
    into = translation_of(info.cls)
    try:
        form = msgspec.convert(raw, info.cls, strict=not text, str_keys=True)
        if into is not None:
            into(form)
    except (ValueError, TypeError) as error:
        problem = first_problem(error)
        yield Problem(path + problem.path[1:], problem.message)


def _leaf_step(raw: Any, info: mi.Type, *, text: bool, path: str, what: str = "") -> Step:
    try:
        value = msgspec.convert(raw, type_of(info), strict=not text, str_keys=True)
        if _is_id(info):
            read_id(value)
        elif isinstance(value, Decimal):
            finite(value)
    except (ValueError, TypeError) as error:
        problem = first_problem(error)
        return Problem(path + problem.path[1:], what + problem.message)
    return None


def _is_id(info: mi.Type) -> bool:
    return isinstance(info, mi.Metadata) and bool((info.extra or {}).get("id"))


def first_problem(error: Exception) -> Problem:
    """Take apart what msgspec says: ``Expected `int`, got `str` - at `$.bats[0].wings` ``."""
    message, _, where = str(error).partition(" - at `$")
    if "[0-9]{1,19}" in message:
        message = "Expected a 64-bit id: digits in a string"
    if "1.7976931348623157e+308" in message:
        message = "Expected a finite `float`"
    return Problem("$" + where.rstrip("`"), message or type(error).__name__)


def type_of(info: mi.Type) -> Any:
    """Return the type that an inspected form stands for."""
    back = _BACK.get(type(info))
    return form_of(info) if back is None else back(info)


_BACK: dict[type[mi.Type], Callable[[Any], Any]] = {
    mi.Metadata: lambda info: Annotated[
        type_of(info.type), Meta(extra_json_schema=info.extra_json_schema, extra=info.extra)
    ],
    mi.StructType: lambda info: info.cls,
    mi.UnionType: lambda info: Union[tuple(type_of(i) for i in info.types)],  # noqa: UP007 - a union of a list
    mi.NoneType: lambda info: None,
}


def plain_message(error: Exception) -> str:
    """Return what msgspec says, without the path."""
    return str(error).partition(" - at `$")[0] or type(error).__name__
