"""Clients in another language: @grpc/grpc-js by reflection, and by the .proto file."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # it has no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # the same
from tests.menagerie import build
from tests.node import Node

from mergepoint import target
from mergepoint.grpc import server
from mergepoint.grpc.proto import text
from mergepoint.grpc.server import Server

ROOT = Path(__file__).parent.parent
SERVICE = "batfriend.v1.Batfriend"

Calls = Callable[[list[Any]], list[Any]]


@pytest.fixture(scope="module")
def node() -> Node:
    """Return the programs of tests/npm/grpc."""
    return Node(ROOT / "tests" / "npm" / "grpc")


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    """Serve the menagerie."""
    with server(build(), address="127.0.0.1:0") as running:
        yield running


@pytest.fixture(params=["reflection", "proto"])
def calls(request: pytest.FixtureRequest, node: Node, served: Server, tmp_path: Path) -> Calls:
    """Return a function that calls methods, and returns what came."""
    address = f"127.0.0.1:{served.port}"
    if request.param == "reflection":
        return lambda calls: node.run("reflect.mjs", address, SERVICE, json.dumps(calls))[1:]
    assert served.schema is not None
    proto = tmp_path / "batfriend.proto"
    proto.write_text(text(served.schema.file))
    return lambda calls: node.run("proto.mjs", address, str(proto), SERVICE, json.dumps(calls))


def test_every_operation_answers(calls: Calls) -> None:
    """Records, pages, files, streams and nothing come as messages; an id has 64 bits."""
    keeper = {"authorization": "Bearer keeper"}
    photo = {"name": "a.png", "media_type": "image/png", "content": [1, 2, 3]}
    answers = calls(
        [
            ["Bat", {"id": "3"}],
            ["Bats", {"limit": 1}],
            ["Search", {"name": ["Bat 1"], "exact": True}],
            ["Adopt", {"name": "Flap", "diet": "fruit", "wings": [{"span": 0.5}]}],
            ["Replace", {"id": "9007199254740993", "bat": {"name": "Wing"}}],
            ["Release", {"id": 1}, keeper],
            ["Watch", {"count": 2}],
            ["Portrait", {"photo": photo}],
            ["Leaflet", {}],
            ["Whoami", {}, keeper],
            ["Echo", {"text": "ü 🦇"}],
        ]
    )
    bat = {"id": "3", "name": "Bat 3", "diet": "insects"}
    passing = {"name": "passing", "diet": "insects"}
    assert answers == [
        {"answer": {"result": bat}},
        {"answer": {"result": {"items": [{**bat, "id": "1", "name": "Bat 1"}], "next": "more"}}},
        {"answer": {"result": [{**bat, "id": "1", "name": "Bat 1"}]}},
        {"answer": {"result": {"id": "99", "name": "Flap", "diet": "fruit", "wings": [{"span": 0.5}]}}},
        {"answer": {"result": {"id": "9007199254740993", "name": "Wing", "diet": "insects"}}},
        {"answer": {}},
        {"items": [{"result": {"id": "0", **passing}}, {"result": {"id": "1", **passing}}]},
        {"answer": {"result": "untitled: 3 bytes of image/png from a.png"}},
        {
            "items": [
                {
                    "media_type": "text/plain",
                    "name": "über bats.txt",
                    "inline": False,
                    "content": "QmF0cyBhcmUga2luZC4=",
                }
            ]
        },
        {"answer": {"result": "keeper"}},
        {"answer": {"result": "ü 🦇"}},
    ]


def test_failures_have_their_details(calls: Calls) -> None:
    """Status, message and the standard's details arrive, from a stream too."""
    missing, unknown, broken, stranger, wrong = calls(
        [["Bat", {}], ["Bat", {"id": 77}], ["Watch", {"count": 7}], ["Whoami", {}], ["Adopt", {"name": ""}]]
    )
    assert (missing["code"], missing["details"]) == ("INVALID_ARGUMENT", "$.id: Missing")
    assert (unknown["code"], unknown["details"]) == ("NOT_FOUND", "There is no bat 77.")
    assert (broken["code"], len(broken["items"])) == ("NOT_FOUND", 5)
    assert stranger["code"] == "UNAUTHENTICATED"
    info, _, bad = Status.FromString(b64decode(wrong["status"])).details
    error, problems = details.ErrorInfo(), details.BadRequest()
    assert info.Unpack(error)
    assert bad.Unpack(problems)
    assert (error.reason, error.domain) == ("invalid_argument", "batfriend")
    assert [violation.field for violation in problems.field_violations] == ["name"]


def test_hello_is_called_by_reflection(node: Node) -> None:
    """The first example of the documentation is found and called without a file."""
    app = target.load(str(ROOT / "examples" / "hello.py"))
    with server(app, address="127.0.0.1:0") as running:
        calls = json.dumps([["Greet", {}], ["Greet", {"name": "Bat"}]])
        services, *answers = node.run("reflect.mjs", f"127.0.0.1:{running.port}", "hello.v1.Hello", calls)
    assert "hello.v1.Hello" in services
    assert answers == [{"answer": {"result": "Hello, World!"}}, {"answer": {"result": "Hello, Bat!"}}]
