"""GraphQL over HTTP: what its specifications want, what a hostile caller gets, and clients of other makers."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.menagerie import build
from tests.node import Node
from tests.web import Answer, environ_of, request

from mergepoint import App, Call, Upload
from mergepoint.graphql import Schema, wsgi
from mergepoint.graphql.http import GraphQL
from mergepoint.wsgi import Site

ROOT = Path(__file__).parent.parent
RESPONSE = "application/graphql-response+json"
EVENTS = "text/event-stream"
BAT = "{ bat(id: 1) { id name } }"
ADOPT = 'mutation { adopt(name: "Batrick") { name } }'
PORTRAIT = "mutation ($photo: Upload!) { portrait(photo: $photo) }"
PREFLIGHT = {"GraphQL-Preflight": "1"}


@pytest.fixture(scope="module")
def bats() -> GraphQL:
    """Return the app with one of everything over GraphQL."""
    return wsgi(build(), introspection=True)


def ask(app: Any, query: str, *, accept: str = "", headers: dict[str, str] | None = None, **further: Any) -> Answer:
    """Send an operation as most clients do."""
    headers = {**({"Accept": accept} if accept else {}), **(headers or {})}
    return request(app, "POST", "/", json_body={"query": query, **further}, headers=headers)


def get(app: Any, *, accept: str = RESPONSE, method: str = "GET", **parameters: str) -> Answer:
    """Send an operation in a query string."""
    return request(app, method, f"/?{urlencode(parameters)}", headers={"Accept": accept})


def codes(answer: Answer) -> list[str]:
    """Return the codes of the errors in an answer."""
    return [error["extensions"]["code"] for error in answer.json["errors"]]


# --- the form of answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("Application/JSON", "application/json"),
        (RESPONSE, RESPONSE),
        (f"{RESPONSE}, application/json;q=0.9", RESPONSE),
        (f"{RESPONSE}; charset=utf-8, application/json; charset=utf-8", RESPONSE),
        (f"{RESPONSE};q=0.5, application/json", "application/json"),
        (f"text/html, {RESPONSE};q=0.1", RESPONSE),
        (f"application/json, {EVENTS}", "application/json"),
    ],
)
def test_the_answer_has_the_media_type_that_the_caller_likes_best(bats: GraphQL, accept: str, media_type: str) -> None:
    """Where callers name the newer type it is chosen; who knows neither gets the older one; both are UTF-8."""
    answer = ask(bats, BAT, accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, f"{media_type}; charset=utf-8")
    assert answer.json == {"data": {"bat": {"id": "1", "name": "Bat 1"}}}


@pytest.mark.parametrize(
    ("query", "variables", "newer"),
    [
        ("{", None, 400),
        ("{ feathers }", None, 400),
        ("query A { __typename } query B { __typename }", None, 400),
        ("query ($id: ID!) { bat(id: $id) { id } }", {"id": None}, 400),
        ("{ bat(id: 77) { id } __typename }", None, 294),
        ("{ __typename }", None, 200),
    ],
)
def test_the_status_says_what_became_of_the_operation(bats: GraphQL, query: str, variables: Any, newer: int) -> None:
    """With the newer media type a status tells what happened; callers of the older one rely on 200."""
    named = {"X-Request-Id": "one"}
    answer = ask(bats, query, accept=RESPONSE, headers=named, variables=variables)
    assert answer.status == newer
    assert ("data" in answer.json) == (newer < 300)
    assert ("errors" in answer.json) == (newer != 200)
    older = ask(bats, query, accept="application/json", headers=named, variables=variables)
    assert (older.status, older.json) == (200, answer.json)


@pytest.mark.parametrize(("accept", "status"), [("text/csv", 406), ("application/json;q=0", 406), ("nonsense", 400)])
def test_a_caller_who_takes_nothing_of_ours_is_told(bats: GraphQL, accept: str, status: int) -> None:
    """Without a media type in common nothing runs; an Accept header that cannot be read is an error."""
    answer = ask(bats, BAT, accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json; charset=utf-8")
    assert codes(answer) == ["not_acceptable" if status == 406 else "malformed"]


# --- the form of requests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "further",
    [
        {"variables": None, "operationName": None, "extensions": None},
        {"variables": {}, "operationName": "", "extensions": {"trace": 1}},
        {"unknown": [1, 2, 3]},
    ],
)
def test_what_may_be_left_out_may_be_null(bats: GraphQL, further: dict[str, Any]) -> None:
    """Null is as good as nothing, and parameters that nobody knows are ignored (GraphQL over HTTP, 4.4.1)."""
    assert ask(bats, BAT, **further).json["data"]["bat"]["id"] == "1"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b"null",
        b'"text"',
        b"7",
        b"{}",
        b'{"qeury": "{ __typename }"}',
        b'{"query": 7}',
        b'{"query": null}',
        b'{"query": ["{ __typename }"]}',
        b'{"query": "{ __typename }", "variables": "text"}',
        b'{"query": "{ __typename }", "variables": [7]}',
        b'{"query": "{ __typename }", "operationName": 7}',
        b'{"query": "{ __typename }", "extensions": []}',
        b'{"query": "{ __typename }", "variables": {"x": NaN}}',
        b'{"query": "{ __typename }", "variables": {"x": Infinity}}',
        b'{"query": "{ __typename }", "variables": {"x": 1e999}}',
        b'{"query": "{ __typename }", "variables": {"x": ' + b"9" * 10_000 + b"}}",
        b'{"query": "{ __typename }", "variables": {"x": "\\ud800"}}',
        b'{"query": "{ __typename } # \xff"}',
        b'{"query": "{ __typename }", "variables": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"query": "{ __typename }", "variables": ' + b'{"x":' * 100_000,
        b"[" * 1_000_000,
        b'{"query": "{ __typename }"} {"query": "{ __typename }"}',
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: repr(body[:60]),
)
@pytest.mark.parametrize("accept", ["application/json", RESPONSE])
def test_a_body_that_is_no_request_is_refused_at_once(bats: GraphQL, body: bytes, accept: str) -> None:
    """Whatever comes as JSON: a 400 with a reason, after milliseconds of processor time."""
    began = time.process_time()
    answer = request(bats, "POST", "/", body=body, media_type="application/json", headers={"Accept": accept})
    assert answer.status == 400
    assert time.process_time() - began < 0.1
    assert set(answer.json) == {"errors"}
    assert len(answer.body) < 1_000


@pytest.mark.parametrize(
    "query",
    [
        "{" * 20_000,
        "{ a" * 500,
        "[" * 20_000,
        '{ bat(id: "\\ud800") { id } }',
        '{ bat(id: "\\u{110000}") { id } }',
        "{ bat(id: 1) { id } } \x00",
        "{ " + "bat(id: 1) { id } " * 5_000 + "}",
        "{ search(name: [" + "1" * 50_000 + "]) { id } }",
        "query ($a: Int = " + "[" * 900 + "1" + "]" * 900 + ") { __typename }",
        "fragment A on Query { ...B } fragment B on Query { ...A } { ...A }",
    ],
    ids=lambda query: repr(query[:40]),
)
def test_a_hostile_document_is_refused(bats: GraphQL, query: str) -> None:
    """Deep nesting, circles, wrong letters and sheer length get a 400 in less than half a second of processor time."""
    began = time.process_time()
    answer = ask(bats, query, accept=RESPONSE)
    assert (answer.status, set(answer.json)) == (400, {"errors"})
    assert time.process_time() - began < 0.5


def test_deep_variables_are_no_bug(bats: GraphQL) -> None:
    """Variables nested as deep as JSON can be read are refused as what they are, not as an incident."""
    for depth in (50, 200, 500, 900):
        nested = b"[" * depth + b"1" + b"]" * depth
        body = b'{"query": "query ($n: [String!]!) { search(name: $n) { id } }", "variables": {"n": ' + nested + b"}}"
        answer = request(bats, "POST", "/", body=body, headers={"Accept": RESPONSE})
        assert answer.status == 400, (depth, answer.body)


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "application/graphql",
        "application/jsonp",
        "application/json, text/plain",
        "text/plain, application/json",
        "multipart/form-data-not",
        "application/json; charset=utf-16",
        "x" * 10_000,
    ],
)
def test_no_other_media_type_is_read(bats: GraphQL, media_type: str | None) -> None:
    """What a page of a foreign site could send without asking is refused, whatever else the header says."""
    body = json.dumps({"query": ADOPT}).encode()
    answer = request(bats, "POST", "/", body=body, media_type=media_type) if media_type else _bare(bats)
    assert (answer.status, codes(answer)) == (415, ["unsupported_media_type"])
    assert len(answer.body) < 1_000


def _bare(app: Any) -> Answer:
    """Send a body without saying what it is."""
    started: list[Any] = []
    environ = environ_of("POST", "/", body=json.dumps({"query": ADOPT}).encode(), media_type=None, headers={})
    body = b"".join(app(environ, lambda status, headers: started.extend((status, headers))))
    return Answer(int(started[0][:3]), {name.lower(): value for name, value in started[1]}, body)


def test_utf_8_is_read_and_written(bats: GraphQL) -> None:
    """Text of every script comes back as it went, with or without a charset in the header."""
    text = "Fledermäuse 🦇 蝙蝠"
    for media_type in ("application/json", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'):
        body = json.dumps(
            {"query": "query ($t: String!) { echo(text: $t) }", "variables": {"t": text}}, ensure_ascii=False
        )
        answer = request(bats, "POST", "/", body=body.encode(), media_type=media_type)
        assert answer.json == {"data": {"echo": text}}


def test_a_body_has_an_end(bats: GraphQL) -> None:
    """More than 2.5 MB is refused before it is read, and without a length when it has come."""
    large = b'{"query": "' + b" " * 2_500_000 + b'{ __typename }"}'
    answer = request(bats, "POST", "/", body=large)
    assert (answer.status, codes(answer)) == (413, ["body_too_large"])
    environ = environ_of("POST", "/", body=large, media_type="application/json", headers={})
    del environ["CONTENT_LENGTH"]
    environ["wsgi.input_terminated"] = True
    assert _status(bats, environ) == 413
    environ = environ_of("POST", "/", body=b'{"query"', media_type="application/json", headers={})
    environ["CONTENT_LENGTH"] = "500"
    assert _status(bats, environ) == 400
    assert _status(bats, environ | {"CONTENT_LENGTH": "many"}) == 400


def _status(app: Any, environ: dict[str, Any]) -> int:
    started: list[str] = []
    list(app(environ, lambda status, headers: started.append(status)))
    return int(started[0][:3])


def test_several_operations_are_several_requests(bats: GraphQL) -> None:
    """A batch is refused with what to do instead, before any of it runs."""
    answer = request(bats, "POST", "/", json_body=[{"query": BAT}, {"query": BAT}])
    assert (answer.status, codes(answer)) == (400, ["batch"])
    assert "send each in a request of its own" in answer.json["errors"][0]["message"]


# --- methods -------------------------------------------------------------------------------------------------------


def test_a_get_asks_in_its_query_string(bats: GraphQL) -> None:
    """Query, variables and operation name come from there; empty ones are as good as none."""
    query = "query A($id: ID!) { bat(id: $id) { id } } query B { __typename }"
    found = get(bats, query=query, variables='{"id": "2"}', operationName="A", extensions="{}")
    assert (found.status, found.json) == (200, {"data": {"bat": {"id": "2"}}})
    assert get(bats, query=BAT, variables="", operationName="", extensions="").status == 200
    spaced = request(bats, "GET", "/?query={+__typename%20}", headers={"Accept": RESPONSE})
    assert spaced.json == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/?query=",
        "/?query=%ff",
        "/?query={__typename}&query={__typename}",
        "/?query={__typename}&variables=7",
        "/?query={__typename}&variables={",
        "/?query={__typename}&variables=[]",
        "/?query={__typename}&extensions=text",
        "/?query={__typename}&" + "&".join(f"x{n}=1" for n in range(200)),
        "/?operationName=null&query={__typename}",
    ],
    ids=lambda target: target[:50],
)
def test_a_query_string_that_is_no_request_is_refused(bats: GraphQL, target: str) -> None:
    """Parameters that are missing, twice there or of another type are a 400; `null` is a name as any other."""
    assert request(bats, "GET", target, headers={"Accept": RESPONSE}).status == 400


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("accept", ["application/json", RESPONSE, EVENTS])
def test_a_get_changes_nothing(bats: GraphQL, method: str, accept: str) -> None:
    """A mutation needs a POST, whatever the caller takes: 405, and the header that says what is allowed."""
    answer = get(bats, method=method, accept=accept, query=ADOPT)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_a_stream_of_a_command_needs_a_post() -> None:
    """A subscription that changes things cannot be started by a link."""
    app = App("clock")
    ran: list[int] = []

    def wind() -> Iterator[int]:
        """Wind the clock up."""
        ran.append(1)
        yield 1

    app.command(wind)
    assert get(wsgi(app), accept=EVENTS, query="subscription { wind }").status == 405
    assert ran == []
    assert ask(wsgi(app), "subscription { wind }", accept=EVENTS).status == 200
    assert ran == [1]


def test_head_and_options_are_answered(bats: GraphQL) -> None:
    """HEAD is a GET without the body; OPTIONS says what is allowed."""
    whole, head = get(bats, query=BAT), get(bats, method="HEAD", query=BAT)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))
    stream = get(bats, method="HEAD", accept=EVENTS, query="subscription { watch { id } }")
    assert (stream.status, stream.body, stream.headers["content-type"]) == (200, b"", EVENTS)
    options = request(bats, "OPTIONS", "/")
    assert (options.status, options.headers["allow"], options.body) == (204, "GET, HEAD, OPTIONS, POST", b"")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_other_methods_are_refused(bats: GraphQL, method: str) -> None:
    """405, with those that are allowed (RFC 9110, 15.5.6)."""
    answer = request(bats, method, "/")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")


# --- headers -------------------------------------------------------------------------------------------------------


def _every_kind_of_answer(app: GraphQL) -> Iterator[Answer]:
    yield ask(app, BAT)
    yield ask(app, "{", accept=RESPONSE)
    yield ask(app, "{ broken }", accept=RESPONSE)
    yield ask(app, "subscription { watch { id } }", accept=EVENTS)
    yield ask(app, BAT, accept="text/csv")
    yield request(app, "POST", "/", body=b"{")
    yield request(app, "POST", "/", body=b"x", media_type="text/plain")
    yield request(app, "OPTIONS", "/")
    yield request(app, "DELETE", "/")
    yield request(app, "GET", "/nowhere")
    yield get(app, query=ADOPT)
    yield upload(app, PORTRAIT, headers={})


def test_every_answer_has_security_headers(bats: GraphQL) -> None:
    """Results, streams and refusals of every kind: nosniff, no frames, no referrer, not to be stored, and an id."""
    for answer in _every_kind_of_answer(bats):
        assert answer.headers["x-content-type-options"] == "nosniff", answer
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert len(answer.headers["x-request-id"]) == 16


@pytest.mark.parametrize(("given", "kept"), [("bat-7.x_Y", True), ("x" * 65, False), ("a b", False), ("é", False)])
def test_a_request_keeps_the_name_that_its_caller_gave_it(bats: GraphQL, given: str, kept: bool) -> None:
    """An id that is fit for headers and logs comes back; for any other there is a new one."""
    assert (ask(bats, BAT, headers={"X-Request-Id": given}).headers["x-request-id"] == given) is kept


def test_the_callers_time_and_headers_reach_the_operation() -> None:
    """`Mergepoint-Timeout` bounds the call, headers are its metadata, and what it replies are headers again."""
    app = App("clock")

    def told(call: Call) -> str:
        """Tell what came along."""
        call.reply["x-told"] = "tick\r\nSet-Cookie: tock"
        return f"{call.metadata['x-side']} {call.protocol} {call.request_id} {call.remaining() <= 1.5}"

    app.query(told)
    headers = {"Mergepoint-Timeout": "1.5", "X-Side": "left", "X-Request-Id": "one"}
    answer = ask(wsgi(app), "{ told }", headers=headers)
    assert answer.json == {"data": {"told": "left graphql one True"}}
    assert answer.headers["x-told"] == "tickSet-Cookie: tock"
    late = ask(wsgi(app), "{ told }", headers={**headers, "Mergepoint-Timeout": "0"})
    assert codes(late) == ["deadline_exceeded"]


def test_access_holds(bats: GraphQL) -> None:
    """Anonymous, unknown and signed-in callers get what the operation's policy gives them."""
    assert codes(ask(bats, "{ whoami }")) == ["unauthenticated"]
    assert codes(ask(bats, "{ whoami }", headers={"Authorization": "Bearer nobody"})) == ["unauthenticated"]
    assert ask(bats, "{ whoami }", headers={"Authorization": "Bearer guest"}).json == {"data": {"whoami": "guest"}}
    release = 'mutation { release(id: "1") }'
    assert codes(ask(bats, release, headers={"Authorization": "Bearer guest"})) == ["permission_denied"]


