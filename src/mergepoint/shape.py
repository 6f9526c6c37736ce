"""What travels for a Python type: its form, and the generated functions between the two.

msgspec is fast because it knows the type in advance. Some rules of ours it cannot express on the application's own
classes: a 64-bit id is a string in JSON, unknown fields are refused in nested records too, integers have 64 bits,
times have a zone, a `NamedTuple` is an object. So every record gets a *form*, a struct that msgspec reads and writes,
and a generated function between record and form. Where a record can be written as it is, that is what happens.
"""

from __future__ import annotations

import copy
import functools
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, ForwardRef, Literal, NamedTuple, TypeAlias, Union, get_args, get_origin
from uuid import UUID

import msgspec
import msgspec.inspect as mi

from .types import INT64, UNSET, Id, Meta, Unset

FINITE = (-sys.float_info.max, sys.float_info.max)
"""The least and the greatest float that is a number."""


class CannotTravel(TypeError):
    """A type no protocol could carry. The message says which and what to use instead."""


Template = Callable[[str], str]
"""Makes, of the source text of one value, the source text of its translation."""


class Shape(NamedTuple):
    """What travels for a type: the form msgspec knows, and how to get from one to the other (None: nothing to do)."""

    form: Any
    inward: Template | None = None
    outward: Template | None = None
    names: Mapping[str, Any] = {}
    """What the templates refer to."""


class Field(NamedTuple):
    """One field of a record, or one parameter of a callable."""

    name: str
    wire_name: str
    shape: Shape
    default: Any = msgspec.NODEFAULT
    default_factory: Any = msgspec.NODEFAULT

    @property
    def required(self) -> bool:
        """True if it may not be left out."""
        return self.default is msgspec.NODEFAULT and self.default_factory is msgspec.NODEFAULT


# --- shapes of types -----------------------------------------------------------------------------------------------


def shape_of(type: Any) -> Shape:
    """Return how a type travels.

    Raises:
        CannotTravel: it cannot; the message says what to use instead.
    """
    try:
        info = mi.type_info(type)
    except (TypeError, NameError) as error:
        raise CannotTravel(_remedied(str(error).partition("\n")[0])) from None
    return _shape(info, {})


def _remedied(message: str) -> str:
    """Add what to do to what msgspec says of a type it cannot read."""
    if "str-like" in message or "int-like" in message:
        return f"{message}; keep one of them"
    if "unions may not contain" in message:
        return f"{message}; make the members msgspec.Struct classes with tag=True"
    return message


def _shape(info: mi.Type, open: _Opened) -> Shape:
    for kind, make in _MAKERS.items():
        if isinstance(info, kind):
            return make(info, open)
    raise CannotTravel(
        f"{_name_of(info)} has no form that every protocol knows; use a record, or a type of the standard"
    )


def form_of(info: mi.Type) -> Any:
    """Return the form of an inspected type that is no record."""
    return _shape(info, {}).form


def _annotated(info: mi.Metadata, open: _Opened) -> Shape:
    schema = info.extra_json_schema or {}
    if (info.extra or {}).get("id"):
        meta = Meta(pattern=r"^-?[0-9]{1,19}$", extra=info.extra, extra_json_schema={"format": "int64", **schema})
        return Shape(Annotated[str, meta], _call("read_id"), _call("str"), {"read_id": read_id, "str": str})
    shape = _shape(info.type, open)
    meta = Meta(extra=info.extra, extra_json_schema=info.extra_json_schema)
    return shape._replace(form=Annotated[shape.form, meta])


def read_id(text: str) -> int:
    """Read a 64-bit id from its text."""
    if text.endswith("\n"):  # which `$` of the pattern lets through
        raise ValueError("Expected a 64-bit id, got one with a line break")
    number = int(text)
    if not INT64[0] <= number <= INT64[1]:
        raise ValueError("Expected a 64-bit id, got a larger number")
    return number


_SCALARS: dict[type[mi.Type], Any] = {
    mi.BoolType: bool,
    mi.BytesType: bytes,
    mi.DateType: date,
    mi.NoneType: None,
    mi.StrType: str,
    mi.TimeDeltaType: timedelta,
    mi.TimeType: time,
    mi.UUIDType: UUID,
}
SEQUENCES: dict[type[mi.Type], tuple[Any, str, str]] = {
    mi.ListType: (list, "[", "]"),
    mi.SetType: (set, "{", "}"),
    mi.FrozenSetType: (frozenset, "frozenset(", ")"),
    mi.VarTupleType: (tuple, "tuple(", ")"),
}
_KEYS = (
    mi.DateTimeType,
    mi.DateType,
    mi.DecimalType,
    mi.EnumType,
    mi.IntType,
    mi.LiteralType,
    mi.StrType,
    mi.TimeDeltaType,
    mi.TimeType,
    mi.UUIDType,
)
_PARTS = ("type", "types", "item_type", "item_types", "key_type", "value_type")


