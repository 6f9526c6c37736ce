"""`mergepoint run` and jobs: workers beside the web server, and in supervised processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.served import SECONDS, Server, Start, kill, mergepoint, starting, wait_until

from mergepoint.db import Database
from mergepoint.jobs import Message, State, new_id
from mergepoint.tasks import Tables

APP = """
import os, sys, time
from pathlib import Path
from mergepoint import App, tasks
from mergepoint.db import Database

HERE = Path(__file__).parent
app = App("service")
queue = tasks.Queue(app, Database(os.environ.get("SERVICE_DATABASE", f"sqlite:///{HERE}/jobs.db")))


def mark(text):
    with (HERE / "marks").open("a") as file:
        file.write(f"{text} {os.getpid()}\\n")


@app.command(background=True)
def publish(number: int) -> int:
    mark(f"publish {number}")
    return number


@app.task(timeout=60, retries=1)
def nap(seconds: float) -> None:
    mark("nap")
    time.sleep(seconds)
    mark("rested")


@app.task(queue="mail")
def mail(number: int) -> None:
    mark(f"mail {number}")


@app.command
def put(naps: list[float]) -> int:
    queue.put([queue.message(nap)(seconds) for seconds in naps])
    return os.getpid()


@app.task
def tick() -> None:
    mark("tick")


app.every(tick, seconds=1)
"""


class Jobs:
    """The jobs of the service, seen from the test, and what they did."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        db = Database(f"sqlite:///{folder}/jobs.db")
        stack.callback(db.close)
        self.engine = Tables(db)

    def put(self, operation: str, *arguments: dict[str, Any], queue: str = "default") -> bool:
        """Put in jobs, and return False."""
        how: dict[str, Any] = {"operation": operation, "created": time.time(), "queue": queue, "retries": 1}
        raw = [msgspec.Raw(json.dumps(each).encode()) for each in arguments]
        self.engine.put([Message(id=new_id(), arguments=each, **how) for each in raw])
        return False

    def states(self, operation: str) -> list[State]:
        """Return the states of an operation's jobs."""
        return sorted(entry.state for entry in self.engine.entries(operation=operation))

    def marks(self, text: str) -> list[int]:
        """Return the processes that left a mark."""
        file = self.folder / "marks"
        lines = file.read_text().splitlines() if file.exists() else []
        return [int(line.rpartition(" ")[2]) for line in lines if line.startswith(text)]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts `mergepoint run service.py` with a web server."""
    with starting(tmp_path, APP) as start:
        yield start


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """Give the jobs of the service."""
    with ExitStack() as stack:
        yield Jobs(tmp_path, stack)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts `mergepoint run service.py` without a web server."""
    started: list[Server] = []
    (tmp_path / "service.py").write_text(APP)

    def start(
        *words: str, target: str = "service.py", wait: str = "Ctrl+C", without: Iterable[str] = (), **environ: str
    ) -> Server:
        command = [*mergepoint(without), "run", target, *words]
        started.append(Server(command, tmp_path, 0, environ))
        started[-1].wait_for(wait)
        return started[-1]

    yield start
    for server in started:
        kill(server)


def _post(server: Server, path: str, **fields: Any) -> Any:
    body = json.dumps(fields).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


# --- beside the web server -----------------------------------------------------------------------------------------


def test_jobs_run_beside_the_web_server(start: Start, jobs: Jobs) -> None:
    """Without names the worker and the scheduler run along, in the same process, and the announcement says so."""
    server = start()
    assert re.search(r"\n  worker +8 threads for jobs of default, mail\n", server.output)
    assert re.search(r"\n  scheduler +puts in the jobs of tick\n", server.output)
    assert _post(server, "/api/publish", number=7)["state"] == "waiting"
    wait_until(lambda: len(jobs.marks("publish 7")) == 1 and len(jobs.marks("tick")) > 0)
    assert jobs.marks("publish 7") == [_post(server, "/api/put", naps=[])]
    health = {check["name"]: check["status"] for check in server.json("/health")["checks"]}
    assert set(health.values()) == {"ok"}
    metrics = server.get("/metrics")[2].decode()
    assert 'mergepoint_calls_total{kind="command",operation="publish",outcome="ok"} 2.0' in metrics  # put in, and run
    assert 'mergepoint_jobs{queue="default",state="done"}' in metrics
    assert 'mergepoint_job_threads{state="stuck"} 0.0' in metrics
    assert server.stop() == 0
    assert "Traceback" not in server.output