def test_a_bug_tells_nothing_but_its_number(bats: GraphQL) -> None:
    """An exception that nobody declared leaves an incident number and none of its words."""
    answer = ask(bats, "{ broken }")
    assert codes(answer) == ["internal"]
    assert answer.json["errors"][0]["extensions"]["incident"] in answer.json["errors"][0]["message"]
    assert b"secret" not in answer.body


def test_a_bug_of_ours_tells_nothing_either(caplog: pytest.LogCaptureFixture) -> None:
    """Should the server itself fail, there is a 500 with an incident number, all headers, and the rest in the log."""

    class Broken(Schema):
        def prepare(self, request: Any) -> Any:
            raise KeyError("secret at /etc/passwd")

    app = build()
    answer = ask(GraphQL(app, Broken(app)), BAT)
    incident = answer.json["errors"][0]["extensions"]["incident"]
    assert (answer.status, codes(answer)) == (500, ["internal"])
    assert b"secret" not in answer.body
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert incident in caplog.text
    assert "secret at" in caplog.text


# --- files ---------------------------------------------------------------------------------------------------------


def upload(
    app: Any, query: str, *, variables: Any = None, places: Any = None, headers: Any = PREFLIGHT, **files: bytes
) -> Answer:
    """Send files as the GraphQL multipart request specification has it."""
    files = files or {"0": b"squeak"}
    variables = {"photo": None} if variables is None else variables
    places = {name: ["variables.photo"] for name in files} if places is None else places
    return send_form(
        app, [("operations", {"query": query, "variables": variables}), ("map", places), *files.items()], headers
    )