def _limits(info: mi.Type) -> dict[str, Any]:
    """Return the constraints that an inspected type carries."""
    pairs = ((name, getattr(info, name)) for name in info.__struct_fields__ if name not in _PARTS)
    return {name: value for name, value in pairs if value is not None}


def _limited(type: Any, limits: dict[str, Any]) -> Any:
    return Annotated[type, Meta(**limits)] if limits else type


def _scalar(info: mi.Type, open: _Opened) -> Shape:
    return Shape(_limited(_SCALARS[type(info)], _limits(info)))


def _decimal(info: mi.DecimalType, open: _Opened) -> Shape:
    form = _limited(Decimal, _limits(info))
    return Shape(form, _call("finite"), None, {"finite": finite})


def finite(number: Decimal) -> Decimal:
    """Return a decimal that is a number, unlike NaN and the infinities."""
    if not number.is_finite():
        raise ValueError("Expected a finite `decimal`, got one that is no number")
    return number


def _float(info: mi.FloatType, open: _Opened) -> Shape:
    # Limits are what NaN and the infinities never meet; in text and MessagePack they would be floats like any other.
    return Shape(_limited(float, _bounded(_limits(info), FINITE)))


def _integer(info: mi.IntType, open: _Opened) -> Shape:
    return Shape(_limited(int, _bounded(_limits(info), INT64)))


def _bounded(limits: dict[str, Any], bounds: tuple[float, float]) -> dict[str, Any]:
    """Add a least and a greatest value to constraints that have none."""
    least = {} if limits.keys() & {"ge", "gt"} else {"ge": bounds[0]}
    greatest = {} if limits.keys() & {"le", "lt"} else {"le": bounds[1]}
    return limits | least | greatest


def _datetime(info: mi.DateTimeType, open: _Opened) -> Shape:
    if info.tz is False:
        raise CannotTravel("a datetime without a zone means another moment on every machine; drop Meta(tz=False)")
    return Shape(Annotated[datetime, Meta(tz=True)])


def _enum(info: mi.EnumType, open: _Opened) -> Shape:
    return Shape(info.cls)


def _literal(info: mi.LiteralType, open: _Opened) -> Shape:
    return Shape(Literal[tuple(info.values)])


def _anything(info: mi.AnyType, open: _Opened) -> Shape:
    raise CannotTravel("Any says nothing about the value; use a record, a union, or dict[str, str]")


def _sequence(info: Any, open: _Opened) -> Shape:
    type_, left, right = SEQUENCES[type(info)]
    item = _shape(info.item_type, open)
    form = type_[item.form, ...] if type_ is tuple else type_[item.form]
    return Shape(
        _limited(form, _limits(info)),
        _each(item.inward, left, right),
        # Sets of forms would need hashing for nothing: what is written is a JSON array in any case.
        _each(item.outward, "[", "]"),
        {**item.names, "frozenset": frozenset, "tuple": tuple},
    )


def _each(template: Template | None, left: str, right: str) -> Template | None:
    return template and (lambda x: f"{left}{template('v')} for v in {x}{right}")


def _tuple(info: mi.TupleType, open: _Opened) -> Shape:
    items = [_shape(item, open) for item in info.item_types]

    def template(side: str) -> Template | None:
        if not any(getattr(item, side) for item in items):
            return None
        return lambda x: (
            "(" + "".join(_applied(getattr(s, side), f"{x}[{n}]") + ", " for n, s in enumerate(items)) + ")"
        )

    names = {key: value for item in items for key, value in item.names.items()}
    return Shape(tuple[tuple(item.form for item in items)], template("inward"), template("outward"), names)  # type: ignore[misc]


