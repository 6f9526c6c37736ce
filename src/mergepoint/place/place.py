"""Places: where a service runs, and the object that stands for it wherever that is."""

from __future__ import annotations

import functools
import inspect
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import Context
from typing import Any, Generic, Literal, TypeVar, cast

import msgspec

from ..contract import read
from ..errors import ConfigError, Failure, RegistrationError
from ..faults import ErrorTable
from ..operation import Policy
from ..stub import Function, Stub, public_methods
from .addresses import LOCAL, LOOPBACK, Places
from .border import border
from .hosting import Host
from .proxy import in_thread, stand_in
from .remote import Callee, Link, Remote

S = TypeVar("S")
Kind = Literal["query", "command"]

LINKS = "mergepoint.links"
"""The entry points that name, for each scheme of an address, what carries calls there."""

SECONDS_TO_CHECK = 2.0


class Surroundings(msgspec.Struct, frozen=True):
    """What a place needs of its app.

    Attributes:
        errors: the table of errors that may cross the border.
        host: what answers the calls of others in this process.
    """

    errors: Callable[[], ErrorTable]
    host: Callable[[], Host]


class Place(Generic[S]):
    """A service and where it runs.

    Attributes:
        name: such as `roost`.
        service: its class.
        address: `local`, `loopback` or a URL.
        methods: its public methods by name, each with its contract.
        proxy: the object to call; it has the methods of the service.
    """

    def __init__(
        self, name: str, service: Callable[..., S], build: Callable[[], S], places: Places, around: Surroundings
    ) -> None:
        self.name = name
        self.service = service
        self.address = places.address(name)
        self.methods = {
            method: read(function, where=f"{name}.{method}", provided={})
            for method, function in public_methods(service)
        }
        self.policies: dict[str, tuple[Kind, Policy]] = {}
        self._build = build
        self._kept_in = False
        self._places = places
        self._around = around
        self._lock = threading.RLock()
        self._instance: S | None = None
        self._remote: Remote | None = None
        functions = {
            method: stand_in(bound, functools.partial(self._resolved, method), self.methods[method])
            for method, bound in public_methods(service)
        }
        self._names = {id(function): method for method, function in functions.items()}
        self.proxy = cast(S, Stub(f"{service.__name__} at the place {name!r}", functions))

    def __repr__(self) -> str:
        return f"<place {self.name}: {self.service.__name__} at {self.address}>"

    @property
    def is_here(self) -> bool:
        """True if the service itself lives in this process."""
        return self.address in (LOCAL, LOOPBACK)

    @property
    def is_hosted(self) -> bool:
        """True if other processes may call the service in this one."""
        return self.is_here and not self._kept_in

    def take_in(self) -> None:
        """Host the service in this process, whatever its address says."""
        self.address = LOCAL

    def keep_in(self) -> None:
        """Leave the service, if it runs in this process, to this process alone."""
        self._kept_in = self.address == LOCAL

    def declare(self, function: Function, kind: Kind, policy: Policy) -> None:
        """Learn what an operation says of a method, if it is made of one; the first operation counts."""
        if method := self._names.get(id(function)):
            self.policies.setdefault(method, (kind, policy))

    def policy(self, method: str) -> tuple[Kind, Policy]:
        """Return kind and policy of a method; one that is no operation may change things."""
        kind, policy = self.policies.get(method, ("command", Policy()))
        return kind, msgspec.structs.replace(policy, allow=None, background=False)

    def must_be_usable(self) -> None:
        """Raise ConfigError if calls could not be made to where the service is said to run."""
        if not self.is_here:
            self._far()

    def instance(self) -> S:
        """Return the service itself, built when it is first asked for."""
        with self._lock:
            if self._instance is None:
                self._instance = self._build()
            return self._instance

    def check(self) -> None:
        """Raise what is wrong with the service elsewhere: out of reach, or of another version."""
        if self.address == LOCAL:
            return
        theirs = self._far().contracts(SECONDS_TO_CHECK)
        mine = {f"{self.name}.{name}": self._remote_method(name).fingerprint for name in self.methods}
        if absent := sorted(mine.keys() - theirs.keys()):
            raise _mismatch(f"it does not host {', '.join(absent)}")
        if other := sorted(name for name, contract in mine.items() if theirs[name] != contract):
            raise _mismatch(f"its version of {', '.join(other)} is another")

    def close(self) -> None:
        """Let go of the connections."""
        if self._remote is not None:
            self._remote.link.close()

    # --- from call to callee ---

    def _resolved(self, method: str) -> Function:
        contract = self.methods[method]
        if self.address == LOCAL:
            function = getattr(self.instance(), method)
            return border(function, contract, f"{self.name}.{method}", self._around.errors)
        remote, far = self._far(), self._remote_method(method)
        send: Function = {"stream": remote.stream, "download": remote.download}.get(contract.gives, remote.value)

        def run(*values: Any, **named: Any) -> Any:
            return send(far, contract.order(values, named))

        return in_thread(run, contract) if contract.asynchronous else run

    def _remote_method(self, method: str) -> Callee:
        kind, policy = self.policy(method)
        repeatable = kind == "query" or policy.idempotent
        return Callee(f"{self.name}.{method}", self.methods[method], repeatable=repeatable, policy=policy)

    def _far(self) -> Remote:
        with self._lock:
            if self._remote is None:
                link, key = self._link()
                self._remote = Remote(
                    self.service.__name__,
                    link,
                    key=key,
                    errors=self._around.errors,
                    resilience=self._places.resilience,
                )
            return self._remote

    def _link(self) -> tuple[Link, bytes]:
        """Return what carries calls, and the key that signs them."""
        if self.address == LOOPBACK:
            host = self._around.host()
            return Loopback(host), host.key
        return link_to(self.address), self._places.signing_key(self.address)


def _mismatch(what: str) -> Failure:
    return Failure(f"It can be reached, but {what}.", kind="unimplemented", code="contract_mismatch")


def link_to(address: str) -> Link:
    """Return what carries calls to an address, by its scheme.

    Raises:
        ConfigError: nobody knows the scheme.
    """
    # Here, because it takes as long to import as all of Mergepoint, and most applications run in one process.
    from importlib.metadata import entry_points  # noqa: PLC0415

    scheme = address.partition("://")[0]
    known = entry_points(group=LINKS)
    if scheme not in known.names:
        raise ConfigError(
            f"places: nothing carries calls to {scheme}:// addresses; known are {', '.join(sorted(known.names))}."
        )
    return cast(Link, known[scheme].load()(address))


class Loopback:
    """A link to this very process: everything is encoded, decoded and run as if it came from elsewhere."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def ask(self, frame: bytes, seconds: float) -> bytes:
        """Answer a frame in a context of its own: neither call nor transaction of the caller are seen."""
        return Context().run(self._host.ask, frame)

    def stream(self, frame: bytes, seconds: float) -> Iterator[bytes]:
        """Answer a frame with many, each made in the context of the callee."""
        context = Context()
        with closing(context.run(self._host.stream, frame)) as frames:  # type: ignore[type-var]  # it is a generator
            while (frame := context.run(next, frames, b"")) != b"":
                yield frame

    def close(self) -> None:
        """Do nothing: there is no connection."""


def name_of(service: Any) -> str:
    """Return the name of a service: `bat_roost` for `BatRoost`.

    Raises:
        RegistrationError: this is no class.
    """
    if not inspect.isclass(service):
        raise RegistrationError(f"app.place({service!r}, ...): expected a class, whose public methods are the service.")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", service.__name__).lower()