def test_jobs_in_memory_run_beside_the_web_server(start: Start, jobs: Jobs) -> None:
    """A database in memory is enough for an app that runs in one process."""
    server = start(SERVICE_DATABASE="sqlite://")
    _post(server, "/api/publish", number=1)
    wait_until(lambda: len(jobs.marks("publish")) == 1)
    assert server.stop() == 0


def test_the_end_of_the_web_server_is_that_of_its_worker(start: Start, jobs: Jobs) -> None:
    """Running jobs are finished, the others are put back, and the exit code is 0."""
    server = start("web", "worker", "--threads", "2")
    _post(server, "/api/put", naps=[1.0] * 5)
    wait_until(lambda: len(jobs.marks("nap")) == 2)
    assert server.stop() == 0
    assert jobs.states("nap") == ["done", "done", "waiting", "waiting", "waiting"]


def test_the_web_server_alone_runs_no_jobs(start: Start, jobs: Jobs) -> None:
    """With its name it leaves them to the workers elsewhere; they wait."""
    server = start("web")
    _post(server, "/api/publish", number=1)
    time.sleep(0.5)
    assert jobs.states("publish") == ["waiting"]
    assert "worker" not in server.output
    assert b'mergepoint_jobs{queue="default",state="waiting"} 1.0' in server.get("/metrics")[2]


@pytest.mark.parametrize("names", [("worker",), ("web", "worker"), ("scheduler",)])
def test_an_app_without_a_queue_has_no_jobs(names: tuple[str, ...], start: Start, run: Start, tmp_path: Path) -> None:
    """Whoever asks for a worker is told what is missing; the exit code is 2."""
    (tmp_path / "bare.py").write_text("from mergepoint import App\napp = App('bare')\n")
    begin = start if "web" in names else run
    server = begin(*names, target="bare.py", wait="Error")
    assert server.end() == 2
    assert server.output == (
        "Error: There is no queue in bare, so there are no jobs: write `queue = mergepoint.tasks.Queue(app, db)` right"
        " after App(...).\n"
    )


# --- processes of their own ----------------------------------------------------------------------------------------


def test_worker_processes_run_jobs(run: Start, jobs: Jobs) -> None:
    """Each loads the app itself; together they run all, and SIGTERM ends them with 0."""
    server = run("worker", "--processes", "2", "--threads", "3")
    assert server.output.startswith(
        "service runs jobs, in 2 processes like this:\n  worker  3 threads for jobs of default"
    )
    wait_until(lambda: jobs.put("nap", *[{"seconds": 0.1}] * 6) or len(set(jobs.marks("nap"))) == 2)
    wait_until(lambda: set(jobs.states("nap")) == {"done"})
    assert server.stop() == 0
    assert jobs.marks("tick") == []


def test_a_worker_needs_no_web_server(run: Start, jobs: Jobs) -> None:
    """Where the libraries of the web server and of metrics are missing, a worker runs all the same, and says so."""
    server = run("worker", without=("granian", "falcon", "structlog", "apscheduler"))
    jobs.put("nap", {"seconds": 0})
    wait_until(lambda: jobs.states("nap") == ["done"])
    assert "Without metrics: `mergepoint.observe` needs structlog" in server.output
    assert server.stop() == 0


def test_a_scheduler_needs_its_library(run: Start) -> None:
    """Whoever asks for it is told what to install."""
    server = run("scheduler", without=("apscheduler",), wait="Error")
    assert server.end() == 2
    assert "pip install 'mergepoint[schedule]'" in server.output


def test_a_worker_may_serve_some_queues(run: Start, jobs: Jobs) -> None:
    """--queue names them, with weights; jobs of the others wait."""
    run("worker", "--queue", "mail=3")
    jobs.put("mail", {"number": 1}, queue="mail")
    jobs.put("nap", {"seconds": 0})
    wait_until(lambda: jobs.states("mail") == ["done"])
    assert jobs.states("nap") == ["waiting"]


def test_the_scheduler_may_run_alone(run: Start, jobs: Jobs) -> None:
    """It puts jobs in and runs none."""
    server = run("scheduler")
    assert "scheduler  puts in the jobs of tick" in server.output
    wait_until(lambda: len(jobs.states("tick")) > 0)
    assert set(jobs.states("tick")) == {"waiting"}
    assert server.stop() == 0


def test_sigterm_finishes_what_runs_and_puts_back_the_rest(run: Start, jobs: Jobs) -> None:
    """What was not begun waits again within a second; what runs is finished; the exit code is 0."""
    server = run("worker", "--threads", "2")
    jobs.put("nap", *[{"seconds": 1.5}] * 4)
    wait_until(lambda: len(jobs.marks("nap")) == 2)
    assert server.stop() == 0
    assert len(jobs.marks("rested")) == 2
    assert jobs.states("nap") == ["done", "done", "waiting", "waiting"]


