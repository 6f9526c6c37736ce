"""The docs page: readable without JavaScript, whole without the internet, safe whatever a docstring says."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest
from lxml import html
from tests.menagerie import build
from tests.web import request

from mergepoint import App, Meta, Sensitive
from mergepoint.rest import docs
from mergepoint.rest.openapi import describe
from mergepoint.wsgi import Site

NASTY = "</script><img src=x onerror=alert(1)>\"'&{{7*7}}"


@pytest.fixture(scope="module")
def site() -> Any:
    """Return the docs of the app with one of everything as `mergepoint run` mounts them."""
    app = build()
    return Site({"/docs": docs.page(app), "/openapi.json": docs.description(app)})


@pytest.fixture(scope="module")
def page(site: Any) -> Any:
    """Return the page as a browser without JavaScript reads it."""
    return html.fromstring(request(site, "GET", "/docs").body.decode())


def _text(element: Any) -> str:
    return " ".join(element.text_content().split())


def _page_of(app: App, **headers: str) -> Any:
    return html.fromstring(request(docs.wsgi(app), "GET", "/docs", headers=headers).body.decode())


def test_the_page_tells_what_an_operation_takes(page: Any) -> None:
    """Method, path, words, and each parameter with its type, limits, default and words."""
    article = page.get_element_by_id("op-bats")
    text = _text(article)
    assert "List the bats" in text
    assert "GET /bats" in text
    rows = {_text(row.find("dt")): _text(row.find("dd")) for row in article.find_class("fields")[0]}
    assert rows["limit"] == "integer 1 to 100 default 20"
    assert rows["diet"] == "Diet"
    assert "the number of the bat." in _text(page.get_element_by_id("op-bat"))


def test_the_page_tells_who_may_call(page: Any) -> None:
    """The predicate stands with each operation, and the request shown carries a token where one is needed."""
    access = {a.get("id")[3:]: _text(a.find_class("access")[0]) for a in page.find_class("operation")}
    assert access["release"] == "role('keeper')"
    assert access["whoami"] == "signed_in"
    assert access["bats"] == "anyone"
    assert "Authorization: Bearer" in _text(page.get_element_by_id("op-release"))
    assert "Authorization: Bearer" not in _text(page.get_element_by_id("op-bats"))


def test_the_page_shows_requests_and_answers(page: Any) -> None:
    """Each operation has a command to try, an answer, and an example of every problem."""
    article = page.get_element_by_id("op-adopt")
    curl = _text(article.find_class("curl")[0])
    assert curl.startswith('curl \\ -H \'Content-Type: application/json\' \\ -d \'{"name":"Batrick"')
    assert curl.endswith("http://127.0.0.1/api/bats")
    assert '"name": "Batrick"' in _text(article.findall(".//figure")[1])
    assert '"code": "name_taken"' in _text(article)
    assert "-F photo=@photo" in _text(page.get_element_by_id("op-portrait"))


def test_every_link_leads_somewhere(page: Any) -> None:
    """Links within the page lead to what is there, and no two elements share a name."""
    names = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(names) == len(set(names))
    targets = {link.get("href")[1:] for link in page.iter("a") if link.get("href").startswith("#")}
    assert {"op-bat", "schema-Bat", "schema-Diet"} <= targets
    assert targets <= set(names)


def test_every_operation_and_record_is_in_the_contents(page: Any) -> None:
    """The contents list each operation and each record of the description."""
    listed = {link.get("href")[1:] for link in page.find(".//nav").iter("a")}
    assert {f"op-{name}" for name in build().operations} <= listed
    assert {f"schema-{name}" for name in describe(build())["components"]["schemas"]} <= listed


def test_the_page_needs_nothing_from_elsewhere(site: Any, page: Any) -> None:
    """Script and style are the site's own, and everything that the page loads is there."""
    loaded = [*(e.get("src") for e in page.iter("script", "img")), *(e.get("href") for e in page.iter("link"))]
    assert sorted(loaded) == ["/docs/docs.css", "/docs/docs.js", "data:,"]
    types = {path: request(site, "GET", path).headers["content-type"] for path in loaded if path[0] == "/"}
    assert types == {
        "/docs/docs.css": "text/css; charset=utf-8",
        "/docs/docs.js": "text/javascript; charset=utf-8",
    }
    style = request(site, "GET", "/docs/docs.css").body.decode()
    assert "url(" not in style
    assert "@import" not in style