def send_form(app: Any, parts: list[tuple[str, Any]], headers: dict[str, str] = PREFLIGHT) -> Answer:
    """Send parts in this order: bytes as files, everything else as JSON."""
    lines = []
    for name, content in parts:
        file = f'; filename="{name}.png"\r\nContent-Type: image/png' if isinstance(content, bytes) else ""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        lines.append(f'--cut\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n")
    body = b"".join([*lines, b"--cut--\r\n"])
    return request(app, "POST", "/", body=body, media_type="multipart/form-data; boundary=cut", headers=headers)


def test_a_file_comes_beside_its_mutation(bats: GraphQL) -> None:
    """Content, name and media type reach the operation; the parts may come in any order."""
    answer = upload(bats, PORTRAIT)
    assert answer.json == {"data": {"portrait": "untitled: 6 bytes of image/png from 0.png"}}
    operations = {"query": PORTRAIT, "variables": {"photo": None}}
    turned = send_form(bats, [("0", b"squeak"), ("map", {"0": ["variables.photo"]}), ("operations", operations)])
    assert turned.json == answer.json


@pytest.fixture(scope="module")
def album() -> GraphQL:
    """Return an app that takes several files, and one that may be large."""
    app = App("album")

    def hang(photos: list[Upload]) -> list[str]:
        """Hang up some photos."""
        return [f"{photo.name}: {photo.file.read().decode()}" for photo in photos]

    def poster(photo: Upload) -> int:
        """Hang up a large one."""
        return len(photo.file.read())

    def stream(photo: Upload) -> Iterator[str]:
        """Tell of its bytes one by one."""
        while byte := photo.file.read(1):
            yield byte.decode()

    app.command(hang, max_body=50_000)
    app.command(poster, max_body=5_000_000)
    app.command(stream)
    return wsgi(app)


HANG = "mutation ($photos: [Upload!]!) { hang(photos: $photos) }"


def test_files_stand_where_the_map_says(album: GraphQL) -> None:
    """A list has a place for each of them, and one file may stand in several, each to be read from its start."""
    places = {"b": ["variables.photos.0"], "a": ["variables.photos.1"]}
    answer = upload(album, HANG, variables={"photos": [None, None]}, places=places, a=b"A", b=b"B")
    assert answer.json == {"data": {"hang": ["b.png: B", "a.png: A"]}}
    twice = {"a": ["variables.photos.0", "variables.photos.1"]}
    answer = upload(album, HANG, variables={"photos": [None, None]}, places=twice, a=b"same")
    assert answer.json == {"data": {"hang": ["a.png: same", "a.png: same"]}}


def test_a_file_can_be_streamed_about(album: GraphQL) -> None:
    """The file is there until the stream has ended."""
    query = "subscription ($photo: Upload!) { stream(photo: $photo) }"
    answer = upload(album, query, headers={**PREFLIGHT, "Accept": EVENTS})
    assert [event["data"]["stream"] for event in results(answer.body)] == list("squeak")


@pytest.mark.parametrize("header", ["GraphQL-Preflight", "Apollo-Require-Preflight", "X-Requested-With"])
def test_a_form_says_that_its_sender_was_asked(bats: GraphQL, header: str) -> None:
    """Without a header that needs a preflight a form is refused, as any page can send it (CSRF)."""
    assert upload(bats, PORTRAIT, headers={header: "1"}).status == 200
    for headers in ({}, {header: ""}, {"Cookie": "session=1", "Origin": "https://evil.example"}):
        refused = upload(bats, PORTRAIT, headers=headers)
        assert (refused.status, codes(refused)) == (403, ["preflight_required"])
        assert "GraphQL-Preflight: 1" in refused.json["errors"][0]["message"]


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [("operations", {"query": PORTRAIT})],
        [("map", {})],
        [("operations", 7), ("map", {})],
        [("operations", [{"query": PORTRAIT}]), ("map", {})],
        [("operations", {"query": PORTRAIT}), ("map", [])],
        [("operations", {"query": PORTRAIT}), ("map", {"0": "variables.photo"}), ("0", b"x")],
        [("operations", {"query": PORTRAIT, "variables": {"photo": None}}), ("map", {"0": ["variables.photo"]})],
        [("operations", {"query": PORTRAIT, "variables": {"photo": None}}), ("map", {}), ("0", b"x")],
        [("operations", {"query": PORTRAIT}), ("operations", {"query": PORTRAIT}), ("map", {})],
        [("operations", {"query": PORTRAIT}), ("map", {"": ["variables.photo"]}), ("", b"x")],
        *(
            [("operations", {"query": PORTRAIT, "variables": variables}), ("map", {"0": [path]}), ("0", b"x")]
            for variables, path in [
                ({"photo": None}, "photo"),
                ({"photo": None}, "variables"),
                ({"photo": None}, "variables."),
                ({"photo": None}, "query"),
                ({"photo": None}, "variables.photos"),
                ({"photo": None}, "variables.photo.0"),
                ({"photo": "text"}, "variables.photo"),
                ({"photo": [None]}, "variables.photo.-1"),
                ({"photo": [None]}, "variables.photo.1"),
                ({"photo": [None]}, "variables.photo.9999999999999999999"),
                ({"photo": [None]}, "variables.photo.\N{ARABIC-INDIC DIGIT ZERO}"),
                ({"photo": {}}, "variables.photo.__class__"),
                (None, "variables.photo"),
            ]
        ),
    ],
    ids=lambda parts: repr(parts)[:80],
)
def test_a_form_that_does_not_fit_together_is_refused(bats: GraphQL, parts: list[tuple[str, Any]]) -> None:
    """Parts that are missing, twice there, or lead nowhere are a 400 that says which."""
    answer = send_form(bats, parts)
    assert (answer.status, codes(answer)[0] in ("malformed", "batch")) == (400, True), answer.body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--cut",
        b"no form at all",
        b"--cut\r\n\r\n",
        b"--cut\r\nContent-Disposition: form-data\r\n\r\nx\r\n--cut--",
    ],
)
def test_a_body_that_is_no_form_is_refused(bats: GraphQL, body: bytes) -> None:
    """Broken multipart is a 400, and so is a header without the boundary."""
    headers = PREFLIGHT
    assert (
        request(bats, "POST", "/", body=body, media_type="multipart/form-data; boundary=cut", headers=headers).status
        == 400
    )
    assert request(bats, "POST", "/", body=body, media_type="multipart/form-data", headers=headers).status == 400