def _dict(info: mi.DictType, open: _Opened) -> Shape:
    # A key is text in JSON whatever its type, so an id needs no form of its own there.
    key_type = info.key_type.type if isinstance(info.key_type, mi.Metadata) else info.key_type
    if not isinstance(key_type, _KEYS):
        raise CannotTravel(f"{_name_of(key_type)} cannot be the key of an object; use a list of records")
    key, value = _shape(key_type, open), _shape(info.value_type, open)

    def template(side: str) -> Template | None:
        of_key, of_value = getattr(key, side), getattr(value, side)
        if not (of_key or of_value):
            return None
        return lambda x: f"{{{_applied(of_key, 'k')}: {_applied(of_value, 'v')} for k, v in {x}.items()}}"

    form = _limited(dict[key.form, value.form], _limits(info))  # type: ignore[name-defined]
    return Shape(form, template("inward"), template("outward"), {**key.names, **value.names})


def _call(name: str) -> Template:
    return lambda x: f"{name}({x})"


def _applied(template: Template | None, text: str) -> str:
    return template(text) if template else text


# --- unions --------------------------------------------------------------------------------------------------------


def _union(info: mi.UnionType, open: _Opened) -> Shape:
    present = [i for i in info.types if not isinstance(i, mi.NoneType)]
    if len(present) == 1:
        shape = _shape(present[0], open)
    else:
        shape = _alternatives([_shape(i, open) for i in present], present, open)
    return optional(shape, None) if len(present) < len(info.types) else shape


def optional(shape: Shape, absence: Any) -> Shape:
    """Allow a value to be absent, as `None` or as `Unset`."""
    return Shape(
        Union[shape.form, absence],  # noqa: UP007 - `|` would not take what stands for a record inside itself
        _unless_absent(shape.inward),
        _unless_absent(shape.outward),
        {**shape.names, "UNSET": UNSET},
    )


def present(form: Any) -> Any:
    """Return a form without the possibility of None."""
    members = [member for member in get_args(form) if member is not type(None)]
    if get_origin(form) not in (Union, UnionType) or len(members) == len(get_args(form)):
        return form
    return Union[tuple(members)]  # noqa: UP007 - a union of a list


def _unless_absent(template: Template | None) -> Template | None:
    return template and (lambda x: f"({x} if {x} is None or {x} is UNSET else {template(x)})")


def _alternatives(shapes: list[Shape], infos: list[mi.Type], open: _Opened) -> Shape:
    """Join the members of a union; records are told apart by class, and by their tag on the wire."""
    names: dict[str, Any] = {key: value for shape in shapes for key, value in shape.names.items()}
    form: Any = Union[tuple(shape.form for shape in shapes)]  # noqa: UP007 - a union of a list
    chosen: dict[str, Template | None] = {"inward": None, "outward": None}
    for side in chosen:
        table: dict[type, Any] = {}
        for shape, info in zip(shapes, infos, strict=True):
            if getattr(shape, side) is None:
                continue
            if not isinstance(info, _RECORDS):
                raise CannotTravel(f"{_name_of(info)} cannot be told from the other members of its union; use a record")
            translate = compiled(getattr(shape, side), shape.names)
            if side == "outward":
                table[_origin(info.cls)] = translate
            elif info.cls in open:
                open[info.cls].awaited.append((table, translate))
            else:
                table[shape.form] = translate
        if any(getattr(shape, side) for shape in shapes):
            name = f"pick_{side}_{id(table)}"
            names[name] = functools.partial(_pick, table)
            chosen[side] = _call(name)
    return Shape(form, chosen["inward"], chosen["outward"], names)


def _pick(table: dict[type, Callable[[Any], Any]], value: Any) -> Any:
    for cls in type(value).__mro__:
        if translate := table.get(cls):
            return translate(value)
    return value


# --- records -------------------------------------------------------------------------------------------------------

_Opened: TypeAlias = "dict[Any, _Open]"
_RECORDS = (mi.StructType, mi.DataclassType, mi.NamedTupleType, mi.TypedDictType)


class _Open:
    """A record in the making, met again inside itself or inside a record that it contains.

    Attributes:
        name: names its form where msgspec resolves references.
        writes: whether it is written through its form.
        form: the form, once it is made.
        into: makes the record of its form, once both are there.
        out: the other way.
        awaited: tables of unions that want to know the form.
    """

    form: Any
    into: Callable[[Any], Any]
    out: Callable[[Any], Any]

    def __init__(self, cls: Any, *, writes: bool) -> None:
        self.name = f"{_form_name(cls)}_{id(cls)}"
        self.writes = writes
        self.awaited: list[tuple[dict[type, Any], Any]] = []

    def reference(self) -> Shape:
        this = f"open_{self.name}"
        outward = _call(f"{this}.out") if self.writes else None
        return Shape(ForwardRef(self.name), _call(f"{this}.into"), outward, {this: self})


