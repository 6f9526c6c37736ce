"""`mergepoint jobs`: what people see of jobs at a terminal, and what they do with them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from tests.terminal import Terminal

from mergepoint import App, target
from mergepoint.__main__ import main
from mergepoint.commands.jobs_shown import since, span
from mergepoint.jobs import Attempt, Claim, Lane, Outcome, Runner, Verdict, moment
from mergepoint.tasks import Queue

TARGET = '''
from dataclasses import dataclass
from typing import Annotated

from mergepoint import App, Id, Sensitive, tasks
from mergepoint.db import Database

app = App("pictures")
queue = tasks.Queue(app, Database("sqlite:///{folder}/pictures.db"))


@dataclass(frozen=True)
class Login:
    name: str
    word: Annotated[str, Sensitive]


@dataclass(frozen=True)
class Made:
    path: str
    link: Annotated[str, Sensitive]


@app.command(background=True)
def thumbnail(id: Id, key: Annotated[str, Sensitive], width: int = 100, login: Login | None = None) -> Made:
    """Make a small picture."""
    return Made(f"/small/{{id}}", "https://host/secret")


@app.task(concurrency=1)
def index() -> None:
    """Make an index."""
'''

SECRETS = ("sesame", "open up", "https://host/secret")


class Gallery:
    """An app in a file, whose jobs a test brings into each state."""

    def __init__(self, folder: Path) -> None:
        self.target = folder / f"pictures_{folder.name}.py"
        self.target.write_text(TARGET.format(folder=folder))
        self.app: App = target.load(str(self.target))
        self.queue = next(each for each in self.app.resources if isinstance(each, Queue))
        self.module: Any = sys.modules[self.target.stem]

    def put(self, **when: Any) -> str:
        """Put in a job with a secret."""
        login = self.module.Login("mina", "open up")
        return str(self.queue.later(self.module.thumbnail, **when)(7, "sesame", login=login).id)

    def begin(self, queue: str = "default") -> Claim:
        """Take a job, as a worker does."""
        (claim,) = self.queue.engine.claim("worker-1", [Lane(queue)], 1, 60.0)
        return claim

    def end(self, verdict: Verdict, message: str = "No such picture.", **fields: Any) -> str:
        """Put in a job that ends so."""
        self.put(priority="high")
        claim = self.begin()
        attempt = Attempt(claim.attempts, "worker-1", moment(1.8e9), 1.25, "failed", "no_such_picture", message)
        self.queue.engine.settle([Outcome(claim, verdict, attempt=None if verdict == "done" else attempt, **fields)])
        return claim.message.id

    def run(self) -> str:
        """Run a job to its end."""
        id = self.put(priority="high")
        self.queue.engine.settle([Runner(self.app, "worker-1", self.queue.engine.report).run(self.begin())])
        return id

    def state(self, id: str) -> str:
        """Return the state of a job."""
        return self.queue.job(id).state

    def __call__(self, command: str, *arguments: str, fails: int = 0) -> str:
        """Run `mergepoint jobs COMMAND TARGET ...`; return what it printed, on standard error if it fails."""
        found = CliRunner().invoke(main, ["jobs", command, str(self.target), *arguments])
        assert found.exit_code == fails, found.output
        assert not any(secret in found.output for secret in SECRETS)
        return found.stderr.strip() if fails else found.stdout


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gallery]:
    """Return an app with a queue and no jobs; the terminal has 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    made = Gallery(tmp_path)
    yield made
    made.app.close()
    del sys.modules[made.target.stem]


def rows(text: str) -> dict[str, list[str]]:
    """Return the words of each line of a table that begins with an id."""
    lines = (line.split() for line in text.splitlines() if re.match(r"[0-9a-f]{24} ", line))
    return {words[0]: words[1:] for words in lines}


# --- seeing --------------------------------------------------------------------------------------------------------


def test_jobs_are_a_table_that_fits(gallery: Gallery) -> None:
    """Each job has a line with its whole id, state, command, queue, tries and time; the last line counts them."""
    done, dead, retried = gallery.run(), gallery.end("dead"), gallery.end("retry", delay=200.0)
    waiting, later = gallery.put(), gallery.put(delay=7000)
    indexing = gallery.queue.later(gallery.module.index)().id
    gallery.begin("index")
    cancelled = gallery.put()
    gallery.queue.cancel(cancelled)
    shown = gallery("list")
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.splitlines()[0].split() == ["ID", "STATE", "COMMAND", "QUEUE", "TRIES", "WHEN"]
    found = rows(shown)
    assert list(found) == sorted(found, reverse=True)
    assert found[done] == ["done", "thumbnail", "default", "1", "now"] or found[done][-1] == "ago"
    assert found[dead][:4] == ["dead", "thumbnail", "default", "1"]
    assert found[retried] == ["waiting", "thumbnail", "default", "1", "in", "3", "min"]
    assert found[waiting][:4] == ["waiting", "thumbnail", "default", "0"]
    assert found[later][4:] == ["in", "1", "h"]
    assert found[indexing][:5] == ["running", "index", "index", "1", "for"]
    assert found[cancelled][0] == "cancelled"
    assert shown.count("  no_such_picture: No such picture.") == 2
    assert shown.splitlines()[-1] == "Jobs: 3 waiting, 1 running, 1 dead, 1 cancelled, 1 done."


