"""REST: what callers send and get, on a WSGI application that the standard library's validator watches."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.menagerie import build
from tests.web import Answer, environ_of, request

from mergepoint import App, rest
from mergepoint.call import current
from mergepoint.errors import RegistrationError
from mergepoint.rest.openapi import describe

api = rest.wsgi(build(), prefix="/api", cors=["https://bats.example"])
KEEPER = {"authorization": "Bearer keeper"}
GUEST = {"authorization": "Bearer guest"}


def get(target: str, **headers: str) -> Answer:
    """Send a GET; underscores in header names stand for hyphens."""
    return request(api, "GET", target, headers=headers)


def errors_of(answer: Answer) -> dict[str, str]:
    """Return the problems that an answer lists, by path."""
    return {problem["path"]: problem["message"] for problem in answer.json["errors"]}


# --- what comes back ---


def test_a_query_answers_with_json_and_an_etag() -> None:
    """A query's result comes as JSON, ids as text, enums by value, and with what caches need."""
    answer = get("/api/bats/3")
    assert answer.status == 200
    assert answer.json == {"id": "3", "name": "Bat 3", "diet": "insects", "wings": [], "born": None, "weight": None}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.headers["etag"].startswith('"')


def test_a_known_etag_answers_304_without_a_body() -> None:
    """A caller who has the answer already is told so, whatever else stands in its list of tags."""
    tag = get("/api/bats/3").headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        answer = get("/api/bats/3", if_none_match=known)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == tag
    assert get("/api/bats/3", if_none_match='"other"').status == 200


def test_a_command_that_makes_something_says_where_it_is() -> None:
    """A status of 201 comes with the Location of what was made, below the prefix."""
    answer = request(api, "POST", "/api/bats", json_body={"name": "Batrick", "wings": [{"span": 0.3}]})
    assert answer.status == 201
    assert answer.headers["location"] == "/api/bats/99"
    assert answer.headers["cache-control"] == "no-store"


def test_nothing_answers_204() -> None:
    """An operation that returns None answers with no content."""
    answer = request(api, "DELETE", "/api/bats/3", headers=KEEPER)
    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers


def test_the_whole_body_may_be_one_parameter() -> None:
    """With body="bat" the body is the record itself, and other parameters come from path and query."""
    answer = request(api, "PUT", "/api/bats/7?note=old", json_body={"name": "Batty", "diet": "fruit"})
    assert answer.json["id"] == "7"
    assert answer.json["diet"] == "fruit"


def test_lists_come_from_repeated_names() -> None:
    """A list in the query is its name given once for each item."""
    assert [bat["id"] for bat in get("/api/search?name=Bat+1&name=Bat%202").json] == ["1", "2"]
    assert [bat["id"] for bat in get("/api/search?name=Bat%201").json] == ["1"]


def test_a_stream_is_one_json_value_a_line() -> None:
    """A stream comes as NDJSON, or as server-sent events for a caller that asks for them."""
    lines = get("/api/watch").body.splitlines()
    assert [msgspec.json.decode(line)["id"] for line in lines] == ["0", "1", "2"]
    events = get("/api/watch?count=1", accept="text/event-stream")
    assert events.headers["content-type"] == "text/event-stream"
    assert events.body.startswith(b'data: {"id":"0"')


def test_a_stream_that_fails_midway_ends_with_the_problem() -> None:
    """What went before is kept, and the last line tells the failure."""
    lines = get("/api/watch?count=7").body.splitlines()
    assert len(lines) == 6
    assert msgspec.json.decode(lines[-1])["problem"]["code"] == "no_such_bat"


def test_a_caller_that_hangs_up_ends_the_stream() -> None:
    """When the server closes the answer, the operation's clean-up runs and no call stays current."""
    ended = []

    def forever() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            ended.append(current())

    app = App("endless")
    app.query(forever)
    body = rest.wsgi(app)(environ_of("GET", "/forever", body=b"", media_type=None, headers={}), lambda *_: None)
    chunks = iter(body)
    assert [next(chunks), next(chunks)] == [b"0\n", b"1\n"]
    body.close()  # type: ignore[attr-defined]
    assert [call.operation.name for call in ended if call] == ["forever"]
    assert current() is None


