"""The policy around an operation: who may, in time, inside what, with which errors, told to whom."""

import asyncio
import contextvars
import gc
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from mergepoint import App, Call
from mergepoint.call import current
from mergepoint.errors import DeadlineExceeded, Internal, InvalidArgument
from mergepoint.operation import Operation

LATE = -1.0  # seconds left when the time is over


class NoSuchBat(Exception):
    """No bat has this name."""


class Diary:
    """Writes down what happens around operations, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def around(self, name: str) -> Callable[[Call], AbstractContextManager[None]]:
        """Return something to put around operations that writes down when it is entered and how it is left."""

        @contextmanager
        def manager(call: Call) -> Iterator[None]:
            self.lines.append(f"{name} begins")
            try:
                yield
            except BaseException as error:
                self.lines.append(f"{name} sees {type(error).__name__}")
                raise
            else:
                self.lines.append(f"{name} ends")

        return manager

    def watcher(self, call: Call, seconds: float, outcome: str) -> None:
        """Write down the outcome."""
        self.lines.append(f"{call.operation.name}: {outcome}")


@pytest.fixture
def diary() -> Diary:
    """Return an empty diary."""
    return Diary()


@pytest.fixture
def app(diary: Diary) -> App:
    """Return an app that writes its diary: two context managers around its operations, and a watcher."""
    app = App("roost", errors={NoSuchBat: "not_found"})
    app.around(diary.around("outer"))
    app.around(diary.around("inner"))
    app.watch(diary.watcher)
    return app


def _run(app: App, name: str, *values: Any, **options: Any) -> Any:
    operation = app.operations[name]
    return operation(Call(operation, **options), *values)


# --- what runs inside what -----------------------------------------------------------------------------------------


def test_the_first_manager_is_the_outermost(app: App, diary: Diary) -> None:
    """Context managers are entered in the order they were added and left in the reverse one."""

    @app.query
    def squeak() -> str:
        diary.lines.append("squeak")
        return "eek"

    assert _run(app, "squeak") == "eek"
    assert diary.lines == ["outer begins", "inner begins", "squeak", "inner ends", "outer ends", "squeak: ok"]


def test_managers_see_the_exception(app: App, diary: Diary) -> None:
    """The very exception of the callable passes through them, so that a transaction can roll back."""

    @app.query
    def find(name: str) -> str:
        raise NoSuchBat(name)

    with pytest.raises(NoSuchBat, match="Flap"):
        _run(app, "find", "Flap")
    assert diary.lines[2:] == ["inner sees NoSuchBat", "outer sees NoSuchBat", "find: not_found"]


def test_arguments_are_read_before_the_managers_begin(app: App, diary: Diary) -> None:
    """Wrong input costs no transaction."""

    @app.query
    def find(id: int) -> int:
        return id

    operation = app.operations["find"]
    with pytest.raises(InvalidArgument):
        operation.run(Call(operation), b'{"id":"x"}', operation.contract.arguments.decode_json)
    assert diary.lines == ["find: invalid_argument"]


@pytest.mark.parametrize("values", [(), (1, 2, 3)])
def test_wrong_arguments_in_python_are_a_type_error(app: App, values: tuple[int, ...]) -> None:
    """Who calls an operation from Python with too few or too many arguments learns it as Python says it."""

    @app.query
    def add(left: int, right: int) -> int:
        return left + right

    with pytest.raises(TypeError, match=r"missing the argument 'left'|takes 2 arguments but 3 were given"):
        _run(app, "add", *values)


def test_arguments_may_be_named(app: App) -> None:
    """Values by position and by name are taken as Python takes them; twice is refused, and so is an unknown name."""

    @app.query
    def add(left: int, right: int = 5) -> int:
        return left - right

    operation = app.operations["add"]
    assert operation(Call(operation), 1) == -4
    assert operation(Call(operation), right=1, left=3) == 2
    with pytest.raises(TypeError, match="multiple values for the argument 'left'"):
        operation(Call(operation), 1, left=2)
    with pytest.raises(TypeError, match="unexpected keyword argument 'rihgt'"):
        operation(Call(operation), 1, rihgt=2)


# --- time ----------------------------------------------------------------------------------------------------------


def test_a_late_call_does_not_begin(app: App, diary: Diary) -> None:
    """When the caller's time is over, nothing of the operation runs."""

    @app.command
    def adopt() -> None:
        diary.lines.append("adopted")

    with pytest.raises(DeadlineExceeded, match=r"^The time for this call ran out\.$"):
        _run(app, "adopt", seconds=LATE)
    assert diary.lines == ["adopt: deadline_exceeded"]


