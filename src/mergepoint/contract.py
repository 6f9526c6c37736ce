"""What a callable asks for and gives, read once from its signature. Every adapter reads this and nothing else."""

from __future__ import annotations

import collections.abc
import inspect
import re
from collections.abc import Callable, Container, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from .call import Call
from .errors import InvalidArgument, Problem, RegistrationError
from .faults import is_sensitive
from .shape import CannotTravel, Field, Shape, optional, shape_of
from .types import UNSET, Download, Progress, Unset, Upload
from .wire import Arguments, Wire

REQUIRED = msgspec.NODEFAULT

_SECTION = re.compile(r"\n\s*(?:Args|Arguments|Parameters|Returns|Raises|Yields):\s*\n")
_STREAMS = (
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
)


class Parameter(msgspec.Struct, frozen=True):
    """One parameter that a caller fills.

    Attributes:
        name: as in the signature.
        type: its type hint, with the `Annotated` parts.
        default: what it is when left out; `REQUIRED` if it may not be.
        doc: what the docstring says of it.
    """

    name: str
    type: Any
    default: Any = REQUIRED
    doc: str = ""

    @property
    def required(self) -> bool:
        """True if a caller may not leave it out."""
        return self.default is REQUIRED

    @property
    def sensitive(self) -> bool:
        """True if the value must not be shown."""
        return is_sensitive(self.type)


