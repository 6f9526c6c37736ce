"""The object that stands for a service, wherever it is, and the functions that are its methods."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, closing
from typing import Any

from .contract import Contract

Function = Callable[..., Any]


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


class Proxy:
    """An object with the public methods of a service."""

    def __init__(self, service: str, place: str, methods: Mapping[str, Function]) -> None:
        self.__dict__.update(methods)
        self.__dict__["_service"] = service
        self.__dict__["_place"] = place

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{self._service} at the place {self._place!r} has no {name!r}: only its public methods can be called."
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self._service} may be in another process: its attribute {name!r} cannot be set.")

    def __repr__(self) -> str:
        return f"<{self._service} at the place {self._place!r}>"


def public_methods(service: Any) -> Iterator[tuple[str, Function]]:
    """Yield the methods of a class that have no underscore, each as one that is bound to an object."""
    for name in dir(service):
        if not name.startswith("_"):
            found = inspect.getattr_static(service, name)
            if inspect.isfunction(found):
                yield name, found.__get__(service)
            elif isinstance(found, staticmethod | classmethod):
                yield name, found.__get__(None, service)