def test_a_late_result_is_refused_inside_the_managers(app: App, diary: Diary) -> None:
    """A result that comes too late passes the managers as an exception: the transaction rolls back."""

    @app.command
    def adopt(call: Call) -> str:
        call.began -= 60  # as if it had taken too long
        return "adopted"

    with pytest.raises(DeadlineExceeded):
        _run(app, "adopt")
    assert diary.lines[2:] == [
        "inner sees DeadlineExceeded",
        "outer sees DeadlineExceeded",
        "adopt: deadline_exceeded",
    ]


def test_a_coroutine_that_takes_too_long_is_cancelled(app: App, diary: Diary) -> None:
    """An asynchronous operation is stopped where it waits, and the managers see why."""
    cancelled = threading.Event()

    @app.command(deadline=0.05)
    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    with pytest.raises(DeadlineExceeded):
        _run(app, "wait")
    assert cancelled.wait(60)
    assert diary.lines[-1] == "wait: deadline_exceeded"
    assert "inner sees DeadlineExceeded" in diary.lines


def test_the_callers_time_is_the_limit() -> None:
    """A call has the operation's deadline or what is left of the caller's time, whichever is less."""
    app = App("roost")
    app.query(plain, deadline=5)
    operation = app.operations["plain"]
    assert 4 < Call(operation).remaining() <= 5
    assert 1 < Call(operation, seconds=2).remaining() <= 2
    assert 4 < Call(operation, seconds=3600).remaining() <= 5


def plain() -> int:
    """Return a number."""
    return 1


def test_every_operation_has_a_deadline() -> None:
    """It is ten seconds unless said."""
    app = App("roost")
    app.query(plain)
    assert app.operations["plain"].policy.deadline == 10


def test_a_long_loop_can_ask_for_the_time() -> None:
    """`call.check()` stops work that nobody waits for any more."""
    app = App("roost")

    @app.command
    def count(call: Call) -> None:
        call.check()
        call.began -= 60
        call.check()

    with pytest.raises(DeadlineExceeded):
        _run(app, "count")


# --- errors --------------------------------------------------------------------------------------------------------


