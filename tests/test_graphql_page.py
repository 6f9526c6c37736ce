"""The page to write and run GraphQL in a browser: whole without the internet, safe, and used in a real Chromium."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from lxml import html
from tests.chromium import CTRL, SECONDS, Browser, chromium
from tests.menagerie import build
from tests.web import request

from mergepoint import anyone, graphql
from mergepoint.graphql.page import Page
from mergepoint.wsgi import Site

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}
FILES = ["client.js", "editor.js", "language.js", "outline.js", "page.css", "page.js", "schema.json"]


@pytest.fixture(scope="module")
def left() -> threading.Event:
    """Return what is set when a client has left the stream of ticks."""
    return threading.Event()


@pytest.fixture(scope="module")
def site(left: threading.Event) -> Any:
    """Return the app with one of everything, with the page, where a site has it; introspection is off."""
    app = build()

    def ticks() -> Iterator[int]:
        """Tick for ever."""
        number = 0
        try:
            while True:
                yield number
                number += 1
                left.wait(0.02)
        finally:
            left.set()

    app.query(ticks, allow=anyone)
    return Site({"/graphql": graphql.wsgi(app, graphiql=True)})


# --- what is served ------------------------------------------------------------------------------------------------


def test_a_browser_gets_the_page_and_a_client_an_answer(site: Any) -> None:
    """The Accept header decides; a POST is always an operation."""
    page = request(site, "GET", "/graphql", headers=BROWSER)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert request(site, "HEAD", "/graphql", headers=BROWSER).body == b""
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = request(site, "GET", "/graphql?query={__typename}", headers=headers)
        assert answer.json == {"data": {"__typename": "Query"}}
    assert request(site, "POST", "/graphql", json_body={"query": "{ __typename }"}, headers=BROWSER).json["data"]


def test_without_being_asked_for_there_is_no_page() -> None:
    """The page shows the schema, so it is off unless the application wants it."""
    app = Site({"/graphql": graphql.wsgi(build())})
    assert request(app, "GET", "/graphql", headers=BROWSER).status == 400
    for name in FILES:
        assert request(app, "GET", f"/graphql/{name}").status == 404


def test_the_page_needs_nothing_from_elsewhere(site: Any) -> None:
    """Scripts, style and schema are the site's own, and everything that is asked for is there."""
    root: Any = html.fromstring(request(site, "GET", "/graphql", headers=BROWSER).body.decode())
    loaded = [*(e.get("src") for e in root.iter("script", "img")), *(e.get("href") for e in root.iter("link"))]
    assert sorted(loaded) == ["/graphql/page.css", "/graphql/page.js", "data:,"]
    for name in FILES:
        answer = request(site, "GET", f"/graphql/{name}")
        assert answer.status == 200
        assert b"url(" not in answer.body
        assert b"@import" not in answer.body
        assert b"://" not in answer.body or name == "schema.json"


def test_nothing_in_the_page_could_run(site: Any) -> None:
    """There is no inline script, style or event handler, and the policy would not let one run."""
    page = request(site, "GET", "/graphql", headers=BROWSER)
    root: Any = html.fromstring(page.body.decode())
    assert all(script.text is None for script in root.iter("script"))
    assert list(root.iter("style")) == []
    assert [(e.tag, a) for e in root.iter() for a in e.attrib if a.startswith("on") or a == "style"] == []
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    for name in ("page.js", "schema.json"):
        assert request(site, "GET", f"/graphql/{name}").headers["x-content-type-options"] == "nosniff"


def test_what_a_reader_has_is_not_sent_again(site: Any) -> None:
    """Page, scripts and schema carry an ETag; who names it gets 304 and no body."""
    for path, headers in [("/graphql", BROWSER), *((f"/graphql/{name}", {}) for name in FILES)]:
        tag = request(site, "GET", path, headers=headers).headers["etag"]
        again = request(site, "GET", path, headers={**headers, "If-None-Match": f'"other", W/{tag}'})
        assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/graphql/other.js", "/graphql/page.html", "/graphql/../page.py", "/graphql/page.js/x"]
)
def test_no_other_file_is_served(site: Any, path: str) -> None:
    """Below the page there are its own files, and no way to anything else."""
    assert request(site, "GET", path).status == 404


