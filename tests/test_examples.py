"""The examples do what they say: each is imported as a user would write it, and called over REST."""

import hashlib
import importlib
import io
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from mergepoint import App, rest, tasks
from mergepoint.errors import ConfigError
from mergepoint.jobs import Runner
from mergepoint.schedule import Scheduler
from mergepoint.tasks import Queue

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

HELLO = '''\
# hello.py
from mergepoint import App

app = App("hello")

@app.query
def greet(name: str = "World") -> str:
    """Say hello to somebody."""
    return f"Hello, {name}!"
'''


@pytest.fixture
def example() -> Callable[[str], ModuleType]:
    """Return a function that imports an example anew, so that no test sees what another left in it."""

    def load(name: str) -> ModuleType:
        return importlib.reload(importlib.import_module(name))

    return load


def _over_rest(app: App) -> Client:
    return Client(rest.wsgi(app))


def _said(answer: TestResponse) -> Any:
    return json.loads(answer.text)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_an_app(
    path: Path, example: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file has an `app`, or `create` that makes one, and leaves it to somebody else to run it."""
    monkeypatch.chdir(tmp_path)
    module = example(path.stem)
    app = module.app if hasattr(module, "app") else module.create()
    assert isinstance(app, App)
    assert app.operations
    app.close()


def test_hello_is_as_short_as_the_readme_says() -> None:
    """The first example stands in its file exactly as people read it."""
    assert (ROOT / "examples" / "hello.py").read_text() == HELLO
    assert HELLO.partition("\n")[2].strip() in (ROOT / "README.md").read_text()


def test_hello_greets(example: Callable[[str], ModuleType]) -> None:
    """A parameter with a default is a query parameter that may be left out."""
    client = _over_rest(example("hello").app)
    assert _said(client.get("/greet?name=Bat")) == "Hello, Bat!"
    assert _said(client.get("/greet")) == "Hello, World!"


def test_bats_are_adopted_found_and_released(example: Callable[[str], ModuleType]) -> None:
    """A keeper takes a bat in, everybody sees it, only the head keeper lets it go."""
    client = _over_rest(example("roost").create())
    keeper, head = {"Authorization": "Bearer wing"}, {"Authorization": "Bearer claw"}
    adopted = client.post("/bats", json={"name": "Flap"}, headers=keeper)
    assert (adopted.status_code, _said(adopted)["id"], _said(adopted)["name"]) == (201, "1", "Flap")
    assert adopted.headers["Location"].endswith("/bats/1")
    assert _said(client.get("/bats/1")) == _said(adopted)
    assert _said(client.get("/bats?name=la")) == [_said(adopted)]
    assert client.delete("/bats/1", headers=keeper).status_code == 403
    assert client.delete("/bats/1", headers=head).status_code == 204
    assert _said(client.get("/bats")) == []


def test_bats_refuse_in_their_own_words(example: Callable[[str], ModuleType]) -> None:
    """Strangers, missing bats, taken names and empty names each get the answer of their kind."""
    client = _over_rest(example("roost").create())
    keeper = {"Authorization": "Bearer wing"}
    client.post("/bats", json={"name": "Flap"}, headers=keeper)
    missing = client.get("/bats/7")
    assert (missing.status_code, _said(missing)["detail"]) == (404, "There is no bat 7.")
    assert client.post("/bats", json={"name": "Flap"}, headers=keeper).status_code == 409
    assert client.post("/bats", json={"name": "Flip"}).status_code == 401
    empty = client.post("/bats", json={"name": ""}, headers=keeper)
    assert 400 <= empty.status_code < 500
    assert "name" in empty.text


def test_pages_follow_each_other(example: Callable[[str], ModuleType]) -> None:
    """Following the cursor visits every record once and in order, and ends."""
    paging = example("paging")
    client = _over_rest(paging.app)
    seen: list[str] = []
    after = ""
    while after is not None:
        page = _said(client.get("/species", query_string={"after": after, "limit": "3"}))
        seen += page["items"]
        after = page.get("next")
    assert seen == paging.SPECIES


def test_a_file_comes_back_as_it_went(example: Callable[[str], ModuleType]) -> None:
    """What was uploaded is fetched with its bytes, type and name."""
    client = _over_rest(example("upload").app)
    content = bytes(range(256)) * 1000
    sent = client.post("/shelve", data={"file": (io.BytesIO(content), "noise.bin", "application/x-noise")})
    digest = hashlib.sha256(content).hexdigest()
    assert (sent.status_code, _said(sent)) == (201, {"name": "noise.bin", "size": 256_000, "sha256": digest})
    fetched = client.get(f"/shelf/{digest}")
    assert fetched.data == content
    assert fetched.mimetype == "application/x-noise"
    assert "noise.bin" in fetched.headers["Content-Disposition"]
    assert client.get("/shelf/0").status_code == 404


def test_a_stream_comes_line_by_line(example: Callable[[str], ModuleType]) -> None:
    """Each value that the operation yields is one line of JSON."""
    answer = _over_rest(example("stream").app).get("/countdown?start=2")
    assert [json.loads(line) for line in answer.text.splitlines()] == [{"left": 2}, {"left": 1}, {"left": 0}]


def test_included_apps_keep_their_operations_apart(example: Callable[[str], ModuleType]) -> None:
    """An operation of an included app carries its app's name, in the routes too."""
    app = example("combine").app
    assert list(app.operations) == ["moon.phase", "tide.height"]
    assert list(app.mounts) == ["/almanac"]
    assert _said(_over_rest(app).get("/moon/phase?day=0")) == 0.0


def test_an_asynchronous_operation_is_like_any_other(example: Callable[[str], ModuleType]) -> None:
    """`async def` makes no difference to the caller."""
    answer = _over_rest(example("waiting").app).get("/race?runners=2")
    assert _said(answer) == ["runner 1", "runner 2"]


def test_settings_come_from_the_environment(example: Callable[[str], ModuleType]) -> None:
    """A variable changes what an operation answers."""
    settings = example("settings")
    assert _said(_over_rest(settings.create({"HARBOUR_MOTD": "Fog"})).get("/motd")) == "Fog"
    assert _said(_over_rest(settings.create({})).get("/berths")) == 12


def test_wrong_settings_stop_the_start(example: Callable[[str], ModuleType]) -> None:
    """All problems are named at once, each with its variable."""
    with pytest.raises(ConfigError) as caught:
        example("settings").create({"HARBOUR_BERTHS": "many", "HARBOUR_MAIL__SENDER": "bats"})
    assert "HARBOUR_BERTHS: expected `int`, got 'many'" in str(caught.value)
    assert "HARBOUR_MAIL__SENDER: expected the variable of a setting" in str(caught.value)


def test_a_survey_runs_in_the_background(example: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """The caller gets a job at once; a worker runs it, and then its result is there."""
    app = example("background").create(f"sqlite:///{tmp_path / 'surveys.db'}")
    client = _over_rest(app)
    jobs = [client.post("/survey", json={"harbours": names}) for names in (["Oslo", "Hamburg"], ["Atlantis"])]
    assert [job.status_code for job in jobs] == [202, 202]
    good, bad = (job.headers["Location"] for job in jobs)
    assert _said(client.get(f"{good}/result"))["code"] == "no_result_yet"
    worker = tasks.Worker(next(each for each in app.resources if isinstance(each, tasks.Queue)), threads=1)
    worker.start()
    try:
        watched = client.get(f"{good}/progress").text.splitlines()
        assert json.loads(watched[-1])["state"] == "done"
        assert json.loads(client.get(f"{bad}/progress").text.splitlines()[-1])["state"] == "dead"
    finally:
        worker.stop()
    assert _said(client.get(f"{good}/result"))[0] == {"harbour": "Oslo", "metres": 11.0}
    assert "There is no harbour called Atlantis" in _said(client.get(f"{bad}/result"))["detail"]
    app.close()


def test_a_database_keeps_what_commands_did(example: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """Ships are there for the next process; a refused command leaves nothing behind."""
    url = f"sqlite:///{tmp_path / 'harbour.db'}"
    first = example("database").create(url)
    client = _over_rest(first)
    for name, length in [("Demeter", 32.5), ("Pequod", 34)]:
        assert client.post("/dock", json={"name": name, "length": length}).status_code == 201
    assert client.post("/dock", json={"name": "Pequod", "length": 1}).status_code == 409
    first.close()
    second = example("database").create(url)
    assert [ship["name"] for ship in _said(_over_rest(second).get("/ships"))] == ["Pequod", "Demeter"]
    second.close()


def test_the_tide_is_measured_by_the_clock(example: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """Each tick of a schedule is a job, which a worker runs."""
    app = example("schedule").create(f"sqlite:///{tmp_path / 'gauge.db'}")
    _let_pass(app, 300, 300)
    assert len(_said(_over_rest(app).get("/readings"))) == 2
    app.close()


def test_a_sweep_finds_what_is_damaged(
    example: Callable[[str], ModuleType], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every scroll is checked; one that changed on the shelf is told of."""
    app = example("sweep").create(f"sqlite:///{tmp_path / 'library.db'}")
    client = _over_rest(app)
    for text in ("To be", "or not"):
        assert client.post("/shelve", json={"text": text}).status_code < 300
    with closing(sqlite3.connect(tmp_path / "library.db")) as shelf:
        shelf.execute("UPDATE scrolls SET text = 'or knot' WHERE text = 'or not'")
        shelf.commit()
    _let_pass(app, 1)
    last = _said(client.get("/checked"))["last"]
    assert (last["visited"], last["failed"]) == (2, 1)
    assert "The scroll 2 is damaged." in caplog.text
    app.close()


def _let_pass(app: App, *seconds: int) -> None:
    """Fire what an app has scheduled as if some seconds passed, and run its jobs."""
    (queue,) = (resource for resource in app.resources if isinstance(resource, Queue))
    now = time.time()
    scheduler = Scheduler(queue, clock=lambda: now)
    runner = Runner(app, "worker", queue.engine.report)
    scheduler.fire()
    for passed in seconds:
        now += passed
        scheduler.fire()
        claims = queue.engine.claim("worker", app.lanes, 10, 60.0)
        queue.engine.settle([runner.run(claim) for claim in claims])
