"""Describe what an app promises, from the code alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import msgspec
import msgspec.inspect as mi

from ..contract import Contract
from ..errors import RegistrationError
from ..shape import SEQUENCES
from .entries import AppLock, ErrorLock, Message, OperationLock, Slot, union_name
from .texts import WORDS, bare

if TYPE_CHECKING:
    from ..app import App
    from ..operation import Operation

_SCALARS: dict[type[mi.Type], str] = {
    mi.BoolType: "bool",
    mi.BytesType: "bytes",
    mi.DateTimeType: "datetime",
    mi.DateType: "date",
    mi.DecimalType: "Decimal",
    mi.FloatType: "float",
    mi.IntType: "int",
    mi.NoneType: "null",
    mi.StrType: "str",
    mi.TimeDeltaType: "timedelta",
    mi.TimeType: "time",
    mi.UUIDType: "UUID",
}


def describe(app: App) -> AppLock:
    """Return what an app promises; numbers are in the order of declaration, from 1.

    Raises:
        RegistrationError: two types of the app have the same name.
    """
    book = _Book(app.name)
    operations = {name: _operation(operation, book) for name, operation in app.operations.items()}
    tasks = {name: _parameters(job.contract, book) for name, job in app.jobs.items() if name not in operations}
    errors = {
        declared.code: ErrorLock(
            declared.kind, {name: book.text(mi.type_info(wire.form)) for name, wire in declared.fields.items()}
        )
        for declared in app.errors
    }
    return AppLock(app.version, operations, book.records, book.unions, book.enums, errors, tasks=tasks)


def fingerprint(contract: Contract) -> str:
    """Return 12 hexadecimal digits that change when names, types or what is required change in a contract.

    They stand for the parameters, the result and everything both lead to; the order of fields does not matter.
    """
    book = _Book()
    facts = {
        "gives": contract.gives,
        "parameters": _facts(_parameters(contract, book)),
        "result": _result(contract, book),
        "records": {name: _facts(message) for name, message in book.records.items()},
        "enums": {name: sorted(map(repr, values)) for name, values in book.enums.items()},
    }
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()[:12]


def _facts(message: Message) -> Any:
    return [message.tag, {name: (slot.type, slot.required) for name, slot in message.fields.items()}]


def _operation(operation: Operation, book: _Book) -> OperationLock:
    contract = operation.contract
    return OperationLock(
        operation.kind,
        contract.gives,
        _parameters(contract, book),
        _result(contract, book),
        _http(operation),
        operation.policy.body,
    )


def _http(operation: Operation) -> str:
    """Return method and path as REST makes them."""
    method = "GET" if operation.kind == "query" else "POST"
    return operation.policy.http or f"{method} /{operation.name.replace('.', '/')}"


def _parameters(contract: Contract, book: _Book) -> Message:
    values = book.fields(mi.type_info(contract.arguments.form))
    uploads = {upload.name: (_upload_text(upload.type), upload.required) for upload in contract.uploads}
    return _message({**values, **uploads})


def _result(contract: Contract, book: _Book) -> str | None:
    if contract.result is None or contract.gives == "nothing":
        return None
    return book.text(mi.type_info(contract.result.form))


def _upload_text(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        return "Upload | null" if type(None) in get_args(hint) else "Upload"
    return "Upload" if get_origin(hint) in (None, Annotated) else "list[Upload]"


def _message(parts: dict[str, tuple[str, bool]], tag: str = "") -> Message:
    slots = {name: Slot(number, *part) for number, (name, part) in enumerate(parts.items(), 1)}
    return Message(slots, tag=tag)


class _Book:
    """Collects the types that forms lead to, each under its name.

    Args:
        where: the app whose types may not be alike; None to tell them apart by the order in which they are met.
    """

    def __init__(self, where: str | None = None) -> None:
        self.where = where
        self.records: dict[str, Message] = {}
        self.unions: dict[str, Message] = {}
        self.enums: dict[str, list[str | int]] = {}
        self._classes: dict[str, Any] = {}

    def fields(self, info: Any) -> dict[str, tuple[str, bool]]:
        """Return type text and necessity of the fields of an inspected form, by their name on the wire."""
        return {field.encode_name: (self._field_text(field), field.required) for field in info.fields}

    def text(self, info: Any) -> str:
        """Return the canonical text of an inspected form, and note what it leads to."""
        if isinstance(info, mi.Metadata):
            return "Id" if (info.extra or {}).get("id") else self.text(info.type)
        for kind, text in _TEXTS.items():
            if isinstance(info, kind):
                return text(self, info)
        return _SCALARS[type(info)]

    def _field_text(self, field: mi.Field) -> str:
        absent = not field.required and field.default is field.default_factory is msgspec.NODEFAULT
        return self.text(field.type) + " | unset" * absent

    def record(self, info: mi.StructType) -> str:
        """Note a record and all that its fields lead to; return its name."""
        name = self._name(info.cls)
        if name not in self.records:
            self.records[name] = Message({})  # met again inside itself
            tag = "" if info.tag is None else f"{info.tag_field}={info.tag}"
            self.records[name] = _message(self.fields(info), tag)
        return name

    def enum(self, info: mi.EnumType) -> str:
        """Note an enum and its values; return its text."""
        name = self._name(info.cls)
        if name not in self.enums:
            self.enums[name] = [member.value for member in info.cls]
        return f"enum {name}"

    def choice(self, info: mi.UnionType | mi.LiteralType) -> str:
        """Note a union, if it has several members; return its text, which leaves their order out."""
        parts = info.types if isinstance(info, mi.UnionType) else (info,)
        texts = [text for part in parts for text in self._alternatives(part)]
        members = [text for text in texts if text != "null"]
        if len(members) > 1:
            named = {union_name([bare(member)]): (member, False) for member in sorted(members)}
            self.unions[union_name(list(named))] = _message(named)
        # Python remembers a union under its members whatever their order, so the order says nothing.
        return " | ".join([*sorted(members), *(["null"] if "null" in texts else [])])

    def _alternatives(self, info: Any) -> list[str]:
        if isinstance(info, mi.Metadata) and isinstance(info.type, mi.LiteralType):
            info = info.type
        return _literals(info.values) if isinstance(info, mi.LiteralType) else [self.text(info)]

    def _name(self, cls: Any) -> str:
        name: str = cls.__name__
        if self.where is not None and (name in WORDS or self._classes.get(name, cls) is not cls):
            raise RegistrationError(f"{self.where}: {_alike(name, self._classes.get(name, cls), cls)}")
        while self._classes.setdefault(name, cls) is not cls:
            name += "_"
        return name


def _literals(values: Iterable[Any]) -> list[str]:
    """Return the texts of a literal: one for all strings, one for all numbers."""
    groups = [[value for value in values if isinstance(value, kind)] for kind in (str, int)]
    texts = [", ".join(sorted(msgspec.json.encode(value).decode() for value in group)) for group in groups]
    return [f"Literal[{text}]" for text in texts if text] + ["null"] * (None in values)


def _list(book: _Book, info: Any) -> str:
    return f"list[{book.text(info.item_type)}]"  # which sets and tuples of any length are too, on the wire


def _tuple(book: _Book, info: mi.TupleType) -> str:
    return f"tuple[{', '.join(map(book.text, info.item_types))}]"


def _dict(book: _Book, info: mi.DictType) -> str:
    return f"dict[{book.text(info.key_type)}, {book.text(info.value_type)}]"


_TEXTS: dict[Any, Callable[[_Book, Any], str]] = {
    mi.StructType: _Book.record,
    mi.EnumType: _Book.enum,
    mi.UnionType: _Book.choice,
    mi.LiteralType: _Book.choice,
    mi.DictType: _dict,
    mi.TupleType: _tuple,
    tuple(SEQUENCES): _list,
}


def _alike(name: str, known: Any, cls: Any) -> str:
    if known is cls:
        return f"{cls.__module__} has a type called {name}, which is a word of the contract lock; rename it."
    places = sorted({known.__module__, cls.__module__})
    both = f"both in {places[0]}" if len(places) == 1 else f"in {places[0]} and in {places[1]}"
    return f"two different types are called {name}, {both}; gRPC could not tell them apart. Rename one."
