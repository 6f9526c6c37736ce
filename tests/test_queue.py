"""The queue of an app: jobs are put in like calls, alone, in groups and chains, and looked after."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from mypy import api as mypy

from mergepoint import App, Call, Id, Meta, Progress
from mergepoint.db import Database
from mergepoint.errors import DeadlineExceeded, InvalidArgument, RegistrationError
from mergepoint.jobs import Claim, Job, Lane, Message, Outcome, Runner, new_id
from mergepoint.tasks import JobFailed, NoSuchJob, Queue

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Keeper:
    """Who is calling."""

    id: Id
    name: str = ""


@dataclass(frozen=True)
class Count:
    """How many bats there are."""

    bats: int
    at: datetime


NIGHT = datetime(2026, 10, 31, 22, tzinfo=UTC)
seen: list[Any] = []


class TooDark(Exception):
    """Nobody can count."""


class Roost:
    """A service whose methods are commands."""

    def census(self, name: str, limit: Annotated[int, Meta(ge=1)] = 10) -> Count:
        """Count the bats."""
        if name == "dark":
            raise TooDark(f"It is too dark in {name}.")
        return Count(len(name) * limit, NIGHT)

    def adopt(self, id: Id) -> None:
        """Take a bat in."""
        seen.append(id)


def sweep(rooms: list[str], progress: Progress) -> int:
    """Clean rooms."""
    for number, room in enumerate(rooms):
        progress(number / len(rooms), room)
    return len(rooms)


def rest() -> str:
    """Do nothing, in a task."""
    return "rested"


class Shop:
    """An app with a queue on a database, and what a test does in the place of a worker."""

    def __init__(self, url: str = "sqlite://") -> None:
        self.db = Database(url)
        self.app = App("bats", errors={TooDark: "failed_precondition"})
        self.queue = Queue(self.app, self.db)
        self.app.around(self.db.unit_of_work)
        self.roost = Roost()
        self.app.command(self.roost.census, retries=2, keep=77)
        self.app.command(self.roost.adopt)
        self.app.command(sweep, concurrency=1)
        self.app.task(rest)

    def claim(self, *queues: str, limit: int = 10) -> list[Claim]:
        """Take jobs that are due."""
        return self.queue.engine.claim("w", [Lane(name) for name in queues or ("default", "sweep")], limit, 60.0)

    def work(self) -> list[str]:
        """Run all jobs that are due, and what follows them, in this thread; return what ran."""
        runner, ran = Runner(self.app, "w", self.queue.engine.report), []
        while claims := self.claim():
            outcomes: list[Outcome] = [runner.run(claim) for claim in claims]
            self.queue.engine.settle(outcomes)
            ran += [claim.message.operation for claim in claims]
        return ran


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Return a shop on a database in a file."""
    made = Shop(f"sqlite:///{tmp_path / 'bats.db'}")
    yield made
    made.app.close()
    made.db.close()


@contextmanager
def calling(shop: Shop, operation: str, **about: Any) -> Iterator[Call]:
    """Do something as if within a call of an operation."""
    from mergepoint.call import enter, leave  # noqa: PLC0415

    call = Call(shop.app.operations[operation], **about)
    token = enter(call)
    try:
        yield call
    finally:
        leave(token)


# --- putting in ----------------------------------------------------------------------------------------------------


def test_later_puts_in_a_job_as_the_command_is_called(shop: Shop) -> None:
    """Positions, names and defaults are those of the command; the job waits, and its command has not run."""
    job = shop.queue.later(shop.roost.census)("cave", limit=3)
    assert isinstance(job, Job)
    assert (job.operation, job.state, job.queue, job.attempts) == ("census", "waiting", "default", 0)
    message = shop.queue.entry(job.id).message
    assert msgspec.json.decode(message.arguments) == {"name": "cave", "limit": 3}
    assert (message.retries, message.keep, message.timeout, message.owner, message.user) == (2, 77, 3600, "", None)
    assert msgspec.json.decode(shop.queue.entry(shop.queue.later(shop.roost.census)("x").id).message.arguments) == {
        "name": "x"
    }
    found = shop.queue.job(job.id)
    assert msgspec.structs.replace(found, due=job.due) == job
    assert abs(found.due - job.due) < timedelta(seconds=5), "the engine's clock has the last word"


def test_later_of_a_service_has_its_methods(shop: Shop) -> None:
    """`queue.later(service)` is an object whose methods put in jobs of the service's."""
    job: Any = shop.queue.later(shop.roost).census("cave")
    assert (job.operation, job.state) == ("census", "waiting")
    later = shop.queue.later(shop.roost, delay=60)
    later.adopt(7)
    assert [job.operation for job in shop.queue.jobs()] == ["adopt", "census"]
    with pytest.raises(AttributeError, match="public methods"):
        later.nothing()  # type: ignore[attr-defined]


