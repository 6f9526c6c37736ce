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
from click.shell_completion import CompletionItem

from ..contract import Contract, Parameter, is_upload
from ..errors import InvalidArgument, Problem
from ..types import UNSET, Meta, Upload
from ..wire import Arguments

PATH = Meta(extra={"path": True})
"""Marks a text that is the path of a file or a folder."""

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
    declarations = [parameter.name, flag(parameter.name)]
    if isinstance(_info(parameter), mi.BoolType):
        declarations[1] += "/" + flag(f"no_{parameter.name}")
        return click.Option(declarations, default=None, help=_option_help(parameter))
    return click.Option(
        declarations,
        type=click.STRING,
        multiple=is_list(parameter),
        metavar=metavar(parameter),
        help=_option_help(parameter),
        shell_complete=_completions(parameter),
    )


def argument(parameter: Parameter) -> click.Argument:
    """Return the argument, a value without an option, by which callers give a parameter."""
    name = parameter.name.strip("_").upper()
    made = click.Argument(
        [parameter.name],
        type=click.STRING,
        nargs=-1 if is_list(parameter) else 1,
        required=False,  # what is missing is found with everything else that is wrong
        metavar=(name if parameter.required else f"[{name}]") + ("..." if is_list(parameter) else ""),
        shell_complete=_completions(parameter),
    )
    made.name = parameter.name  # click would have it in lower case
    return made


def documentation(parameter: Parameter, *notes: str) -> str:
    """Return what help says of a parameter: its documentation and, in brackets, its default and what else is noted."""
    noted = "; ".join(filter(None, (_default(parameter), *notes)))
    return "  ".join(filter(None, [parameter.doc, noted and f"[{noted}]"]))


def choices(parameter: Parameter) -> list[str]:
    """Return the values that a parameter may have, if they are few: those of an enum, a Literal, a bool."""
    if is_upload(parameter.type):
        return []
    info = _info(parameter)
    return _choices(_bare(info.item_type) if isinstance(info, _LISTS) else info)


def metavar(parameter: Parameter) -> str:
    """Return the word that stands for a value in help: `TEXT`, `[fruit|insects]`, `JSON`."""
    if is_upload(parameter.type):
        return "FILE"
    return "PATH" if is_path(parameter) else _metavar(_info(parameter))


def is_list(parameter: Parameter) -> bool:
    """Tell whether several values may be given."""
    return isinstance(_info(parameter), _LISTS)


def is_path(parameter: Parameter) -> bool:
    """Tell whether the value is the path of a file or a folder."""
    return not is_upload(parameter.type) and _is_path(mi.type_info(parameter.type))


def _completions(parameter: Parameter) -> Any:
    """Return what completes the value in a shell; None leaves it to the user."""
    if is_upload(parameter.type) or is_path(parameter):
        return lambda ctx, param, incomplete: [CompletionItem(incomplete, type="file")]
    known = choices(parameter)
    return (lambda ctx, param, incomplete: [c for c in known if c.startswith(incomplete)]) if known else None


def _option_help(parameter: Parameter) -> str:
    required = "required" if parameter.required else ""
    return documentation(parameter, required, "repeat for more" if is_list(parameter) else "")


def _default(parameter: Parameter) -> str:
    if parameter.required or parameter.sensitive or parameter.default in (None, UNSET, "", (), []):
        return ""
    text = str(msgspec.to_builtins(parameter.default, enc_hook=str))
    return f"default: {text.lower() if isinstance(parameter.default, bool) else text}"


def _info(parameter: Parameter) -> mi.Type:
    """Return the type of a value; files count as the texts that name them."""
    if is_upload(parameter.type):
        return mi.ListType(mi.StrType()) if get_origin(parameter.type) is list else mi.StrType()
    return _bare(mi.type_info(parameter.type))


def _choices(info: mi.Type) -> list[str]:
    if isinstance(info, mi.BoolType):
        return ["true", "false"]
    if isinstance(info, mi.EnumType):
        return [str(member.value) for member in info.cls]
    return [str(value) for value in info.values] if isinstance(info, mi.LiteralType) else []


def _metavar(info: mi.Type) -> str:
    if isinstance(info, _LISTS):
        return _metavar(_bare(info.item_type))
    if known := _choices(info):
        return f"[{'|'.join(known)}]"
    if isinstance(info, mi.UnionType) and not _takes_json(info):
        return "|".join(dict.fromkeys(_metavar(_bare(member)) for member in info.types))
    return _METAVARS.get(type(info), "JSON")


def _is_path(info: mi.Type) -> bool:
    if isinstance(info, mi.Metadata):
        return bool((info.extra or {}).get("path")) or _is_path(info.type)
    if isinstance(info, mi.UnionType):
        return any(map(_is_path, info.types))
    return isinstance(info, _LISTS) and _is_path(info.item_type)


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
    problems: list[Problem] = []
    values = _values(contract, present, problems)
    uploads = _all_uploads(contract, present, files, problems)
    if problems:
        raise InvalidArgument.of(*problems)
    return (*values, *uploads)


def read_one(contract: Contract, parameter: Parameter, given: Any, files: ExitStack) -> None:
    """Read the value of one parameter, as `read` does, to see whether it fits.

    Raises:
        InvalidArgument: it does not.
    """
    if is_upload(parameter.type):
        _uploads(parameter, given, files)
    else:
        field = contract.fields[contract.parameters.index(parameter)]
        Arguments(parameter.name, [field]).convert_text({parameter.name: _plain(parameter, given)})


def _values(contract: Contract, present: Mapping[str, Any], problems: list[Problem]) -> tuple[Any, ...]:
    raw: dict[str, Any] = {}
    for parameter in contract.parameters:
        if parameter.name in present:
            try:
                raw[parameter.name] = _plain(parameter, present[parameter.name])
            except InvalidArgument as error:
                problems.extend(error.problems)
    told = {problem.path for problem in problems}
    try:
        return contract.arguments.convert_text(raw)
    except InvalidArgument as error:
        problems.extend(problem for problem in error.problems if problem.path not in told)
        return ()


def _all_uploads(
    contract: Contract, present: Mapping[str, Any], files: ExitStack, problems: list[Problem]
) -> list[Any]:
    found = []
    for parameter in contract.uploads:
        try:
            found.append(_uploads(parameter, present.get(parameter.name), files))
        except InvalidArgument as error:
            problems.extend(error.problems)
    return found


def _plain(parameter: Parameter, given: Any) -> Any:
    info = _info(parameter)
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
        got = "" if parameter.sensitive else f"; got {given!r}"
        raise _wrong(parameter, f"Expected JSON, such as {example}{got}: {reason}") from None


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