def test_what_takes_longer_than_the_grace_is_put_back(run: Start, jobs: Jobs) -> None:
    """After the grace the process ends with 0 whatever its jobs do; they wait for another worker."""
    server = run("worker", "--grace", "1")
    jobs.put("nap", {"seconds": 60})
    wait_until(lambda: len(jobs.marks("nap")) == 1)
    assert server.stop() == 0
    assert "longer than the grace" in server.output
    assert jobs.states("nap") == ["waiting"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(number: int, run: Start, jobs: Jobs) -> None:
    """Whoever insists does not wait for jobs; a terminal's Ctrl+C, which all processes get, counts as one."""
    server = run("worker", "--processes", "2")
    jobs.put("nap", {"seconds": 60})
    wait_until(lambda: len(jobs.marks("nap")) == 1)
    os.killpg(server.process.pid, number)
    time.sleep(0.4)
    assert server.process.poll() is None
    os.killpg(server.process.pid, number)
    assert server.end() == 1


def test_a_process_that_dies_is_replaced(run: Start, jobs: Jobs) -> None:
    """A kill -9 costs the process; another one takes its place, and says so."""
    server = run("worker")
    jobs.put("nap", {"seconds": 0})
    wait_until(lambda: len(jobs.marks("rested")) == 1)
    os.kill(jobs.marks("rested")[0], signal.SIGKILL)
    jobs.put("nap", {"seconds": 0})
    wait_until(lambda: len(jobs.marks("rested")) == 2)
    assert len(set(jobs.marks("rested"))) == 2
    assert "ended with exit code -9; another one begins" in server.output
    assert server.stop() == 0


def test_a_process_is_replaced_after_so_many_jobs(run: Start, jobs: Jobs) -> None:
    """--recycle gives a fresh process now and then; no job is lost at the change."""
    server = run("worker", "--recycle", "20", "--threads", "2")
    jobs.put("mail", *[{"number": number} for number in range(100)], queue="mail")
    wait_until(lambda: jobs.states("mail") == ["done"] * 100)
    assert len(set(jobs.marks("mail"))) > 1
    assert len(jobs.marks("mail")) == 100
    assert server.stop() == 0


def test_processes_that_die_at_once_are_not_begun_at_once(run: Start, tmp_path: Path) -> None:
    """The pauses between them grow."""
    (tmp_path / "sick.py").write_text(APP + "\nos._exit(3)\n")
    server = run("worker", target="sick.py", wait="another one begins in 1.0 s")
    pauses = re.findall(r"exit code 3; another one begins in (\S+) s", server.output)
    assert pauses == ["0.2", "0.5", "1.0"]
    assert server.stop() == 0


def test_an_app_that_cannot_be_loaded_ends_the_worker(run: Start, tmp_path: Path) -> None:
    """The reason is said once, however many processes were to be; the exit code is 2."""
    (tmp_path / "bad.py").write_text("import no_such_library\n")
    server = run("worker", "--processes", "3", target="bad.py", wait="Error")
    assert server.end() == 2
    assert server.output.count("no_such_library") == 2  # the line, and the error


def test_workers_do_not_outlive_their_supervisor(run: Start, jobs: Jobs) -> None:
    """When it is killed they end by themselves, and put back what they have."""
    server = run("worker", "--processes", "2", "--grace", "1")
    jobs.put("nap", {"seconds": 60}, {"seconds": 60})
    wait_until(lambda: len(jobs.marks("nap")) == 2)
    server.process.kill()
    wait_until(lambda: not any(map(_lives, jobs.marks("nap"))))
    assert jobs.states("nap") == ["waiting", "waiting"]


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("worker --port 80", "--port is for the web server: add `web`, or leave it out."),
        ("scheduler --queue mail", "--queue is for a worker: add `worker`, or leave it out."),
        ("--processes 2", "--processes is for worker processes of their own: mergepoint run TARGET worker."),
        ("web worker --recycle 9", "--recycle is for worker processes of their own: mergepoint run TARGET worker."),
        ("worker --queue mail=0", "Invalid value for '--queue': 0.0 is not in the range x>0."),
        ("worker --queue mial", "There is no queue 'mial'; did you mean 'mail'?"),
        (
            "werker",
            "Invalid value for '[web] [worker] [scheduler]': 'werker' is not one of 'web', 'worker', 'scheduler'.",
        ),
    ],
)
def test_options_that_say_nothing_are_refused(words: str, message: str, run: Start) -> None:
    """An option for something that does not run would be a mistake that nobody notices."""
    server = run(*words.split(), wait="Error")
    assert server.end() == 2
    assert message in server.output