def test_files_have_the_size_that_the_operation_allows(album: GraphQL) -> None:
    """`max_body` holds for each operation; a longer form is refused before it is read to the end."""
    large = b"x" * 4_000_000
    poster = "mutation ($photo: Upload!) { poster(photo: $photo) }"
    assert upload(album, poster, a=large).json == {"data": {"poster": 4_000_000}}
    places, variables = {"a": ["variables.photos.0"]}, {"photos": [None]}
    refused = upload(album, HANG, variables=variables, places=places, a=large)
    assert (refused.status, codes(refused)) == (413, ["body_too_large"])
    assert upload(album, poster, a=b"x" * 5_000_000).status == 413


def test_an_operation_may_take_less_than_others() -> None:
    """`max_body` holds for JSON and query strings too, however the operation is reached; the text is not counted."""
    app = App("notes")

    def note(text: str) -> int:
        """Write something short down."""
        return len(text)

    app.query(note, max_body=500)
    query = "query ($t: String!) { ...F } fragment F on Query { ... { n: note(text: $t) } }" + " " * 1_000
    served = wsgi(app)
    assert ask(served, query, variables={"t": "x" * 100}).json == {"data": {"n": 100}}
    assert ask(served, query, variables={"t": "x" * 600}).status == 413
    assert get(served, query=query.strip(), variables=json.dumps({"t": "x" * 2_000})).status == 413


