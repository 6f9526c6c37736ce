"""`mergepoint run`, and the site of an app under other servers: what is served where, and how it ends."""

import http.client
import os
import re
import signal
import socket
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from tests.served import SECONDS, Server, Start, free_port, kill, starting, wait_until

from mergepoint import App
from mergepoint.errors import RegistrationError
from mergepoint.site import addresses, site

APP = """
import os, sys, time
from collections.abc import Iterator
from mergepoint import App

app = App("service")


class Door:
    name = "door"

    def __repr__(self):
        return "<Door of oak>"

    def check(self):
        pass

    def close(self):
        print(f"closed in {os.getpid()}", file=sys.stderr, flush=True)


app.add(Door())


@app.query
def greet(name: str = "World") -> str:
    return f"Hello, {name}!"


@app.query
def nap(seconds: float) -> str:
    print("napping", file=sys.stderr, flush=True)
    time.sleep(seconds)
    return "rested"


@app.query
def process() -> int:
    return os.getpid()


@app.query
def count(to: int) -> Iterator[int]:
    yield from range(to)


def legacy(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["SCRIPT_NAME"].encode()]


app.mount("/legacy", legacy)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts `mergepoint run service.py` with options."""
    with starting(tmp_path, APP) as start:
        yield start


# --- mergepoint run ------------------------------------------------------------------------------------------------


def test_everything_is_served_at_its_place(start: Start) -> None:
    """REST, docs, description, health, status, metrics and mounted applications answer where the table says."""
    server = start()
    urls = re.findall(rf"http://127\.0\.0\.1:{server.port}(/\S+)", server.output)
    assert urls == ["/api", "/docs", "/openapi.json", "/graphql", "/health", "/status", "/legacy", "/metrics"]
    assert "REST: 4 operations" in server.output
    assert "It stands on: Door of oak." in server.output
    assert server.get("/api/greet?name=Bat")[::2] == (200, b'"Hello, Bat!"')
    assert b"<html" in server.get("/docs")[2]
    assert server.json("/openapi.json")["openapi"].startswith("3.1")
    assert server.json("/health")["status"] == "ok"
    assert server.json("/status")["name"] == "service"
    assert server.get("/legacy/x")[2] == b"/legacy"
    assert b'mergepoint_calls_total{kind="query",operation="greet",outcome="ok"} 1.0' in server.get("/metrics")[2]
    assert server.get("/")[1]["location"] == "/docs"
    assert server.get("/nowhere")[0] == 404


def test_every_answer_has_security_headers(start: Start) -> None:
    """Operations, pages, mounted applications and errors say nosniff and who may frame them."""
    server = start()
    for path in ("/api/greet", "/api/nowhere", "/docs", "/openapi.json", "/health", "/legacy", "/nowhere", "/"):
        headers = server.get(path)[1]
        assert headers["x-content-type-options"] == "nosniff", path
        assert "frame-ancestors" in headers["content-security-policy"], path
        assert headers["referrer-policy"], path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_requests_in_flight_are_finished_at_the_end(start: Start, number: int, workers: str) -> None:
    """A request that runs when the server is stopped gets its answer, every worker closes the app."""
    server = start("--workers", workers)
    wait_until(lambda: len(_workers(server)) == int(workers))
    answers: list[int] = []
    request = threading.Thread(target=lambda: answers.append(server.get("/api/nap?seconds=1")[0]))
    request.start()
    server.wait_for("napping")
    # As a terminal does it: Ctrl+C reaches the workers as well.
    os.killpg(server.process.pid, number) if number == signal.SIGINT else server.process.terminate()
    assert server.end() == 0, server.output
    request.join(SECONDS)
    assert answers == [200]
    assert len(re.findall("closed in", server.output)) == int(workers)
    assert "Traceback" not in server.output


def _workers(server: Server) -> set[int]:
    """Return the processes that have answered, after some requests on new connections."""
    return {server.json("/api/process") for _ in range(20)}


