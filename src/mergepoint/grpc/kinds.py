"""What there is in protobuf for the types of an application: scalars, messages, and what repeats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import msgspec
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto

from ..lock import union_name
from ..types import UNSET, Upload

ScalarType: TypeAlias = "Proto.Type.ValueType"

Template = Callable[[str], str]
"""Makes, of the source text of one value, the source text of its translation."""


class Scalar(msgspec.Struct, frozen=True, eq=False):
    """A type with a scalar of protobuf.

    Attributes:
        word: what messages are named after that hold it, such as `Str` in `StrList`.
        text: as the contract lock writes it.
        scalar: one of `FieldDescriptorProto.TYPE_...`.
        classes: the Python classes of its values.
        out: from the Python value to protobuf; None for nothing to do.
        into: from protobuf to the plain value that forms are read from.
        values: all that there are, of an enum or a literal.
    """

    word: str
    text: str
    scalar: ScalarType
    classes: tuple[type, ...]
    out: Template | None = None
    into: Template | None = None
    values: tuple[str | int, ...] = ()


class Moment(msgspec.Struct, frozen=True, eq=False):
    """A type with a message of Google's: a timestamp or a duration; `out` and `into` name what translates."""

    word: str
    text: str
    message: str
    classes: tuple[type, ...]
    out: str
    into: str


class Value(NamedTuple):
    """A type as it stands somewhere, and whether None may stand there too."""

    kind: Kind
    nullable: bool = False


class Many(msgspec.Struct, frozen=True, eq=False):
    """A list, a set, or a tuple of any length."""

    item: Value
    classes: tuple[type, ...] = (list, tuple, set, frozenset)

    @property
    def word(self) -> str:
        """As `Scalar.word`."""
        return word_of(self.item) + "List"

    @property
    def text(self) -> str:
        """As `Scalar.text`."""
        return f"list[{text_of(self.item)}]"


class Table(msgspec.Struct, frozen=True, eq=False):
    """A dict."""

    key: Scalar
    value: Value
    classes: tuple[type, ...] = (dict,)

    @property
    def word(self) -> str:
        """As `Scalar.word`."""
        return f"{self.key.word}To{word_of(self.value)}Map"

    @property
    def text(self) -> str:
        """As `Scalar.text`."""
        return f"dict[{self.key.text}, {text_of(self.value)}]"


class Fixed(msgspec.Struct, frozen=True, eq=False):
    """A tuple of a fixed length; its parts are called `_0`, `_1`."""

    parts: tuple[Part, ...]
    classes: tuple[type, ...] = (tuple, list)

    @property
    def word(self) -> str:
        """As `Scalar.word`."""
        return "".join(word_of(part.value) for part in self.parts) + "Tuple"

    @property
    def text(self) -> str:
        """As `Scalar.text`."""
        return f"tuple[{', '.join(text_of(part.value) for part in self.parts)}]"


class Record(msgspec.Struct, eq=False):
    """A record.

    Attributes:
        word: the name of its form, such as `Page_Bat`.
        origin: its class.
        keyed: True for a dict with known keys.
        tag: key and value that tell it from others in JSON.
        parts: its fields.
        doc: what its docstring says, without its attributes.
    """

    word: str
    origin: type
    keyed: bool
    tag: tuple[str, Any] | None
    parts: tuple[Part, ...] = ()
    doc: str = ""

    @property
    def classes(self) -> tuple[type, ...]:
        """As `Scalar.classes`."""
        return (dict,) if self.keyed else (self.origin,)

    @property
    def text(self) -> str:
        """As `Scalar.text`."""
        return self.word


class Choice(msgspec.Struct, frozen=True, eq=False):
    """A union of several types, without None."""

    members: tuple[Kind, ...]

    @property
    def classes(self) -> tuple[type, ...]:
        """As `Scalar.classes`."""
        return tuple(cls for member in self.members for cls in member.classes)

    @property
    def text(self) -> str:
        """As `Scalar.text`."""
        return " | ".join(sorted(member.text for member in self.members))

    @property
    def word(self) -> str:
        """As `Scalar.word`; what it is called in messages is the business of the contract lock."""
        return "Or".join(member.word for member in self.members)

    def named(self) -> dict[str, Kind]:
        """Return the members by the names that the contract lock has for them."""
        return {union_name([member.text]): member for member in self.members}


Kind: TypeAlias = Scalar | Moment | Many | Table | Fixed | Record | Choice


class Part(NamedTuple):
    """A field of a record, or a parameter.

    Attributes:
        name: the attribute.
        wire_name: what it is called in JSON.
        value: its type.
        default: what it is when left out: `NODEFAULT` if it may not be, `UNSET` if it is then just not there.
        doc: what there is to say of it.
        sensitive: its default must not be shown.
    """

    name: str
    wire_name: str
    value: Value
    default: Any = msgspec.NODEFAULT
    doc: str = ""
    sensitive: bool = False

    @property
    def required(self) -> bool:
        """True if it may not be left out."""
        return self.default is msgspec.NODEFAULT

    @property
    def repeats(self) -> bool:
        """True for a list or a dict."""
        return isinstance(self.value.kind, (Many, Table))

    @property
    def wrapped(self) -> bool:
        """True for a list or a dict that may be absent, which is not the same as empty."""
        return self.repeats and (self.value.nullable or self.default is UNSET)

    @property
    def tells_null(self) -> bool:
        """True if null is not the same as left out."""
        return self.value.nullable and not self.required and self.default is not None

    @property
    def tells_empty(self) -> bool:
        """True for a list or a dict that, when it is left out, is not empty."""
        return self.repeats and not self.wrapped and not self.required and (self.default is None or bool(self.default))


def word_of(value: Value) -> str:
    """Return what messages are named after that hold a value."""
    return value.kind.word + "OrNull" * value.nullable


def text_of(value: Value) -> str:
    """Return the text of a type as the contract lock has it."""
    return value.kind.text + " | null" * value.nullable


FILE = Record("Upload", Upload, keyed=False, tag=None)
"""A file that a caller sends."""