def test_a_file_is_only_a_file_in_a_form(bats: GraphQL) -> None:
    """JSON in the place of a file is refused as a variable of the wrong type."""
    values: list[Any] = [None, "text", 7, {"name": "x"}, []]
    for value in values:
        answer = ask(bats, PORTRAIT, accept=RESPONSE, variables={"photo": value})
        assert answer.status == 400, answer.body


def test_an_app_without_files_takes_no_form() -> None:
    """Where no operation has an `Upload` a form is of the wrong media type."""
    assert upload(wsgi(_hello()), "{ greet }").status == 415


def _hello() -> App:
    app = App("hello")

    def greet(name: str = "World") -> str:
        """Say hello to somebody."""
        return f"Hello, {name}!"

    app.query(greet)
    return app


# --- subscriptions -------------------------------------------------------------------------------------------------


def results(body: bytes) -> list[Any]:
    """Read a stream of events: each result, after checking that all is as GraphQL over SSE has it."""
    begin, *events, complete, end = body.decode().split("\n\n")
    assert (begin, complete, end) == (":", "event: complete\ndata:", "")
    assert all(event.startswith("event: next\ndata: ") for event in events)
    return [json.loads(event.removeprefix("event: next\ndata: ")) for event in events]


def test_a_subscription_is_a_stream_of_events(bats: GraphQL) -> None:
    """Each item is an event `next`, the end an event `complete`; it works with GET and POST."""
    query = "subscription { watch(count: 2) { id name } }"
    answer = ask(bats, query, accept=EVENTS)
    assert (answer.status, answer.headers["content-type"]) == (200, EVENTS)
    assert [result["data"]["watch"]["id"] for result in results(answer.body)] == ["0", "1"]
    assert get(bats, accept=EVENTS, query=query).body == answer.body


