"""Plain typed functions as commands: an application's own, beside its operations."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from inspect import Signature
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import click

from ..app import App
from ..call import Call
from ..errors import Failure, Internal, InvalidArgument, Kind, MergepointError
from ..operation import Operation
from ..place import Places
from .command import OperationCommand
from .failures import Failed, cannot_work
from .options import PATH, argument, documentation, option

YEAR = 365 * 86_400
"""Seconds that a command of one's own may take: somebody sits there and can stop it."""


class FunctionCommand(OperationCommand):
    """A plain typed function as a command, by the same rules as an operation, without deadline and access.

    Its positional-only parameters are given without an option; one of the type `App` is the app of the program.

    Args:
        function: what it runs.
        name: what it is called.
        errors: the exceptions that are told as they are, and the kind of each.
        app: returns the app of the program.

    Raises:
        RegistrationError: a command line could not carry a parameter or the result; the message says what to do.
    """

    takes_headers = False

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None,
        *,
        errors: Mapping[type[Exception], Kind] | None,
        app: Callable[[], App],
    ) -> None:
        operation = _operation(function, errors, app)
        by_position = {p.name for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_ONLY}
        parameters = (*operation.contract.parameters, *operation.contract.uploads)
        self.arguments = [p for p in parameters if p.name in by_position]
        super().__init__(
            operation,
            name=name or operation.name.strip("_"),
            options=[argument(p) if p in self.arguments else option(p) for p in parameters],
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the arguments before the options."""
        if self.arguments:
            with formatter.section("Arguments"):
                formatter.write_dl([(self.labels[p.name], documentation(p)) for p in self.arguments])
        super().format_options(ctx, formatter)

    def _answer(
        self, call: Call, given: Mapping[str, Any], *, json: bool, to_terminal: bool
    ) -> Generator[bytes, None, None]:
        try:
            yield from super()._answer(call, given, json=json, to_terminal=to_terminal)
        except _Through as through:
            raise through.error from None

    def _failed(self, told: Exception) -> Failed:
        if type(told) in _FOR_CALLERS or not isinstance(told, Failure) or self.operation.errors.find(type(told)):
            return super()._failed(told)
        return cannot_work(told)  # who runs this looks after the app, and may read what callers may not


_FOR_CALLERS = (Internal, InvalidArgument)


class _Through(BaseException):
    """Carries an exception past the rules for operations, to whom it belongs."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _operation(
    function: Callable[..., Any], errors: Mapping[type[Exception], Kind] | None, app: Callable[[], App]
) -> Operation:
    """Register a function as the only operation of an app of its own, which no protocol serves."""
    alone = App("manage", errors=errors, places=Places())

    def made() -> App:
        whole = app()
        operation.errors.merge(whole.errors)  # what the app declares is told here too
        return whole

    alone.provide(App, made)
    alone.command(_adapted(function), deadline=YEAR)
    (operation,) = alone.operations.values()
    return operation


# --- the function as an operation ----------------------------------------------------------------------------------


def _adapted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that operations can be made of: paths are texts, and nothing in it is asynchronous."""
    try:
        signature, hints = inspect.signature(function), get_type_hints(function, include_extras=True)
    except (NameError, TypeError, ValueError):
        return function  # registration says what is wrong with it
    paths = [name for name, hint in hints.items() if _textual(hint) != hint]
    outward = _as_texts if "return" in paths else lambda value: value

    def run(*values: Any, **named: Any) -> Any:
        bound = signature.bind(*values, **named)
        for name in bound.arguments.keys() & paths:
            bound.arguments[name] = _as_paths(bound.arguments[name])
        with _letting_through():
            return _finished(function(*bound.args, **bound.kwargs), outward)

    functools.update_wrapper(run, function)
    vars(run).pop("__wrapped__")  # or its hints would be read instead of these
    run.__annotations__ = {name: _textual(hint) for name, hint in hints.items()}
    run.__signature__ = _without_paths(signature, paths)  # type: ignore[attr-defined]
    return run


def _without_paths(signature: Signature, names: list[str]) -> Signature:
    parameters = [
        p.replace(default=_as_texts(p.default)) if p.name in names and p.default is not p.empty else p
        for p in signature.parameters.values()
    ]
    return signature.replace(parameters=parameters)


def _textual(hint: Any) -> Any:
    """Return a type hint with marked text in the place of every `Path`."""
    if hint is Path:
        return Annotated[str, PATH]
    arguments, origin = get_args(hint), get_origin(hint)
    if origin is Annotated:
        return Annotated[(_textual(arguments[0]), *arguments[1:])]
    new = tuple(map(_textual, arguments))
    if new == arguments:
        return hint
    return Union[new] if origin in (Union, UnionType) else origin[new]  # noqa: UP007


def _as_paths(value: Any) -> Any:
    return Path(value) if isinstance(value, str) else _each(Path, value)


def _as_texts(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else _each(str, value)


def _each(convert: Callable[[Any], Any], value: Any) -> Any:
    return type(value)(map(convert, value)) if isinstance(value, (list, tuple, set, frozenset)) else value


def _finished(result: Any, outward: Callable[[Any], Any]) -> Any:
    """Wait for what is asynchronous, and see to it that the items of a stream are made by the same rules."""
    if inspect.iscoroutine(result):
        return outward(asyncio.run(result))
    if isinstance(result, AsyncIterator):
        return _items(_awaited(result), outward)
    return _items(result, outward) if isinstance(result, Iterator) else outward(result)


def _items(items: Iterator[Any], outward: Callable[[Any], Any]) -> Iterator[Any]:
    with _letting_through():
        yield from map(outward, items)


def _awaited(items: AsyncIterator[Any]) -> Iterator[Any]:
    with asyncio.Runner() as runner, suppress(StopAsyncIteration):
        while True:
            yield runner.run(_next(items))


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items)


@contextmanager
def _letting_through() -> Iterator[None]:
    """Take out of the rules for operations what is no failure of the function: what it says to click, or of the app."""
    try:
        yield
    except (click.ClickException, click.Abort, click.exceptions.Exit) as error:
        raise _Through(error) from None
    except Failure:
        raise
    except MergepointError as error:
        raise _Through(cannot_work(error)) from None
    except BrokenPipeError as error:
        if _is_output_gone():
            raise _Through(error) from None
        raise


def _is_output_gone() -> bool:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    return False
