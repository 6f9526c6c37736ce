"""The call itself: who may make it, how long it may take, what goes along with it and what is around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Lock
from time import sleep
from typing import Annotated

import msgspec

from ..access import anyone, role, signed_in
from ..app import App
from ..call import Call, current, enter, leave
from ..errors import DeadlineExceeded, Failure, PermissionDenied, Unauthenticated
from ..types import Meta
from .case import case
from .comparison import fails, same, soon

KEEPER = {"authorization": "Bearer keeper"}
GUEST = {"authorization": "Bearer guest"}

MILLENNIUM = datetime(2000, 1, 1, tzinfo=UTC)

Count = Annotated[int, Meta(ge=0, le=10)]


class User(msgspec.Struct, frozen=True):
    """Who is calling."""

    name: str
    roles: frozenset[str] = frozenset()


class Clock:
    """Tells the time; operations that need one get it from the application, not from their callers."""

    def now(self) -> datetime:
        """Return the time, always the same."""
        return MILLENNIUM


USERS = {KEEPER["authorization"]: User("ada", frozenset({"keeper"})), GUEST["authorization"]: User("guest")}


class Facts(msgspec.Struct, frozen=True):
    """What an operation finds in the call it works on."""

    request_id: str
    seconds: float
    user: str | None
    baggage: str | None


class Calls:
    """Operations about the call itself. Those that take more from the application are registered as functions."""

    def __init__(self) -> None:
        self._runs: Counter[str] = Counter()

    def for_anyone(self, count: Count = 0) -> str:
        """Do what everybody may call, and count it."""
        return self._ran("for_anyone")

    def for_users(self, count: Count = 0) -> str:
        """Do what users may call, and count it."""
        return self._ran("for_users")

    def for_keepers(self, count: Count = 0) -> str:
        """Do what keepers may call, and count it."""
        return self._ran("for_keepers")

    def runs(self, operation: str) -> int:
        """Tell how often an operation ran."""
        return self._runs[operation]

    def surroundings(self) -> int:
        """Tell how many calls are inside what the application puts around them."""
        return 1

    def who(self) -> str:
        """Tell who is calling, whom the application hands in."""
        return "nobody"

    def now(self) -> datetime:
        """Tell the time of the application's clock."""
        return MILLENNIUM

    def tint(self) -> str | None:
        """Tell what came along with the call."""
        return None

    def facts(self) -> Facts:
        """Tell what is known of the call."""
        call = current()
        if call is None:
            raise Failure("There is no call.")
        user: User | None = call.user
        return Facts(call.request_id, call.remaining(), None if user is None else user.name, call.onward.get("baggage"))

    def nap(self, seconds: float) -> str:
        """Sleep for a while."""
        sleep(seconds)
        return "awake"

    def later(self, value: str) -> str:
        """Answer with a text; behind an app this is `async def`."""
        return value

    def nap_later(self, seconds: float) -> str:
        """Sleep for a while; behind an app this is `async def`."""
        return self.nap(seconds)

    def stamp(self, text: str) -> None:
        """Give something along with the answer."""
        if call := current():
            call.reply["x-stamp"] = text

    def _ran(self, operation: str) -> str:
        self._runs[operation] += 1
        return "done"


class Surroundings:
    """Counts the calls that are going on; it stands around every operation of the app."""

    def __init__(self) -> None:
        self._open = 0
        self._lock = Lock()

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Count a call while it is going on."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def surroundings(self) -> int:
        """Tell how many calls are inside."""
        return self._open

    def _change(self, by: int) -> None:
        with self._lock:
            self._open += by


def who(user: User) -> str:
    """Tell who is calling, whom the application hands in."""
    return user.name


def now(clock: Clock) -> datetime:
    """Tell the time of the application's clock."""
    return clock.now()


def tint(call: Call) -> str | None:
    """Tell what came along with the call."""
    return call.metadata.get("x-tint")


def identify(call: Call) -> User | None:
    """Return the user whose token came along."""
    return USERS.get(call.metadata.get("authorization", ""))


def register(app: App, calls: Calls) -> None:
    """Register the operations, say who is calling, and put something around every operation."""
    surroundings = Surroundings()
    app.identify(identify)
    app.around(surroundings.around)
    app.provide(User, lambda call: call.user)
    app.provide(Clock, Clock)
    app.command(calls.for_anyone, allow=anyone)
    app.command(calls.for_users, allow=signed_in)
    app.command(calls.for_keepers, allow=role("keeper"))
    app.query(calls.runs, allow=anyone)
    app.query(surroundings.surroundings, allow=anyone)
    app.query(who, allow=signed_in)
    app.query(now, allow=anyone)
    app.query(tint, allow=anyone)
    app.query(calls.facts, allow=anyone)
    app.query(calls.nap, allow=anyone, deadline=0.2)
    app.query(calls.later, allow=anyone)
    app.query(calls.nap_later, allow=anyone, deadline=0.2)
    app.command(calls.stamp, allow=anyone)


