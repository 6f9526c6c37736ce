"""The options of a command: one for each parameter, and what callers gave for them."""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, get_origin

import click
import msgspec
import msgspec.inspect as mi

from ..contract import Contract, Parameter
from ..errors import InvalidArgument, Problem
from ..types import UNSET, Upload

_LISTS = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType)
_METAVARS: dict[type[mi.Type], str] = {
    mi.BytesType: "BASE64",
    mi.DateTimeType: "DATETIME",
    mi.DateType: "DATE",
    mi.DecimalType: "DECIMAL",
    mi.FloatType: "NUMBER",
    mi.IntType: "INTEGER",
    mi.NoneType: "null",
    mi.StrType: "TEXT",
    mi.TimeDeltaType: "DURATION",
    mi.TimeType: "TIME",
    mi.UUIDType: "UUID",
}


def flag(name: str) -> str:
    """Return the option of a parameter: `--page-size` for `page_size`."""
    return "--" + name.strip("_").replace("_", "-")


def option(parameter: Parameter) -> click.Option:
    """Return the option by which callers give a parameter; nothing is converted here, that is the contract's work."""
    info = None if _is_upload(parameter) else _bare(mi.type_info(parameter.type))
    declarations = [parameter.name, flag(parameter.name)]
    if isinstance(info, mi.BoolType):
        declarations[1] += "/" + flag(f"no_{parameter.name}")
        return click.Option(declarations, default=None, help=_help(parameter))
    return click.Option(
        declarations,
        type=click.STRING,
        multiple=_repeats(parameter, info),
        metavar=_metavar(info),
        help=_help(parameter),
    )


def _help(parameter: Parameter) -> str:
    repeats = not _is_upload(parameter) and isinstance(_bare(mi.type_info(parameter.type)), _LISTS)
    notes = [note for note in (_default(parameter), "repeat for more" if repeats else "") if note]
    return "  ".join(filter(None, [parameter.doc, f"[{'; '.join(notes)}]" if notes else ""]))


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return "required"
    if parameter.sensitive or parameter.default in (None, UNSET, "", (), []):
        return ""
    text = str(msgspec.to_builtins(parameter.default, enc_hook=str))
    return f"default: {text.lower() if isinstance(parameter.default, bool) else text}"


def _is_upload(parameter: Parameter) -> bool:
    return parameter.type is Upload or Upload in getattr(parameter.type, "__args__", ())


def _repeats(parameter: Parameter, info: mi.Type | None) -> bool:
    return isinstance(info, _LISTS) if info else get_origin(parameter.type) is list


def _metavar(info: mi.Type | None) -> str:
    if info is None:
        return "FILE"
    if isinstance(info, _LISTS):
        return _metavar(_bare(info.item_type))
    if isinstance(info, mi.EnumType):
        return f"[{'|'.join(str(member.value) for member in info.cls)}]"
    if isinstance(info, mi.LiteralType):
        return f"[{'|'.join(map(str, info.values))}]"
    if isinstance(info, mi.UnionType) and not _takes_json(info):
        return "|".join(dict.fromkeys(_metavar(_bare(member)) for member in info.types))
    return _METAVARS.get(type(info), "JSON")


def _bare(info: mi.Type) -> mi.Type:
    """Return a type without its notes, and without None beside it."""
    if isinstance(info, mi.Metadata):
        return _bare(info.type)
    if isinstance(info, mi.UnionType):
        present = [member for member in info.types if not isinstance(member, (mi.NoneType, mi.CustomType))]
        return _bare(present[0]) if len(present) == 1 else info
    return info


def _takes_json(info: mi.Type) -> bool:
    """Tell whether a value of this type is written as JSON: whatever is no plain text."""
    info = _bare(info)
    if isinstance(info, mi.UnionType):
        return any(_takes_json(member) for member in info.types)
    return not isinstance(info, (mi.BoolType, mi.EnumType, mi.LiteralType, *_METAVARS))


# --- what was given ------------------------------------------------------------------------------------------------


def read(contract: Contract, given: Mapping[str, Any], files: ExitStack) -> tuple[Any, ...]:
    """Return the arguments of a command, as the contract orders them.

    Args:
        contract: what the operation asks for.
        given: the text of each option by parameter name; None or nothing for those left out.
        files: closes what is opened here.

    Raises:
        InvalidArgument: with everything that is wrong.
    """
    present = {name: value for name, value in given.items() if value not in (None, ())}
    raw = {p.name: _plain(p, present[p.name]) for p in contract.parameters if p.name in present}
    values = contract.arguments.convert_text(raw)
    return (*values, *(_uploads(p, present.get(p.name), files) for p in contract.uploads))


def _plain(parameter: Parameter, given: Any) -> Any:
    info = _bare(mi.type_info(parameter.type))
    if isinstance(info, _LISTS):
        return [_text_or_json(parameter, info.item_type, text) for text in given]
    return _text_or_json(parameter, info, given)


def _text_or_json(parameter: Parameter, info: mi.Type, given: Any) -> Any:
    if not isinstance(given, str) or not _takes_json(info):
        return given
    try:
        return msgspec.json.decode(_json_text(parameter, given))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        example = f"{flag(parameter.name)} '{{...}}', or @file.json"
        raise _wrong(parameter, f"Expected JSON, such as {example}; got {given!r}: {reason}") from None


def _json_text(parameter: Parameter, given: str) -> bytes:
    if not given.startswith("@"):
        return given.encode()
    with _content(parameter, given[1:]) as file:
        return file.read()


def _content(parameter: Parameter, place: str) -> AbstractContextManager[BinaryIO]:
    """Open a file that the caller names, or standard input for `-`, which stays open."""
    if place == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(place).open("rb")
    except OSError as error:
        raise _wrong(parameter, f"Expected a file, got {place!r}: {error.strerror}") from None


def _uploads(parameter: Parameter, given: str | tuple[str, ...] | None, files: ExitStack) -> Any:
    if given is None:
        if parameter.required:
            raise _wrong(parameter, "Missing")
        return parameter.default
    if isinstance(given, str):
        return _upload(parameter, given, files)
    return [_upload(parameter, place, files) for place in given]


def _upload(parameter: Parameter, place: str, files: ExitStack) -> Upload:
    file = files.enter_context(_content(parameter, place))
    media_type = mimetypes.guess_type(place)[0] or "application/octet-stream"
    return Upload("stdin" if place == "-" else Path(place).name, media_type, file)


def _wrong(parameter: Parameter, message: str) -> InvalidArgument:
    return InvalidArgument.of(Problem(f"$.{parameter.name}", message))