class Contract(msgspec.Struct, frozen=True):
    """What a callable asks for and gives.

    Attributes:
        parameters: what travels as values, in the order of the signature.
        uploads: the names of the parameters that are files, and whether each is a list of them.
        fields: how each parameter that is a value travels, in the same order.
        arguments: reads them from one object into a tuple in their order.
        result: writes the result, or one item of a stream; None for a download.
        gives: `value`, `nothing`, `stream` or `download`.
        asynchronous: True for `async def`.
        summary: the first line of the docstring.
        description: the rest of it, without the list of arguments.
        invoke: calls the callable with a `Call` and a tuple: the parameters, then the uploads.
        plain: the callable itself, if it takes just that tuple in its order; else None.
        names: everything that callers fill, in the order of the signature.
    """

    parameters: tuple[Parameter, ...]
    uploads: tuple[Parameter, ...]
    fields: tuple[Field, ...]
    arguments: Arguments
    result: Wire[Any] | None
    gives: str
    asynchronous: bool
    summary: str
    description: str
    invoke: Callable[[Call, tuple[Any, ...]], Any]
    plain: Callable[..., Any] | None
    names: tuple[str, ...]

    def order(self, values: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return arguments as Python calls a callable with them as the tuple that `invoke` takes.

        Raises:
            TypeError: one is missing, unknown or too many, in the words Python uses for it.
        """
        if not named and len(values) == len(self.parameters) and not self.uploads:
            return values
        known = {p.name: p.default for p in (*self.parameters, *self.uploads)}
        if len(values) > len(known):
            raise TypeError(f"takes {len(known)} arguments but {len(values)} were given")
        placed = dict(zip(self.names, values, strict=False))
        if twice := placed.keys() & named.keys():
            raise TypeError(f"got multiple values for the argument {min(twice)!r}")
        if unknown := named.keys() - known.keys():
            raise TypeError(f"got an unexpected keyword argument {min(unknown)!r}")
        filled = {**known, **placed, **named}
        if absent := [name for name, value in filled.items() if value is REQUIRED]:
            raise TypeError(f"missing the argument {absent[0]!r}")
        return tuple(filled.values())

    def write(self, values: tuple[Any, ...], *, json: bool = False) -> bytes:
        """Return the arguments that are values, in their order, for another process: as MessagePack, or as JSON.

        Raises:
            InvalidArgument: one of them is not what its type says.
        """
        try:
            return self.arguments.encode_json(values) if json else self.arguments.encode_msgpack(values)
        except Exception as error:
            pairs = zip(self.parameters, values, strict=True)
            problems = [problem for parameter, value in pairs if (problem := _unfit(parameter, value))]
            if not problems:
                raise
            raise InvalidArgument.of(*problems) from error


def _unfit(parameter: Parameter, value: Any) -> Problem | None:
    """Return why a value cannot be written, or None if it can."""
    try:
        Wire(parameter.type).encode_msgpack(value)
    except Exception as error:  # noqa: BLE001 - whatever the encoder or a foreign value raises is the reason
        return Problem(f"$.{parameter.name}", f"Expected {_name(parameter.type)}: {error}")
    return None


def read(function: Callable[..., Any], *, where: str, provided: Mapping[Any, Callable[[Call], Any]]) -> Contract:
    """Read the contract of a callable.

    Args:
        function: what to read.
        where: how messages call it, such as `batfriend.adopt`.
        provided: types that come from the caller's context, and how to get each from a call.

    Raises:
        RegistrationError: a protocol could not carry a part of it.
    """
    reader = _Reader(function, where, provided)
    parameters = reader.parameters()
    uploads = tuple(p for p in parameters if is_upload(p.type))
    values = tuple(p for p in parameters if not is_upload(p.type))
    fields = tuple(reader.field(parameter) for parameter in values)
    result, gives = reader.result()
    summary, description = _docs(function)
    order = [parameter.name for parameter in (*values, *uploads)]
    return Contract(
        values,
        uploads,
        fields,
        Arguments(where.rpartition(".")[2], fields),
        result,
        gives,
        inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function),
        summary,
        description,
        reader.invocation(order),
        function if reader.is_plain(order) else None,
        tuple(parameter.name for parameter in parameters),
    )


def is_upload(hint: Any) -> bool:
    """Tell whether a type hint asks for a file, or several."""
    return hint is Upload or Upload in get_args(hint)


def takes_several(hint: Any) -> bool:
    """Tell whether a parameter for files takes several of them."""
    return get_origin(hint) is list or any(get_origin(member) is list for member in get_args(hint))


def is_optional(hint: Any) -> bool:
    """Tell whether a type hint allows None."""
    return type(None) in get_args(hint) and get_origin(hint) not in (list, tuple, dict, set, frozenset)


class _Reader:
    """Reads one signature; all its messages name the callable."""

    def __init__(self, function: Callable[..., Any], where: str, provided: Mapping[Any, Callable[[Call], Any]]) -> None:
        self.function = function
        self.where = where
        self.provided = provided
        self.signature = self._signature()
        self.hints = self._hints()
        self.docs = _parameter_docs(inspect.getdoc(function) or "")

    def refuse(self, fault: str, remedy: str) -> RegistrationError:
        return RegistrationError(f"{self.where}: {fault}. {remedy}")

    def parameters(self) -> list[Parameter]:
        return [self._parameter(p) for p in self.signature.parameters.values() if self._provider(p.name) is None]

    def _signature(self) -> inspect.Signature:
        try:
            return inspect.signature(self.function)
        except (TypeError, ValueError):
            raise self.refuse(
                f"{self.function!r} is no callable with a signature", "Register a function or a bound method."
            ) from None

    def _hints(self) -> dict[str, Any]:
        function = inspect.unwrap(self.function)
        if not inspect.isroutine(function) and not inspect.isclass(function):
            function = function.__call__
        try:
            return get_type_hints(function, include_extras=True)
        except NameError as error:
            raise self.refuse(
                f"its type hints name `{error.name}`, which cannot be found when the program runs",
                "Define it at the top level of the module, and import it outside `if TYPE_CHECKING`.",
            ) from None

    def _parameter(self, parameter: inspect.Parameter) -> Parameter:
        name = parameter.name
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise self.refuse(
                f"no protocol can say what `{parameter}` takes",
                "Write the parameters out, or take a list or a record.",
            )
        if name not in self.hints:
            raise self.refuse(
                f"parameter `{name}` has no type hint", f"Write `{name}: str`, or whatever it is: protocols read it."
            )
        default = REQUIRED if parameter.default is parameter.empty else parameter.default
        return Parameter(name, self.hints[name], default, self.docs.get(name, ""))

    def field(self, parameter: Parameter) -> Field:
        """Return the parameter as a field of the argument object."""
        default = parameter.default
        shape = self._shape(parameter.type, f"parameter `{parameter.name}`")
        if default is UNSET:
            return Field(parameter.name, parameter.name, optional(shape, Unset), UNSET)
        return Field(parameter.name, parameter.name, shape, default)

    def _shape(self, hint: Any, what: str) -> Shape:
        try:
            Wire(hint)
            return shape_of(hint)
        except CannotTravel as reason:
            raise self.refuse(
                f"{what} cannot travel: {reason}",
                f"If its value comes from the caller's context, call app.provide({_name(hint)}, ...) before.",
            ) from None

    def result(self) -> tuple[Wire[Any] | None, str]:
        """Return how the result is written, and what kind of result it is."""
        if "return" not in self.hints:
            raise self.refuse("it does not say what it returns", "Add `-> None`, or the type of its result.")
        hint = self.hints["return"]
        if hint is None or hint is type(None):
            return Wire(None), "nothing"
        if hint is Download:
            return None, "download"
        if get_origin(hint) in _STREAMS:
            return self._result_wire(get_args(hint)[0]), "stream"
        return self._result_wire(hint), "value"

    def _result_wire(self, hint: Any) -> Wire[Any]:
        try:
            return Wire(hint)
        except CannotTravel as reason:
            raise self.refuse(f"its result cannot travel: {reason}", "Return a record instead.") from None

    def _provider(self, name: str) -> Callable[[Call], Any] | None:
        hint = self.hints.get(name)
        if hint is Call:
            return lambda call: call
        if hint is Progress or (is_optional(hint) and Progress in get_args(hint)):
            return lambda call: call.progress
        for candidate in (hint, *(arg for arg in get_args(hint) if is_optional(hint))):
            if candidate not in (type(None), Unset) and candidate in self.provided:
                return self.provided[candidate]
        return None

    def invocation(self, order: list[str]) -> Callable[[Call, tuple[Any, ...]], Any]:
        """Return a function that calls the callable with a tuple in this order, and what the context provides."""
        function = self.function
        if self.is_plain(order):
            return lambda call, values: function(*values)
        texts: list[str] = []
        providers: dict[str, Any] = {"function": function}
        for name in self.signature.parameters:
            if provider := self._provider(name):
                providers[f"provide_{name}"] = provider
            text = f"provide_{name}(call)" if provider else f"values[{order.index(name)}]"
            texts.append(f"{name}={text}" if self._by_name(name) else text)
        # Made of parameter names of the application's own callable, never of input.
        return eval(f"lambda call, values: function({', '.join(texts)})", providers)  # type: ignore[no-any-return]  # noqa: S307

    def is_plain(self, order: list[str]) -> bool:
        """Tell whether the callable takes just these parameters, by position."""
        names = list(self.signature.parameters)
        return names == order and not any(self._by_name(name) for name in names)

    def _by_name(self, name: str) -> bool:
        parameter = self.signature.parameters[name]
        return parameter.kind is parameter.KEYWORD_ONLY


def reads_from_wire(contract: Contract, types: Container[Any]) -> str | None:
    """Return the first parameter that callers fill although its type is one of these."""
    for parameter in contract.parameters:
        if parameter.type in types or any(argument in types for argument in get_args(parameter.type)):
            return parameter.name
    return None


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)


def _docs(function: Callable[..., Any]) -> tuple[str, str]:
    """Return the first paragraph of a docstring as one line, and the rest up to its list of arguments."""
    text = re.split(r"\n\s*(?:Args|Arguments|Parameters|Returns|Raises|Yields):\s*\n", inspect.getdoc(function) or "")[
        0
    ]
    summary, _, description = text.strip().partition("\n\n")
    return " ".join(summary.split()), description.strip()


def _parameter_docs(text: str) -> dict[str, str]:
    """Read the `Args:` section of a docstring."""
    section = re.search(r"^(?:Args|Arguments|Parameters):\n((?:[ \t]+.*(?:\n|$)|\n)+)", text, re.MULTILINE)
    if not section:
        return {}
    entries = re.findall(r"^ {2,8}(\w+)(?: \([^)]*\))?: +(.+(?:\n {6,}.+)*)", section[1], re.MULTILINE)
    return {name: " ".join(doc.split()) for name, doc in entries}