def test_an_error_ends_a_subscription(bats: GraphQL) -> None:
    """What was made before is sent, then the declared error with its code, and then it is complete."""
    *items, last = results(ask(bats, "subscription { watch(count: 9) { id } }", accept=EVENTS).body)
    assert len(items) == 5
    assert last["errors"][0]["extensions"]["code"] == "no_such_bat"


@pytest.mark.parametrize("query", ["{", "subscription { feathers }", "subscription { watch(count: 77) { id } }"])
def test_who_takes_events_gets_refusals_as_events(bats: GraphQL, query: str) -> None:
    """A browser's EventSource could not read the body of a 400."""
    answer = ask(bats, query, accept=EVENTS)
    assert answer.status == 200
    assert ["errors" in result for result in results(answer.body)] == [True]


def test_a_query_may_be_answered_with_events(bats: GraphQL) -> None:
    """Who takes nothing but events gets the one result as one."""
    assert results(ask(bats, BAT, accept=EVENTS).body) == [{"data": {"bat": {"id": "1", "name": "Bat 1"}}}]
    assert results(ask(bats, ADOPT, accept=EVENTS).body) == [{"data": {"adopt": {"name": "Batrick"}}}]


@pytest.mark.parametrize("accept", ["application/json", RESPONSE])
def test_who_takes_no_events_cannot_subscribe(bats: GraphQL, accept: str) -> None:
    """A subscription over plain JSON is a 406 that names the header."""
    answer = ask(bats, "subscription { watch { id } }", accept=accept)
    assert (answer.status, codes(answer)) == (406, ["not_acceptable"])
    assert "Accept: text/event-stream" in answer.json["errors"][0]["message"]