def test_a_bug_is_an_incident(app: App, diary: Diary, caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets a number and nothing else; the log has it, with the operation, the request and the traceback."""

    @app.query
    def find(name: str) -> str:
        return {"secret": "SELECT password FROM keepers"}[name]

    with caplog.at_level(logging.ERROR, "mergepoint"), pytest.raises(Internal) as caught:
        _run(app, "find", "Flap", request_id="r-17")
    error = caught.value
    assert str(error) == f"Something went wrong here. The incident number is {error.incident}."
    assert "Flap" not in repr(app.errors.fault(error))
    (record,) = caplog.records
    assert record.getMessage() == f"Incident {error.incident} in find, request r-17"
    assert record.exc_info is not None
    assert "return {" in caplog.text
    assert "KeyError: 'Flap'" in caplog.text
    assert diary.lines[2:] == ["inner sees KeyError", "outer sees KeyError", "find: internal"]


def test_each_incident_has_its_number(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Two bugs can be told apart in the log."""

    @app.query
    def find() -> str:
        raise RuntimeError

    numbers = set()
    for _ in range(2):
        with pytest.raises(Internal) as caught:
            _run(app, "find")
        numbers.add(caught.value.incident)
    assert len(numbers) == 2
    assert all(number in caplog.text for number in numbers)


def test_a_watcher_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets the result, the other watchers are told, and the log has the failure."""
    app, told = App("roost"), []

    @app.watch
    def broken(call: Call, seconds: float, outcome: str) -> None:
        raise RuntimeError("the metrics are gone")

    @app.watch
    def sound(call: Call, seconds: float, outcome: str) -> None:
        told.append((outcome, seconds >= 0))

    app.query(plain)
    assert _run(app, "plain") == 1
    assert told == [("ok", True)]
    assert "the metrics are gone" in caplog.text


# --- the current call ----------------------------------------------------------------------------------------------


def test_the_current_call_is_known_inside_and_nowhere_else(app: App) -> None:
    """While the operation runs its call is the current one; before and after there is none."""

    @app.query
    def same(call: Call) -> bool:
        return current() is call

    assert current() is None
    assert _run(app, "same") is True
    assert current() is None


def test_the_current_call_is_forgotten_after_an_error(app: App) -> None:
    """An exception leaves no call behind."""

    @app.query
    def fail() -> None:
        raise NoSuchBat

    with pytest.raises(NoSuchBat):
        _run(app, "fail")
    assert current() is None


def test_a_coroutine_knows_its_call(app: App) -> None:
    """On the event loop, too, the current call is the operation's own."""

    @app.query
    async def same(call: Call) -> bool:
        return current() is call

    assert _run(app, "same") is True


def test_an_operation_may_run_another(app: App) -> None:
    """Inside, the inner call is the current one; afterwards it is the outer one again."""

    @app.query
    def inner(call: Call) -> bool:
        return current() is call

    @app.query
    def outer(call: Call) -> list[bool]:
        other = app.operations["inner"]
        return [other(Call(other)), current() is call]

    assert _run(app, "outer") == [True, True]


def test_calls_on_many_threads_do_not_mix(app: App) -> None:
    """Each of many calls at the same time sees its own user, request and values, after errors too."""
    app.identify(lambda call: call.metadata["user"])
    together = threading.Barrier(8, timeout=60)

    @app.query(allow=bool)
    def who(number: int) -> tuple[str, str, int]:
        together.wait()
        call = current()
        assert call is not None
        if number % 2:
            raise NoSuchBat(f"{call.user} {call.request_id}")
        return call.user, call.request_id, number

    def ask(number: int) -> None:
        expected = (f"user{number}", f"r{number}", number)
        for _ in range(20):
            try:
                answer = _run(app, "who", number, metadata={"user": f"user{number}"}, request_id=f"r{number}")
            except NoSuchBat as error:
                answer = (*str(error).split(), number)
            assert answer == expected
            assert current() is None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))


# --- streams -------------------------------------------------------------------------------------------------------

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


@pytest.fixture
def streaming(app: App, diary: Diary) -> App:
    """Return an app with streams that write down what becomes of them."""

    @app.query
    def count(to: int) -> Iterator[int]:
        try:
            yield from range(to)
        finally:
            diary.lines.append("count cleans up")

    @app.query
    async def count_async(to: int) -> AsyncIterator[int]:
        try:
            for number in range(to):
                yield number
        finally:
            diary.lines.append("count_async cleans up")

    @app.query
    def fail() -> Iterator[int]:
        yield 1
        raise KeyError("id")

    @app.query
    def refuse() -> Iterator[int]:
        yield 1
        raise NoSuchBat("Flap")

    @app.query
    def remember(name: str) -> Iterator[str]:
        who.set(name)
        call = current()
        for _ in range(3):
            yield f"{who.get()} {current() is call and call is not None}"

    return app