def test_a_second_signal_ends_at_once(start: Start) -> None:
    """Whoever insists does not wait for requests in flight; the exit code is 1."""
    server = start()
    failures: list[Exception] = []

    def nap() -> None:
        try:
            server.get("/api/nap?seconds=9")
        except (OSError, http.client.HTTPException) as error:
            failures.append(error)

    request = threading.Thread(target=nap)
    request.start()
    server.wait_for("napping")
    server.process.terminate()
    time.sleep(0.3)
    server.process.terminate()
    assert server.end() == 1
    request.join(SECONDS)
    assert len(failures) == 1


def test_an_idle_connection_does_not_hold_up_the_end(start: Start) -> None:
    """A client that keeps its connection open without asking for anything is not waited for."""
    server = start()
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)) as connection:
        connection.request("GET", "/api/greet")
        connection.getresponse().read()
        assert server.stop() == 0


def test_workers_do_not_outlive_their_supervisor(start: Start) -> None:
    """When the supervising process is killed, its workers end by themselves, and the port is free again."""
    server = start("--workers", "2")
    server.process.kill()
    server.process.wait(SECONDS)
    wait_until(lambda: not _answers(server.port))


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_worker_that_crashes_is_replaced(start: Start) -> None:
    """A killed worker costs its own requests and no more."""
    server = start()
    first = server.json("/api/process")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: "Unexpected exit" in server.output and _answers(server.port))
    assert server.json("/api/process") != first
    assert server.stop() == 0


def test_workers_share_their_metrics(start: Start) -> None:
    """`/metrics` counts the calls of all workers, whichever of them is asked."""
    server = start("--workers", "2")
    wait_until(lambda: len(_workers(server)) == 2)
    for _ in range(30):
        server.get("/api/greet")
    counted = b'mergepoint_calls_total{kind="query",operation="greet",outcome="ok"} 30.0'
    wait_until(lambda: counted in server.get("/metrics")[2])


def test_a_change_loads_the_app_again(start: Start, tmp_path: Path) -> None:
    """With --reload a new version answers soon; a broken one is explained and answers 503 until it is repaired."""
    server = start("--reload")
    source = tmp_path / "service.py"
    source.write_text(APP.replace("Hello", "Good evening"))
    wait_until(lambda: _body(server) == b'"Good evening, World!"')
    source.write_text(APP.replace("def greet", "def "))
    wait_until(lambda: _status(server) == 503)
    assert "SyntaxError" in server.output
    source.write_text(APP.replace("Hello", "Good morning"))
    wait_until(lambda: _body(server) == b'"Good morning, World!"')
    assert server.stop() == 0


def _status(server: Server) -> int | None:
    """Return the status of a greeting, or None while nobody answers."""
    try:
        return server.get("/api/greet")[0]
    except (OSError, http.client.HTTPException):
        return None


def _body(server: Server) -> bytes | None:
    try:
        return server.get("/api/greet")[2]
    except (OSError, http.client.HTTPException):
        return None


def test_data_that_changes_reloads_nothing(start: Start, tmp_path: Path) -> None:
    """A database in the folder of the app is written all the time; only sources count."""
    server = start("--reload")
    first = server.json("/api/process")
    (tmp_path / "news.db").write_bytes(b"x")
    (tmp_path / "service.log").write_text("x")
    time.sleep(0.6)
    assert server.json("/api/process") == first


def test_requests_are_logged_when_asked_for(start: Start) -> None:
    """No line per request, unless --access-log says so."""
    quiet, chatty = start(), start("--access-log")
    for server in (quiet, chatty):
        server.get("/api/greet?name=Bat")
        assert server.stop() == 0
    assert "/api/greet" not in quiet.output
    assert "GET /api/greet" in chatty.output


def test_pages_of_other_origins_may_call_when_allowed(start: Start) -> None:
    """--cors lets an origin in; it may be given several times."""
    server = start("--cors", "https://bats.example", "--cors", "https://cats.example")
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)) as connection:
        connection.request("GET", "/api/greet", headers={"Origin": "https://cats.example"})
        assert connection.getresponse().getheader("Access-Control-Allow-Origin") == "https://cats.example"


