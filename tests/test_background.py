"""Background commands on every protocol: callers get a job. And what the owners of jobs may do with them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import anyio
import msgspec
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from mcp import Client
from tests.drivers.grpc import Grpc
from tests.drivers.http import Rest
from tests.drivers.zeromq import ZeroMQ
from tests.web import Answer, request

from mergepoint import App, Call, Failure, Id, Page, Progress, anyone, cli, mcp, rest, role, signed_in, tasks
from mergepoint.__main__ import main
from mergepoint.db import Database
from mergepoint.errors import InvalidArgument, RegistrationError
from mergepoint.graphql import Caller, Request, Schema
from mergepoint.jobs import Job, Lane, Runner
from mergepoint.rest.openapi import describe

SECONDS = 20
"""The patience of a test; what it waits for comes in less than one."""

MINA, ADA, KEEPER = ({"authorization": name} for name in ("mina", "ada", "keeper"))


@dataclass(frozen=True)
class User:
    """Who is calling."""

    id: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Count:
    """How many bats there are."""

    bats: int


class TooDark(Exception):
    """Nobody can count."""


def census(room: str, progress: Progress) -> Count:
    """Count the bats of a room.

    Args:
        room: where.
        progress: hears how far this is.
    """
    progress(0.5, "half of them")
    if room == "dark":
        raise TooDark("It is too dark.")
    return Count(len(room))


def stock(id: Id) -> None:
    """Put food in; it gives nothing."""


def tidy() -> None:
    """Clean up; only jobs run this."""


class Cave:
    """An app with background commands, its queue, and a worker that is a method."""

    def __init__(self, url: str, *, users: bool = True, **options: Any) -> None:
        self.db = Database(url)
        self.app = App("cave", errors={TooDark: "failed_precondition"})
        self.queue = tasks.Queue(self.app, self.db)
        self.app.around(self.db.unit_of_work)
        if users:
            self.app.identify(self._user)
        allow = signed_in if users else None
        self.app.command(census, background=True, allow=allow, retries=0)
        self.app.command(stock, background=True, allow=allow, http="PUT /rooms/{id}/food")
        self.app.task(tidy)
        self.app.include(tasks.api(self.queue, **options))

    @staticmethod
    def _user(call: Call) -> User | None:
        name = call.metadata.get("authorization")
        return User(name, frozenset({"keeper"} if name == "keeper" else ())) if name else None

    def http(self, method: str, target: str, who: Mapping[str, str] = MINA, **fields: Any) -> Answer:
        """Send a request to the API."""
        return request(rest.wsgi(self.app, prefix="/api"), method, f"/api{target}", headers=dict(who), **fields)

    def put_in(self, room: str = "hall", who: Mapping[str, str] = MINA) -> str:
        """Ask for a count; return the id of its job."""
        answer = self.http("POST", "/census", who, json_body={"room": room})
        assert answer.status == 202, answer.body
        return str(answer.json["id"])

    def work(self) -> None:
        """Run what is due."""
        runner = Runner(self.app, "w", self.queue.engine.report)
        while claims := self.queue.engine.claim("w", [Lane()], 10, 60.0):
            self.queue.engine.settle([runner.run(claim) for claim in claims])

    def close(self) -> None:
        """Let go of the database."""
        self.app.close()
        self.db.close()


Dig = Callable[..., Cave]


@pytest.fixture
def dig(tmp_path: Path) -> Iterator[Dig]:
    """Return a function that makes a cave on a database in a file."""
    made: list[Cave] = []

    def make(**options: Any) -> Cave:
        made.append(Cave(f"sqlite:///{tmp_path / f'{len(made)}.db'}", **options))
        return made[-1]

    yield make
    for cave in made:
        cave.close()


@pytest.fixture
def cave(dig: Dig) -> Cave:
    """Return a cave whose keeper oversees all jobs."""
    return dig(overseer=role("keeper"))


# --- every protocol ------------------------------------------------------------------------------------------------


class Counting(Protocol):
    """The background commands as their callers see them."""

    def census(self, room: str) -> Job: ...
    def stock(self, id: Id) -> Job: ...


class Plain(Protocol):
    """What the commands themselves give."""

    def census(self, room: str) -> Count: ...


DRIVERS: list[Any] = [Rest(), Grpc(), ZeroMQ()]


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: type(driver).__name__)
def test_a_typed_client_gets_the_job(cave: Cave, driver: Any) -> None:
    """A client of a Protocol whose methods give a `Job` gets that, whatever the command itself gives."""
    with driver.connect(cave.app, Counting, MINA) as remote:
        jobs = [remote.census("hall"), remote.stock(7)]
        with pytest.raises(InvalidArgument if not isinstance(driver, Grpc) else (InvalidArgument, Failure)):
            remote.census(7)
    for job, name in zip(jobs, ["census", "stock"], strict=True):
        assert isinstance(job, Job)
        assert (job.operation, job.state, job.result) == (name, "waiting", None)
        assert job.created.tzinfo is not None
        assert cave.queue.entry(job.id).message.owner == "mina"
    assert len(cave.queue.jobs()) == 2
    cave.work()
    assert cave.queue.result(jobs[0].id, 0) == Count(4)


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: type(driver).__name__)
def test_a_client_of_the_service_itself_is_told(cave: Cave, driver: Any) -> None:
    """A client whose method gives what the command gives is not handed something else."""
    with driver.connect(cave.app, Plain, MINA) as remote, pytest.raises(Failure) as caught:
        remote.census("hall")
    assert caught.value.code in ("bad_answer", "unimplemented")


def test_rest_answers_202_with_the_job_and_where_it_is(cave: Cave) -> None:
    """The status is 202, the body the job, and `Location` where it can be looked at."""
    answer = cave.http("POST", "/census", json_body={"room": "hall"})
    assert answer.status == 202
    assert (answer.json["operation"], answer.json["state"]) == ("census", "waiting")
    assert answer.headers["location"] == f"/api/jobs/{answer.json['id']}"
    looked = request(rest.wsgi(cave.app, prefix="/api"), "GET", answer.headers["location"], headers=MINA)
    assert (looked.status, looked.json | {"due": None}) == (200, answer.json | {"due": None})
    assert cave.http("PUT", "/rooms/7/food").status == 202
    refused = cave.http("POST", "/census", json_body={"rom": "hall"})
    assert (refused.status, [each["path"] for each in refused.json["errors"]]) == (422, ["$.rom", "$.room"])
    assert cave.http("POST", "/census", {}, json_body={"room": "hall"}).status == 401
    assert len(cave.queue.jobs()) == 2


def test_without_the_owners_operations_there_is_no_location(tmp_path: Path) -> None:
    """Where no operation shows a job, the answer does not say that one does."""
    with closing(Database(f"sqlite:///{tmp_path / 'cave.db'}")) as db:
        app = App("cave")
        tasks.Queue(app, db)
        app.command(census, background=True)
        answer = request(rest.wsgi(app), "POST", "/census", json_body={"room": "hall"})
        assert (answer.status, "location" in answer.headers) == (202, False)


def test_openapi_tells_of_the_job(cave: Cave) -> None:
    """The description has 202, the header, and a schema that the answer fits."""
    document = describe(cave.app)
    told = document["paths"]["/census"]["post"]["responses"]
    assert "200" not in told
    assert set(told["202"]["headers"]) == {"X-Request-Id", "Location"}
    schema = told["202"]["content"]["application/json"]["schema"]
    answer = cave.http("POST", "/census", json_body={"room": "hall"}).json
    Draft202012Validator({**schema, "components": document["components"]}).validate(answer)
    assert "/jobs/{id}/progress" in document["paths"]
    assert "tidy" not in json.dumps(document["paths"])


def test_graphql_has_a_mutation_that_gives_the_job(cave: Cave) -> None:
    """A mutation gives the type Job; fields of it are asked for as of any other."""
    schema = Schema(cave.app)
    asked = 'mutation { census(room: "hall") { id state operation history { message } } }'
    answer = schema.prepare(Request(asked)).run({}, Caller(MINA, "r1"))
    job = msgspec.json.decode(answer.body)["data"]["census"]
    assert (job["state"], job["operation"], job["history"]) == ("waiting", "census", [])
    looked = schema.prepare(Request("query($id: String!) { jobs_job(id: $id) { id progress } }", {"id": job["id"]}))
    found = msgspec.json.decode(looked.run({"id": job["id"]}, Caller(MINA, "r2")).body)["data"]["jobs_job"]
    assert found == {"id": job["id"], "progress": 0.0}
    assert "tidy" not in schema.sdl


def test_an_agent_gets_the_job(cave: Cave) -> None:
    """The tool of a background command answers with the job, as its output schema says."""

    async def call() -> Any:
        async with Client(mcp.server(cave.app, metadata=MINA)) as client:
            (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == "census"]
            return tool, await client.call_tool("census", {"room": "hall"})

    tool, answer = anyio.run(call)
    assert answer.structured_content["operation"] == "census"
    Draft202012Validator(tool.output_schema).validate(answer.structured_content)


def test_a_command_line_prints_the_job(cave: Cave) -> None:
    """`call` prints the job as JSON and does not wait for it."""
    answer = CliRunner().invoke(cli.group(cave.app, metadata=MINA), ["census", "--room", "hall", "--json"])
    assert answer.exit_code == 0, answer.stderr
    job = json.loads(answer.stdout)
    assert cave.queue.job(job["id"]).state == job["state"] == "waiting"
    shown = CliRunner().invoke(cli.group(cave.app, metadata=MINA), ["jobs", "job", "--id", job["id"], "--json"])
    assert json.loads(shown.stdout) | {"due": None} == job | {"due": None}


def test_a_job_is_put_in_with_the_rest_of_the_call(cave: Cave) -> None:
    """The call's own surroundings are there: if one of them fails after the command, there is no job."""

    class Grumpy:
        def __enter__(self) -> None: ...
        def __exit__(self, *error: object) -> None:
            raise TooDark("No.")

    cave.app.around(lambda call: Grumpy())
    assert cave.http("POST", "/census", json_body={"room": "hall"}).status == 409
    assert cave.queue.jobs() == []