def test_the_page_finds_its_site_below_a_path() -> None:
    """A site mounted below a path, or a path with strange letters, has the page's files below it too."""
    for path in ("/zoo/graphql", "/zo\N{LATIN SMALL LETTER O WITH DIAERESIS}/a'b\"<i>/graphql"):
        outer = Site({path.removesuffix("/graphql"): Site({"/graphql": graphql.wsgi(build(), graphiql=True)})})
        root: Any = html.fromstring(request(outer, "GET", path, headers=BROWSER).body.decode())
        [script] = [script.get("src") for script in root.iter("script")]
        assert list(root.iter("i")) == []
        assert script.endswith("/graphql/page.js")
        assert script.startswith("/zo")


def test_the_page_knows_the_whole_schema(site: Any) -> None:
    """Every type, field and argument of the schema is in what the page reads, though introspection is off."""
    told = request(site, "GET", "/graphql/schema.json").json
    assert told["roots"] == {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}
    bat = told["types"]["Query"]["fields"]["bat"]
    assert (bat["text"].splitlines()[0], bat["args"]["id"]["type"]) == ("Find one bat.", "ID!")
    assert bat["args"]["id"]["text"] == "the number of the bat."
    assert set(told["types"]["Diet"]["values"]) == {"fruit", "insects"}
    assert {"include", "skip"} <= set(told["directives"])
    asked = request(site, "POST", "/graphql", json_body={"query": "{ __schema { types { name } } }"}).json
    assert ("errors" in asked, "data" in asked) == (True, False)


def test_every_part_of_the_language_is_outlined() -> None:
    """Interfaces, unions, defaults, deprecation and a schema with names of its own."""
    page = Page(
        'schema { query: Root } "All." type Root implements N { id: ID!'
        ' a(x: [I!] = [{q: 2}]): U @deprecated(reason: "no") }'
        " interface N { id: ID! } type T implements N { id: ID! } union U = Root | T enum E { A B @deprecated }"
        " input I { q: Int = 4 } scalar D",
        "outline",
    )
    told = request(lambda environ, start: page("/schema.json", environ, start), "GET", "/").json
    assert told["roots"] == {"query": "Root"}
    types = told["types"]
    assert types["Root"]["text"] == "All."
    assert types["Root"]["fields"]["a"] == {
        "type": "U",
        "args": {"x": {"type": "[I!]", "default": "[{ q: 2 }]"}},
        "deprecated": "no",
    }
    assert (types["N"]["members"], types["T"]["interfaces"], types["U"]["members"]) == (
        ["Root", "T"],
        ["N"],
        ["Root", "T"],
    )
    assert types["E"]["values"] == {"A": {}, "B": {"deprecated": "No longer supported"}}
    assert types["I"]["fields"]["q"] == {"type": "Int", "default": "4"}