def test_a_download_has_its_name_and_type() -> None:
    """A file is an attachment whose name survives, in ASCII for old browsers and in full for others."""
    answer = get("/api/leaflet")
    assert answer.body == b"Bats are kind."
    assert answer.headers["content-type"] == "text/plain"
    disposition = answer.headers["content-disposition"]
    assert disposition == "attachment; filename=\"_ber bats.txt\"; filename*=UTF-8''%C3%BCber%20bats.txt"


FORM = (
    b'--XX\r\nContent-Disposition: form-data; name="title"\r\n\r\nMe\r\n'
    b'--XX\r\nContent-Disposition: form-data; name="photo"; filename="me.png"\r\n'
    b"Content-Type: image/png\r\n\r\nPNG!\r\n--XX--\r\n"
)
MULTIPART = "multipart/form-data; boundary=XX"


def test_an_upload_comes_as_a_form() -> None:
    """A file and the values beside it come as multipart/form-data."""
    answer = request(api, "POST", "/api/portrait", body=FORM, media_type=MULTIPART)
    assert answer.json == "Me: 4 bytes of image/png from me.png"


def test_an_async_operation_answers_like_any_other() -> None:
    """`async def` makes no difference to the caller."""
    assert get("/api/echo?text=hi").json == "hi"


def test_head_answers_as_get_without_a_body() -> None:
    """HEAD has the headers of GET."""
    head, whole = request(api, "HEAD", "/api/bats/3"), get("/api/bats/3")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))
    assert head.headers["etag"] == whole.headers["etag"]


def test_options_tells_the_methods() -> None:
    """OPTIONS says what may be done with a path."""
    answer = request(api, "OPTIONS", "/api/bats/3")
    assert (answer.status, answer.headers["allow"]) == (204, "DELETE, GET, PUT, HEAD, OPTIONS")


# --- who may ---


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [({}, 401, "unauthenticated"), (GUEST, 403, "permission_denied"), (KEEPER, 404, "no_such_bat")],
)
def test_access_is_asked_before_anything_else(headers: dict[str, str], status: int, code: str) -> None:
    """A stranger signs in first, a guest may not, and only a keeper learns that there is no such bat."""
    answer = request(api, "DELETE", "/api/bats/77", headers=headers)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_a_stranger_learns_nothing_from_wrong_input() -> None:
    """Arguments are not read before access is granted."""
    assert request(api, "DELETE", "/api/bats/not-a-number").status == 401


def test_what_belongs_to_a_user_is_not_stored() -> None:
    """The answer to somebody who is signed in stays out of every cache."""
    answer = get("/api/whoami", **KEEPER)
    assert (answer.json, answer.headers["cache-control"]) == ("keeper", "no-store")


# --- what is wrong ---


def test_every_wrong_field_is_listed_at_once() -> None:
    """Path, query and body are all reported, each fault with its path."""
    wrong = {"name": "", "diet": "blood", "wings": [{"span": 9}, {}], "nmae": "x"}
    answer = request(api, "PUT", "/api/bats/seven?note=a&nte=b", json_body=wrong)
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert errors_of(answer) == {
        "$.nte": "Unknown field; did you mean `note`?",
        "$.id": "Expected a 64-bit id: digits in a string",
        "$.nmae": "Unknown field; did you mean `name`?",
        "$.name": "Expected `str` of length >= 1",
        "$.diet": "Invalid enum value 'blood'",
        "$.wings[0].span": "Expected `float` <= 2.0",
        "$.wings[1].span": "Missing",
    }