def test_a_background_command_needs_a_queue() -> None:
    """Without a queue the app is refused at start-up, with the remedy; so is what cannot run as a job."""
    app = App("cave")
    app.command(census, background=True)
    with pytest.raises(RegistrationError, match=r"`census` shall run in the background, but there is no queue: call"):
        assert app.operations
    with pytest.raises(RegistrationError, match="only a command without files and streams can run as a job"):
        app.query(name="look", background=True)(stock)
    with pytest.raises(RegistrationError, match="answers before anything is made, so location= leads nowhere"):
        app.command(name="make", background=True, location="/x")(stock)


def test_progress_is_filled_where_there_is_a_job_and_heard_by_nobody_elsewhere(cave: Cave) -> None:
    """A parameter that is `Progress`, or may be, is no parameter to callers."""

    def count(progress: Progress | None = None) -> bool:
        return progress is not None

    app = App("plain")
    app.command(count)
    app.command(census)
    assert [parameter.name for parameter in app.operations["census"].contract.parameters] == ["room"]
    assert app.operations["count"](Call(app.operations["count"])) is True
    assert app.operations["census"](Call(app.operations["census"]), "hall") == Count(4)


# --- routes --------------------------------------------------------------------------------------------------------

TARGET = '''
from mergepoint import App, tasks
from mergepoint.db import Database

app = App("cave")
queue = tasks.Queue(app, Database("sqlite:///cave.db"))


@app.command(background=True, concurrency=2, rate=10, timeout=60)
def census(room: str) -> int:
    """Count the bats."""
    return len(room)


@app.command
def stock() -> None:
    """Put food in."""


@app.task(retries=1)
def tidy() -> None:
    """Clean up."""


app.include(tasks.api(queue))
'''