def test_an_app_that_observes_itself_is_left_alone(start: Start, tmp_path: Path) -> None:
    """`observe.setup(app)` in the application is not done a second time."""
    own = APP.replace('App("service")', 'App("service")\nfrom mergepoint import observe\nobserve.setup(app)')
    (tmp_path / "own.py").write_text(own)
    server = start(target="own.py")
    server.get("/api/greet")
    counted = b'mergepoint_calls_total{kind="query",operation="greet",outcome="ok"} 1.0'
    assert counted in server.get("/metrics")[2]


def test_an_app_that_is_complete_is_served_without_metrics(start: Start, tmp_path: Path) -> None:
    """Where it is too late to observe an app, it is served, and the reason is said."""
    (tmp_path / "closed.py").write_text(APP + "\napp.operations\n")
    server = start(target="closed.py")
    assert "Without metrics: the app is closed for registration" in server.output
    assert server.get("/api/greet")[0] == 200
    assert server.get("/metrics")[0] == 404


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "There is no app in bad.py."),
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        (
            "from mergepoint.errors import ConfigError\ndef create(): raise ConfigError('BATS_PORT: no')",
            "BATS_PORT: no",
        ),
    ],
)
def test_an_app_that_cannot_be_loaded_ends_the_server(
    source: str, message: str, workers: str, start: Start, tmp_path: Path
) -> None:
    """The reason is said once, whatever the number of workers, and the exit code is 2."""
    (tmp_path / "bad.py").write_text(source)
    server = start("--workers", workers, target="bad.py", wait=message)
    assert server.end() == 2
    assert server.output.count("Error: ") - server.output.count("ModuleNotFoundError: ") == 1
    assert "Unexpected exit" not in server.output


def test_a_port_that_is_taken_is_named(start: Start) -> None:
    """The second server says which port, and what to do; the exit code is 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = f"Error: Port {port} at 127.0.0.1 is taken by another program; choose another: --port {port + 1}\n"
        server = start("--port", str(port), wait="taken")
        assert (server.end(), server.output) == (2, message)


def test_an_address_of_another_machine_is_refused(start: Start) -> None:
    """192.0.2.1 is nobody's (RFC 5737), so nobody can listen there."""
    server = start("--host", "192.0.2.1", wait="Error")
    assert server.end() == 2
    assert (
        server.output == "Error: Expected an address of this machine, got 192.0.2.1: Cannot assign requested address\n"
    )


# --- the site, under any server ------------------------------------------------------------------------------------


def _greeting() -> App:
    app = App("greeting")

    @app.query
    def greet(name: str = "World") -> str:
        return f"Hello, {name}!"

    @app.query
    def count(to: int) -> Iterator[int]:
        yield from range(to)

    @app.command
    def keep(name: str) -> None:
        assert name

    return app


def _ask(application: Any, method: str, path: str, **environ: Any) -> tuple[str, dict[str, str], bytes]:
    """Ask a WSGI application what the validator of the standard library watches."""
    full: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        **environ,
    }
    setup_testing_defaults(full)
    started: list[Any] = []
    answer = validator(application)(full, lambda *told: started.append(told) or (lambda _: None))  # type: ignore[func-returns-value]
    try:
        body = b"".join(answer)
    finally:
        answer.close()  # type: ignore[attr-defined]
    return started[0][0], dict(started[0][1]), body


