"""An app: a named set of operations. Small apps combine into larger ones; adapters make protocols of them."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter as Argument
from inspect import signature
from typing import Any, Literal, Protocol, TypeVar, Unpack, cast, get_args, overload, runtime_checkable

import msgspec

from .call import Call
from .contract import read, reads_from_wire
from .declaration import (
    Declaration,
    JobOptions,
    Options,
    Surroundings,
    must_have_a_queue,
    must_make_sense,
    must_say_whom_they_allow,
)
from .errors import Kind, RegistrationError
from .faults import ErrorTable
from .jobs.deferring import Defer, deferred
from .jobs.periodic import SHORTEST, Missed, Periodic
from .jobs.records import DEFAULT, Lane
from .loop import EventLoop
from .operation import Around, Identify, Operation, Policy, Watcher
from .place import Host, Place, Places
from .place.place import Surroundings as PlaceSurroundings
from .place.place import name_of

F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S")


@runtime_checkable
class Resource(Protocol):
    """Something that an app owns: a database, a connection to a broker."""

    name: str

    def check(self) -> None:
        """Raise an exception if the resource does not work now."""

    def close(self) -> None:
        """Let go of everything; the process is ending."""


class App:
    """A named set of operations and what holds for all of them.

    Attributes:
        name: names the app on every protocol.
        version: the version of its interface.
    """

    def __init__(
        self,
        name: str,
        *,
        errors: Mapping[type[Exception], Kind] | None = None,
        version: str = "1",
        places: Places | None = None,
    ) -> None:
        """Begin an app.

        Args:
            name: a short name in lower case, such as `batfriend`.
            errors: the exceptions that callers may learn of, and the kind of each.
            version: the version of its interface, for descriptions.
            places: where its services run; read from the environment unless given (`BATFRIEND_PLACES`).

        Raises:
            ConfigError: the environment holds no places that can be used.
            RegistrationError: the name or the error table cannot be used.
        """
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise RegistrationError(
                f"app {name!r}: a name has lower-case letters, digits and underscores, such as `batfriend`."
            )
        self.name = name
        self.version = version
        self._resources: list[Resource] = []
        self._mounts: dict[str, Any] = {}
        self._own_errors = ErrorTable(errors)
        self._provided: dict[Any, Callable[[Call], Any]] = {}
        self._surroundings = Surroundings(None, [], [])
        self._declarations: dict[str, Declaration] = {}
        self._included: list[App] = []
        self._periodic: dict[str, Periodic] = {}
        self._operations: dict[str, Operation] | None = None
        self._jobs: dict[str, Operation] = {}
        self._job_names: dict[Callable[..., Any], str] = {}
        self._served = False
        self._errors = ErrorTable()
        self._loop = EventLoop()
        self._places = Places.of_environment(name) if places is None else places
        self._placed: dict[str, Place[Any]] = {}
        self._host: Host | None = None
        self._within: App | None = None

    def __repr__(self) -> str:
        return f"<App {self.name}>"

    # --- registration ---

    @overload
    def query(self, function: F, **options: Unpack[Options]) -> F: ...
    @overload
    def query(self, **options: Unpack[Options]) -> Callable[[F], F]: ...
    def query(self, function: F | None = None, **options: Unpack[Options]) -> F | Callable[[F], F]:
        """Register a callable that changes nothing; call this or decorate with it.

        Args:
            function: the callable; it is returned unchanged.
            options: its policy, see `Policy`, and `name`, the callable's own unless given.

        Raises:
            RegistrationError: a protocol could not carry it; the message says which part and what to do.
        """
        return cast(F, self._register("query", function, options))

    @overload
    def command(self, function: F, **options: Unpack[Options]) -> F: ...
    @overload
    def command(self, **options: Unpack[Options]) -> Callable[[F], F]: ...
    def command(self, function: F | None = None, **options: Unpack[Options]) -> F | Callable[[F], F]:
        """Register a callable that may change things; as `query` in all else."""
        return cast(F, self._register("command", function, options))

    @overload
    def task(self, function: F, **options: Unpack[JobOptions]) -> F: ...
    @overload
    def task(self, **options: Unpack[JobOptions]) -> Callable[[F], F]: ...
    def task(self, function: F | None = None, **options: Unpack[JobOptions]) -> F | Callable[[F], F]:
        """Register a command that no protocol offers: only jobs run it. As `query` in all else."""
        return cast(F, self._register("command", function, cast(Options, options), offered=False))

    def every(
        self,
        function: F,
        *,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        missed: Missed = "once",
        overlap: bool = True,
        name: str | None = None,
        **arguments: Any,
    ) -> F:
        """Run a command again and again, as a job: once a tick, however many processes there are.

        Ticks are multiples of the time between them since 1970, the same for all processes.

        Args:
            function: a command or task of this app.
            weeks: the time between two ticks is the sum of these.
            days: see weeks.
            hours: see weeks.
            minutes: see weeks.
            seconds: see weeks.
            missed: what becomes of ticks at which no process ran: one job for all, none, or a job for each.
            overlap: False to let a tick pass without a job while the job of an earlier one is unfinished.
            name: names the schedule; as the function unless given.
            arguments: what the command is called with.

        Raises:
            RegistrationError: the time is none, or too short, or the name is taken.
        """
        apart = float((((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds)
        if not SHORTEST <= apart < math.inf:
            raise RegistrationError(
                f"{self.name}: app.every(...) needs a time between ticks, such as minutes=5, and no less than"
                f" {SHORTEST} s; got {apart:g} s."
            )
        return self._repeat(function, name, arguments, seconds=apart, missed=missed, overlap=overlap)

    def cron(
        self,
        cron: str,
        function: F,
        *,
        timezone: str = "UTC",
        missed: Missed = "once",
        overlap: bool = True,
        name: str | None = None,
        **arguments: Any,
    ) -> F:
        """Run a command as a job at the times of a crontab line; see `every` in all else.

        Args:
            cron: minute, hour, day of month, month and day of week, such as `0 3 * * *`.
            function: a command or task of this app.
            timezone: the zone it means, such as `Europe/Berlin`.
            missed: what becomes of ticks at which no process ran.
            overlap: False to let a tick pass without a job while the job of an earlier one is unfinished.
            name: names the schedule; as the function unless given.
            arguments: what the command is called with.

        Raises:
            RegistrationError: it does not have five fields, or the name is taken.
        """
        if len(cron.split()) != 5:
            raise RegistrationError(
                f"{self.name}: app.cron({cron!r}, ...): expected five fields, minute, hour, day of month, month and day"
                " of week, such as `0 3 * * *`."
            )
        return self._repeat(function, name, arguments, cron=cron, timezone=timezone, missed=missed, overlap=overlap)

    def background(self, defer: Defer) -> None:
        """Say what puts in the jobs of background commands; `mergepoint.tasks.Queue` calls this.

        Raises:
            RegistrationError: the app has a queue already.
        """
        self._must_be_open("background")
        if self._surroundings.defer is not None:
            raise RegistrationError(f"{self.name}: the app has a queue already; an app puts its jobs in one place.")
        self._surroundings = msgspec.structs.replace(self._surroundings, defer=defer)

    def identify(self, function: Identify) -> Identify:
        """Say who is calling, on any protocol; from then on every operation must say whom it allows."""
        self._must_be_open("identify")
        self._surroundings = msgspec.structs.replace(self._surroundings, identify=function)
        return function

    def provide(self, type: Any, provider: Callable[..., Any]) -> None:
        """Fill parameters of a type from the caller's context instead of the wire.

        Args:
            type: the type hint of such parameters (`Clock`; it also fills `Clock | None`).
            provider: returns the value; takes the `Call`, or nothing.

        Raises:
            RegistrationError: an operation registered before takes such a parameter from its callers.
        """
        self._must_be_open("provide")
        for declaration in self._declarations.values():
            if parameter := reads_from_wire(declaration.contract, {type}):
                raise RegistrationError(
                    f"{self.name}: {declaration.name} already takes `{parameter}` from its callers;"
                    f" move app.provide({getattr(type, '__name__', type)}, ...) before its registration."
                )
        self._provided[type] = provider if _takes_an_argument(provider) else lambda call: provider()

    def around(self, manager: Around) -> Around:
        """Put a context manager around every operation; the first one added is the outermost."""
        self._must_be_open("around")
        self._surroundings.arounds.append(manager)
        return manager

    def watch(self, watcher: Watcher) -> Watcher:
        """Tell somebody of every call when it is over; it runs in the call's thread, so it must be quick."""
        self._must_be_open("watch")
        self._surroundings.watchers.append(watcher)
        return watcher

    def add(self, resource: Resource) -> None:
        """Own a resource: health asks it, the end of the process closes it, commands find it by its type."""
        self._resources.append(resource)

    def place(self, service: Callable[..., S], build: Callable[[], S], *, name: str | None = None) -> S:
        """Place a service: here today, in its own process by one line of configuration tomorrow.

        Args:
            service: its class; what it offers are its public methods.
            build: makes it, in the process where it runs, when it is first needed.
            name: names it in the configuration; that of the class in lower case unless given.

        Returns:
            An object with its methods. Arguments and results are copied unless they cannot change, and only declared
            errors get through, wherever the service runs.

        Raises:
            RegistrationError: a method has no contract that could travel, or the name is taken.
            ConfigError: its address cannot be used.
        """
        self._must_be_open("place")
        name = name or name_of(service)
        if name in self._placed:
            raise RegistrationError(f"{self.name}: two services at places are called {name!r}; give one another name=.")
        around = PlaceSurroundings(lambda: self._root.errors, lambda: self._root.host)
        placed = Place(name, service, build, self._places, around)
        self._placed[name] = placed
        return placed.proxy

    def mount(self, path: str, wsgi: Any) -> None:
        """Serve another WSGI app beside the operations.

        Raises:
            RegistrationError: the path does not begin with a slash, or is taken.
        """
        if not path.startswith("/") or path in self._mounts:
            raise RegistrationError(f"{self.name}: cannot mount at {path!r}; choose a free path that begins with `/`.")
        self._mounts[path] = wsgi

    def include(self, other: App) -> None:
        """Take in the operations of another app, named after it: `bats.adopt`. Its own surroundings stay with them."""
        self._must_be_open("include")
        if self in other._family():
            raise RegistrationError(f"{self.name}: an app cannot include itself, nor one that includes it.")
        if any(other.name == app.name for app in self._included):
            raise RegistrationError(f"{self.name}: two included apps are named {other.name!r}; rename one.")
        self._included.append(other)
        other._within = self

    # --- what adapters use ---

    @property
    def operations(self) -> Mapping[str, Operation]:
        """All operations by name, ready to run. Reading this closes the registration.

        Raises:
            RegistrationError: an operation does not say whom it allows, though the app knows users.
        """
        if self._operations is None:
            self._errors = self._table()
            declared = list(self._declared(Surroundings()))
            must_say_whom_they_allow(self.name, declared)
            must_have_a_queue(self.name, declared)
            for app in self._family():
                app._places.must_name_only(list(app._placed))
                app._served = True
            for place in self.places.values():
                place.must_be_usable()
            self._jobs = {name: self._job(name, d, around) for name, d, around in declared if d.can_wait}
            self._job_names = {d.function: name for name, d, _ in declared if d.can_wait}
            self._operations = {name: self._operation(name, d, around) for name, d, around in declared if d.offered}
        return self._operations

    @property
    def jobs(self) -> Mapping[str, Operation]:
        """What jobs may run, by name: the commands and tasks of the whole application, in each of its apps the same.

        Who may run them was asked when the job was put in, and its message says how long it may take. Reading this
        closes the registration.
        """
        if self._within is not None:
            return self._within.jobs
        assert self.operations is not None  # noqa: S101 - looking at them closes the registration
        return self._jobs

    @property
    def lanes(self) -> list[Lane]:
        """The queues of its jobs, each with its limits, the default one first.

        Raises:
            RegistrationError: two operations give one queue different limits.
        """
        lanes = {DEFAULT: Lane()}
        for name, operation in self.jobs.items():
            lane = operation.policy.lane(name)
            known = lanes.setdefault(lane.queue, lane)
            if known.limited and lane.limited and known != lane:
                raise RegistrationError(f"{self.name}.{name}: the queue {lane.queue!r} has other limits already.")
            if lane.limited:
                lanes[lane.queue] = lane
        return list(lanes.values())

    @property
    def schedules(self) -> dict[str, Periodic]:
        """What its queue runs again and again, by name; that of an included app is named after it: `bats.census`.

        Those of an included app that has a queue of its own are left to that.
        """
        found = dict(self._periodic)
        for app in (app for app in self._included if app._surroundings.defer is None):
            inner = {f"{app.name}.{name}": each for name, each in app.schedules.items()}
            found.update((name, msgspec.structs.replace(each, name=name)) for name, each in inner.items())
        return found

    def job_name(self, function: Callable[..., Any]) -> str:
        """Return the name under which jobs run a callable.

        Raises:
            RegistrationError: it is no command or task of the application.
        """
        whole = self._root
        assert whole.operations is not None  # noqa: S101 - looking at them closes the registration
        try:
            return whole._job_names[function]
        except (KeyError, TypeError):
            name = getattr(function, "__qualname__", repr(function))
            raise RegistrationError(
                f"{self.name}: {name} is nothing that a job could run. Register it, just as it is passed here, with"
                " app.command(...), or with app.task(...) if no protocol shall offer it."
            ) from None

    @property
    def knows_users(self) -> bool:
        """True if it can tell who is calling, by its own `identify` or that of an app that includes it, until now."""
        return self._surroundings.identify is not None or (self._within is not None and self._within.knows_users)

    @property
    def places(self) -> dict[str, Place[Any]]:
        """The services at places, by name, those of the apps it includes too."""
        return {name: place for app in reversed(list(self._family())) for name, place in app._placed.items()}

    @property
    def key(self) -> bytes | None:
        """What calls between the processes of the application are signed with; None if it has no such key."""
        return self._places.key.encode() if self._places.key else None

    @property
    def host(self) -> Host:
        """What answers the calls of other processes to the services that live in this one."""
        if self._host is None:
            assert self.operations is not None  # noqa: S101 - looking at them closes the registration
            self._host = Host(dict(self._hosted(Surroundings())), self.key or os.urandom(32))
        return self._host

    @property
    def resources(self) -> list[Resource]:
        """What it and the apps it includes own, in the order it was added; its own first."""
        return [resource for app in self._family() for resource in app._resources]

    @property
    def mounts(self) -> dict[str, Any]:
        """The WSGI apps to serve beside it, by path, those of the apps it includes too; its own go first."""
        return {path: wsgi for app in reversed(list(self._family())) for path, wsgi in app._mounts.items()}

    @property
    def errors(self) -> ErrorTable:
        """The table of errors that callers may learn of, those of included apps too."""
        return self._table() if self._operations is None else self._errors

    def close(self) -> None:
        """Close all resources, the last added first; those of included apps before the app's own."""
        with contextlib.ExitStack() as stack:  # which goes on when one of them cannot be closed
            for resource in [*self.resources, *self.places.values()]:
                stack.callback(resource.close)

    # --- inside ---

    def _register(
        self, kind: Literal["query", "command"], function: F | None, options: Options, *, offered: bool = True
    ) -> Any:
        if function is None:
            return lambda decorated: self._register(kind, decorated, options, offered=offered)
        self._must_be_open(kind)
        policy: Any = {key: value for key, value in options.items() if key != "name"}
        name = str(options.get("name") or getattr(function, "__name__", type(function).__name__))
        where = f"{self.name}.{name}"
        if not name.isidentifier():
            raise RegistrationError(
                f"{where}: the name of an operation has letters, digits and underscores. Give it one: name=..."
            )
        if name in self._declarations:
            raise RegistrationError(f"{where}: registered twice. Give one of them another name: name=...")
        contract = read(function, where=where, provided=self._provided)
        declaration = Declaration(name, kind, contract, Policy(**policy), function, offered)
        must_make_sense(where, declaration)
        self._declarations[name] = declaration
        for place in self.places.values():
            place.declare(function, kind, declaration.policy)
        return function

    def _repeat(self, function: F, name: str | None, arguments: dict[str, Any], **when: Any) -> F:
        self._must_be_open("every")
        name = name or str(getattr(function, "__name__", type(function).__name__))
        if name in self._periodic:
            raise RegistrationError(f"{self.name}: two schedules are called {name!r}; give one another name=.")
        if when["missed"] not in (known := get_args(Missed)):
            expected = ", ".join(map(repr, known))
            raise RegistrationError(f"{self.name}: schedule {name!r}: missed={when['missed']!r}: expected {expected}.")
        self._periodic[name] = Periodic(name, function, arguments, **when)
        return function

    def _declared(self, outer: Surroundings) -> Iterator[tuple[str, Declaration, Surroundings]]:
        around = self._surroundings.inside(outer)
        for name, declaration in self._declarations.items():
            yield name, declaration, around
        for app in self._included:
            for name, declaration, inner in app._declared(around):
                yield f"{app.name}.{name}", declaration, inner

    def _operation(self, name: str, declared: Declaration, around: Surroundings) -> Operation:
        contract = declared.contract
        if declared.policy.background and around.defer:
            contract = deferred(contract, lambda: self.jobs[name], around.defer)
        return self._chain(name, msgspec.structs.replace(declared, contract=contract), around)

    def _job(self, name: str, declared: Declaration, around: Surroundings) -> Operation:
        policy = msgspec.structs.replace(declared.policy, allow=None, deadline=math.inf)
        return self._chain(name, msgspec.structs.replace(declared, policy=policy), around)

    def _chain(self, name: str, declared: Declaration, around: Surroundings) -> Operation:
        return Operation(
            name,
            declared.kind,
            declared.contract,
            declared.policy,
            errors=self._errors,
            loop=self._loop,
            identify=around.identify,
            arounds=around.arounds,
            watchers=around.watchers,
        )

    def _hosted(self, outer: Surroundings) -> Iterator[tuple[str, Operation]]:
        """Yield the methods of the services in this process as operations for the calls of other processes."""
        around = self._surroundings.inside(outer)
        for place in filter(lambda place: place.is_hosted, self._placed.values()):
            for method in place.methods:
                name, (kind, policy) = f"{place.name}.{method}", place.policy(method)
                function = getattr(place.instance(), method)
                contract = read(function, where=name, provided={})
                yield name, self._chain(name, Declaration(name, kind, contract, policy, function), around)
        for app in self._included:
            yield from app._hosted(around)

    def _table(self) -> ErrorTable:
        table = ErrorTable()
        for app in reversed(list(self._family())):  # what an app says of an error goes before what others say
            table.merge(app._own_errors)
        return table

    @property
    def _root(self) -> App:
        return self if self._within is None else self._within._root

    def _family(self) -> Iterator[App]:
        yield self
        for app in self._included:
            yield from app._family()

    def _must_be_open(self, what: str) -> None:
        if self._served:
            raise RegistrationError(
                f"{self.name}: app.{what}(...) comes too late, the app is already served; register before that."
            )


def _takes_an_argument(function: Callable[..., Any]) -> bool:
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):  # a callable written in C, such as `datetime.now`
        return False
    return any(
        p.kind in (Argument.POSITIONAL_ONLY, Argument.POSITIONAL_OR_KEYWORD) and p.default is p.empty
        for p in parameters
    )