def _record(info: Any, open: _Opened) -> Shape:
    if info.cls in open:
        return open[info.cls].reference()
    return _circle(_circle_of(info.cls))[info.cls]


@functools.cache
def _circle_of(record: Any) -> frozenset[Any]:
    """Return a class and those of all records that contain it and are contained in it."""
    within = _records_within(mi.type_info(record), set())
    return frozenset(cls for cls in within if record in _records_within(mi.type_info(cls), set()))


@functools.cache
def _circle(classes: frozenset[Any]) -> dict[Any, Shape]:
    """Make the forms of records that contain each other; remembered: one class, one name in every description."""
    shapes = _make_circle(classes, writes=False)
    differs = any(shape.outward for shape in shapes.values())
    return _make_circle(classes, writes=True) if differs else shapes


def _make_circle(classes: frozenset[Any], *, writes: bool) -> dict[Any, Shape]:
    open = {cls: _Open(cls, writes=writes) for cls in classes}
    shapes = {cls: _make_record(mi.type_info(cls), open) for cls in classes}
    for this in open.values():
        for shape in shapes.values():
            setattr(shape.form, this.name, this.form)  # where msgspec resolves a reference
        for table, translate in this.awaited:
            table[this.form] = translate
    return shapes


def _records_within(info: Any, seen: set[Any]) -> set[Any]:
    """Return the classes of all records that an inspected type leads to."""
    if isinstance(info, _RECORDS):
        if info.cls in seen:
            return seen
        seen.add(info.cls)
        parts = [field.type for field in info.fields]
    else:
        parts = [p for name in _PARTS if (part := getattr(info, name, None)) for p in _listed(part)]
    for part in parts:
        _records_within(part, seen)
    return seen


def _listed(part: Any) -> tuple[Any, ...]:
    return part if isinstance(part, tuple) else (part,)


def _make_record(info: Any, open: _Opened) -> Shape:
    cls, this = _origin(info.cls), open[info.cls]
    fields = [_field(n, field, open) for n, field in enumerate(info.fields)]
    differs = isinstance(info, mi.NamedTupleType) or any(field.shape.outward for field in fields)
    this.form = _form(_form_name(info.cls), fields, module=cls.__module__, doc=_doc(cls), **_tags(info))
    names = _names(fields) | {this.name: this.form, f"make_{this.name}": cls}
    this.into = _function(_construction(info, fields, f"make_{this.name}"), "w", names)
    this.out = _function(_deconstruction(info, fields, this.name), "w", names)
    this.form.__mergepoint_into__ = staticmethod(this.into)
    outward = _call(f"out_{this.name}") if differs else None
    kept = {f"into_{this.name}": this.into, f"out_{this.name}": this.out}
    return Shape(this.form, _call(f"into_{this.name}"), outward, kept)


def translation_of(form: Any) -> Callable[[Any], Any] | None:
    """Return the function that makes the record of its form, or None where the form stands for itself."""
    return getattr(form, "__mergepoint_into__", None)


def _field(index: int, field: mi.Field, open: _Opened) -> Field:
    name = field.name if field.name.isidentifier() else f"field_{index}"
    shape = _shape(field.type, open)
    default, factory = field.default, field.default_factory
    if not field.required and default is factory is msgspec.NODEFAULT:  # `| Unset`, or a key that may be left out
        return Field(name, field.encode_name, optional(shape, Unset), UNSET)
    return Field(name, field.encode_name, shape, default, factory)


def arguments_shape(name: str, fields: Sequence[Field]) -> Shape:
    """Return how the arguments of a callable travel: an object keyed by their names, a tuple in their order here."""
    # What is not given is not sent: the other side may know fewer parameters, and has the same defaults.
    form = _form(name, fields, module="mergepoint.arguments", doc=None, omit_defaults=True)
    values = "".join(_into_text(field) + ", " for field in fields)
    into = _function(f"({values})", "w", _names(fields))
    given = (f"{f.name}={_applied(f.shape.outward, f'w[{n}]')}" for n, f in enumerate(fields))
    out = _function(f"form({', '.join(given)})", "w", _names(fields) | {"form": form})
    return Shape(form, _call("into"), _call("out"), {"into": into, "out": out})


def _form(name: str, fields: Sequence[Field], *, module: str, doc: str | None, **options: Any) -> Any:
    """Make the struct that stands for a record or an argument list; it refuses fields it does not know."""
    members = [(f.name, f.shape.form, msgspec.field(name=f.wire_name, **_default(f))) for f in fields]
    return msgspec.defstruct(
        name, members, kw_only=True, forbid_unknown_fields=True, module=module, namespace={"__doc__": doc}, **options
    )


