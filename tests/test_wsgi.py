"""Sites of several WSGI applications, the headers of every answer, and ASGI applications inside."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any, NamedTuple
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from mergepoint.asgi import from_asgi
from mergepoint.errors import RegistrationError
from mergepoint.wsgi import Secure, Site


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(app: WSGIApplication, path: str, *, method: str = "GET", body: bytes = b"", https: bool = False) -> Answer:
    """Send a request through the validator of the standard library."""
    environ: WSGIEnvironment = {
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "REQUEST_METHOD": method,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
        "wsgi.url_scheme": "https" if https else "http",
    }
    setup_testing_defaults(environ)
    started: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        started[:] = [int(status[:3]), {name.lower(): value for name, value in headers}]
        return BytesIO().write

    answer = validator(app)(environ, start)
    content = b"".join(answer)
    answer.close()  # type: ignore[attr-defined]
    status, headers = started
    return Answer(status, headers, content)


class Echo:
    """An application that answers with its name and what it sees of the request."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        keys = (key for key in environ if key in ("SCRIPT_NAME", "PATH_INFO") or key.startswith("site."))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"app": self.name, **{key: environ[key] for key in keys}}).encode()]


def site(*prefixes: str, **options: Any) -> Site:
    """Make a site of echoes that are called like their prefixes."""
    return Site({prefix: Echo(prefix) for prefix in prefixes}, **options)


@pytest.mark.parametrize(
    ("path", "app", "script_name", "path_info"),
    [
        ("/", "/", "", "/"),
        ("/bats", "/", "", "/bats"),
        ("/apiary", "/", "", "/apiary"),
        ("/api", "/api", "/api", ""),
        ("/api/", "/api", "/api", "/"),
        ("/api/bats/1", "/api", "/api", "/bats/1"),
        ("/api/v2", "/api/v2", "/api/v2", ""),
        ("/api/v2/bats", "/api/v2", "/api/v2", "/bats"),
        ("/api/v22", "/api", "/api", "/v22"),
        ("/deep/er/x", "/deep/er", "/deep/er", "/x"),
        ("/deep/x", "/", "", "/deep/x"),
        ("//api", "/", "", "//api"),
    ],
)
def test_the_longest_prefix_wins(path: str, app: str, script_name: str, path_info: str) -> None:
    """Prefixes match whole segments, and the application sees its prefix in SCRIPT_NAME and the rest in PATH_INFO."""
    seen = ask(site("/", "/api", "/api/v2", "/deep/er/"), path).json
    assert (seen["app"].rstrip("/") or "/", seen["SCRIPT_NAME"], seen["PATH_INFO"]) == (app, script_name, path_info)


def test_sites_nest() -> None:
    """A site inside a site continues where the outer one stopped."""
    outer = Site({"/outer": site("/", "/inner")})
    assert ask(outer, "/outer").json == {"app": "/", "SCRIPT_NAME": "/outer", "PATH_INFO": ""}
    assert ask(outer, "/outer/inner/x").json == {"app": "/inner", "SCRIPT_NAME": "/outer/inner", "PATH_INFO": "/x"}


def test_prefixes_may_be_in_any_script() -> None:
    """A prefix outside ASCII matches the path as WSGI servers pass it on, UTF-8 read as Latin-1."""
    path = "/עטלף/x".encode().decode("latin-1")
    assert ask(site("/עטלף"), path).json["PATH_INFO"] == "/x"


@pytest.mark.parametrize("path", ["/", "/nothing", "/apiary", "/a"])
def test_nothing_mounted_is_a_problem(path: str) -> None:
    """A path that no application serves is a 404 with problem details."""
    answer = ask(site("/api", "/a/b"), path)
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    detail = "Nothing is served at this path."
    assert answer.json == {"type": "about:blank", "title": "Not Found", "status": 404, "detail": detail}
    assert ask(site("/api"), path, method="HEAD").body == b""


def test_bodies_stream_and_close() -> None:
    """A body reaches the server as the very iterable the application returned, with its close."""

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a", b"b"])

        def close(self) -> None:
            """Nothing to close."""

    body = Body()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return body

    environ: WSGIEnvironment = {"PATH_INFO": "/app"}
    setup_testing_defaults(environ)
    assert Secure(Site({"/app": app}))(environ, lambda *_: BytesIO().write) is body