def test_routes_tell_what_runs_as_jobs(tmp_path: Path) -> None:
    """Background commands and tasks have a table with queue and limits; a task stands on no protocol."""
    target = tmp_path / "cave_routes.py"
    target.write_text(TARGET)
    shown = CliRunner().invoke(main, ["routes", str(target)]).stdout
    policy, others, jobs, *_ = shown.split("\n\n")
    assert "tidy" not in policy + others
    assert [line.split() for line in jobs.splitlines()] == [
        ["JOB", "KIND", "QUEUE", "TIMEOUT", "RETRIES", "LIMITS"],
        ["census", "background", "census", "60", "s", "5", "2", "at", "a", "time,", "10", "a", "second"],
        ["tidy", "task", "default", "3600", "s", "1", "-"],
    ]
    found = {
        each["operation"]: each
        for each in json.loads(CliRunner().invoke(main, ["routes", "--json", str(target)]).stdout)
    }
    assert found["census"]["job"] == {
        "runs": "background", "queue": "census", "timeout": 60, "retries": 5, "keep": 3600.0, "concurrency": 2,
        "rate": 10,
    }  # fmt: skip
    assert (found["stock"]["job"], found["tidy"]["job"]["runs"], found["tidy"]["protocols"]) == (None, "task", {})
    story = CliRunner().invoke(main, ["routes", str(target), "tidy"]).stdout
    assert "only as a job" in story
    assert "REST" not in story


# --- the owner's operations ----------------------------------------------------------------------------------------


