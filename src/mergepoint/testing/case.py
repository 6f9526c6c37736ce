"""A case of the conformance suite, and the driver by which it reaches the operations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeVar, get_args
from unittest import SkipTest

import msgspec

from ..app import App

S = TypeVar("S")

Need = Literal[
    "absent fields",
    "borders",
    "checks",
    "closing",
    "control characters",
    "copies",
    "downloads",
    "empty lists",
    "errors",
    "metadata",
    "nesting",
    "null",
    "policy",
    "replies",
    "state",
    "streams",
    "tuples",
    "typed queries",
    "uploads",
]
"""What a case needs of a protocol. Whoever writes a driver says which of these it lacks.

- `absent fields`: a field that a result leaves out is told from one that is null;
- `borders`: of an error only that gets through which is declared of it;
- `checks`: arguments are checked against the contract;
- `closing`: a caller may stop in the middle of a stream;
- `control characters`: text may hold any character, NUL too;
- `copies`: caller and service never hold the same object;
- `downloads`: an operation may answer with a file;
- `empty lists`: a list of nothing is not the same as no list;
- `errors`: a failure is raised again in the caller, as the same class;
- `metadata`: what the caller gives along reaches the operation, a token for one;
- `nesting`: a call made within another one takes over its request id and the time it has left;
- `null`: no text is the same as None;
- `policy`: an operation runs with its policy around it: there is an app between caller and service;
- `replies`: what an operation gives along with its answer reaches the call that called it;
- `state`: two calls reach the same process;
- `streams`: items come one by one;
- `tuples`: the items of a tuple may be of several types;
- `typed queries`: the arguments of a query may be null or an empty list, as those of a command may;
- `uploads`: files can be given.
"""

NEEDS: frozenset[str] = frozenset(get_args(Need))


class Driver(Protocol):
    """How the suite reaches the operations of an app over one protocol. Whoever writes an adapter writes one.

    Attributes:
        lacks: what the protocol cannot do, by need, each with its reason.
    """

    @property
    def lacks(self) -> Mapping[Need, str]:
        """Return what the protocol cannot do, by need, each with its reason; shown where a case is left out."""

    def connect(self, app: App, service: type[S], metadata: Mapping[str, str]) -> AbstractContextManager[S]:
        """Serve an app and give an object that calls it.

        Args:
            app: whose operations to serve.
            service: a class whose methods are named, and typed, as the operations are.
            metadata: what goes along with every call, by lower-case name, such as `authorization`.

        Returns:
            A context manager; it gives an object with the methods of the service, and stops serving when it is left.
        """


class Case(msgspec.Struct, frozen=True):
    """One thing that holds on every protocol. Cases leave nothing behind, so they may share a connection.

    Attributes:
        name: names it in a test's id.
        says: what holds, as a sentence.
        check: calls the service and raises AssertionError where something else came than was promised.
        needs: what it needs of the protocol.
        metadata: what goes along with its calls.
    """

    name: str
    says: str
    check: Callable[[Any], None]
    needs: AbstractSet[Need] = frozenset()
    metadata: Mapping[str, str] = {}

    def __str__(self) -> str:
        return self.name

    def left_out(self, driver: Driver) -> str | None:
        """Return why a driver cannot run this case, or None if it can.

        Raises:
            ValueError: the driver says that it lacks something nobody knows.
        """
        if unknown := driver.lacks.keys() - NEEDS:
            raise ValueError(
                f"{driver!r} lacks {', '.join(sorted(unknown))}; there is only {', '.join(sorted(NEEDS))}."
            )
        reasons = [f"{need}: {driver.lacks[need]}" for need in sorted(self.needs & driver.lacks.keys())]
        return "; ".join(reasons) or None

    def run(self, driver: Driver, app: App, service: type[Any]) -> None:
        """Check that this holds of an app over a driver's protocol.

        Raises:
            AssertionError: it does not.
            SkipTest: the driver lacks what the case needs; the message says why. pytest and unittest both know it.
        """
        if reason := self.left_out(driver):
            raise SkipTest(reason)
        with driver.connect(app, service, self.metadata) as connected:
            self.check(connected)


def case(*needs: Need, metadata: Mapping[str, str] | None = None) -> Callable[[Callable[[Any], None]], Case]:
    """Make a case of a function that takes the service; its name is the case's, its docstring what holds.

    Args:
        needs: what it needs of the protocol.
        metadata: what goes along with its calls.
    """

    def make(check: Callable[[Any], None]) -> Case:
        says = " ".join((inspect.getdoc(check) or "").split())
        own: set[Need] = {"metadata"} if metadata else set()
        return Case(check.__name__.replace("_", "-"), says, check, own.union(needs), metadata or {})

    return make


def cases_of(modules: Collection[Any]) -> list[Case]:
    """Return the cases that stand in some modules, in their order."""
    return [found for module in modules for found in vars(module).values() if isinstance(found, Case)]
