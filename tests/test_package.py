"""The package as a user meets it: what an import loads, what it offers, what an editor infers, what pins say."""

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path

from mypy import api
from packaging.requirements import Requirement

import mergepoint

ROOT = Path(__file__).parent.parent
IMPORT = """
import json, sys
before = set(sys.modules)
import mergepoint
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def _loaded_by_an_import() -> set[str]:
    """Import mergepoint in a new process, and return the modules that it loaded."""
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", IMPORT]
    answer = subprocess.run(command, env=unmeasured, capture_output=True, text=True, check=True).stdout
    return set(json.loads(answer))


def test_importing_the_package_loads_no_adapter() -> None:
    """`import mergepoint` loads the core, msgspec and the standard library."""
    modules = _loaded_by_an_import()
    ours = {name.partition(".")[2].partition(".")[0] for name in modules if name.startswith("mergepoint.")}
    packages = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"mergepoint"}
    assert ours.isdisjoint({"config", "db", "ids", "observe", "wsgi", "asgi", "health", "rest", "cli", "serve"})
    assert packages - {"typing_extensions"} == {"msgspec"}  # msgspec loads the former where it happens to be installed


def test_the_package_offers_few_names() -> None:
    """`from mergepoint import …` has at most 15 names, and each of them exists."""
    assert len(mergepoint.__all__) <= 15
    assert [name for name in mergepoint.__all__ if not hasattr(mergepoint, name)] == []


def test_the_package_is_typed() -> None:
    """The marker that lets a type checker read our annotations is in the wheel."""
    assert Path(mergepoint.__file__).with_name("py.typed").exists()


def _pins(file: str) -> dict[str, set[str]]:
    """Return the extras of each package that a file pins."""
    lines = re.findall(r"^([\w.-]+)(?:\[(.*?)\])?==", (ROOT / "requirements" / file).read_text(), re.MULTILINE)
    return {name: set(filter(None, extras.split(", "))) for name, extras in lines}


def test_pins_have_the_extras_that_packages_ask_for() -> None:
    """Else pip takes the newest release of such a package, finds no hash for it, and no fresh machine can install."""
    pins = _pins("dev.txt")
    installed = {package.name.lower().replace("_", "-"): package for package in metadata.distributions()}
    asked = [Requirement(text) for name in pins.keys() & installed for text in installed[name].requires or ()]
    always = [one for one in asked if one.extras and (one.marker is None or one.marker.evaluate({"extra": ""}))]
    assert any(one.name == "coverage" for one in always)
    assert [str(one) for one in always if one.extras - pins[one.name.lower()]] == []


EDITOR = """
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_type

from mergepoint import App, Call, Id, Page, UNSET, Unset, anyone

@dataclass(frozen=True)
class Bat:
    id: Id
    name: str

class Roost:
    def bat(self, id: Id) -> Bat:
        return Bat(id, "Flap")

    def bats(self, *, limit: int = 20) -> Page[Bat]:
        return Page([Bat(1, "Flap")], None)

app = App("batfriend", errors={LookupError: "not_found"})
roost = Roost()

@app.query
def greet(name: str = "World") -> str:
    return name

@app.command(http="POST /bats", status=201, allow=anyone)
def adopt(name: str, color: str | Unset = UNSET) -> Bat:
    return roost.bat(1)

@app.query(http="GET /squeaks")
def squeaks() -> Iterator[str]:
    yield "eek"

@app.query
async def listen(seconds: float) -> str:
    return "eek"

def who(call: Call) -> str | None:
    return call.metadata.get("authorization")

app.identify(who)
assert_type(greet("Bat"), str)
assert_type(greet(name="Bat"), str)
assert_type(adopt("Flap", color="brown"), Bat)
assert_type(squeaks(), Iterator[str])
assert_type(app.query(roost.bat, http="GET /bats/{id}")(1), Bat)
assert_type(app.query(roost.bats)(limit=3), Page[Bat])
assert_type(app.query(roost.bats)(limit=3).items[0].name, str)
assert_type(app.query(roost.bats)().next, str | None)

greet(1)  # type: ignore[arg-type]
adopt(title="Flap")  # type: ignore[call-arg]
app.query(http=1)(roost.bat)  # type: ignore[call-overload]
"""


def test_an_editor_infers_what_a_user_wrote(tmp_path: Path) -> None:
    """Decorators keep signatures, registering returns the very callable, wrong calls are found."""
    page = tmp_path / "user.py"
    page.write_text(textwrap.dedent(EDITOR))
    settings = ["--strict", "--config-file=", f"--cache-dir={ROOT / '.mypy_cache' / 'editor'}"]
    found, trouble, status = api.run([*settings, str(page)])
    assert (status, trouble) == (0, ""), found


def test_every_test_says_what_holds() -> None:
    """Each test's docstring is a sentence: it begins with a capital or a `name` and ends with a full stop."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}: {ast.get_docstring(node)!r}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if not (ast.get_docstring(node) or "").rstrip().endswith(".")
    ]
    assert not silent, "\n".join(["", *silent])