def test_an_owner_sees_their_own_jobs_only(cave: Cave) -> None:
    """Somebody else's job is not there: looking, watching, cancelling and fetching say the same as for no job."""
    mine, theirs = cave.put_in(), cave.put_in(who=ADA)
    assert cave.http("GET", f"/jobs/{mine}").json["id"] == mine
    for method, path in [("GET", ""), ("GET", "/progress"), ("GET", "/result"), ("POST", "/cancel")]:
        answers = [cave.http(method, f"/jobs/{id}{path}") for id in (theirs, "0" * 24)]
        assert [(a.status, a.json["code"]) for a in answers] == [(404, "no_such_job")] * 2
        assert cave.http(method, f"/jobs/{mine}{path}", {}).status == 401
    assert [job["id"] for job in cave.http("GET", "/jobs").json["items"]] == [mine]
    assert cave.queue.job(theirs).state == "waiting"
    assert [cave.http("POST", f"/jobs/{mine}/{act}").status for act in ("retry", "expedite")] == [403, 403]


def test_jobs_of_nobody_are_seen_by_no_owner(dig: Dig) -> None:
    """What nobody put in belongs to nobody: neither users nor those who are none see it."""
    cave = dig(allow=anyone)
    job = cave.queue.later(tidy)()
    for who in (MINA, {}):
        assert cave.http("GET", f"/jobs/{job.id}", who).status == 404
        assert cave.http("GET", "/jobs", who).json == {"items": [], "next": None}


def test_jobs_are_listed_a_page_at_a_time(cave: Cave) -> None:
    """The newest first; `next` leads on, `state` chooses."""
    ids = sorted((cave.put_in() for _ in range(5)), reverse=True)
    cave.put_in(who=ADA)
    first = cave.http("GET", "/jobs?limit=3").json
    second = cave.http("GET", f"/jobs?limit=3&after={first['next']}").json
    assert [job["id"] for job in first["items"] + second["items"]] == ids
    assert second["next"] is None
    cave.http("POST", f"/jobs/{ids[0]}/cancel")
    assert [job["id"] for job in cave.http("GET", "/jobs?state=cancelled").json["items"]] == ids[:1]
    assert cave.http("GET", "/jobs?state=lost").status == 422


def test_an_overseer_sees_and_moves_everybodys_jobs(cave: Cave) -> None:
    """Who the predicate lets in sees all jobs, cancels, puts back and expedites them; wrong states are explained."""
    id, hidden = cave.put_in("dark"), cave.queue.later(tidy)().id
    assert {job["id"] for job in cave.http("GET", "/jobs", KEEPER).json["items"]} == {id, hidden}
    assert cave.http("POST", f"/jobs/{id}/expedite", KEEPER).status == 200
    early = cave.http("POST", f"/jobs/{id}/retry", KEEPER)
    assert (early.status, early.json["code"]) == (409, "wrong_state")
    assert "is waiting: it runs anyway; expedite it" in early.json["detail"]
    cave.work()
    assert cave.http("GET", f"/jobs/{id}", KEEPER).json["state"] == "dead"
    assert "is dead: retry it" in cave.http("POST", f"/jobs/{id}/expedite", KEEPER).json["detail"]
    assert cave.http("POST", f"/jobs/{id}/retry", KEEPER).json["state"] == "waiting"
    assert cave.http("POST", f"/jobs/{hidden}/retry", KEEPER).json["detail"].endswith("run it once more.")
    assert cave.http("POST", f"/jobs/{'0' * 24}/retry", KEEPER).status == 404


def test_nobody_oversees_unless_it_is_said(dig: Dig) -> None:
    """Without an overseer nobody may put back or expedite: there are no such operations."""
    cave = dig()
    assert not {"jobs.retry", "jobs.expedite"} & cave.app.operations.keys()
    assert cave.http("GET", "/jobs", KEEPER).json["items"] == []


def test_an_app_without_users_lets_everybody_do_everything(dig: Dig) -> None:
    """Where nobody is known, jobs are everybody's."""
    cave = dig(users=False)
    id = cave.put_in(who={})
    assert cave.http("POST", f"/jobs/{id}/expedite", {}).status == 200
    assert cave.http("POST", f"/jobs/{id}/cancel", {}).json["state"] == "cancelled"
    assert cave.http("POST", f"/jobs/{id}/retry", {}).json["state"] == "waiting"
    assert [job["id"] for job in cave.http("GET", "/jobs", {}).json["items"]] == [id]


def test_an_app_that_learns_of_users_afterwards_is_refused(tmp_path: Path) -> None:
    """Whom the operations allow is decided when they are made; too early, the app does not start."""
    with closing(Database(f"sqlite:///{tmp_path / 'cave.db'}")) as db:
        app = App("cave")
        app.include(tasks.api(tasks.Queue(app, db)))
        app.identify(lambda call: None)
        with pytest.raises(RegistrationError, match=r"who may call `jobs\.cancel`"):
            assert app.operations