def test_nothing_in_the_page_could_run(site: Any, page: Any) -> None:
    """There is no inline script, style or event handler, and the policy would not let one run."""
    assert all(script.text is None for script in page.iter("script"))
    assert list(page.iter("style")) == []
    assert [(e.tag, a) for e in page.iter() for a in e.attrib if a.startswith("on") or a == "style"] == []
    headers = request(site, "GET", "/docs").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"


def _nasty_app() -> App:
    def nasty(name: Annotated[str, Meta(examples=[NASTY], description=NASTY)], other: str = NASTY) -> str:
        return name

    nasty.__doc__ = f"{NASTY}\n\n{NASTY}\n\nArgs:\n    name: {NASTY}\n"
    app = App("nasty", version=NASTY)
    app.command(nasty)
    app.query(nasty, name="look")
    return app


def test_whatever_a_docstring_says_is_text() -> None:
    """Markup in names, docstrings, defaults and examples is shown, not obeyed."""
    root = _page_of(_nasty_app())
    assert list(root.iter("img")) == []
    assert len(list(root.iter("script"))) == 1
    assert NASTY in _text(root.get_element_by_id("op-nasty"))
    assert [a for e in root.iter() for a in e.attrib if a.startswith("on")] == []


def test_a_made_up_host_is_text() -> None:
    """The address shown is that of the request, and cannot break out of the page."""
    root = _page_of(build(), host='x"><script>alert(1)</script>')
    assert len(list(root.iter("script"))) == 1


def test_the_description_is_the_one_of_the_app(site: Any) -> None:
    """`/openapi.json` answers with the description, readable for tools of any origin."""
    answer = request(site, "GET", "/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json == json.loads(msgspec.json.encode(describe(build())))


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/docs.js"])
def test_what_a_reader_has_is_not_sent_again(site: Any, path: str) -> None:
    """Page, script and description carry an ETag; who names it gets 304 and no body."""
    tag = request(site, "GET", path).headers["etag"]
    again = request(site, "GET", path, headers={"if-none-match": f'"other", W/{tag}'})
    assert (again.status, again.body) == (304, b"")
    assert request(site, "GET", path, headers={"if-none-match": '"other"'}).status == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_only_reading_is_answered(site: Any, path: str) -> None:
    """HEAD gets the headers alone; any other method is refused with those that are allowed."""
    whole, head = request(site, "GET", path), request(site, "HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))
    refused = request(site, "POST", path)
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/docs/other.js", "/docs/../docs.py", "/docs/docs.js/"])
def test_no_other_file_is_served(path: str) -> None:
    """Below the page there are its script and its style, and no way to anything else."""
    answer = request(docs.wsgi(build()), "GET", path)
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")


def test_the_page_finds_its_site_below_a_path() -> None:
    """A site mounted below a path has the addresses of script, description and API below it too."""
    outer = Site({"/zoo": Site({"/docs": docs.page(build())})})
    root: Any = html.fromstring(request(outer, "GET", "/zoo/docs").body.decode())
    assert [script.get("src") for script in root.iter("script")] == ["/zoo/docs/docs.js"]
    assert "/zoo/openapi.json" in {link.get("href") for link in root.iter("a")}
    assert root.get_element_by_id("op-bat").find(".//form").get("data-path") == "/zoo/api/bats/{id}"


def test_a_secret_is_asked_for_in_a_field_that_hides_it() -> None:
    """A sensitive parameter has a password field, and its default is nowhere in the page."""

    def unlock(key: Annotated[str, Sensitive] = "hunter2") -> None:  # it protects nothing
        """Unlock."""

    app = App("vault")
    app.query(unlock)
    page = _page_of(app)
    assert page.find(".//form//input").get("type") == "password"
    assert b"hunter2" not in html.tostring(page)


def test_a_stream_and_a_download_are_told() -> None:
    """Operations whose answers are no JSON value say what they are."""

    def ticks() -> Iterator[int]:
        """Tick."""
        yield 1

    app = App("clock")
    app.query(ticks)
    assert "application/x-ndjson or text/event-stream" in _text(_page_of(app))