@contextmanager
def calling(*, seconds: float = 10.0, request_id: str = "outermost") -> Iterator[Call]:
    """Be inside another call, as a service is that calls the next one."""
    app = App("caller")
    app.query(Clock().now)
    call = Call(app.operations["now"], request_id=request_id, seconds=seconds)
    token = enter(call)
    try:
        yield call
    finally:
        leave(token)


# --- what must hold ------------------------------------------------------------------------------------------------


@case("policy", "errors")
def strangers(service: Calls) -> None:
    """Without a user only what is for anyone may be called."""
    same(service.for_anyone(), "done")
    for operation in (service.for_users, service.for_keepers, service.who):
        fails(Unauthenticated, operation)


@case("policy", "errors", metadata={"authorization": "Bearer forged"})
def forged_tokens(service: Calls) -> None:
    """A token that the application does not know makes nobody a user."""
    fails(Unauthenticated, service.for_users)


@case("policy", "errors", metadata=GUEST)
def users_without_the_role(service: Calls) -> None:
    """A user may call what is for users, and nothing that needs a role they do not have."""
    same(service.for_users(), "done")
    fails(PermissionDenied, service.for_keepers)


@case("policy", metadata=KEEPER)
def users_with_the_role(service: Calls) -> None:
    """A user with the role may call what needs it."""
    same((service.for_users(), service.for_keepers()), ("done", "done"))


@case("policy", "errors", "state", metadata=GUEST)
def refused_calls_do_not_run(service: Calls) -> None:
    """Who is refused has caused nothing."""
    before = service.runs("for_keepers")
    fails(PermissionDenied, service.for_keepers)
    same(service.runs("for_keepers"), before)


@case("policy", "errors")
def access_comes_before_arguments(service: Calls) -> None:
    """Who may not call an operation does not learn what is wrong with the arguments."""
    fails(Unauthenticated, service.for_keepers, 99)


@case("policy", metadata=KEEPER)
def the_user_is_known(service: Calls) -> None:
    """The operation learns who is calling."""
    same(service.who(), "ada")
    same(service.facts().user, "ada")


@case("policy")
def the_call_is_known(service: Calls) -> None:
    """The operation finds the call it works on: its own request id, the time it has, and nobody for a user."""
    first, second = service.facts(), service.facts()
    same(0 < first.seconds <= 10, True)
    same((bool(first.request_id), first.request_id != second.request_id), (True, True))
    same((first.user, first.baggage), (None, None))


@case("policy", metadata={"x-tint": "dark blue"})
def metadata_arrives(service: Calls) -> None:
    """What goes along with a call reaches the operation."""
    same(service.tint(), "dark blue")


@case("policy", metadata={"baggage": "tint=blue"})
def baggage_goes_on(service: Calls) -> None:
    """The metadata of traces goes on to the calls that are made from within this one."""
    same(service.facts().baggage, "tint=blue")


@case("nesting")
def calls_within_a_call(service: Calls) -> None:
    """A call made within another one has its request id, and no more time than it has left."""
    with calling(seconds=5.0):
        facts = service.facts()
    same((facts.request_id, 0 < facts.seconds <= 5.0), ("outermost", True))


@case("nesting", "errors", "state")
def calls_within_a_call_whose_time_is_over(service: Calls) -> None:
    """A call made within another one whose time is over does not run."""
    before = service.runs("for_anyone")
    with calling(seconds=-1.0):
        fails(DeadlineExceeded, service.for_anyone)
    same(service.runs("for_anyone"), before)


@case("nesting", "replies")
def replies(service: Calls) -> None:
    """What an operation gives along with its answer reaches the call that called it."""
    with calling() as call:
        service.stamp("dark blue")
    same(call.reply, {"x-stamp": "dark blue"})


@case("policy")
def parameters_from_the_application(service: Calls) -> None:
    """A parameter that the application fills is not asked of callers."""
    same(service.now(), MILLENNIUM)


@case("policy", "errors")
def late_results(service: Calls) -> None:
    """A result that comes after the deadline is not taken."""
    fails(DeadlineExceeded, service.nap, 0.25)


@case()
def asynchronous_operations(service: Calls) -> None:
    """Callers cannot tell an operation that is `async def` from any other."""
    same(service.later("🦇"), "🦇")


@case("policy", "errors")
def late_asynchronous_results(service: Calls) -> None:
    """An asynchronous operation is stopped when its time is over."""
    fails(DeadlineExceeded, service.nap_later, 30.0)


@case("policy", "state")
def surroundings_are_left(service: Calls) -> None:
    """What the application puts around a call is entered for it, and left after it, whatever became of it."""
    for operation in (service.for_anyone, service.for_keepers):
        with suppress(Failure):
            operation()
    soon(lambda: service.surroundings() == 1, "only the call that asks is inside")