def test_a_service_at_a_place_can_be_put_off(tmp_path: Path) -> None:
    """The proxy of a service at a place puts in jobs as the service does."""
    with closing(Database(f"sqlite:///{tmp_path / 'bats.db'}")) as db:
        app = App("bats")
        queue = Queue(app, db)
        roost = app.place(Roost, Roost)
        app.command(roost.census)
        job: Any = queue.later(roost).census("cave", limit=2)
        assert queue.later(roost.census)("cave").operation == job.operation == "census"


def test_wrong_arguments_are_found_when_a_job_is_put_in(shop: Shop) -> None:
    """What does not fit is refused with its path, and nothing was put in."""
    with pytest.raises(InvalidArgument, match=r"\$\.name: Expected `str`, got `int`"):
        shop.queue.later(shop.roost.census)(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="name"):
        shop.queue.later(shop.roost.census)()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        shop.queue.later(shop.roost.census)("cave", colour="red")  # type: ignore[call-arg]
    assert shop.queue.jobs() == []


def test_what_is_no_command_cannot_be_put_off(shop: Shop) -> None:
    """A function that was not registered is refused by name, with what to do."""

    def unknown() -> None: ...

    with pytest.raises(RegistrationError, match=r"unknown is nothing that a job could run.*app\.task"):
        shop.queue.later(unknown)()


def test_a_task_can_be_put_off_and_is_on_no_protocol(shop: Shop) -> None:
    """`app.task` is run by jobs only."""
    job = shop.queue.later(rest)()
    assert "rest" not in shop.app.operations
    assert shop.work() == ["rest"]
    assert shop.queue.result(job.id, 0) == "rested"


def test_options_say_how_a_job_is_put_in(shop: Shop) -> None:
    """Delay, time, priority, key, retries, timeout and keep go into the message; each is due at its time."""
    options: dict[str, Any] = {"priority": "high", "unique": "a", "retries": 0, "timeout": 1.5, "keep": 0}
    message = shop.queue.message(rest, delay=timedelta(minutes=2), **options)()
    assert (message.delay, *(getattr(message, name) for name in options)) == (120.0, *options.values())
    later = datetime.now(UTC) + timedelta(hours=1)
    job = shop.queue.later(rest, at=later)()
    assert abs(job.due - later) < timedelta(milliseconds=1)
    delayed = shop.queue.later(rest, delay=30)()
    assert timedelta(seconds=29) < delayed.due - delayed.created < timedelta(seconds=31)
    assert shop.work() == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"delay": -1}, r"\$\.delay: Expected seconds or a time span, not negative, got -1"),
        ({"at": datetime(2026, 1, 1)}, r"\$\.at: Expected a time that knows its zone"),  # noqa: DTZ001
        ({"priority": "urgent"}, r"\$\.priority: Expected 'high' or 'normal' or 'low', got 'urgent'"),
        ({"unique": ""}, r"\$\.unique: Expected a text of 1 to 200 characters"),
        ({"retries": -1}, r"\$\.retries: Expected a count"),
        ({"timeout": 0}, r"\$\.timeout: Expected seconds, more than 0"),
        ({"keep": "1d"}, r"\$\.keep: Expected seconds, got '1d'"),
        ({"dealy": 1}, r"\$\.dealy: Unknown option; there are delay, at"),
        ({"delay": -1, "keep": -1}, r"and 1 more"),
    ],
)
def test_wrong_options_are_refused(shop: Shop, options: dict[str, Any], problem: str) -> None:
    """Each wrong option is named with what was expected, and nothing was put in."""
    later: Any = shop.queue.later
    with pytest.raises(InvalidArgument, match=problem):
        later(rest, **options)()
    assert shop.queue.jobs() == []


def test_a_unique_key_has_one_job(shop: Shop) -> None:
    """A second job with the key is the first one, until that is over."""
    first = shop.queue.later(shop.roost.census, unique="cave")("cave")
    again = shop.queue.later(shop.roost.census, unique="cave")("other")
    assert again.id == first.id
    assert shop.work() == ["census"]
    assert shop.queue.later(shop.roost.census, unique="cave")("cave").id != first.id


def test_many_are_put_in_at_once(shop: Shop) -> None:
    """A batch gives a job for each message, in order; none for none."""
    count = shop.queue.message(shop.roost.census)
    jobs = shop.queue.put(count(f"room {number}") for number in range(250))
    assert len({job.id for job in jobs}) == 250
    assert shop.queue.put([]) == []
    assert len(shop.work()) == 250


