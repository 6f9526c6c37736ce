"""The event loop that `async def` operations run on: time limits, what ends early, forks."""

import asyncio
import contextvars
import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator

import pytest

from mergepoint.errors import DeadlineExceeded
from mergepoint.loop import EventLoop

LONG = 60.0  # seconds; no test waits for them


@pytest.fixture
def loop() -> EventLoop:
    """Return an event loop that no other test has touched."""
    return EventLoop()


def test_coroutines_share_one_thread(loop: EventLoop) -> None:
    """Every coroutine runs on the loop's thread, which is not the caller's."""

    async def where() -> str:
        return threading.current_thread().name

    assert {loop.run(where(), LONG) for _ in range(3)} == {"mergepoint-loop"}


def test_an_exception_reaches_the_caller(loop: EventLoop) -> None:
    """What the coroutine raises is what `run` raises."""

    async def fail() -> None:
        raise LookupError("no bat")

    with pytest.raises(LookupError, match="no bat"):
        loop.run(fail(), LONG)


def test_a_timeout_of_the_coroutine_is_its_own(loop: EventLoop) -> None:
    """A TimeoutError raised inside is not mistaken for the deadline."""

    async def fail() -> None:
        raise TimeoutError("the other side did not answer")

    with pytest.raises(TimeoutError, match="did not answer"):
        loop.run(fail(), LONG)


def test_a_coroutine_that_takes_too_long_is_cancelled(loop: EventLoop) -> None:
    """The caller learns that the time ran out, and the coroutine's clean-up runs."""
    cancelled = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(DeadlineExceeded):
        loop.run(wait(), 0.05)
    assert cancelled.wait(LONG)


def test_a_coroutine_without_time_never_ends_well(loop: EventLoop) -> None:
    """When the time is over before it begins, nobody gets a result."""

    async def wait() -> None:
        await asyncio.sleep(LONG)

    with pytest.raises(DeadlineExceeded):
        loop.run(wait(), -1)


def test_a_coroutine_that_cancels_itself_is_an_error(loop: EventLoop) -> None:
    """Cancelled from within, it is a bug of the operation and no end of the caller's thread."""

    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled from within"):
        loop.run(give_up(), LONG)


def test_a_coroutine_that_exits_does_not_end_the_loop(loop: EventLoop) -> None:
    """`sys.exit()` in one coroutine reaches its own caller; the next coroutine runs as before."""

    async def leave() -> None:
        sys.exit(3)

    async def stay() -> int:
        return 7

    with pytest.raises(SystemExit):
        loop.run(leave(), LONG)
    assert loop.run(stay(), LONG) == 7


def test_the_callers_context_goes_along(loop: EventLoop) -> None:
    """Context variables of the caller are seen inside; what is set inside stays there."""
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    user.set("Ada")

    async def read_and_set() -> str:
        seen = user.get()
        user.set("Grace")
        return seen

    assert loop.run(read_and_set(), LONG) == "Ada"
    assert user.get() == "Ada"


def test_an_iterator_closed_early_runs_its_clean_up(loop: EventLoop) -> None:
    """Closing after the first item runs the asynchronous generator's `finally`."""
    closed = threading.Event()

    async def count() -> AsyncIterator[int]:
        try:
            for number in range(1000):
                yield number
        finally:
            closed.set()

    items = loop.iterate(count(), LONG)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert closed.is_set()


def test_many_threads_share_the_loop(loop: EventLoop) -> None:
    """Each of many threads that begin at once gets its own answer, from one loop."""
    answers: dict[int, int] = {}
    workers: set[int] = set()
    together = threading.Barrier(16)

    async def double(number: int) -> int:
        await asyncio.sleep(0)
        workers.add(threading.get_ident())
        return number * 2

    def ask(number: int) -> None:
        together.wait()
        answers[number] = loop.run(double(number), LONG)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number * 2 for number in range(16)}
    assert len(workers) == 1


FORKING = """
import json, os, warnings
from mergepoint import App, Call

warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, about forks beside threads: that is what is tested
app = App("forking")

@app.query
async def process() -> int:
    return os.getpid()

operation = app.operations["process"]
before = operation(Call(operation))
read, write = os.pipe()
child = os.fork()
if child == 0:
    answer = operation(Call(operation))
    os.write(write, json.dumps([answer, os.getpid()]).encode())
    os._exit(0)
os.waitpid(child, 0)
answered, pid = json.loads(os.read(read, 1000))
print(json.dumps([before == os.getpid(), answered == pid == child, operation(Call(operation)) == os.getpid()]))
"""


def test_a_forked_process_begins_a_loop_of_its_own() -> None:
    """After a fork, coroutines run in the child and go on running in the parent."""
    command = [sys.executable, "-c", textwrap.dedent(FORKING)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(answer.stdout) == [True, True, True]