def test_a_job_is_cancelled_by_its_owner(cave: Cave) -> None:
    """One that waits is cancelled, one that runs is asked to stop; again changes nothing; one that is done stays so."""
    waiting, done = cave.put_in(), cave.put_in()
    assert [cave.http("POST", f"/jobs/{waiting}/cancel").json["state"] for _ in range(2)] == ["cancelled"] * 2
    running = cave.queue.engine.claim("w", [Lane()], 1, 60.0)[0].message.id
    assert running == done
    for _ in range(2):
        answer = cave.http("POST", f"/jobs/{running}/cancel").json
        assert (answer["state"], answer["cancelling"]) == ("running", True)
    other = cave.put_in()
    cave.work()
    late = cave.http("POST", f"/jobs/{other}/cancel")
    assert (late.status, late.json["code"]) == (409, "wrong_state")
    assert late.json["detail"] == f"The job {other} is done: there is nothing left to stop."


def test_a_result_is_fetched_for_a_while(cave: Cave) -> None:
    """What a job gave is a file of JSON; before its end, and of one that failed, there is none."""
    good, nothing, bad = cave.put_in("hall"), cave.http("PUT", "/rooms/7/food").json["id"], cave.put_in("dark")
    early = cave.http("GET", f"/jobs/{good}/result")
    assert (early.status, early.json["code"]) == (409, "no_result_yet")
    cave.work()
    answer = cave.http("GET", f"/jobs/{good}/result")
    assert (answer.status, answer.json, answer.headers["content-type"]) == (200, {"bats": 4}, "application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert cave.http("GET", f"/jobs/{nothing}/result").json is None
    failed = cave.http("GET", f"/jobs/{bad}/result")
    assert (failed.status, failed.json["code"]) == (409, "job_failed")
    assert "It is too dark" in failed.json["detail"]


def events(cave: Cave, id: str, who: Mapping[str, str] = MINA) -> Iterator[Any]:
    """Watch a job as a browser does."""
    answer = cave.http("GET", f"/jobs/{id}/progress", {**who, "Accept": "text/event-stream"})
    assert answer.headers["content-type"] == "text/event-stream"
    yield from (json.loads(line.removeprefix("data: ")) for line in answer.body.decode().split("\n\n") if line)


def test_a_job_can_be_watched(cave: Cave) -> None:
    """Server-sent events bring the job now, at each change, and for the last time when it is over."""
    id = cave.put_in()
    told: list[Any] = []
    watching = threading.Thread(target=lambda: told.extend(events(cave, id)))
    watching.start()
    engine = cave.queue.engine
    time.sleep(0.3)
    (claim,) = engine.claim("w", [Lane()], 1, 60.0)
    for done in (0.25, 0.75):
        assert engine.report(claim, done, f"room {done}")
        time.sleep(0.3)
    engine.settle([Runner(cave.app, "w", engine.report).run(claim)])
    watching.join(SECONDS)
    assert not watching.is_alive()
    seen = [(job["state"], job["progress"]) for job in told]
    assert seen[0] == ("waiting", 0.0)
    assert seen[-1] == ("done", 1.0)
    assert ("running", 0.25) in seen
    assert ("running", 0.75) in seen
    assert len(seen) == len(set(seen)), "nothing is told twice within seconds"


def test_watching_a_job_holds_no_connection(cave: Cave) -> None:
    """Any number of watchers may wait while the database has connections for few."""
    small = Database(cave.db.url, connections=2)
    app = App("cave")
    queue = tasks.Queue(app, small)
    app.around(small.unit_of_work)
    app.include(tasks.api(queue))
    id = cave.put_in()
    watchers = [app.operations["jobs.progress"](Call(app.operations["jobs.progress"]), id) for _ in range(5)]
    try:
        assert [next(watcher).state for watcher in watchers] == ["waiting"] * 5
        cave.work()
        assert [next(watcher).state for watcher in watchers] == ["done"] * 5
    finally:
        for watcher in watchers:
            watcher.close()
        small.close()


def test_jobs_have_pages_in_python_too(cave: Cave) -> None:
    """The operations are operations: they can be called like any others."""
    operation = cave.app.operations["jobs.jobs"]
    id = cave.put_in()
    page = operation(Call(operation, metadata=MINA))
    assert isinstance(page, Page)
    assert [job.id for job in page.items] == [id]
    with suppress(StopIteration):
        watched = cave.app.operations["jobs.progress"](Call(cave.app.operations["jobs.progress"], metadata=MINA), id)
        assert next(watched).state == "waiting"
        watched.close()
