"""The border of a service in this process: copies and errors as if it were in another."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from typing import Any

from ..contract import Contract
from ..faults import ErrorTable, incident
from ..stub import Function
from .copying import Copy, copier


def border(function: Function, contract: Contract, name: str, errors: Callable[[], ErrorTable]) -> Function:
    """Return a method with copies and errors as if it were elsewhere."""
    called = _copied(function, contract)
    tell = functools.partial(_told, name, errors)
    telling = _TELLING.get((contract.gives == "stream", contract.asynchronous))
    if telling is not None:
        return telling(called, tell)

    def call(*values: Any, **named: Any) -> Any:
        try:
            return called(*values, **named)
        except Exception as error:
            if (told := tell(error)) is error:
                raise
            raise told from error

    return call


def _told(name: str, errors: Callable[[], ErrorTable], error: Exception) -> Exception:
    """Return what a caller may learn, as it would arrive from elsewhere: a declared error, or an incident's number."""
    if _is_callers_own(error):
        return error
    table = errors()
    return table.failure(table.fault(error)) if table.may_travel(error) else incident(name, error)


def _is_callers_own(error: Exception) -> bool:
    """Tell whether arguments did not fit the signature: then the method has not even begun."""
    return isinstance(error, TypeError) and error.__traceback__ is not None and error.__traceback__.tb_next is None


Tell = Callable[[Exception], Exception]


def _telling_items(called: Function, tell: Tell) -> Function:
    def call(*values: Any, **named: Any) -> Iterator[Any]:
        try:
            yield from called(*values, **named)
        except Exception as error:
            if (told := tell(error)) is error:
                raise
            raise told from error

    return call


def _telling_awaited(called: Function, tell: Tell) -> Function:
    async def call(*values: Any, **named: Any) -> Any:
        try:
            return await called(*values, **named)
        except Exception as error:
            if (told := tell(error)) is error:
                raise
            raise told from error

    return call


def _telling_asynchronous_items(called: Function, tell: Tell) -> Function:
    async def call(*values: Any, **named: Any) -> AsyncIterator[Any]:
        try:
            async with aclosing(called(*values, **named)) as items:
                async for item in items:
                    yield item
        except Exception as error:
            if (told := tell(error)) is error:
                raise
            raise told from error

    return call


_TELLING: dict[tuple[bool, bool], Callable[[Function, Tell], Function]] = {
    (True, False): _telling_items,
    (False, True): _telling_awaited,
    (True, True): _telling_asynchronous_items,
}
"""By whether the method gives a stream, and whether it is asynchronous."""


def _copied(function: Function, contract: Contract) -> Function:
    """Return a function whose arguments and result are copies, as far as they can change."""
    copies = [copier(parameter.type) for parameter in contract.parameters]
    result = copier(contract.result.type) if contract.result and contract.gives in ("value", "stream") else None
    copy_result = _RESULTS[contract.gives == "stream", contract.asynchronous]
    called = function if not any(copies) else _with_copies(contract, copies)(function)
    return called if result is None else copy_result(called, result)


def _with_copies(contract: Contract, copies: list[Copy | None]) -> Callable[[Function], Function]:
    files = [None] * len(contract.uploads)
    names = [parameter.name for parameter in (*contract.parameters, *contract.uploads)]

    def wrap(function: Function) -> Function:
        def call(*values: Any, **named: Any) -> Any:
            ordered = contract.order(values, named)
            copied = [v if c is None else c(v) for v, c in zip(ordered, [*copies, *files], strict=True)]
            return function(**dict(zip(names, copied, strict=True)))

        return call

    return wrap


def _copy_value(function: Function, copy: Copy) -> Function:
    return lambda *values, **named: copy(function(*values, **named))


def _copy_items(function: Function, copy: Copy) -> Function:
    def call(*values: Any, **named: Any) -> Iterator[Any]:
        with closing(function(*values, **named)) as items:
            yield from map(copy, items)

    return call


def _copy_awaited(function: Function, copy: Copy) -> Function:
    async def call(*values: Any, **named: Any) -> Any:
        return copy(await function(*values, **named))

    return call


def _copy_asynchronous_items(function: Function, copy: Copy) -> Function:
    async def call(*values: Any, **named: Any) -> AsyncIterator[Any]:
        async with aclosing(function(*values, **named)) as items:
            async for item in items:
                yield copy(item)

    return call


_RESULTS: dict[tuple[bool, bool], Callable[[Function, Copy], Function]] = {
    (False, False): _copy_value,
    (True, False): _copy_items,
    (False, True): _copy_awaited,
    (True, True): _copy_asynchronous_items,
}