def test_a_list_can_be_narrowed(gallery: Gallery) -> None:
    """By state, queue and command; --limit says when there are more."""
    dead = [gallery.end("dead") for _ in range(3)]
    waiting = gallery.put()
    index = gallery.queue.later(gallery.module.index)().id
    assert set(rows(gallery("list", "--state", "dead", "--state", "waiting", "--queue", "default"))) == {*dead, waiting}
    assert list(rows(gallery("list", "--operation", "index"))) == [index]
    few = gallery("list", "--limit", "2", "--state", "dead")
    assert len(rows(few)) == 2
    assert few.endswith("These are the newest 2; --limit shows more.\n")
    assert gallery("list", "--queue", "none") == "None is as asked for. There are no jobs.\n"
    assert "'lost' is not one of" in gallery("list", "--state", "lost", fails=2)


def test_a_list_is_json_for_programs(gallery: Gallery) -> None:
    """--json gives the jobs as every protocol does; none are an empty list."""
    assert json.loads(gallery("list", "--json")) == json.loads(gallery("dead", "--json")) == []
    id = gallery.put()
    assert json.loads(gallery("list", "--json")) == [msgspec.to_builtins(gallery.queue.job(id))]


def test_an_app_without_jobs_says_so(gallery: Gallery) -> None:
    """No table where there is nothing."""
    assert gallery("list") == "There are no jobs.\n"
    assert gallery("dead") == "There are no dead letters.\n"


def test_dead_letters_say_why(gallery: Gallery) -> None:
    """Each has its reason, wrapped, and the last line says what to do."""
    reason = "The picture is broken in a way that takes more than a line to tell, so the table goes on below it."
    id = gallery.end("dead", reason)
    gallery.run()
    shown = gallery("dead")
    assert list(rows(shown)) == [id]
    assert max(map(len, shown.splitlines()[:-1])) <= 80
    assert reason in " ".join(shown.split())
    assert shown.endswith(f"Once the reason is gone: mergepoint jobs retry {gallery.target} ID... | --all\n")


def test_everything_about_a_job(gallery: Gallery) -> None:
    """`show` has the arguments without what is secret, each attempt, and the times."""
    id = gallery.end("dead")
    shown = gallery("show", id)
    head, about, arguments, history = shown.strip().split("\n\n")
    assert head == f"{id}: thumbnail"
    facts = dict(re.split(r"  +", line, maxsplit=1) for line in about.splitlines())
    assert facts["state"] == "dead, begun once"
    assert facts["queue"] == "default, high priority"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, (now|\d s ago)", facts["finished"])
    assert "command" not in facts
    assert json.loads(arguments.partition("\n")[2]) == {
        "id": "7", "key": "***", "login": {"name": "mina", "word": "***"},
    }  # fmt: skip
    assert [line.split() for line in history.splitlines()[:2]] == [
        ["HISTORY"],
        ["TRY", "WORKER", "BEGAN", "TOOK", "WHAT", "HAPPENED"],
    ]
    assert "no_such_picture: No such picture." in " ".join(history.split())
    assert "1.2 s" in history


def test_a_result_is_shown_without_what_is_secret(gallery: Gallery) -> None:
    """The result of a job that is done, for people and for programs."""
    id = gallery.run()
    assert gallery("show", id).endswith('RESULT\n{\n  "path": "/small/7",\n  "link": "***"\n}\n')
    told = json.loads(gallery("show", id, "--json"))
    assert (told["state"], told["result"], told["arguments"]["key"]) == (
        "done",
        {"path": "/small/7", "link": "***"},
        "***",
    )


