"""Fill a record of settings from its sources, and report every problem at once."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from mergepoint import redact
from mergepoint.config.places import Items, Leaf, Name, Place, Where
from mergepoint.config.schema import (
    Field,
    child,
    fields,
    fields_upon,
    item_of,
    members,
    nests,
    record_of,
    settings,
    value_of,
)
from mergepoint.errors import ConfigError

T = TypeVar("T")

# Kubernetes describes every service of a namespace in such variables, named after the service.
_KUBERNETES = re.compile(r"_(SERVICE_(HOST|PORT)\w*|PORT(_\d+_(TCP|UDP)\w*)?)$")
_ABSENT: Any = object()


def load(
    record: type[T],
    *,
    prefix: str,
    role: str | None = None,
    folder: str | os.PathLike[str] = "etc",
    environ: Mapping[str, str] = os.environ,
) -> T:
    """Fill an application's record of settings.

    Later sources win and merge deeply: the record's defaults, `config.json` in the folder, `<role>.json` there,
    environment variables. Files that do not exist are left out.

    Args:
        record: a dataclass or `msgspec.Struct`, with nested records where settings belong together.
        prefix: what the environment variables begin with, without the underscore. `BATFRIEND_DATABASE__URL` sets
            the field `url` of the field `database`; with `_FILE` at the end, the variable names a file that holds the
            value. Lists and objects are written as JSON, lists of plain values also with commas.
        role: what this process is, such as `web`; None for no file of its own.
        folder: where the files are.
        environ: the environment.

    Returns:
        The record, every value of the type it declares.

    Raises:
        ConfigError: something is missing, wrong, unknown or unreadable. The message lists all of it, each with what
            was expected, what came (secrets redacted), where, and what to do.
    """
    loading = _Loading(record, prefix)
    for name in ("config", role):
        if name is not None:
            loading.read_file(Path(folder, f"{name}.json"))
    loading.read_environment(environ)
    filled = loading.build(Field("", record, msgspec.NODEFAULT), loading.tree, Name(prefix))
    if loading.problems:
        lines = "".join(f"\n- {problem}" for problem in loading.problems)
        raise ConfigError(f"{record.__name__} cannot be loaded:{lines}")
    return filled  # type: ignore[no-any-return]


class _Loading:
    """One run of `load`: a tree of dicts, lists and leaves that the sources fill, and the problems found."""

    def __init__(self, record: Any, prefix: str) -> None:
        self.record = record
        self.prefix = prefix
        self.tree: dict[str, Any] = {}
        self.problems: list[str] = []

    def problem(self, place: object, expected: str, got: str, remedy: str) -> None:
        self.problems.append(f"{place}: expected {expected}, got {got}. {remedy}")

    # Sources

    def read_file(self, path: Path) -> None:
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            return
        except OSError as error:
            self.problem(path, "a readable file", error.strerror or type(error).__name__, "Correct its permissions.")
        except json.JSONDecodeError as error:
            place = f"{path} line {error.lineno} column {error.colno}"
            self.problem(place, "JSON", f"a fault: {error.msg}", "Correct the file there.")
        except (UnicodeDecodeError, RecursionError) as error:
            self.problem(path, "JSON in UTF-8", type(error).__name__, "Correct the file.")
        else:
            self.merge_object(self.tree, self.record, content, Place(str(path), "$"))

    def read_environment(self, environ: Mapping[str, str]) -> None:
        ours = (name for name in environ if name.startswith(f"{self.prefix}_"))
        # The variable of a whole record comes before those of its fields, which say more.
        for name in sorted(ours, key=lambda name: (name.count("__"), name)):
            path = self.path_of(name)
            if field := self.field(path):
                self.assign(path, field, environ[name], Place(name, text=True))
            elif name.endswith("_FILE") and (field := self.field(self.path_of(name[: -len("_FILE")]))):
                self.read_secret(name, field, environ)
            else:
                self.unknown_variable(name)

    def path_of(self, name: str) -> tuple[str, ...]:
        return tuple(name[len(self.prefix) + 1 :].lower().split("__"))

    def field(self, path: tuple[str, ...]) -> Field | None:
        field: Field | None = Field("", self.record, msgspec.NODEFAULT)
        for name in path:
            field = field and child(field.type, name)
        return field

    def read_secret(self, name: str, field: Field, environ: Mapping[str, str]) -> None:
        plain = name[: -len("_FILE")]
        if plain in environ:
            self.problem(name, f"either this or {plain}", "both", "Unset one of them.")
            return
        try:
            text = Path(environ[name]).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            got = getattr(error, "strerror", None) or type(error).__name__
            self.problem(name, "a readable text file", f"{environ[name]!r}: {got}", "Correct the path or the file.")
        else:
            self.assign(self.path_of(plain), field, text, Place(name, text=True))

    def unknown_variable(self, name: str) -> None:
        known = [setting.variable for setting in settings(self.record, self.prefix)]
        if _KUBERNETES.search(name):
            remedy = "Kubernetes sets it for a service of this name: set enableServiceLinks to false in the pod."
        else:
            remedy = _did_you_mean(name, known) or "Unset it."
        self.problem(name, "the variable of a setting", "an unknown name", remedy)

    # Merging

    def assign(self, path: tuple[str, ...], field: Field, text: str, place: Place) -> None:
        value = self.parse(field, text, place)
        if value is _ABSENT:
            return
        tree = self.tree
        for name in path[:-1]:
            if not isinstance(tree.get(name), dict):
                tree[name] = {}
            tree = tree[name]
        self.merge(tree, field, value, place)

    def parse(self, field: Field, text: str, place: Place) -> Any:
        """Return the JSON value that the text of a variable stands for."""
        kinds = {get_origin(member) or member for member in members(field.type)}
        if str in kinds or not (nests(field.type) or kinds & {list, tuple, set, frozenset, dict}):
            return text
        if text.lstrip()[:1] not in ("[", "{") and not nests(field.type):
            return [part.strip() for part in text.split(",") if part.strip()]
        try:
            return json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            self.problem(place, "JSON", _got(field, text), "Write it as JSON, or set its parts one by one.")
            return _ABSENT

    def merge_object(self, tree: dict[str, Any], hint: Any, value: Any, place: Place) -> None:
        if not isinstance(value, dict):
            self.problem(place, "an object", _json_type(value), "Correct it there.")
            return
        for key, item in value.items():
            if field := child(hint, key):
                self.merge(tree, field, item, place.inside(key))
            else:
                remedy = _did_you_mean(key, fields(record_of(hint))) or "Remove it."
                self.problem(place.inside(key), "the name of a setting", "an unknown name", remedy)

    def merge(self, tree: dict[str, Any], field: Field, value: Any, place: Place) -> None:
        if nests(field.type) and isinstance(value, dict):
            if not isinstance(tree.get(field.name), dict):
                tree[field.name] = {}
            self.merge_object(tree[field.name], field.type, value, place)
        elif (item := item_of(field.type)) and isinstance(value, list):
            nodes = [self.node(item, part, place.inside(n)) for n, part in enumerate(value)]
            tree[field.name] = Items(nodes, place)
        else:
            tree[field.name] = Leaf(value, place)

    def node(self, hint: Any, value: Any, place: Place) -> Any:
        holder: dict[str, Any] = {}
        self.merge(holder, Field("item", hint, msgspec.NODEFAULT), value, place)
        return holder["item"]

    # Building

    def build(self, field: Field, node: Any, where: Where) -> Any:
        if isinstance(node, Leaf):
            return self.convert(field, node)
        if isinstance(node, Items):
            return self.build_items(field, node)
        if (value := value_of(field.type)) is not None:
            return self.build_mapping(value, node, field.default, where)
        return self.construct(record_of(field.type), node, field.default, where)

    def build_mapping(self, value: Any, node: dict[str, Any], base: Any, where: Where) -> dict[str, Any]:
        defaults = base if isinstance(base, dict) else {}
        built = {
            key: self.build(Field(key, value, defaults.get(key, msgspec.NODEFAULT)), part, where.inside(key))
            for key, part in node.items()
        }
        return {**defaults, **built}

    def build_items(self, field: Field, node: Items) -> Any:
        item = Field(field.name, item_of(field.type), msgspec.NODEFAULT)
        parts = [self.build(item, part, node.place.inside(n)) for n, part in enumerate(node.nodes)]
        return tuple(parts) if get_origin(members(field.type)[0]) is tuple else parts

    def construct(self, record: Any, node: dict[str, Any], base: Any, where: Where) -> Any:
        before = len(self.problems)
        values = {}
        for field in fields_upon(record, base):
            if field.name in node or field.required:
                part = node.get(field.name, _ABSENT)
                values[field.name] = self.build_field(field, part, where.inside(field.name))
            elif isinstance(base, record):
                values[field.name] = field.default
        if len(self.problems) > before:
            return _ABSENT
        try:
            return record(**values)
        except (ValueError, TypeError, msgspec.ValidationError) as error:
            refusal = f"a refusal: {redact.text(str(error))}"
            self.problem(where, f"a valid {record.__name__}", refusal, "Correct what belongs together there.")
            return _ABSENT

    def build_field(self, field: Field, node: Any, where: Where) -> Any:
        if node is not _ABSENT:
            return self.build(field, node, where)
        if nests(field.type):
            return self.build(field, {}, where)
        self.problem(where, _expected(field.type), "nothing", where.remedy)
        return _ABSENT

    def convert(self, field: Field, leaf: Leaf) -> Any:
        try:
            return msgspec.convert(leaf.value, field.type, strict=not leaf.place.text, dec_hook=_decode)
        except msgspec.ValidationError as error:
            expected, path = _explain(error, field)
            place = leaf.place._replace(path=(leaf.place.path or "$") + path) if path else leaf.place
            remedy = (
                "Correct it." if field.required else f"Correct it, or leave it out for {_got(field, field.default)}."
            )
            self.problem(place, expected, _got(field, leaf.value), remedy)
            return _ABSENT


def _decode(kind: type, value: Any) -> Any:
    if issubclass(kind, Path) and isinstance(value, str):
        return kind(value)
    raise NotImplementedError


def _explain(error: msgspec.ValidationError, field: Field) -> tuple[str, str]:
    """Return what msgspec expected, and the path inside the value where it did."""
    message, _, path = str(error).partition(" - at `$")
    if match := re.match(r"Expected (.+?)(?:, got .*)?$", message, re.DOTALL):
        return match[1], path.rstrip("`")
    return _expected(field.type), path.rstrip("`")


def _expected(hint: Any) -> str:
    names = (_choices(member) or f"`{getattr(member, '__name__', member)}`" for member in members(hint))
    return " or ".join(names)


def _choices(kind: Any) -> str:
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.EnumType):
        return "one of " + ", ".join(repr(member.value) for member in info.cls)
    return "one of " + ", ".join(map(repr, get_args(kind))) if isinstance(info, msgspec.inspect.LiteralType) else ""


def _got(field: Field, value: Any) -> str:
    if field.sensitive or redact.secret_key(field.name):
        return redact.REDACTED
    # What is inside an object is not known to be harmless where it does not have the form of its record.
    if isinstance(value, (dict, list)) or nests(field.type):
        return _json_type(value)
    plain = msgspec.to_builtins(value, enc_hook=str)
    text = repr(redact.text(plain) if isinstance(plain, str) else plain)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _json_type(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    return "an array" if isinstance(value, list) else f"`{type(value).__name__}`"


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]}?" if close else ""