def _watched() -> tuple[App, list[str]]:
    """Return an app with an endless stream, and what is written down when the stream is left."""
    app = App("clock")
    left: list[str] = []

    @contextmanager
    def around(call: Call) -> Iterator[None]:
        try:
            yield
        finally:
            left.append(call.operation.name)

    def ticks() -> Iterator[int]:
        """Tick for ever."""
        number = 0
        while True:
            yield number
            number += 1

    app.around(around)
    app.query(ticks)
    return app, left


@pytest.mark.parametrize("read", [0, 1, 3])
def test_a_client_that_hangs_up_ends_the_operation(read: int) -> None:
    """When the server closes the answer, the operation's context managers are left, however much was read."""
    app, left = _watched()
    headers = {"Accept": EVENTS}
    body = json.dumps({"query": "subscription { ticks }"}).encode()
    environ = environ_of("POST", "/", body=body, media_type="application/json", headers=headers)
    served: Any = wsgi(app)
    events = served(environ, lambda status, headers: io.BytesIO().write)
    for _ in range(read):
        next(events)
    events.close()
    gc.collect()
    assert left == (["ticks"] if read > 1 else [])
    events.close()  # a second time does nothing


# --- persisted documents -------------------------------------------------------------------------------------------


def test_a_persisted_document_is_asked_for_by_its_name() -> None:
    """By name or SHA-256, over GET and POST, by the parameter of the draft or the extension of older clients."""
    text = "query ($id: ID!) { bat(id: $id) { name } }"
    app = wsgi(build(), persisted={"bat": text, "adopt": ADOPT}, only_persisted=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    variables = {"id": "2"}
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": digest}}
    for asked in ({"documentId": "bat"}, {"documentId": f"sha256:{digest}"}, {"extensions": extensions}):
        posted = request(app, "POST", "/", json_body={**asked, "variables": variables}, headers={"Accept": RESPONSE})
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in asked.items()}
        got = get(app, **texts, variables=json.dumps(variables))
        assert posted.json == got.json == {"data": {"bat": {"name": "Bat 2"}}}, asked
    assert get(app, documentId="adopt").status == 405
    assert codes(get(app, documentId="feathers")) == ["PERSISTED_QUERY_NOT_FOUND"]
    assert codes(ask(app, BAT, accept=RESPONSE)) == ["not_persisted"]


# --- where it is served --------------------------------------------------------------------------------------------


def test_it_is_served_below_a_path() -> None:
    """A site takes the path away, a prefix names it; nothing else is there."""
    site, alone = Site({"/graphql": wsgi(_hello())}), wsgi(_hello(), prefix="/graphql")
    for app in (site, alone):
        body = {"query": "{ greet }"}
        assert request(app, "POST", "/graphql", json_body=body).json == {"data": {"greet": "Hello, World!"}}
        assert request(app, "POST", "/graphql/", json_body=body).status == 200
        for path in ("/", "/graphql/page.js", "/graphql/graphql", "/graphqlx", "/other"):
            assert request(app, "POST", path, json_body=body).status == 404, path


# --- the command ---------------------------------------------------------------------------------------------------


def _command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mergepoint", "graphql", *arguments]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)