@pytest.mark.parametrize(
    ("method", "path", "query", "status"),
    [
        ("GET", "/api/greet", "name=Bat", "200 OK"),
        ("HEAD", "/api/greet", "", "200 OK"),
        ("OPTIONS", "/api/greet", "", "204 No Content"),
        ("GET", "/api/count", "to=3", "200 OK"),
        ("GET", "/api/greet", "nme=Bat", "422 Unprocessable Entity"),
        ("DELETE", "/api/greet", "", "405 Method Not Allowed"),
        ("POST", "/api/keep", "", "422 Unprocessable Entity"),
        ("GET", "/api", "", "404 Not Found"),
        ("GET", "/api/", "", "404 Not Found"),
        ("GET", "/apiary", "", "404 Not Found"),
        ("GET", "/docs", "", "200 OK"),
        ("GET", "/openapi.json", "", "200 OK"),
        ("HEAD", "/health", "", "200 OK"),
        ("POST", "/health", "", "405 Method Not Allowed"),
        ("GET", "/status", "", "200 OK"),
        ("GET", "/", "", "302 Found"),
        ("GET", "/nowhere", "", "404 Not Found"),
    ],
)
def test_the_site_keeps_to_the_wsgi_standard(method: str, path: str, query: str, status: str) -> None:
    """Every kind of answer passes `wsgiref.validate`."""
    told, headers, body = _ask(site(_greeting()), method, path, QUERY_STRING=query)
    assert told == status
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert bool(body) == (method not in ("HEAD", "OPTIONS"))


def test_a_path_of_the_site_cannot_be_mounted_over() -> None:
    """An application at one of the site's own paths is refused with its path."""
    for path in ("/docs", "/api", "/api/legacy", "/health/"):
        app = _greeting()
        app.mount(path, lambda environ, start_response: [])
        with pytest.raises(RegistrationError, match=f"mount '{path}' at another path"):
            site(app)


def test_a_page_of_the_applications_own_is_at_the_front() -> None:
    """An application mounted at `/` answers there and below, but for the site's own paths."""
    app = _greeting()

    def front(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"front"]

    app.mount("/", front)
    application = site(app)
    assert _ask(application, "GET", "/")[2] == b"front"
    assert _ask(application, "GET", "/bats")[2] == b"front"
    assert _ask(application, "GET", "/api/greet")[2] == b'"Hello, World!"'
    assert addresses(app)[-1].path == "/"


WSGI = APP + textwrap.dedent(
    """
    import atexit
    from mergepoint import observe
    from mergepoint.site import site

    observe.setup(app)
    application = site(app)
    atexit.register(app.close)
    """
)
BIN = Path(sys.executable).parent
GUNICORN = [sys.executable, "-m", "gunicorn", "service:application", "--bind", "127.0.0.1:{port}"]
GTHREAD = [*GUNICORN, "--worker-class", "gthread", "--threads", "4"]
UWSGI = [
    str(next((BIN / name for name in ("uwsgi", "pyuwsgi") if (BIN / name).exists()), BIN / "uwsgi")),
    *("--http-socket", "127.0.0.1:{port}", "--module", "service:application", "--home", sys.prefix, "--need-app"),
    *("--master", "--enable-threads", "--threads", "4", "--die-on-term"),
]
SERVERS = {
    "gunicorn sync": GUNICORN,
    "gunicorn gthread": GTHREAD,
    "gunicorn preload": [*GTHREAD, "--workers", "2", "--preload"],
    "uwsgi": [*UWSGI, "--lazy-apps"],
    "uwsgi preload": [*UWSGI, "--processes", "2"],
}


@pytest.mark.parametrize("name", SERVERS)
def test_the_site_runs_under_any_server(name: str, tmp_path: Path) -> None:
    """`application = site(app)` serves operations, streams, pages and metrics, ends on SIGTERM, closes the app."""
    (tmp_path / "service.py").write_text(WSGI)
    port = free_port()
    server = Server([part.format(port=port) for part in SERVERS[name]], tmp_path, port)
    try:
        wait_until(lambda: _status(server) == 200 or server.process.poll() is not None)
        assert server.get("/api/greet?name=Bat")[::2] == (200, b'"Hello, Bat!"'), server.output
        assert server.get("/api/count?to=3")[2] == b"0\n1\n2\n"
        assert b"<html" in server.get("/docs")[2]
        assert server.json("/health")["status"] == "ok"
        assert b"mergepoint_calls_total" in server.get("/metrics")[2]
        assert server.get("/legacy")[2] == b"/legacy"
        server.stop()
        # With threads, uWSGI runs `atexit` handlers at most of its ends, not at all of them.
        assert "closed in" in server.output or "uwsgi" in name, server.output
        assert "Traceback" not in server.output
    finally:
        kill(server)
