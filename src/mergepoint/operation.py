"""An operation: a callable plus its policy, put together once into one chain that every protocol runs."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from time import monotonic
from typing import Any, Literal

import msgspec

from .access import Predicate, anyone, users
from .call import Call, enter, leave
from .contract import Contract
from .errors import PermissionDenied, Unauthenticated
from .faults import ErrorTable, incident
from .jobs.records import DEFAULT, Lane
from .loop import EventLoop
from .wire import Wire

Around = Callable[[Call], contextlib.AbstractContextManager[Any]]
"""Makes, for a call, the context manager to run it in; it sees the exception that leaves the operation."""

Watcher = Callable[[Call, float, str], None]
"""Told after each call: the call, the seconds it took, and `ok` or the kind of its failure."""

Identify = Callable[[Call], Any]
"""Returns the user who makes a call, or None for nobody."""

Step = Callable[[Call, tuple[Any, ...]], Any]

Read = Callable[[Any], tuple[Any, ...]]
"""Reads the arguments out of what an adapter received, in the order that the contract describes."""

Run = Callable[[Call, Any, Read], Any]

logger = logging.getLogger("mergepoint")


class Policy(msgspec.Struct, frozen=True):
    """What holds for an operation on every protocol, and the few wishes it has of single ones.

    Attributes:
        allow: who may call it; None if nobody said.
        deadline: the longest it may take, in seconds.
        cache: for how many seconds a query's result may be used again; None for not at all.
        raises: the declared errors it may end with; None for all of the application's.
        max_body: the most bytes of input.
        http: method and path over REST; by convention unless given.
        status: the HTTP status of success; by convention unless given.
        body: the parameter that is the whole HTTP body.
        location: the path of what a command made, filled from the fields of its result.
        idempotent: True for a command that may be sent twice; a query always may.
        joins: the field of a record that a query serves for many records at once, over GraphQL:
            `Bat.keeper(keeper_id)` asks it once with the list of all `keeper_id`.
        background: True for a command that callers get a job of, which runs when a worker has time.
        retries: how often a job of it that fails is tried again.
        timeout: the seconds that one attempt of a job may take.
        keep: the seconds that the outcome of a job can be looked up.
        queue: the queue of its jobs; None for the default one, or one of its own if it has a limit.
        concurrency: the most jobs of it that run at a time, over all workers; None for no limit.
        rate: the most jobs of it that begin in a second, over all workers; None for no limit.
        atomic: False for a command that opens its transactions itself, as it takes too long to be one.
    """

    allow: Predicate | None = None
    deadline: float = 10.0
    cache: float | None = None
    raises: tuple[type[Exception], ...] | None = None
    max_body: int = 2_500_000
    http: str | None = None
    status: int | None = None
    body: str | None = None
    location: str | None = None
    idempotent: bool = False
    joins: str | None = None
    background: bool = False
    retries: int = 5
    timeout: float = 3600.0
    keep: float = 3600.0
    queue: str | None = None
    concurrency: int | None = None
    rate: float | None = None
    atomic: bool = True

    def lane(self, name: str) -> Lane:
        """Return the queue of the jobs of an operation with this name, and its limits."""
        limited = self.concurrency is not None or self.rate is not None
        return Lane(self.queue or (name if limited else DEFAULT), self.concurrency, self.rate)


class Operation:
    """A callable with its policy. Running it through here is the only way adapters have.

    Attributes:
        name: unique in its app.
        kind: `query` changes nothing; `command` may.
        contract: what it asks for and gives.
        policy: what holds for it.
        errors: the errors it may tell of.
        identify: says who is calling; None if the application has no users.
        run: runs the whole chain. An adapter gives the call, what it received, and a function that reads the
            arguments out of that; it is read only after the caller proved to be allowed.
    """

    def __init__(
        self,
        name: str,
        kind: Literal["query", "command"],
        contract: Contract,
        policy: Policy,
        *,
        errors: ErrorTable,
        identify: Identify | None,
        arounds: list[Around],
        watchers: list[Watcher],
        loop: EventLoop,
    ) -> None:
        self.name = name
        self.kind = kind
        self.contract = contract
        self.policy = policy
        self.errors = errors
        self.identify = identify
        if contract.gives == "stream":
            self.run = _streaming(self, _within(arounds, _each_timely(contract, loop), _inside_stream), watchers)
        else:
            self.run = _guarded(self, _within(arounds, _timely(contract, policy.deadline, loop), _inside), watchers)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"

    @property
    def atomic(self) -> bool:
        """True if a call of it is one transaction."""
        return self.policy.atomic

    @functools.cached_property
    def users(self) -> Wire[Any] | None:
        """How users travel to services elsewhere; None if the application has none.

        Raises:
            ConfigError: their type cannot be known, or cannot travel.
        """
        return users(self.identify)

    def __call__(self, call: Call, *values: Any, **named: Any) -> Any:
        """Run the operation as its callable is called, with the whole policy around it.

        Raises:
            Failure: the call is refused, late, or met a bug.
            Exception: one that the application declares.
            TypeError: these are not its arguments.
        """
        return self.run(call, self.contract.order(values, named), _as_is)

    def permit(self, call: Call) -> None:
        """Let the caller of a call pass, without running anything: for adapters that show what there is.

        Raises:
            Unauthenticated: the operation needs a user, and the call carries none.
            PermissionDenied: the user may not run it.
        """
        if (predicate := _predicate(self)) is not None:
            _permit(predicate, call)

    def settle(self, call: Call, error: Exception) -> tuple[str, Exception]:
        """Return the kind of a failure and what to raise for it: the same exception, or an incident for a bug.

        The traceback of a bug goes to the log, under the incident's number.
        """
        if self.errors.may_travel(error):
            return self.errors.kind(error), error
        return "internal", incident(f"{self.name}, request {call.request_id}", error)


def _as_is(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return values


def _timely(contract: Contract, deadline: float, loop: EventLoop) -> Step:
    """Call the callable, and take its result only in time: what comes too late has not happened."""
    invoke, plain = contract.invoke, contract.plain

    def run_plain(call: Call, values: tuple[Any, ...]) -> Any:
        result = plain(*values)  # type: ignore[misc]
        # `call.check()`, written out: this is on the way of every call.
        if monotonic() - call.began > deadline or call.seconds is not None:
            call.check()
        return result

    def run(call: Call, values: tuple[Any, ...]) -> Any:
        result = invoke(call, values)
        call.check()
        return result

    def run_asynchronous(call: Call, values: tuple[Any, ...]) -> Any:
        return loop.run(invoke(call, values), call.remaining())

    if contract.asynchronous:
        return run_asynchronous
    return run if plain is None else run_plain


def _each_timely(contract: Contract, loop: EventLoop) -> Step:
    invoke = contract.invoke

    def run(call: Call, values: tuple[Any, ...]) -> Iterator[Any]:
        items = invoke(call, values)
        if contract.asynchronous:
            items = loop.iterate(items, call.remaining())
        try:
            for item in items:
                call.check()
                yield item
        finally:  # here, so that its clean-up comes before that of the context managers around it
            if close := getattr(items, "close", None):
                close()

    return run


def _within(arounds: list[Around], step: Step, inside: Callable[[Around, Step], Step]) -> Step:
    """Put context managers around a step, the first outermost."""
    for around in reversed(arounds):
        step = inside(around, step)
    return step


def _inside(around: Around, step: Step) -> Step:
    def run(call: Call, values: tuple[Any, ...]) -> Any:
        with around(call):
            return step(call, values)

    return run


def _inside_stream(around: Around, step: Step) -> Step:
    def run(call: Call, values: tuple[Any, ...]) -> Iterator[Any]:
        with around(call):
            yield from step(call, values)

    return run


def _complain(call: Call, error: Exception) -> None:
    logger.error("A watcher failed after %s, request %s", call.operation.name, call.request_id, exc_info=error)


def _guarded(operation: Operation, step: Step, watchers: list[Watcher]) -> Run:
    """Close the chain: who may, in time, known as the current call, with errors settled and told to the watchers."""
    settle, predicate, deadline = operation.settle, _predicate(operation), operation.policy.deadline

    def run(call: Call, source: Any, read: Read) -> Any:
        began = monotonic()
        token = enter(call)
        outcome = "ok"
        try:
            if predicate is not None:
                _permit(predicate, call)
            if began - call.began > deadline or call.seconds is not None:
                call.check()
            return step(call, read(source))
        except Exception as error:
            outcome, told = settle(call, error)
            if told is error:
                raise
            raise told from error
        finally:
            leave(token)
            for watch in watchers:
                try:
                    watch(call, monotonic() - began, outcome)
                except Exception as error:  # noqa: BLE001 - it must not change what the caller gets
                    _complain(call, error)

    return run


def _streaming(operation: Operation, step: Step, watchers: list[Watcher]) -> Run:
    """Close the chain of a stream: each item is made in the stream's own context, until it is closed."""
    settle, predicate = operation.settle, _predicate(operation)

    def produce(call: Call, source: Any, read: Read) -> Iterator[Any]:
        began = monotonic()
        token = enter(call)
        outcome = "ok"
        try:
            if predicate is not None:
                _permit(predicate, call)
            call.check()
            yield from step(call, read(source))
        except Exception as error:
            outcome, told = settle(call, error)
            if told is error:
                raise
            raise told from error
        finally:
            with contextlib.suppress(ValueError):  # collected as garbage before its Stream, in some other context
                leave(token)
            for watch in watchers:
                try:
                    watch(call, monotonic() - began, outcome)
                except Exception as error:  # noqa: BLE001 - it must not change what the caller gets
                    _complain(call, error)

    return lambda call, source, read: Stream(produce(call, source, read))


class Stream(Iterator[Any]):
    """The items of a streaming operation. Close it when nobody wants more of them."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self._context: Context = copy_context()

    def __next__(self) -> Any:
        return self._context.run(next, self._items)

    def close(self) -> None:
        """End the operation now: its context managers are left and its clean-up runs."""
        self._context.run(self._items.close)  # type: ignore[attr-defined]

    def __del__(self) -> None:
        self.close()  # in its own context, where a generator that is thrown away would end in any other


def _predicate(operation: Operation) -> Predicate | None:
    """Return what to ask about the user, or None if there is nothing to ask."""
    return None if operation.policy.allow is anyone else operation.policy.allow


def _permit(predicate: Predicate, call: Call) -> None:
    user = call.user
    if user is None:
        raise Unauthenticated
    if not predicate(user):
        raise PermissionDenied
