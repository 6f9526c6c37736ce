"""The functions that stand for the methods of a service, wherever it is."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, closing
from typing import Any

from ..contract import Contract
from ..stub import Function


def stand_in(bound: Function, resolve: Callable[[], Function], contract: Contract) -> Function:
    """Return the function that stands for a method; where it leads is found out when it is first called.

    Args:
        bound: the method it looks like.
        resolve: returns what to call.
        contract: what it asks for and gives.
    """
    if contract.asynchronous:
        return _asynchronous(bound, functools.cache(resolve), contract)
    run: Function | None = None

    @functools.wraps(bound)
    def call(*values: Any, **named: Any) -> Any:
        nonlocal run
        if run is None:
            run = resolve()
        return run(*values, **named)

    return call


def _asynchronous(bound: Function, resolve: Callable[[], Function], contract: Contract) -> Function:
    if contract.gives == "stream":

        @functools.wraps(bound)
        async def iterate(*values: Any, **named: Any) -> AsyncIterator[Any]:
            async with aclosing(resolve()(*values, **named)) as items:
                async for item in items:
                    yield item

        return iterate

    @functools.wraps(bound)
    async def call(*values: Any, **named: Any) -> Any:
        return await resolve()(*values, **named)

    return call


def in_thread(function: Function, contract: Contract) -> Function:
    """Return a function that waits for an answer without holding up the event loop."""
    # Here, because asyncio doubles the time to import and most applications have no coroutine.
    import asyncio  # noqa: PLC0415

    async def call(*values: Any, **named: Any) -> Any:
        return await asyncio.to_thread(function, *values, **named)

    async def iterate(*values: Any, **named: Any) -> AsyncIterator[Any]:
        with closing(function(*values, **named)) as items:
            while (item := await asyncio.to_thread(next, items, _OVER)) is not _OVER:
                yield item

    return iterate if contract.gives == "stream" else call


_OVER: Any = object()