def test_information_is_injected_into_every_application() -> None:
    """Values are set as they are, functions are asked with the environ of each request."""
    inject = {"site.name": "bats", "site.path": lambda environ: environ["SCRIPT_NAME"] + "!"}
    for path in ("/", "/api"):
        seen = ask(site("/", "/api", inject=inject), path).json
        assert seen["site.name"] == "bats"
        assert seen["site.path"] == seen["SCRIPT_NAME"] + "!"


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the path and the body of the request."""
    message = await receive()
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    await send(start)
    await send({"type": "http.response.body", "body": scope["path"].encode() + b" ", "more_body": True})
    await send({"type": "http.response.body", "body": message["body"]})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: site("api"), r"expected a prefix such as '/api', got 'api'"),
        (lambda: site("/api", "/api/"), r"'/api/' is there twice"),
        (lambda: Site({"/": asgi}), r"got an ASGI one; wrap it: mergepoint\.asgi\.from_asgi\(app\)"),  # type: ignore[dict-item]
        (lambda: Site({"/": "x"}), r"expected a WSGI application at '/', got str"),  # type: ignore[dict-item]
        (lambda: site("/", inject={"wsgi.input": 1}), r"expected a key of your own .*, got 'wsgi\.input'"),
        (lambda: site("/site.js", bar=True), r"'/site\.js' belongs to the bar"),
    ],
)
def test_a_site_that_cannot_work_is_refused(make: Callable[[], Site], message: str) -> None:
    """Mistakes are reported when the site is made, with the remedy."""
    with pytest.raises(RegistrationError, match=message):
        make()


def test_the_bar_lists_the_applications() -> None:
    """The listing has a title and the full path of each application, below whatever the site itself is mounted at."""
    inner = site("/", "/api", "/back-office", bar=True, titles={"/api": "REST"})
    apps = [
        {"title": "Home", "path": "/"},
        {"title": "REST", "path": "/api"},
        {"title": "Back office", "path": "/back-office"},
    ]
    assert ask(inner, "/site.json").json == {"apps": apps}
    nested = ask(Site({"/n": inner}), "/n/site.json").json["apps"]
    assert [app["path"] for app in nested] == ["/n/", "/n/api", "/n/back-office"]


def test_the_bar_has_a_script() -> None:
    """The script is JavaScript, and only GET and HEAD are answered."""
    bar = site("/", bar=True)
    answer = ask(bar, "/site.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert b"innerHTML" not in answer.body
    assert ask(bar, "/site.js", method="HEAD").headers["content-length"] == str(len(answer.body))
    refused = ask(bar, "/site.json", method="POST")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


def test_there_is_no_bar_unless_asked_for() -> None:
    """Without bar=True the two paths belong to the application at the root."""
    assert ask(site("/"), "/site.json").json["app"] == "/"
    assert ask(site("/api"), "/site.js").status == 404


HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "content-security-policy": "frame-ancestors 'none'",
}


def test_every_answer_carries_security_headers() -> None:
    """Good answers and errors have them; HSTS comes with https alone."""
    app = Secure(site("/api"))
    for path in ("/api", "/nothing"):
        headers = ask(app, path).headers
        assert HEADERS.items() <= headers.items()
        assert "strict-transport-security" not in headers
    secure = ask(app, "/api", https=True).headers
    assert secure["strict-transport-security"] == "max-age=31536000; includeSubDomains"


def test_an_answer_keeps_its_own_security_headers() -> None:
    """What the application sets is not doubled or replaced."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("content-security-policy", "default-src 'self'")])
        return [b""]

    headers = ask(Secure(app, referrer="no-referrer"), "/").headers
    assert headers["content-security-policy"] == "default-src 'self'"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("begun", [True, False])
def test_an_exception_becomes_a_bare_500(begun: bool, caplog: pytest.LogCaptureFixture) -> None:
    """What an application lets out is logged and answered without a detail, its half-begun answer replaced."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if begun:
            start_response("200 OK", [("Content-Type", "text/plain")])
        raise LookupError("hunter2")

    with caplog.at_level(logging.ERROR):
        answer = ask(Secure(app), "/")
    assert answer.status == 500
    assert HEADERS.items() <= answer.headers.items()
    assert b"hunter2" not in answer.body
    assert "LookupError" in caplog.text


def test_an_asgi_application_is_mounted_like_any_other() -> None:
    """Path, body and streamed answer of an ASGI application pass through a site."""
    answer = ask(Site({"/async": from_asgi(asgi)}), "/async/x", method="POST", body=b"bats")
    assert (answer.status, answer.body) == (200, b"/async/x bats")


FORKED = """
import os
from wsgiref.util import setup_testing_defaults
from mergepoint.asgi import from_asgi

async def process(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

def ask():
    environ = {}
    setup_testing_defaults(environ)
    return int(b"".join(app(environ, lambda *_: None)))

app = from_asgi(process)
assert ask() == os.getpid()
child = os.fork()
assert ask() == os.getpid()
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_an_asgi_application_works_after_a_fork() -> None:
    """A server that loads the application and then forks gets answers in parent and child."""
    done = subprocess.run([sys.executable, "-c", FORKED], check=False, timeout=60)
    assert done.returncode == 0


def test_a_client_that_hangs_up_ends_the_asgi_application() -> None:
    """When the body is closed before its end, the application is cancelled and leaves nothing behind."""
    ended = threading.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                await asyncio.sleep(0)
        finally:
            ended.set()

    environ: WSGIEnvironment = {}
    setup_testing_defaults(environ)
    body = iter(from_asgi(endless)(environ, lambda *_: BytesIO().write))
    assert next(body) == b"x"
    body.close()  # type: ignore[attr-defined]
    assert ended.wait(10)