# --- in Chromium ---------------------------------------------------------------------------------------------------


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Any) -> Iterator[str]:
    """Serve the site to a browser."""
    with make_server("127.0.0.1", 0, site, _Server, _Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/graphql"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    """Start one browser for all tests."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(started: Browser, address: str) -> Browser:
    """Open the page as a newcomer sees it."""
    started.open(address)
    started.run("localStorage.clear()")
    started.complaints.clear()
    started.requested.clear()
    return _opened(started, address)


def _opened(browser: Browser, address: str) -> Browser:
    browser.open(address)
    browser.wait_for("document.body.dataset.ready")
    return browser


def _write(page: Browser, editor: str, text: str) -> None:
    """Replace what an editor holds, key by key."""
    page.run(f"document.querySelector('#{editor} textarea').focus()")
    page.run(f"document.querySelector('#{editor} textarea').select()")
    page.write(text)


def _put(page: Browser, editor: str, text: str) -> None:
    """Replace what an editor holds at once, as pasting does."""
    page.run(f"(() => {{ const area = document.querySelector('#{editor} textarea'); area.focus(); area.select(); }})()")
    page.tell("Input.insertText", text=text)
    page.press("Escape")


def _text(page: Browser, selector: str) -> str:
    return str(page.run(f"document.querySelector({json.dumps(selector)}).innerText"))


def _value(page: Browser, editor: str) -> str:
    return str(page.run(f"document.querySelector('#{editor} textarea').value"))


def _answered(page: Browser) -> Any:
    """Wait for the answer and return it."""
    page.wait_for("document.querySelector('#response pre') && document.querySelector('#stop').hidden")
    return json.loads(_text(page, "#response pre:last-child"))


def test_the_page_loads_without_complaint(page: Browser, address: str) -> None:
    """Nothing is refused by the policy, nothing fails, and nothing is asked of another host."""
    assert page.complaints == []
    assert {url.removeprefix(address).partition("?")[0] for url in page.requested} == {
        "",
        *(f"/{name}" for name in FILES),
    }


def test_a_query_is_written_with_completion_and_run_by_key(page: Browser) -> None:
    """Names come from the schema with Enter, lines are indented, and Ctrl+Enter runs with variables."""
    _write(page, "query", "query ($id: I")
    page.wait_for("!document.querySelector('#query .options').hidden")
    assert "ID" in _text(page, "#query .options")
    page.press("Escape")
    page.write("D!) {\nba")
    page.wait_for("document.querySelector('#query .options [aria-selected=true]').innerText.startsWith('bat')")
    page.press("Enter")
    page.write("(id: $id) {\nna")
    page.press("Tab")
    page.write("\n}")
    assert "name" in _value(page, "query").splitlines()[-2]
    page.write("\n}")
    _write(page, "variables", '{"id": "3"}')
    page.press("Enter", modifiers=CTRL)
    assert _answered(page) == {"data": {"bat": {"name": "Bat 3"}}}
    assert "200" in _text(page, "#status")
    assert page.complaints == []


def test_completion_knows_the_place(page: Browser) -> None:
    """Arguments, values, fragments, directives and input fields are offered where they may stand."""
    expected = {
        "{ bat(": "id",
        "{ bats(diet: ": "fruit",
        "{ bats { edges { node { ": "wings",
        "mutation { adopt(wings: [{": "span",
        "{ bat(id: 1) @": "@include",
        "fragment F on B": "Bat",
        "{ bat(id: 1) { ...F } } fragment F on Bat { d": "diet",
        "subscription { w": "watch",
    }
    for text, wanted in expected.items():
        _put(page, "query", text)
        page.press(" ", modifiers=CTRL)
        page.wait_for("!document.querySelector('#query .options').hidden")
        assert wanted in _text(page, "#query .options").split("\n"), text
    for text in ("{ # ba", '{ bat(id: "ba'):
        _put(page, "query", text)
        page.press(" ", modifiers=CTRL)
        assert page.run("document.querySelector('#query .options').hidden")


def test_the_words_have_colours(page: Browser) -> None:
    """The painted copy shows the very text of the field, in classes."""
    text = 'query Q($a: Int = 1) { # note\n  greet(name: "x") @skip(if: true)\n}'
    _put(page, "query", text)
    assert page.run("document.querySelector('#query .copy').textContent") == text + "\n"
    found = page.run(
        "Object.fromEntries("
        "[...document.querySelectorAll('#query .copy span')].map((word) => [word.textContent, word.className]))"
    )
    assert found["query"] == "keyword"
    assert found["# note"] == "comment"
    assert found['"x"'] == "string"
    assert found["$a"] == "variable"
    assert found["@skip"] == "directive"


def test_a_failure_is_shown_as_one(page: Browser) -> None:
    """Errors of the answer, variables that are no JSON, and a server that is gone are each told."""
    _put(page, "query", "{ bat(id: 77) { id } }")
    page.press("Enter", modifiers=CTRL)
    assert _answered(page)["errors"][0]["extensions"]["code"] == "no_such_bat"
    assert page.run("document.querySelector('#status').className") == "bad"
    for text, said in [("{", "Variables:"), ("[1]", "Variables: expected a JSON object")]:
        _put(page, "variables", text)
        page.click("#run")
        page.wait_for(f"document.querySelector('#status').textContent.startsWith({json.dumps(said)})")
    page.run("window.fetch = () => Promise.reject(new TypeError('Failed to fetch'))")
    _put(page, "variables", "")
    page.click("#run")
    page.wait_for("document.querySelector('#status').textContent === 'Failed to fetch'")
    assert not page.run("document.querySelector('#run').disabled")


def test_headers_go_along_and_are_not_kept(page: Browser, address: str) -> None:
    """A token opens what it opens, and is gone with the page."""
    _put(page, "query", "{ whoami }")
    page.click("#tab-headers")
    _put(page, "headers", '{"Authorization": "Bearer keeper"}')
    page.press("Enter", modifiers=CTRL)
    assert _answered(page) == {"data": {"whoami": "keeper"}}
    assert "Bearer" not in page.run("JSON.stringify(localStorage)")
    _opened(page, address)
    assert (_value(page, "query"), _value(page, "headers")) == ("{ whoami }", "")


def test_a_file_is_sent(page: Browser, tmp_path: Path) -> None:
    """A variable of type Upload has a field for a file, which goes along."""
    photo = tmp_path / "bat.txt"
    photo.write_text("squeak")
    _put(page, "query", "mutation ($photo: Upload!) { portrait(photo: $photo) }")
    page.click("#tab-files")
    page.choose_file("#panel-files input", photo)
    page.click("#run")
    assert _answered(page) == {"data": {"portrait": "untitled: 6 bytes of text/plain from bat.txt"}}


def test_a_subscription_is_shown_live(page: Browser) -> None:
    """Each result is there as it comes, with its number, until the stream is complete."""
    _put(page, "query", "subscription { watch(count: 3) { id } }")
    page.press("Enter", modifiers=CTRL)
    page.wait_for("document.querySelector('#status').textContent.includes('complete')")
    assert page.run("document.querySelectorAll('#response pre').length") == 3
    assert "3 received" in _text(page, "#status")
    assert json.loads(_text(page, "#response pre:last-child")) == {"data": {"watch": {"id": "2"}}}


def test_a_subscription_can_be_stopped(page: Browser, left: threading.Event) -> None:
    """Stop ends an endless stream, here and on the server, and the next operation can be run."""
    left.clear()
    _put(page, "query", "subscription { ticks }")
    page.press("Enter", modifiers=CTRL)
    page.wait_for("document.querySelectorAll('#response pre').length > 2")
    page.click("#stop")
    page.wait_for("document.querySelector('#status').textContent.startsWith('Stopped after')")
    assert left.wait(SECONDS)
    _put(page, "query", "{ __typename }")
    page.click("#run")
    assert _answered(page) == {"data": {"__typename": "Query"}}


def test_one_of_several_operations_is_chosen(page: Browser) -> None:
    """A document with two operations has a list to choose from; with one there is none."""
    _put(page, "query", 'query A { __typename } mutation B { adopt(name: "Flap") { name } }')
    assert not page.run("document.querySelector('.choice').hidden")
    page.run("document.querySelector('#choice').focus()")
    page.press("ArrowDown")
    page.wait_for("document.querySelector('#choice').value === 'B'")
    page.click("#run")
    assert _answered(page) == {"data": {"adopt": {"name": "Flap"}}}
    _put(page, "query", "{ __typename }")
    assert page.run("document.querySelector('.choice').hidden")


def test_what_was_run_can_be_run_again(page: Browser, address: str) -> None:
    """The history has each operation once, in this browser only, and can be forgotten."""
    for query in ("{ __typename }", "{ bat(id: 1) { name } }", "{ __typename }"):
        _put(page, "query", query)
        page.click("#run")
        _answered(page)
        page.wait_for("!document.querySelector('#run').disabled")
    _opened(page, address)
    page.click("#history-button")
    assert page.run("[...document.querySelectorAll('#history li')].map((row) => row.innerText)") == [
        "{ __typename }",
        "{ bat(id: 1) { name } }",
    ]
    page.run("document.querySelectorAll('#history li button')[1].click()")
    assert _value(page, "query") == "{ bat(id: 1) { name } }"
    page.click("#history .quiet")
    assert page.run("document.querySelectorAll('#history li').length") == 0
    page.run("localStorage.setItem('graphql.history', '{broken')")
    assert _opened(page, address).complaints == []


def test_the_schema_can_be_read_and_searched(page: Browser) -> None:
    """Types lead to types and back; the search finds fields of every type."""
    assert "Find one bat." in _text(page, "#schema")
    page.click("#schema .link", "Bat")
    assert "A bat." in _text(page, "#schema")
    assert page.run("document.activeElement.textContent").startswith("Bat")
    page.click("#schema .back")
    assert "Find one bat." in _text(page, "#schema")
    page.run("document.querySelector('#schema input').focus()")
    page.write("span")
    assert "Wing.span" in _text(page, "#schema").replace("\n", "")
    page.write("xyz")
    assert "Nothing here matches." in _text(page, "#schema")


def test_the_theme_is_kept(page: Browser, address: str) -> None:
    """Who chooses dark finds it dark the next time."""
    light = page.run("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    dark = page.run("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    assert _opened(page, address).run("getComputedStyle(document.body).backgroundColor") == dark


def test_a_link_brings_a_query_and_does_not_run_it(page: Browser, address: str) -> None:
    """What stands in the address is in the editor and waits for whoever opened it; markup in it is text."""
    _opened(page, address + "?query=%7B__typename%7D%3Cimg%20src=x%20onerror=alert(1)%3E&variables=%7B%7D")
    assert _value(page, "query") == "{__typename}<img src=x onerror=alert(1)>"
    assert page.run("document.querySelectorAll('img, #response pre').length") == 0
    assert page.run("document.querySelector('#query .copy').textContent").startswith("{__typename}<img")


def test_the_page_is_used_with_the_keyboard(page: Browser) -> None:
    """Tab goes through everything in order and is not caught by an editor; arrows change tabs."""
    page.run("document.activeElement.blur()")
    seen = []
    for _ in range(10):
        page.press("Tab")
        seen.append(
            page.run("((at) => at.id || at.getAttribute('aria-label') || at.className)(document.activeElement)")
        )
    assert seen == [
        "skip",
        "run",
        "history-button",
        "schema-button",
        "theme",
        "Query",
        "tab-variables",
        "Variables, a JSON object",
        "response",
        "Search the schema",
    ]
    page.run("document.querySelector('#tab-variables').focus()")
    page.press("ArrowRight")
    assert page.run("document.activeElement.id") == "tab-headers"
    assert not page.run("document.querySelector('#panel-headers').hidden")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (900, 700), (390, 844)])
def test_the_page_fits_its_window(page: Browser, width: int, height: int, tmp_path: Path) -> None:
    """On a desk, a small window and a phone nothing stands out at the side."""
    page.resize(width, height)
    try:
        page.tell("Page.reload")
        page.wait_for("document.readyState === 'complete' && document.body.dataset.ready")
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        assert page.run("document.querySelector('#query').getBoundingClientRect().height > 120")
    finally:
        page.resize(1440, 900)
