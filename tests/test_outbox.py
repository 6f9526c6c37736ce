"""The outbox: jobs of an engine beside the database come with the commit, exactly one each, whatever dies when."""

# ruff: noqa: PT012 - what fails is a transaction, with all that happens in it

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from tests.databases import database_url
from tests.redises import prefixed
from tests.served import wait_until

from mergepoint import App
from mergepoint.db import Database
from mergepoint.jobs import Entry, Message, new_id
from mergepoint.redis import Worklist
from mergepoint.tasks import Outbox, Queue
from mergepoint.tasks import outbox as module
from mergepoint.testing import engines
from mergepoint.testing.engines import putting
from mergepoint.testing.engines.case import together

KINDS = ("sqlite", "postgresql", "mariadb")
NOTES = sa.Table("notes", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of an empty database."""
    with database_url(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    """Return a database with a table of an application."""
    with closing(Database(url)) as db:
        with db.session() as link:
            NOTES.create(link.connection)
        yield db


@pytest.fixture(scope="module")
def redis() -> Iterator[tuple[str, str]]:
    """Return the URL of a Redis server, and how the keys of these tests begin."""
    with prefixed() as place:
        yield place


@pytest.fixture
def place(redis: tuple[str, str]) -> tuple[str, str]:
    """Return the URL of a Redis server and a prefix of keys that no other test uses."""
    url, prefix = redis
    return url, f"{prefix}_{uuid4().hex[:8]}"


@pytest.fixture
def worklist(place: tuple[str, str]) -> Iterator[Worklist]:
    """Return an engine that is not the database."""
    with closing(Worklist(place[0], prefix=place[1])) as worklist:
        yield worklist


@pytest.fixture
def outbox(db: Database, worklist: Worklist) -> Outbox:
    """Return an outbox."""
    return Outbox(worklist, db)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what another process left be taken at once."""
    monkeypatch.setattr(module, "HOLD", -1.0)


def message(**fields: object) -> Message:
    """Return a message."""
    return Message(id=new_id(), operation="publish", created=1_790_000_000.0, **fields)  # type: ignore[arg-type]


def left(db: Database) -> int:
    """Return how many rows are in the outbox."""
    return db.fetch(sa.select(sa.func.count()).select_from(sa.table("mergepoint_outbox")))[0]


def known(worklist: Worklist) -> list[str]:
    """Return the ids of all jobs, in their order."""
    return sorted(entry.message.id for entry in worklist.entries(limit=1000))


def state(entry: Entry | None) -> str | None:
    """Return the state of a job, or None."""
    return None if entry is None else entry.state


# --- transactions ---


def test_a_commit_brings_the_job(db: Database, outbox: Outbox, worklist: Worklist) -> None:
    """Inside the transaction there is no job for workers; after the commit there is, at once, and the row is gone."""
    job = message()
    with db.transaction():
        assert outbox.put([job]) == [job.id]
        assert known(worklist) == []
        assert state(outbox.get(job.id)) == "waiting"
    assert known(worklist) == [job.id]
    assert left(db) == 0


def test_a_rollback_brings_none(db: Database, outbox: Outbox, worklist: Worklist) -> None:
    """Rolled back, nothing is left: no job, and no row."""
    job = message()
    with pytest.raises(ZeroDivisionError), db.transaction():
        outbox.put([job])
        raise ZeroDivisionError
    outbox.recover()
    assert (known(worklist), left(db), outbox.get(job.id)) == ([], 0, None)


def test_a_savepoint_takes_its_jobs_along(db: Database, outbox: Outbox, worklist: Worklist) -> None:
    """A savepoint that is rolled back takes its jobs along, and leaves those around it."""
    before, inside, after = message(), message(), message()
    with db.transaction():
        outbox.put([before])
        with pytest.raises(ZeroDivisionError), db.transaction():
            outbox.put([inside])
            raise ZeroDivisionError
        outbox.put([after])
    assert known(worklist) == sorted([before.id, after.id])
    assert left(db) == 0


def test_without_a_transaction_it_is_the_engine(db: Database, outbox: Outbox, worklist: Worklist) -> None:
    """Outside of a transaction jobs go to the engine directly."""
    job = message()
    assert outbox.put([job]) == [job.id]
    with db.unit_of_work(kind="query"):
        outbox.put([message()])
    assert len(known(worklist)) == 2


def test_a_queue_over_an_outbox(db: Database, outbox: Outbox, worklist: Worklist) -> None:
    """Application code calls `later` and knows nothing of it."""
    app = App("news")

    @app.command
    def publish(id: int) -> None:
        """Publish something."""

    queue = Queue(app, outbox)
    with db.transaction():
        job = queue.later(publish)(7)
        assert queue.job(job.id).state == "waiting"
    assert known(worklist) == [job.id]


def test_unique_jobs_have_ids_of_their_own(db: Database, outbox: Outbox, worklist: Worklist) -> None:
    """A unique message gets its own id inside a transaction; if its key has a job already, it is dropped."""
    first, second = message(unique="k"), message(unique="k")
    assert outbox.put([first]) == [first.id]
    with db.transaction():
        assert outbox.put([second]) == [second.id]
    assert (known(worklist), outbox.get(second.id)) == ([first.id], None)


# --- failures ---


@pytest.mark.usefixtures("soon")
def test_an_engine_that_is_down_at_the_commit(db: Database, worklist: Worklist) -> None:
    """The caller sees no error, and the jobs arrive when the engine is back."""
    with closing(Worklist(NOWHERE, prefix="nowhere")) as down:
        outbox = Outbox(down, db)
        jobs = [message() for _ in range(3)]
        for job in jobs:
            with db.transaction():
                outbox.put([job])
        assert left(db) == 3
    Outbox(worklist, db).recover()
    assert known(worklist) == sorted(job.id for job in jobs)
    assert left(db) == 0


def test_a_living_process_is_given_time_to_relay(db: Database, worklist: Worklist) -> None:
    """Others leave a row alone for a few seconds: whoever committed it is about to relay it."""
    with closing(Worklist(NOWHERE, prefix="nowhere")) as down, db.transaction():
        Outbox(down, db).put([message()])
    Outbox(worklist, db).recover()
    assert (known(worklist), left(db)) == ([], 1)


@pytest.mark.usefixtures("soon")
def test_many_processes_relay_what_was_left(db: Database, worklist: Worklist, place: tuple[str, str]) -> None:
    """Eight that recover at once relay 300 rows, each job once, and wait for nobody."""
    with closing(Worklist(NOWHERE, prefix="nowhere")) as down:
        outbox = Outbox(down, db)
        jobs = [message() for _ in range(300)]
        with db.transaction():
            for job in jobs:
                outbox.put([job])
    others = [Outbox(worklist, db) for _ in range(8)]
    together([other.recover for other in others])
    assert known(worklist) == sorted(job.id for job in jobs)
    assert left(db) == 0


@pytest.mark.usefixtures("soon")
def test_jobs_that_belong_together_stay_together(db: Database, worklist: Worklist) -> None:
    """A group put in at once arrives at once, in its order, and its last job waits for the others."""
    last = message(needs=2)
    members = [message(then=last.id), message(then=last.id)]
    with closing(Worklist(NOWHERE, prefix="nowhere")) as down:
        outbox = Outbox(down, db)
        with db.transaction():
            outbox.put([last, *members])
        assert state(Outbox(worklist, db).get(last.id)) == "blocked"
    Outbox(worklist, db).recover()
    assert [state(worklist.get(job.id)) for job in (last, *members)] == ["blocked", "waiting", "waiting"]


class Picky(Worklist):
    """An engine that refuses some messages."""

    def put(self, messages: Sequence[Message]) -> list[str]:
        """Keep jobs, unless one of them is for an operation that it does not like."""
        if any(message.operation == "poison" for message in messages):
            raise ValueError("poison")
        return super().put(messages)


@pytest.mark.usefixtures("soon")
def test_a_message_that_the_engine_refuses_holds_up_no_other(db: Database, place: tuple[str, str]) -> None:
    """A row that cannot be relayed stays, and those beside it go."""
    good = [message() for _ in range(3)]
    with closing(Worklist(NOWHERE, prefix="nowhere")) as down, db.transaction():
        for job in (good[0], Message(id=new_id(), operation="poison"), *good[1:]):
            Outbox(down, db).put([job])
    with closing(Picky(place[0], prefix=place[1])) as picky:
        Outbox(picky, db).recover()
        assert (known(picky), left(db)) == (sorted(job.id for job in good), 1)


DYING = """
import os, signal, sys
from mergepoint.db import Database
from mergepoint.jobs import Message
from mergepoint.redis import Worklist
from mergepoint.tasks import Outbox, outbox as module

module.HOLD = 0.5
url, redis, prefix, id, point = sys.argv[1:]
worklist, db = Worklist(redis, prefix=prefix), Database(url)
outbox = Outbox(worklist, db)
outbox.recover()


def die(*ignored):
    os.kill(os.getpid(), signal.SIGKILL)


def put_and_die(messages, put=worklist.put):
    put(messages)
    die()


if point == "before the relay":
    worklist.put = die
if point == "after the relay":
    worklist.put = put_and_die
with db.transaction():
    outbox.put([Message(id=id, operation="publish", keep=0)])
    if point == "before the commit":
        die()
"""


@pytest.mark.parametrize(("point", "jobs"), [("before the commit", 0), ("before the relay", 1), ("after the relay", 1)])
def test_a_process_that_is_killed(
    point: str,
    jobs: int,
    db: Database,
    worklist: Worklist,
    url: str,
    place: tuple[str, str],
    record_property: Callable[[str, object], None],
) -> None:
    """Killed with SIGKILL at any point: committed, there is one job; not committed, there is none."""
    id = new_id()
    process = subprocess.run([sys.executable, "-c", DYING, url, *place, id, point], check=False)
    assert process.returncode == -signal.SIGKILL
    outbox = Outbox(worklist, db)
    if jobs:
        wait_until(lambda: outbox.recover() == 0 and left(db) == 0)
    assert known(worklist) == [id] * jobs


@pytest.mark.parametrize("case", [case for case in engines.cases() if case in vars(putting).values()], ids=str)
def test_an_outbox_is_an_engine(case: engines.Case, place: tuple[str, str], tmp_path: Path) -> None:
    """What holds of putting jobs into the engine holds of the outbox in front of it."""
    with closing(Database(f"sqlite:///{tmp_path / 'news.db'}")) as db:
        case.run(lambda: closing(Outbox(Worklist(place[0], prefix=place[1]), db)))
