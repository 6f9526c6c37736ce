"""What the clients of all protocols share: an object that stands for a service, and methods that are called afar."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import Any, ClassVar

from . import call as calls
from .contract import Contract, read
from .errors import RegistrationError
from .shape import CannotTravel
from .types import Upload
from .wire import Wire

Function = Callable[..., Any]

Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]
"""Metadata to send with every call, or what returns it: tokens grow old."""


class Stub:
    """An object with the public methods of a service.

    Args:
        what: how messages call it, such as `The client of Roost`.
        methods: what is called, by name.
    """

    def __init__(self, what: str, methods: Mapping[str, Function]) -> None:
        self.__dict__.update(methods)
        self.__dict__["_what"] = what

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self._what} has no {name!r}: it has the public methods of the service.")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self._what} may lead to another process: its {name!r} cannot be set.")

    def __repr__(self) -> str:
        return f"<{self._what}>"


class RemoteMethod(ABC):
    """One method of a client; a protocol says in `answer` what it does with the arguments.

    Args:
        function: the method of the service, as one bound to an object; it says what is asked for and given.

    Raises:
        RegistrationError: it has no contract that could travel, or is `async def`.
    """

    protocol: ClassVar[str]

    def __init__(self, function: Function) -> None:
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__signature__ = inspect.signature(function)
        self._where = function.__qualname__
        self._contract: Contract = read(function, where=self._where, provided=_Foreign())
        if self._contract.asynchronous:
            raise RegistrationError(
                f"{self._where} is async def, and this client waits for its answers. Describe the methods that are"
                " called in a Protocol, each with a plain `def`, and give that to client(...)."
            )

    def __repr__(self) -> str:
        return f"<{self._where} over {self.protocol}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the other side as the method is called."""
        return self.answer(self.__signature__.bind_partial(*args, **kwargs).arguments)

    @abstractmethod
    def answer(self, given: Mapping[str, Any]) -> Any:
        """Return what the other side gives for these arguments."""


def public_methods(service: Any) -> Iterator[tuple[str, Function]]:
    """Yield the methods of a class that have no underscore, each as one that is bound to an object."""
    for name in dir(service):
        if not name.startswith("_"):
            found = inspect.getattr_static(service, name)
            if inspect.isfunction(found):
                yield name, found.__get__(service)
            elif isinstance(found, staticmethod | classmethod):
                yield name, found.__get__(None, service)


def expires(seconds: float) -> float:
    """Return when the time of a call is over: after some seconds, or with that of the call going on now."""
    own, call = monotonic() + seconds, calls.current()
    return own if call is None else min(own, call.expires)


def own_headers(headers: Headers) -> dict[str, str]:
    """Return the metadata that a client sends with every call."""
    return dict(headers() if callable(headers) else headers)


class _Foreign(dict[Any, Any]):
    """The types that cannot travel: the other side fills such parameters from its own context."""

    def __contains__(self, hint: object) -> bool:
        if hint is Upload or Upload in getattr(hint, "__args__", ()):
            return False
        try:
            Wire(hint)
        except CannotTravel:
            return True
        return False

    def __missing__(self, hint: object) -> Callable[[object], None]:
        return lambda call: None
