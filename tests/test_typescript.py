"""A TypeScript client generated from the OpenAPI description: it type-checks, and what it calls answers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from tests.node import Node

from mergepoint.testing.processes import Running, running

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "tests" / "typescript"
TARGETS = {"hello": ROOT / "examples" / "hello.py", "menagerie": ROOT / "tests" / "menagerie.py"}
SECONDS = 120
"""The patience for one program."""


class Project:
    """A folder with the generated types, the programs, and the packages they need.

    Attributes:
        folder: where they are.
        addresses: where each app is served.
    """

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        self.folder = folder
        self.addresses = addresses
        for path in SOURCE.iterdir():
            if path.is_file():
                shutil.copy(path, folder)
        (folder / "node_modules").symlink_to(Node(SOURCE).folder / "node_modules")

    def generate(self) -> None:
        """Generate the types of each app from the description that its server gives.

        The option lets a caller leave out what has a default: the server fills it in.
        """
        for name, address in self.addresses.items():
            options = ["--output", f"{name}.ts", "--default-non-nullable=false"]
            answer = self.run("node_modules/.bin/openapi-typescript", f"{address}/openapi.json", *options)
            assert answer.returncode == 0, answer.stderr

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the folder."""
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=SECONDS, check=False)

    def compile(self, settings: str = "tsconfig.json") -> str:
        """Type-check what some settings name, write it as JavaScript, and return what is wrong with it."""
        return self.run("node_modules/.bin/tsc", "--project", settings).stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Serve the apps, each in its own process, and generate the types of both."""
    with ExitStack() as servers:
        addresses = {name: _address(servers.enter_context(_served(target)).output) for name, target in TARGETS.items()}
        made = Project(tmp_path_factory.mktemp("typescript"), addresses)
        made.generate()
        yield made


def _served(target: Path) -> AbstractContextManager[Running]:
    return running(str(target), "--port", "0", "--grpc-port", "0", environ={})


def _address(output: Path) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", output.read_text())
    assert found, output.read_text()
    return found[0]


def test_a_program_with_generated_types_type_checks_and_runs(project: Project) -> None:
    """The types fit what the servers answer: values, lists, commands, ids beyond 2^53, and declared errors."""
    assert project.compile() == ""
    answer = project.run("node", "client.js", project.addresses["hello"], project.addresses["menagerie"])
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    assert (
        said.pop("adopted").items()
        >= {"id": "99", "name": "Batrick", "diet": "fruit", "wings": [{"span": 0.5}]}.items()
    )
    assert said == {
        "greeting": "Hello, Bat!",
        "page": {"names": ["Bat 1", "Bat 2"], "next": "more"},
        "found": ["Bat 1", "Bat 3"],
        "location": "/api/bats/99",
        "replaced": "9007199254740993",
        "released": 204,
        "whoami": "keeper",
        "missing": ["not_found", "no_such_bat", []],
        "missingId": "77",
        "taken": ["already_exists", "name_taken", []],
        "invalid": ["invalid_argument", "invalid_argument", ["$.name", "$.wings[0].span"]],
        "stranger": ["unauthenticated", "unauthenticated", []],
        "bug": ["internal", "internal", []],
    }


def test_a_wrong_use_does_not_type_check(project: Project) -> None:
    """Every line that uses the client wrongly is found by the compiler, and no other line is."""
    lines = (SOURCE / "wrong.ts").read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if "// wrong:" in line}
    complaints = project.compile("tsconfig.wrong.json")
    found = {int(number) for number in re.findall(r"^wrong\.ts\((\d+),\d+\): error TS", complaints, re.MULTILINE)}
    assert found == wrong, complaints
    assert len(wrong) > 10