def test_a_command_with_a_limit_has_a_queue_of_its_own(shop: Shop) -> None:
    """Its jobs wait in the queue that is named after it."""
    assert shop.queue.later(sweep)(["hall"]).queue == "sweep"  # type: ignore[call-arg]  # mypy sees `progress`
    assert [lane.queue for lane in shop.app.lanes] == ["default", "sweep"]
    assert shop.work() == ["sweep"]


# --- transactions --------------------------------------------------------------------------------------------------


def test_a_job_of_a_transaction_is_there_when_that_is_committed(shop: Shop) -> None:
    """Rolled back there are 0 jobs, committed exactly 1; until then no worker sees it."""
    shop.queue.engine.check()

    def fail() -> None:
        with shop.db.transaction():
            shop.queue.later(rest)()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert shop.queue.jobs() == []
    with shop.db.transaction():
        job = shop.queue.later(rest)()
        before: list[Any] = []
        looking = threading.Thread(target=lambda: before.append(shop.queue.engine.get(job.id)))
        looking.start()
        looking.join()
    assert before == [None]
    assert [each.id for each in shop.queue.jobs()] == [job.id]


def test_a_job_that_fails_puts_nothing_in(tmp_path: Path) -> None:
    """What a command puts in belongs to its transaction: if it fails, its further jobs have never been."""
    with closing(Database(f"sqlite:///{tmp_path / 'bats.db'}")) as db:
        app = App("bats")
        queue = Queue(app, db)
        app.around(db.unit_of_work)

        def split(fail: bool) -> None:
            queue.later(rest)()
            if fail:
                raise ZeroDivisionError

        app.task(rest)
        app.task(split, retries=0)
        queue.later(split)(True)
        queue.later(split)(False)
        runner = Runner(app, "w", queue.engine.report)
        queue.engine.settle([runner.run(claim) for claim in queue.engine.claim("w", [Lane()], 2, 60.0)])
        assert sorted((job.operation, job.state) for job in queue.jobs()) == [
            ("rest", "waiting"),
            ("split", "dead"),
            ("split", "done"),
        ]


# --- groups and chains ---------------------------------------------------------------------------------------------


def test_a_group_ends_with_one_job(shop: Shop) -> None:
    """The last job is blocked until all others are done, and then runs once."""
    count = shop.queue.message(shop.roost.census)
    last = shop.queue.group((count(str(number)) for number in range(5)), then=shop.queue.message(rest)())
    assert (last.state, last.operation) == ("blocked", "rest")
    assert shop.work() == ["census"] * 5 + ["rest"]


def test_a_group_of_none_goes_on_at_once(shop: Shop) -> None:
    """A group without members is its last job."""
    assert shop.queue.group([], then=shop.queue.message(rest)()).state == "waiting"
    assert shop.work() == ["rest"]


def test_a_chain_runs_in_order(shop: Shop) -> None:
    """Each job of a chain begins when the one before is done."""
    seen.clear()
    adopt = shop.queue.message(shop.roost.adopt)
    jobs = shop.queue.chain(*map(adopt, [3, 1, 2]))
    assert [job.state for job in jobs] == ["waiting", "blocked", "blocked"]
    shop.work()
    assert seen == [3, 1, 2]


def test_a_chain_may_end_a_group(shop: Shop) -> None:
    """What a group leads to can itself be the first job of a chain."""
    count, last = shop.queue.message(shop.roost.census), shop.queue.message(rest)()
    middle = msgspec.structs.replace(count("middle"), then=last.id)
    shop.queue.group([count("a"), count("b")], then=middle)
    shop.queue.put([msgspec.structs.replace(last, needs=1)])
    assert shop.work() == ["census", "census", "census", "rest"]


def test_a_message_is_a_part_of_one_thing(shop: Shop) -> None:
    """A unique message, or one that leads elsewhere already, cannot be a part of a group or chain."""
    end = shop.queue.message(rest)()
    with pytest.raises(ValueError, match="is unique, so its job may be another's"):
        shop.queue.chain(shop.queue.message(rest, unique="x")(), end)
    taken = msgspec.structs.replace(shop.queue.message(rest)(), then=new_id())
    with pytest.raises(ValueError, match="is followed by another job already"):
        shop.queue.group([taken], then=end)
    assert shop.queue.jobs() == []


# --- looking after -------------------------------------------------------------------------------------------------


