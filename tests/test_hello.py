"""`mergepoint run examples/hello.py`: one process, three protocols, and clients of other makers in another language."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.node import SECONDS, Node

from mergepoint.testing.processes import Running, running

ROOT = Path(__file__).parent.parent
TYPESCRIPT = ROOT / "tests" / "typescript"

GREET = """
import createClient from "openapi-fetch";
import type { paths } from "./hello.js";

declare const process: { argv: [string, string, string] };
const hello = createClient<paths>({ baseUrl: `${process.argv[2]}/api` });
const bat = await hello.GET("/greet", { params: { query: { name: "Bat" } } });
const world: string | undefined = (await hello.GET("/greet")).data;
console.log(JSON.stringify([bat.data, world]));
"""


@pytest.fixture(scope="module")
def hello() -> Iterator[Running]:
    """Serve the first example as a newcomer would, at ports that are free."""
    with running(str(ROOT / "examples" / "hello.py"), "--port", "0", environ={}) as server:
        yield server


def _address(server: Running, scheme: str) -> str:
    found = re.search(rf"{scheme}://127\.0\.0\.1:\d+", server.output.read_text())
    assert found, server.output.read_text()
    return found[0]


def test_a_grpc_client_finds_it_by_reflection(hello: Running) -> None:
    """grpc-js has neither a .proto file nor generated code: it asks the server what there is."""
    node = Node(ROOT / "tests" / "npm" / "grpc")
    calls = json.dumps([["Greet", {"name": "Bat"}], ["Greet", {}]])
    address = _address(hello, "grpc").removeprefix("grpc://")
    services, *answers = node.run("reflect.mjs", address, "hello.v1.Hello", calls)
    assert {"hello.v1.Hello", "grpc.health.v1.Health"} <= set(services)
    assert answers == [{"answer": {"result": "Hello, Bat!"}}, {"answer": {"result": "Hello, World!"}}]


def test_a_graphql_client_queries_it(hello: Running) -> None:
    """graphql-request, with a variable and without."""
    node = Node(ROOT / "tests" / "npm" / "graphql")
    url = _address(hello, "http") + "/graphql"
    query = "query ($name: String) { greet(name: $name) }"
    assert node.run("ask.mjs", url, query, '{"name": "Bat"}') == [{"greet": "Hello, Bat!"}]
    assert node.run("ask.mjs", url, "{ greet }") == [{"greet": "Hello, World!"}]


def test_a_client_generated_from_its_description_calls_it(hello: Running, tmp_path: Path) -> None:
    """TypeScript: the types are generated, the program passes strict checks with them, and it gets its answers."""
    packages = Node(TYPESCRIPT).folder
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    for name in ("package.json", "tsconfig.json"):
        (tmp_path / name).write_text((packages / name).read_text())
    (tmp_path / "client.ts").write_text(GREET)
    url = _address(hello, "http")
    generator = ["node_modules/.bin/openapi-typescript", f"{url}/openapi.json", "--default-non-nullable=false"]
    _run(tmp_path, *generator, "--output", "hello.ts")
    _run(tmp_path, "node_modules/.bin/tsc", "--project", "tsconfig.json")
    assert json.loads(_run(tmp_path, "node", "client.js", url)) == ["Hello, Bat!", "Hello, World!"]


def _run(folder: Path, *command: str) -> str:
    """Run a program to its end, which must be a good one, and return what it printed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_says_what_is_served_and_nothing_else(hello: Running) -> None:
    """All of the above came from one run, which printed no warning and no traceback."""
    assert hello.process.poll() is None
    lines = hello.output.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("hello is served:", "Ctrl+C stops it.")
    assert all(re.match(r"  (http|grpc)://127\.0\.0\.1:\d+", line) for line in lines[1:-1]), lines