def test_what_nobody_can_judge_is_not_shown(gallery: Gallery) -> None:
    """Of a command that the app does not know, or arguments of another version, only what is harmless is shown."""
    known = gallery.queue.message(gallery.module.thumbnail)(7, "sesame")
    for operation, arguments in [
        ("renamed", {"key": "sesame", "id": "7"}),
        ("thumbnail", {"id": [1], "key": "sesame", "width": "wide", "word": "open up", "login": {"word": "open up"}}),
    ]:
        changed = msgspec.structs.replace(
            known,
            id=f"{len(operation):024x}",
            operation=operation,
            arguments=msgspec.Raw(msgspec.json.encode(arguments)),
        )
        gallery.queue.put([changed])
        told = json.loads(gallery("show", changed.id, "--json"))
        assert set(told["arguments"].values()) == {"***"}, told
    assert "this app has none of this name" in gallery("show", f"{len('renamed'):024x}")
    older = msgspec.structs.replace(known, id="f" * 24, version="older")
    gallery.queue.put([older])
    assert "has changed since the job was put in" in gallery("show", older.id)


def test_what_a_terminal_would_obey_is_shown_as_text(gallery: Gallery) -> None:
    """Escape codes in what failures say do not reach the terminal."""
    gallery.end("dead", "\x1b[31mred\x07")
    assert "\x1b" not in gallery("dead") + gallery("list")
    assert r"\x1b[31mred\x07" in gallery("dead")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (7300, "2 h"), (86_400 * 40, "40 d")],
)
def test_times_are_in_peoples_words(seconds: float, words: str) -> None:
    """A length of time is told in its largest unit, before and after now."""
    assert span(seconds) == words
    if seconds >= 1:
        assert since(1000 + seconds, 1000) == f"in {words}"
        assert since(1000 - seconds, 1000) == f"{words} ago"
    else:
        assert since(1000 + seconds, 1000) == "now"


# --- doing ---------------------------------------------------------------------------------------------------------


def test_retry_cancel_and_expedite(gallery: Gallery) -> None:
    """Each says what became of each job."""
    dead, waiting = gallery.end("dead"), gallery.put(delay=600)
    assert gallery("retry", dead) == f"{dead}: put back\n"
    assert gallery("expedite", waiting) == f"{waiting}: moved to the front\n"
    assert gallery.begin().message.id == waiting
    assert gallery("cancel", waiting, dead) == f"{waiting}: asked to stop\n{dead}: cancelled\n"
    assert gallery("cancel", waiting, dead) == f"{waiting}: cancelled already\n{dead}: cancelled already\n"
    assert rows(gallery("list"))[waiting][0] == "stopping"
    assert gallery("retry", dead) == f"{dead}: put back\n"


@pytest.mark.parametrize(
    ("command", "state", "why"),
    [
        ("retry", "running", "is running: cancel it first"),
        ("retry", "waiting", "is waiting: it runs anyway; expedite it to let it go first"),
        ("retry", "done", "is done: put in another one to run it once more"),
        ("cancel", "done", "is done: there is nothing left to stop"),
        ("cancel", "dead", "is dead: it does not run any more"),
        ("expedite", "running", "is running: it has begun already"),
        ("expedite", "dead", "is dead: retry it"),
    ],
)
def test_what_cannot_be_done_is_explained(gallery: Gallery, command: str, state: str, why: str) -> None:
    """A job in a wrong state says in which, and what to do; the exit code is 1, and others are dealt with."""
    make: dict[str, Callable[[], str]] = {
        "waiting": gallery.put,
        "done": gallery.run,
        "dead": lambda: gallery.end("dead"),
        "running": lambda: (gallery.put(), gallery.begin().message.id)[1],
    }
    id = make[state]()
    assert gallery(command, id, fails=1) == f"Error: The job {id} {why}."


def test_unknown_jobs_are_told_after_the_others(gallery: Gallery) -> None:
    """The exit code for a job that is not there is 3; jobs beside it are dealt with."""
    dead, done, nothing = gallery.end("dead"), gallery.run(), "0" * 24
    found = CliRunner().invoke(main, ["jobs", "retry", str(gallery.target), nothing, done, dead])
    assert (found.exit_code, found.stdout) == (3, f"{dead}: put back\n")
    assert found.stderr.splitlines() == [
        f"Error: There is no job '{nothing}'; its outcome may have been kept long enough.",
        f"The job {done} is done: put in another one to run it once more.",
    ]
    assert "There is no job" in gallery("show", nothing, fails=3)
    problem = json.loads(gallery("show", nothing, "--json", fails=3))
    assert (problem["kind"], problem["code"]) == ("not_found", "no_such_job")


def test_a_key_that_is_taken_is_told(gallery: Gallery) -> None:
    """A dead job whose unique key has a new job is not put back, and the message says why."""
    dead = gallery.put(unique="x", priority="high")
    gallery.queue.engine.settle([Outcome(gallery.begin(), "dead")])
    gallery.put(unique="x")
    assert "another job has its unique key; cancel that one first" in gallery("retry", dead, fails=1)