def test_what_becomes_of_a_job(shop: Shop) -> None:
    """A job that is done has its result, as JSON and as the command's own type; a dead one its history."""
    good, bad = shop.queue.later(shop.roost.census)("cave"), shop.queue.later(shop.roost.census)("dark")
    shop.work()
    job = shop.queue.job(good.id)
    assert (job.state, job.progress, job.attempts, job.is_final) == ("done", 1.0, 1, True)
    assert job.began is not None
    assert job.finished is not None
    assert msgspec.json.decode(job.result or "") == {"bats": 40, "at": "2026-10-31T22:00:00Z"}
    assert shop.queue.result(good.id, 0) == Count(40, NIGHT)
    with pytest.raises(JobFailed, match=rf"The job {bad.id} of census is dead: It is too dark in dark\.") as caught:
        shop.queue.result(bad.id, 0)
    (attempt,) = caught.value.job.history
    assert (attempt.code, attempt.outcome, attempt.worker) == ("too_dark", "failed", "w")


def test_progress_can_be_seen(shop: Shop) -> None:
    """What a job tells of its progress is a part of the job while it runs."""
    job = shop.queue.later(sweep)(["hall", "loft"])  # type: ignore[call-arg]
    (claim,) = shop.claim("sweep")
    assert shop.queue.engine.report(claim, 0.5, "loft")
    now = shop.queue.job(job.id)
    assert (now.state, now.progress, now.note) == ("running", 0.5, "loft")


def test_a_job_that_nobody_knows(shop: Shop) -> None:
    """An unknown id is not found, everywhere."""
    for look in (shop.queue.job, shop.queue.entry, shop.queue.wait, shop.queue.result):
        with pytest.raises(NoSuchJob, match="There is no job 'x'") as caught:
            look("x")
        assert (caught.value.kind, caught.value.code) == ("not_found", "no_such_job")
    assert shop.queue.cancel("x") == shop.queue.retry("x") == shop.queue.expedite("x") == []


def test_jobs_are_listed_by_what_they_are(shop: Shop) -> None:
    """The newest first, by state, queue, command and owner, a page at a time."""
    count = shop.queue.later(shop.roost.census)
    ids = [count(str(number)).id for number in range(5)]
    swept = shop.queue.later(sweep)(["hall"])  # type: ignore[call-arg]
    listed = [job.id for job in shop.queue.jobs()]
    assert sorted(listed) == sorted([*ids, swept.id])
    assert listed == sorted(listed, reverse=True)
    assert [job.id for job in shop.queue.jobs(queue="sweep")] == [swept.id]
    assert [job.id for job in shop.queue.jobs(operation="sweep", states=["waiting"])] == [swept.id]
    assert shop.queue.jobs(states=["dead"]) == shop.queue.jobs(owner="7") == []
    first = shop.queue.jobs(limit=4)
    assert [job.id for job in [*first, *shop.queue.jobs(before=first[-1].id)]] == listed


def test_cancel_retry_and_expedite(shop: Shop) -> None:
    """Each returns the ids of the jobs that it has an effect on."""
    job, other = shop.queue.later(rest, delay=600)(), shop.queue.later(rest, delay=600)()
    assert shop.queue.expedite(job.id, "x") == [job.id]
    assert shop.work() == ["rest"]
    assert shop.queue.cancel(job.id, other.id) == [other.id]
    assert shop.queue.job(other.id).state == "cancelled"
    with pytest.raises(JobFailed, match="is cancelled"):
        shop.queue.result(other.id)
    assert shop.queue.retry(other.id) == [other.id]
    assert shop.work() == ["rest"]


def test_waiting_ends_when_the_job_does(shop: Shop) -> None:
    """`wait` sees the end of a job soon, and gives up after its time or that of the call it is in."""
    job = shop.queue.later(rest)()
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="is still waiting"):
        shop.queue.wait(job.id, 0.1)
    with calling(shop, "census", seconds=0.1), pytest.raises(DeadlineExceeded):
        shop.queue.wait(job.id, 60)
    assert time.monotonic() - began < 30
    working = threading.Timer(0.1, shop.work)
    working.start()
    assert shop.queue.wait(job.id, 20).state == "done"
    working.join()


# --- users ---------------------------------------------------------------------------------------------------------


def with_users(shop: Shop) -> list[Any]:
    """Let the app know users, and return a list in which a task leaves who it runs for."""

    def who(call: Call) -> Keeper | None:
        name = call.metadata.get("authorization")
        return Keeper(len(name), name) if name else None

    shop.app = App("bats")
    shop.queue = Queue(shop.app, shop.db)
    shop.app.identify(who)
    ran: list[Any] = []

    def look(call: Call) -> None:
        ran.append((call.user, call.protocol, call.request_id, call.metadata.get("traceparent")))

    shop.app.command(rest, allow=lambda user: True)
    shop.app.task(look)
    ran.append(look)
    return ran