BAD_BODIES: dict[str, tuple[bytes, int, str]] = {
    "wrong type": (b'{"name": 5}', 422, "$.name"),
    "missing": (b"{}", 422, "$.name"),
    "unknown field": (b'{"name": "a", "foo": 1}', 422, "$.foo"),
    "out of range": (b'{"name": "a", "wings": [{"span": 3}]}', 422, "$.wings[0].span"),
    "no object": (b"[]", 422, "$"),
    "bad JSON": (b'{"name": ', 400, "$"),
    "NaN": (b'{"name": "a", "wings": [{"span": NaN}]}', 400, "$"),
    "infinity": (b'{"name": "a", "wings": [{"span": 1e999}]}', 400, "$"),
    "10,000 brackets": (b'{"name": ' + b"[" * 10_000, 400, "$"),
    "100,000 closed brackets": (b"[" * 100_000 + b"]" * 100_000, 400, "$"),
    "lone surrogate": (b'{"name": "\\ud800"}', 400, "$"),
    "25-digit number": (b'{"name": "a", "age": ' + b"9" * 25 + b"}", 422, "$.age"),
    "400-digit number": (b'{"name": "a", "age": ' + b"9" * 400 + b"}", 422, "$.age"),
    "5,000-digit number": (b'{"name": "a", "age": ' + b"9" * 5_000 + b"}", 400, "$"),
    "invalid UTF-8": (b'{"name": "\xff\xfe"}', 400, "$"),
    "null": (b"null", 422, "$"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused_with_its_fault(name: str) -> None:
    """Whatever is wrong with a body, the answer is a 4xx problem with the path of the fault."""
    body, status, path = BAD_BODIES[name]
    answer = request(api, "POST", "/api/bats", body=body)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert path in errors_of(answer)


@pytest.mark.parametrize(
    ("target", "status", "path"),
    [
        ("/api/bats?limit=zero", 422, "$.limit"),
        ("/api/bats?limit=0", 422, "$.limit"),
        ("/api/bats?limit=5&limit=6", 422, "$.limit"),
        ("/api/bats?lmit=5", 422, "$.lmit"),
        ("/api/bats/3?id=4", 422, "$.id"),
        ("/api/bats/99999999999999999999", 422, "$.id"),
        ("/api/bats/9999999999999999999", 422, "$.id"),
        ("/api/bats/%D9%A3", 422, "$.id"),
        ("/api/search", 422, "$.name"),
        ("/api/search?name=a&scale=nan", 422, "$.scale"),
        ("/api/search?name=a&scale=-inf", 422, "$.scale"),
        ("/api/search?name=a&exact=perhaps", 422, "$.exact"),
        ("/api/echo?text=%FF", 400, None),
        ("/api/echo?text=%ED%A0%80", 400, None),
    ],
)
def test_a_bad_path_or_query_is_refused_with_its_fault(target: str, status: int, path: str | None) -> None:
    """Text in the URL is held to the same rules as a body."""
    raw, _, query = target.partition("?")
    answer = request(api, "GET", unquote_to_bytes(raw).decode() + ("?" + query if query else ""))
    assert answer.status == status
    assert path is None or path in errors_of(answer)


def test_a_path_that_is_no_utf8_is_not_found() -> None:
    """Bytes that are no text lead nowhere."""
    environ = environ_of("GET", "/", body=b"", media_type=None, headers={}) | {"PATH_INFO": "/api/bats/\xff"}
    statuses: list[str] = []
    list(api(environ, lambda status, _: statuses.append(status)))
    assert statuses == ["404 Not Found"]


def test_a_body_that_is_too_large_is_refused_unread() -> None:
    """Three megabytes are more than the usual limit; so they are when the length is not told."""
    body = b'{"name": "' + b"a" * 3_000_000 + b'"}'
    assert request(api, "POST", "/api/bats", body=body).status == 413
    environ = environ_of("POST", "/api/bats", body=body, media_type="application/json", headers={})
    del environ["CONTENT_LENGTH"]
    statuses: list[str] = []
    list(api(environ | {"wsgi.input_terminated": True}, lambda status, _: statuses.append(status)))
    assert statuses == ["413 Request Entity Too Large"]


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
def test_json_under_another_name_is_refused(media_type: str) -> None:
    """A page of another site can send these types without asking, so they are not read."""
    answer = request(api, "POST", "/api/bats", body=b'{"name": "a"}', media_type=media_type)
    assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")


def test_a_body_without_a_type_is_refused() -> None:
    """A body that does not say what it is is not taken for JSON."""
    environ = environ_of("POST", "/api/bats", body=b'{"name": "a"}', media_type=None, headers={})
    statuses: list[str] = []
    list(api(environ, lambda status, _: statuses.append(status)))
    assert statuses == ["415 Unsupported Media Type"]


def test_json_may_say_its_charset() -> None:
    """application/json with parameters is JSON."""
    answer = request(api, "POST", "/api/bats", body=b'{"name": "a"}', media_type="application/json; charset=utf-8")
    assert answer.status == 201


def test_a_body_that_ends_early_is_refused() -> None:
    """A body shorter than its length is no body."""
    environ = environ_of("POST", "/api/bats", body=b'{"name"', media_type="application/json", headers={})
    statuses: list[str] = []
    list(api(environ | {"CONTENT_LENGTH": "500"}, lambda status, _: statuses.append(status)))
    assert statuses == ["400 Bad Request"]


@pytest.mark.parametrize("length", ["many", "-5", "٣"])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    """Content-Length has digits."""
    environ = environ_of("POST", "/api/bats", body=b"{}", media_type="application/json", headers={})
    statuses: list[str] = []
    list(api(environ | {"CONTENT_LENGTH": length}, lambda status, _: statuses.append(status)))
    assert statuses == ["400 Bad Request"]


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (FORM[:-30], MULTIPART, 400),
        (FORM, "multipart/form-data", 400),
        (FORM.replace(b"photo", b"picture"), MULTIPART, 422),
        (FORM.replace(b"title", b"tilte"), MULTIPART, 422),
        (b"--XX--\r\n", MULTIPART, 422),
        (b"{}", "application/json", 415),
        (FORM.replace(b"PNG!", b"P" * 2_600_000), MULTIPART, 413),
    ],
)
def test_a_bad_form_is_refused(body: bytes, media_type: str, status: int) -> None:
    """A form that cannot be read, or has other parts than expected, answers 4xx."""
    assert request(api, "POST", "/api/portrait", body=body, media_type=media_type).status == status


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/api/nowhere", 404, "no_such_path"),
        ("GET", "/api/bats/3/wings", 404, "no_such_path"),
        ("PATCH", "/api/bats/3", 405, "method_not_allowed"),
        ("HEAD", "/api/portrait", 405, "method_not_allowed"),
    ],
)
def test_paths_and_methods_that_are_not_there_are_problems_too(
    method: str, target: str, status: int, code: str
) -> None:
    """What HTTP itself refuses has the same form as what operations refuse."""
    answer = request(api, method, target)
    assert answer.status == status
    if method != "HEAD":
        assert answer.json["code"] == code
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("accept", "status"), [("text/html", 406), ("application/*;q=0.5", 200), ("*/*", 200), ("a/b/c,,", 400)]
)
def test_a_caller_that_takes_no_json_is_told(accept: str, status: int) -> None:
    """The Accept header is honoured."""
    assert get("/api/bats/3", accept=accept).status == status