def _default(field: Field) -> dict[str, Any]:
    """Return the default of a field in terms of its form."""
    if field.required:
        return {}
    out = compiled(field.shape.outward, field.shape.names) or (lambda value: value)
    if field.default_factory is not msgspec.NODEFAULT:
        return {"default_factory": lambda: out(field.default_factory())}
    default = out(field.default)
    if isinstance(default, (list, dict, set, msgspec.Struct)):  # which msgspec does not take for a shared default
        return {"default_factory": lambda: out(copy.deepcopy(field.default))}
    return {"default": default}


def _tags(info: Any) -> dict[str, Any]:
    tag = getattr(info, "tag", None)
    return {} if tag is None else {"tag": tag, "tag_field": info.tag_field}


def _into_text(field: Field) -> str:
    return _applied(field.shape.inward, f"w.{field.name}")


def _construction(info: Any, fields: list[Field], make: str) -> str:
    """Return the source text that builds the record from its form `w`."""
    if isinstance(info, mi.TypedDictType):
        pairs = ", ".join(f"{f.wire_name!r}: {_into_text(f)}" for f in fields)
        return f"{{k: v for k, v in {{{pairs}}}.items() if v is not UNSET}}"
    parameters = list(inspect.signature(_origin(info.cls)).parameters.values())
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if positional == [f.name for f in fields]:
        return f"{make}({', '.join(map(_into_text, fields))})"
    return f"{make}({', '.join(f'{f.name}={_into_text(f)}' for f in fields)})"


def _deconstruction(info: Any, fields: list[Field], form: str) -> str:
    """Return the source text that builds the form from a record `w`."""
    if isinstance(info, mi.TypedDictType):
        values = {f.name: f"w.get({f.wire_name!r}, UNSET)" for f in fields}
    else:
        values = {f.name: f"w.{f.name}" for f in fields}
    return f"{form}({', '.join(f'{f.name}={_applied(f.shape.outward, values[f.name])}' for f in fields)})"


def _names(fields: Sequence[Field]) -> dict[str, Any]:
    return {"UNSET": UNSET} | {key: value for field in fields for key, value in field.shape.names.items()}


def _form_name(cls: Any) -> str:
    """Return a name that tells `Page[Bat]` from `Page[list[Bat]]`, of characters that every description allows."""
    if get_origin(cls) is Annotated:
        return "Id" if cls == Id else _form_name(get_args(cls)[0])
    arguments = "".join("_" + _form_name(argument) for argument in get_args(cls))
    return getattr(_origin(cls), "__name__", re.sub(r"\W", "", str(cls))) + arguments


def _origin(cls: Any) -> Any:
    return get_origin(cls) or cls


def _doc(cls: Any) -> str | None:
    """Return the documentation somebody wrote, not the signature that dataclasses put in its place."""
    doc = _origin(cls).__doc__
    return None if not doc or doc.startswith(f"{_origin(cls).__name__}(") else inspect.cleandoc(doc)


def _name_of(info: mi.Type) -> str:
    if isinstance(info, mi.Metadata):
        return "Id" if (info.extra or {}).get("id") else _name_of(info.type)
    return getattr(getattr(info, "cls", None), "__name__", type(info).__name__.removesuffix("Type"))


def compiled(template: Template | None, names: Mapping[str, Any]) -> Callable[[Any], Any] | None:
    """Make a function of a template, or None if there is nothing to translate."""
    return template and _function(template("w"), "w", dict(names))


def _function(expression: str, parameter: str, names: dict[str, Any]) -> Callable[[Any], Any]:
    # The source text is made only of attribute names of classes that the application registered, never of input.
    return eval(f"lambda {parameter}: {expression}", names)  # type: ignore[no-any-return]  # noqa: S307


_MAKERS: dict[Any, Callable[[Any, _Opened], Shape]] = {
    mi.Metadata: _annotated,
    mi.IntType: _integer,
    mi.DateTimeType: _datetime,
    mi.DecimalType: _decimal,
    mi.FloatType: _float,
    tuple(_SCALARS): _scalar,
    tuple(SEQUENCES): _sequence,
    mi.TupleType: _tuple,
    mi.DictType: _dict,
    mi.UnionType: _union,
    mi.EnumType: _enum,
    mi.LiteralType: _literal,
    mi.AnyType: _anything,
    _RECORDS: _record,
}