def test_a_job_runs_in_the_name_of_whoever_put_it_in(shop: Shop) -> None:
    """User and trace of the call go along; the job's owner is the user's id."""
    ran = with_users(shop)
    look = ran.pop()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with calling(shop, "rest", metadata={"authorization": "mina", "traceparent": trace}) as call:
        job = shop.queue.later(look)()
        assert shop.queue.owner(call.user) == "4"
    message = shop.queue.entry(job.id).message
    assert (message.owner, msgspec.json.decode(message.user or b"")) == ("4", {"id": "4", "name": "mina"})
    nobody = shop.queue.later(look)()
    assert shop.queue.entry(nobody.id).message.owner == ""
    assert [each.id for each in shop.queue.jobs(owner="4")] == [job.id]
    shop.work()
    assert sorted(ran, key=str) == sorted(
        [(Keeper(4, "mina"), "job", job.id, trace), (None, "job", nobody.id, None)], key=str
    )


def test_an_app_may_say_whose_jobs_are_whose() -> None:
    """`owner=` decides; a user without an id is known by the whole record."""

    @dataclass(frozen=True)
    class Named:
        name: str

    app, other = App("bats"), App("cats")
    db = Database("sqlite://")
    assert Queue(app, db).owner(Named("mina")) == '{"name":"mina"}'
    assert Queue(other, db, owner=lambda user: user.name).owner(Named("mina")) == "mina"
    assert Queue(App("rats"), db).owner(None) == ""
    db.close()


# --- the app -------------------------------------------------------------------------------------------------------


def test_an_app_has_one_queue(shop: Shop) -> None:
    """A second queue is refused; the first one is a resource of the app, which health asks."""
    with pytest.raises(RegistrationError, match="the app has a queue already"):
        Queue(App("other"), shop.db).__init__(shop.app, shop.db)  # type: ignore[misc]
    (found,) = [resource for resource in shop.app.resources if isinstance(resource, Queue)]
    found.check()
    assert "jobs in" in repr(found)


def test_messages_are_inert(shop: Shop) -> None:
    """A message that is not put in changes nothing; put in twice, it is one job."""
    message = shop.queue.message(rest)()
    assert isinstance(message, Message)
    assert shop.queue.jobs() == []
    assert [job.id for job in shop.queue.put([message])] == [job.id for job in shop.queue.put([message])]
    assert shop.work() == ["rest"]


EDITOR = """
from typing import assert_type
from mergepoint import App
from mergepoint.db import Database
from mergepoint.jobs import Job, Message
from mergepoint.tasks import Queue

class Roost:
    def census(self, name: str, limit: int = 10) -> int:
        return 1

app, roost = App("bats"), Roost()
queue = Queue(app, Database("sqlite://"))

@app.command(background=True)
def sweep(room: str) -> None: ...

assert_type(sweep("hall"), None)
assert_type(queue.later(sweep)("hall"), Job)
assert_type(queue.later(roost.census)("cave", limit=3), Job)
assert_type(queue.later(roost.census, delay=3, priority="high", unique="x")("cave"), Job)
assert_type(queue.message(roost.census)("cave"), Message)
assert_type(queue.later(roost), Roost)
assert_type(queue.later(roost, delay=3).census("cave"), int)
assert_type(queue.put([queue.message(sweep)("hall")]), list[Job])
assert_type(queue.group([queue.message(sweep)("hall")], then=queue.message(sweep)("loft")), Job)

queue.later(sweep)(7)  # type: ignore[arg-type]
queue.later(sweep)()  # type: ignore[call-arg]
queue.later(roost.census)("cave", depth=3)  # type: ignore[call-arg]
queue.message(roost.census)(limit="3", name="cave")  # type: ignore[arg-type]
queue.later(sweep, priority="urgent")  # type: ignore[call-overload]
queue.later(sweep, dealy=3)  # type: ignore[call-overload]
queue.later(roost).census(7)  # type: ignore[arg-type]
"""


def test_an_editor_checks_what_is_put_off(tmp_path: Path) -> None:
    """To a type checker `queue.later(fn)` takes what `fn` takes and gives a job; wrong calls are found."""
    page = tmp_path / "user.py"
    page.write_text(textwrap.dedent(EDITOR))
    settings = ["--strict", "--config-file=", f"--cache-dir={ROOT / '.mypy_cache' / 'editor'}"]
    found, trouble, status = mypy.run([*settings, str(page)])
    assert (status, trouble) == (0, ""), found