def test_the_schema_is_printed(tmp_path: Path) -> None:
    """`mergepoint graphql schema` prints what clients generate code from, and says what is missing in it and why."""
    (tmp_path / "bats.py").write_text("from tests.menagerie import build\n\napp = build()\n")
    found = _command("schema", "bats.py", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stdout == Schema(build()).sdl.rstrip("\n") + "\n"
    assert "type Query {" in found.stdout
    assert "Left out: leaflet: " in found.stderr
    written = _command("schema", "bats.py", "--output", "bats.graphql", cwd=tmp_path)
    assert (written.stdout, (tmp_path / "bats.graphql").read_text()) == ("", found.stdout)


def test_the_command_tells_of_failures_in_one_line(tmp_path: Path) -> None:
    """A file that is not there, an app that is not, and a folder that cannot be written to."""
    (tmp_path / "hello.py").write_text("from mergepoint import App\n\napp = App('hello')\n")
    absent = _command("schema", "absent.py", cwd=tmp_path)
    assert (absent.returncode, absent.stderr.count("\n")) == (2, 1)
    unwritable = _command("schema", "hello.py", "--output", "absent/schema.graphql", cwd=tmp_path)
    assert unwritable.returncode == 1
    assert "absent/schema.graphql cannot be written" in unwritable.stderr


# --- clients of other makers, against a real server ----------------------------------------------------------------

SERVICE = """
import sys
from contextlib import contextmanager, suppress
from collections.abc import Iterator

from tests.menagerie import build
from mergepoint import anyone, graphql

app = build()


@app.around
@contextmanager
def told(call):
    try:
        yield
    finally:
        print("left", call.operation.name, file=sys.stderr, flush=True)


def ticks() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


app.query(ticks, allow=anyone)
app.mount("/ql", graphql.wsgi(app, introspection=True, graphiql=True))
"""


SECONDS = 30
"""The patience of a test with a server; what it waits for comes in less than two."""


class Served:
    """A server in a process group of its own: `mergepoint run` of a file."""

    def __init__(self, service: Path) -> None:
        self._output = service.with_suffix(".log")
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mergepoint", "run", str(service), "--port", "0"],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        """Return where it serves GraphQL."""
        self.wait_for("Ctrl+C stops it.")
        return next(word for word in self._output.read_text().split() if word.endswith("/ql"))

    def wait_for(self, text: str) -> None:
        """Wait until it has printed a text."""
        until = time.monotonic() + SECONDS
        while text not in self._output.read_text():
            assert self._process.poll() is None, self._output.read_text()
            assert time.monotonic() < until, self._output.read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as an administrator does, and what is left of it at once."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def _serving(service: str, folder: Path) -> Iterator[Served]:
    path = folder / "service.py"
    path.write_text(service)
    server = Served(path)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the app with one of everything as `mergepoint run` does."""
    with _serving(SERVICE, tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="module")
def node() -> Node:
    """Give the programs of tests/npm/graphql."""
    return Node(ROOT / "tests" / "npm" / "graphql")


def test_the_audit_of_graphql_over_http_finds_nothing(served: Served, node: Node, record_property: Any) -> None:
    """The independent audit `graphql-http` passes whole: no error, no warning, no notice."""
    found = node.run("audit.mjs", served.url)
    record_property("GraphQL over HTTP audit", f"{len(found)} audits, all ok")
    assert len(found) >= 60
    assert [audit for audit in found if audit["status"] != "ok"] == []
    assert {audit["name"].split()[0] for audit in found} == {"MUST", "SHOULD", "MAY"}


def test_a_client_in_another_language_calls_it(served: Served, node: Node) -> None:
    """`graphql-request` gets data, sends variables, and reads the code and kind of every failure."""
    [got] = node.run("client.mjs", served.url)
    assert got["query"] == {"bat": {"id": "1", "name": "Bat 1"}}
    assert [edge["node"]["id"] for edge in got["variables"]["bats"]["edges"]] == ["1", "2"]
    assert got["mutation"] == {"adopt": {"id": "99", "name": "Batrick", "wings": [{"span": 0.5}]}}
    assert got["declared"] == {"status": 294, "code": "no_such_bat", "kind": "not_found", "path": ["bat"]}
    assert (got["stranger"]["code"], got["bug"]["code"]) == ("unauthenticated", "internal")
    assert got["user"] == {"whoami": "keeper"}
    assert got["invalid"]["status"] == 400


def test_a_browsers_form_brings_a_file(served: Served, node: Node) -> None:
    """`FormData` and `File` of the platform make a multipart request that is understood."""
    assert node.run("upload.mjs", served.url) == [{"data": {"portrait": "Bat: 6 bytes of image/png from bat.png"}}]


def test_a_client_for_events_subscribes(served: Served, node: Node) -> None:
    """`graphql-sse` gets every item, and errors where they happen."""
    got = node.run("subscribe.mjs", served.url, "subscription { watch(count: 3) { id } }", "9")
    assert [result["data"]["watch"]["id"] for result in got] == ["0", "1", "2"]
    assert node.run("subscribe.mjs", served.url, "subscription { feathers }", "9")[0]["errors"]


def test_a_client_that_hangs_up_is_noticed_by_the_server(served: Served, node: Node) -> None:
    """`graphql-sse` leaves an endless stream after three items, and the operation ends."""
    got = node.run("subscribe.mjs", served.url, "subscription { ticks }", "3")
    assert [result["data"]["ticks"] for result in got] == [0, 1, 2]
    served.wait_for("left ticks")


HELLO = """
from hello import app
from mergepoint import graphql

app.mount("/ql", graphql.wsgi(app))
"""


def test_the_first_example_is_called_from_another_language(node: Node, tmp_path: Path) -> None:
    """The app of examples/hello.py over GraphQL, with `graphql-request`."""
    example = ROOT / "examples" / "hello.py"
    (tmp_path / "hello.py").write_text(example.read_text())
    with _serving(HELLO, tmp_path) as hello:
        query = "query ($name: String) { greet(name: $name) }"
        assert node.run("ask.mjs", hello.url, query, '{"name": "Bat"}') == [{"greet": "Hello, Bat!"}]
        assert node.run("ask.mjs", hello.url, "{ greet }") == [{"greet": "Hello, World!"}]