def test_all_can_be_dealt_with_at_once(gallery: Gallery) -> None:
    """--all means those with which it can be done; --operation and --queue choose among them."""
    dead = [gallery.end("dead") for _ in range(3)]
    gallery.queue.later(gallery.module.index)()
    assert gallery("retry", "--all", "--operation", "index") == "0 jobs put back.\n"
    assert gallery("retry", "--all") == "3 jobs put back.\n"
    assert gallery("expedite", "--all", "--queue", "index") == "1 job moved to the front.\n"
    assert gallery("cancel", "--all", "--yes", "--operation", "thumbnail") == "3 jobs cancelled.\n"
    assert [gallery.state(id) for id in dead] == ["cancelled"] * 3
    assert "Nobody can be asked here; say --yes" in gallery("cancel", "--all", fails=2)
    for wrong in ([], [dead[0], "--all"]):
        assert "Expected the ids of jobs, or --all." in gallery("retry", *wrong, fails=2)
    assert "have no meaning for ids" in gallery("retry", dead[0], "--queue", "x", fails=2)


def test_many_are_dealt_with_in_batches(gallery: Gallery) -> None:
    """More jobs than one look can hold are all cancelled."""
    gallery.queue.put(gallery.queue.message(gallery.module.index)() for _ in range(1100))
    assert gallery("cancel", "--all", "--yes") == "1,100 jobs cancelled.\n"


def test_purge_forgets(gallery: Gallery) -> None:
    """Jobs in the states named are gone for good; --older spares those that ended just now."""
    done, dead = gallery.run(), gallery.end("dead")
    assert gallery("purge", "--state", "done", "--older", "1d", "--yes") == "0 jobs forgotten.\n"
    assert gallery("purge", "--state", "done", "--yes") == "1 job forgotten.\n"
    assert gallery.state(dead) == "dead"
    assert "There is no job" in gallery("show", done, fails=3)
    assert "Forget all jobs that have been dead for more than 2 h? Nobody can be asked here; say --yes." in gallery(
        "purge", "--state", "dead", "--older", "2h", fails=2
    )
    assert "Expected a time such as 90s, 30min, 12h or 7d, got 'soon'." in gallery(
        "purge", "--state", "dead", "--older", "soon", fails=2
    )
    assert "'waiting' is not one of" in gallery("purge", "--state", "waiting", fails=2)
    assert gallery.state(dead) == "dead"


def test_a_person_is_asked_before_jobs_are_forgotten(gallery: Gallery, tmp_path: Path) -> None:
    """At a terminal, `n` leaves all as it was and `y` does it."""
    dead = gallery.end("dead")
    command = [sys.executable, "-m", "mergepoint", "jobs", "purge", gallery.target.name, "--state", "dead"]
    for answer, told, state in [("n", "Aborted!", "dead"), ("y", "1 job forgotten.", None)]:
        with Terminal(command, folder=tmp_path) as terminal:
            terminal.expect("Forget all jobs that have been dead? [y/N]:")
            terminal.type(f"{answer}\n")
            terminal.expect(told)
        entry = gallery.queue.engine.get(dead)
        assert (entry and entry.state) == state


# --- which app -----------------------------------------------------------------------------------------------------


@contextmanager
def written(folder: Path, text: str) -> Iterator[str]:
    """Write a target of its own."""
    path = folder / f"other_{folder.name}.py"
    path.write_text(text)
    yield str(path)
    sys.modules.pop(path.stem, None)


def test_an_app_without_a_queue_is_told_how_to_have_one(tmp_path: Path) -> None:
    """The message names what to write; the exit code is 2."""
    with written(tmp_path, 'from mergepoint import App\napp = App("bats")\n') as path:
        found = CliRunner().invoke(main, ["jobs", "list", path])
    assert found.exit_code == 2
    assert found.stderr == f"Error: The app of {path} has no queue. Make one right after it: tasks.Queue(app, db).\n"


def test_one_of_several_queues_is_chosen(tmp_path: Path) -> None:
    """Apps that are included may have queues of their own; --app says which."""
    text = (
        "from mergepoint import App, tasks\nfrom mergepoint.db import Database\n"
        "app, bats = App('zoo'), App('bats')\n"
        "for each in (app, bats):\n    tasks.Queue(each, Database('sqlite://'))\n"
        "app.include(bats)\n"
    )
    with written(tmp_path, text) as path:
        assert "Say whose jobs, with --app: zoo, bats." in CliRunner().invoke(main, ["jobs", "list", path]).stderr
        assert "There are only: zoo, bats." in CliRunner().invoke(main, ["jobs", "list", path, "--app", "x"]).stderr
        assert CliRunner().invoke(main, ["jobs", "list", path, "--app", "bats"]).stdout == "There are no jobs.\n"