# --- failures ---


def test_a_declared_error_tells_its_public_fields() -> None:
    """An exception of the application travels with its code, message and fields."""
    answer = get("/api/bats/77", x_request_id="abc-123")
    assert answer.status == 404
    assert answer.json == {
        "title": "Not Found",
        "status": 404,
        "kind": "not_found",
        "code": "no_such_bat",
        "detail": "There is no bat 77.",
        "request_id": "abc-123",
        "fields": {"id": "77"},
    }
    assert request(api, "POST", "/api/bats", json_body={"name": "taken"}).json["code"] == "name_taken"


def test_a_bug_tells_nothing_but_an_incident(caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets a number, the log the traceback under that number."""
    with caplog.at_level(logging.ERROR, "mergepoint"):
        answer = get("/api/broken")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert answer.json["incident"] in caplog.text
    assert "secret at /etc/passwd" in caplog.text


def test_a_result_that_cannot_be_written_is_a_bug_too(caplog: pytest.LogCaptureFixture) -> None:
    """An operation that breaks its own contract answers 500, with an incident."""
    app = App("liar")

    def lie() -> list[int]:
        return object()  # type: ignore[return-value]

    app.query(lie)
    answer = request(rest.wsgi(app), "GET", "/lie")
    assert answer.status == 500
    assert answer.json["incident"] in caplog.text


def test_a_call_whose_time_is_over_answers_504() -> None:
    """The time that the caller still has comes along and is kept."""
    answer = get("/api/bats/3", mergepoint_timeout="0")
    assert (answer.status, answer.json["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize("given", ["a b", "x" * 65, "a\tb", "é", ""])
def test_a_request_id_that_could_forge_a_log_line_is_replaced(given: str) -> None:
    """Only short and plain request ids are taken over."""
    taken = get("/api/bats/3", x_request_id=given.encode().decode("latin-1")).headers["x-request-id"]
    assert taken != given
    assert len(taken) == 16


@pytest.mark.parametrize(
    "target", ["/api/bats/3", "/api/bats/77", "/api/nowhere", "/api/broken", "/api/watch", "/api/leaflet"]
)
def test_security_headers_are_on_every_answer(target: str) -> None:
    """Errors too."""
    headers = get(target).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert len(headers["x-request-id"]) == 16


# --- other origins ---


def test_a_listed_origin_may_read_the_answer() -> None:
    """CORS goes by the list; answers say that they depend on it."""
    listed = get("/api/bats/3", origin="https://bats.example").headers
    assert listed["access-control-allow-origin"] == "https://bats.example"
    assert listed["vary"] == "Origin"
    assert "access-control-allow-origin" not in get("/api/bats/3", origin="https://evil.example").headers


def test_a_preflight_is_answered_for_listed_origins_only() -> None:
    """A browser that asks first is told the methods and headers, or nothing."""
    ask = {"access-control-request-method": "PUT", "access-control-request-headers": "content-type, authorization"}
    allowed = request(api, "OPTIONS", "/api/bats/3", headers={"origin": "https://bats.example", **ask}).headers
    assert "PUT" in allowed["access-control-allow-methods"]
    assert allowed["access-control-allow-headers"] == "content-type, authorization"
    refused = request(api, "OPTIONS", "/api/bats/3", headers={"origin": "https://evil.example", **ask}).headers
    assert "access-control-allow-methods" not in refused


@pytest.mark.parametrize("origin", ["*", "bats.example", "https://bats.example/"])
def test_an_origin_that_is_none_is_refused_at_start_up(origin: str) -> None:
    """There is no way to allow every origin by accident."""
    with pytest.raises(RegistrationError, match="is no origin"):
        rest.wsgi(App("bats"), cors=[origin])


# --- what cannot be served ---


def takes_record(wing: "Wing") -> str:
    """Take a record in a query."""
    return str(wing)


class Wing(msgspec.Struct):
    """A record."""

    span: float


def takes_default(id: int = 5) -> str:
    """Take a default in a path."""
    return str(id)


@pytest.mark.parametrize(
    ("register", "text"),
    [
        (lambda app: app.query(takes_record), "`wing` is a Wing, which the query cannot hold"),
        (lambda app: app.query(takes_default, http="GET /x/{id}"), "is in the path; it cannot have a default"),
        (lambda app: app.command(takes_default, location="/x/{id}"), "needs `id`, which its result does not have"),
    ],
)
def test_what_http_cannot_carry_is_refused_at_start_up(register: Callable[[App], Any], text: str) -> None:
    """The message names the operation, the fault and what to do; no request is needed to find out."""
    app = App("wrong")
    register(app)
    with pytest.raises(RegistrationError, match=text):
        rest.wsgi(app)


def test_two_operations_at_one_path_are_refused() -> None:
    """Whatever the placeholders are called."""
    app = App("twice")
    app.query(one, http="GET /x/{a}")
    app.query(two, http="GET /x/{b}")
    with pytest.raises(RegistrationError, match=r"GET /x/{b} already leads to one"):
        rest.wsgi(app)


def one(a: int) -> int:
    """Be the first."""
    return a


def two(b: int) -> int:
    """Be the second."""
    return b


def test_placeholders_of_one_place_may_have_several_names() -> None:
    """GET /x/{a} and DELETE /x/{b} and GET /x/{c}/y stand beside each other."""
    app = App("names")
    app.query(one, http="GET /x/{a}")
    app.command(two, http="DELETE /x/{b}")
    app.query(one, name="deep", http="GET /x/{a}/y")
    app.query(one, name="dotted", http="GET /x/{a}.json")
    site = rest.wsgi(app)
    assert request(site, "GET", "/x/1").json == 1
    assert request(site, "GET", "/x/4.json").json == 4
    assert request(site, "DELETE", "/x/2").json == 2
    assert request(site, "GET", "/x/3/y").json == 3


# --- against its own description ---


def site(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Serve the description beside the API."""
    if environ["PATH_INFO"] == "/openapi.json":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [msgspec.json.encode(describe(build(), "/api"))]
    return api(environ, start_response)


schema = schemathesis.openapi.from_wsgi("/openapi.json", site).exclude(path="/broken")


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_whatever_is_sent_the_answer_is_described(case: schemathesis.Case[Any]) -> None:
    """Generated requests, right and wrong, find no status that is not described and no 5xx."""
    case.call_and_validate(checks=CHECKS)