@pytest.mark.parametrize("name", ["count", "count_async"])
def test_a_stream_runs_inside_the_managers(streaming: App, diary: Diary, name: str) -> None:
    """The context managers begin with the first item and end after the last: a stream has its transaction too."""
    items = _run(streaming, name, 3)
    assert diary.lines == []
    assert next(items) == 0
    assert diary.lines == ["outer begins", "inner begins"]
    assert list(items) == [1, 2]
    assert diary.lines[2:] == [f"{name} cleans up", "inner ends", "outer ends", f"{name}: ok"]


@pytest.mark.parametrize("name", ["count", "count_async"])
def test_a_stream_that_is_closed_early_cleans_up(streaming: App, diary: Diary, name: str) -> None:
    """When nobody wants more, the stream's clean-up runs first, then that of the managers around it, at once."""
    items = _run(streaming, name, 1000)
    next(items)
    items.close()
    assert diary.lines[2:] == [
        f"{name} cleans up",
        "inner sees GeneratorExit",
        "outer sees GeneratorExit",
        f"{name}: ok",
    ]
    assert current() is None


def test_a_stream_that_is_forgotten_cleans_up(streaming: App, diary: Diary) -> None:
    """An adapter that drops a stream without closing it leaves nothing open and no call behind."""
    items = _run(streaming, "count", 1000)
    next(items)
    del items
    gc.collect()
    assert diary.lines[2] == "count cleans up"
    assert diary.lines[-1] == "count: ok"
    assert current() is None


def test_a_stream_that_was_never_begun_costs_nothing(streaming: App, diary: Diary) -> None:
    """Closing a stream before its first item runs nothing."""
    _run(streaming, "count", 3).close()
    assert diary.lines == []


def test_a_bug_in_the_middle_of_a_stream_is_an_incident(
    streaming: App, diary: Diary, caplog: pytest.LogCaptureFixture
) -> None:
    """What was made before arrives; then the caller gets an incident number, and the managers see the bug."""
    items = _run(streaming, "fail")
    assert next(items) == 1
    with pytest.raises(Internal) as caught:
        next(items)
    assert caught.value.incident in caplog.text
    assert diary.lines[2:] == ["inner sees KeyError", "outer sees KeyError", "fail: internal"]
    assert list(items) == []


def test_a_declared_error_in_the_middle_of_a_stream_is_told(streaming: App, diary: Diary) -> None:
    """A declared error ends the stream and reaches the caller as it is."""
    items = _run(streaming, "refuse")
    next(items)
    with pytest.raises(NoSuchBat):
        next(items)
    assert diary.lines[-1] == "refuse: not_found"


def test_each_stream_keeps_its_context(streaming: App) -> None:
    """Two streams read in turns each see their own variables and call, and the reader sees neither."""
    flap, wing = _run(streaming, "remember", "Flap"), _run(streaming, "remember", "Wing")
    seen = [next(flap), next(wing), next(flap), next(wing)]
    assert seen == ["Flap True", "Wing True"] * 2
    assert who.get() == "nobody"
    assert current() is None
    flap.close()
    wing.close()


def test_a_stream_may_be_read_on_another_thread(streaming: App) -> None:
    """A server may make each item on whatever thread is free."""
    items = _run(streaming, "remember", "Flap")
    with ThreadPoolExecutor(1) as pool:
        assert [pool.submit(next, items).result() for _ in range(2)] == ["Flap True"] * 2
    assert next(items) == "Flap True"
    items.close()


@pytest.mark.parametrize("name", ["count", "count_async"])
def test_a_stream_ends_at_its_deadline(streaming: App, diary: Diary, name: str) -> None:
    """No item is given after the call's time is over; what was open is closed."""
    operation = streaming.operations[name]
    call = Call(operation)
    items = operation(call, 1000)
    next(items)
    call.began -= 60
    with pytest.raises(DeadlineExceeded):
        next(items)
    assert diary.lines[2] == f"{name} cleans up"
    assert diary.lines[-1] == f"{name}: deadline_exceeded"


def test_an_operation_says_what_it_is(app: App) -> None:
    """Its text names its kind and itself."""
    app.query(plain)
    operation: Operation = app.operations["plain"]
    assert repr(operation) == "<query plain>"
