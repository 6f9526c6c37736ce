"""The house of ARCHITECTURE.md: which module may import which. Read from the sources, nothing is imported."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "mergepoint"
NEWSROOM = ROOT / "examples" / "newsroom"


@dataclass(frozen=True)
class Floor:
    """Modules on one level of the house; `rooms` when they may not import each other."""

    name: str
    modules: frozenset[str]
    rooms: bool = True


def floor(name: str, modules: str, *, rooms: bool = True) -> Floor:
    """Make a floor from module names in one string."""
    return Floor(name, frozenset(modules.split()), rooms)


HOUSE = [  # from the ground up; a module imports only from floors below its own
    floor("errors", "errors"),
    floor(
        "core",
        "types redact shape examination wire contract access faults loop call operation declaration app"
        " lock stub place jobs",
        rooms=False,
    ),
    floor("package", "__init__"),
    floor("foundations", "wsgi db"),  # parts on which other parts stand
    floor("parts", "config ids observe asgi health target testing cache auth redis"),
    floor("adapters", "rest graphql grpc rpc cli mcp zmq tasks schedule celery pages"),
    floor("site", "site loading background"),
    floor("processes", "serve console"),
    floor("commands", "commands"),
    floor("command", "__main__"),
]
CORE = HOUSE[0].modules | HOUSE[1].modules | HOUSE[2].modules
SAME_EXTRA = {"ids": "db"}  # a module that needs what another's extra installs, and nothing else
VOCABULARY = {"Download", "Id", "Meta", "Page", "Progress", "Sensitive", "UNSET", "Unset", "Upload"}


@dataclass(frozen=True)
class Import:
    """One import statement: the file and line it stands on, and the dotted name it asks for.

    Attributes:
        nested: it is hidden in a function.
        for_types: only a type checker sees it.
    """

    path: Path
    line: int
    target: str
    nested: bool
    for_types: bool

    @property
    def where(self) -> str:
        """Return `path:line`, as an editor opens it."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    @property
    def importer(self) -> str:
        """Return the importing module's name inside the package; that of the package for a file of one."""
        return self.path.relative_to(SOURCE).parts[0].removesuffix(".py")

    @property
    def package(self) -> str:
        """Return the first part of the name asked for."""
        return self.target.partition(".")[0]

    @property
    def imported(self) -> str | None:
        """Return the module of this project that is asked for, or None for anybody else's."""
        if self.package != "mergepoint":
            return None
        name = [*self.target.split("."), ""][1]
        return name if _exists(name) else "__init__"


def _exists(name: str) -> bool:
    return bool(name) and ((SOURCE / f"{name}.py").exists() or (SOURCE / name).is_dir())


def _targets(node: ast.AST, package: str) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            parents = package.split(".")[: level and len(package.split(".")) - level + 1]
            return [".".join(filter(None, [*parents, module, alias.name])) for alias in names]
        case ast.Call(
            func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"), args=[ast.Constant(str(name)), *_]
        ):
            return [name]
    return []


def _inside(tree: ast.AST, wanted: Callable[[ast.AST], bool]) -> set[int]:
    """Return the identities of all nodes below those that are wanted."""
    return {id(inner) for outer in ast.walk(tree) if wanted(outer) for inner in ast.walk(outer)}


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _imports(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(), filename=str(path))
    package = ".".join(path.relative_to(SOURCE.parent).parent.parts) if path.is_relative_to(SOURCE) else ""
    nested, for_types = _inside(tree, _is_function), _inside(tree, _is_for_types)
    for node in ast.walk(tree):
        for target in _targets(node, package):
            line = getattr(node, "lineno", 0)
            yield Import(path, line, target, id(node) in nested, id(node) in for_types)


def _all_imports(folder: Path = SOURCE) -> list[Import]:
    return [found for path in sorted(folder.rglob("*.py")) for found in _imports(path)]


def _floor_of(module: str) -> int:
    for level, candidate in enumerate(HOUSE):
        if module in candidate.modules:
            return level
    raise AssertionError(f"mergepoint.{module} lives on no floor: add it to HOUSE in {Path(__file__).name}")


def _refusal(found: Import) -> str | None:
    """Say why an import of our own may not be, or None."""
    importer, imported = found.importer, found.imported
    if imported is None or imported == importer:
        return None
    above, below = _floor_of(importer), _floor_of(imported)
    what = f"{found.where}: {importer} ({HOUSE[above].name}) imports {imported} ({HOUSE[below].name})"
    if imported == "__init__" and above < len(HOUSE) - 1:
        return f"{what}: import the name from the module that defines it"
    if below > above:
        return f"{what}, which is above it: turn the dependency round, or pass the object in"
    if below == above and HOUSE[above].rooms:
        return f"{what}, its neighbour: move what both need to a floor below"
    return None


def _listed(complaints: list[str]) -> str:
    return "\n".join(["", *dict.fromkeys(complaints)])  # one statement may import several names


def test_every_module_imports_only_floors_below() -> None:
    """A module imports from floors below its own; parts and adapters do not know their neighbours."""
    refusals = [refusal for found in _all_imports() if (refusal := _refusal(found))]
    assert not refusals, _listed(refusals)


@pytest.mark.parametrize(
    ("importer", "target", "remedy"),
    [
        ("rest/routes.py", "mergepoint.errors.Failure", None),
        ("rest/routes.py", "mergepoint.rest.routes", None),
        ("app.py", "mergepoint.operation.Operation", None),
        ("config/loading.py", "mergepoint.observe.Metrics", "move what both need to a floor below"),
        ("app.py", "mergepoint.rest", "turn the dependency round"),
        ("config/loading.py", "mergepoint.App", "from the module that defines it"),
    ],
)
def test_a_wrong_import_is_told_what_to_do(importer: str, target: str, remedy: str | None) -> None:
    """Neighbours, floors above and the package's front are each refused in their own words."""
    refusal = _refusal(Import(SOURCE / importer, 1, target, nested=False, for_types=False))
    assert (refusal is None) if remedy is None else (refusal and remedy in refusal)


def test_every_module_has_a_floor() -> None:
    """A module that nobody imports is in the house as well."""
    for path in SOURCE.iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            _floor_of(path.name.removesuffix(".py"))


def test_there_is_no_import_cycle() -> None:
    """No module needs itself, however many others stand between; for a type checker two may know each other."""
    graph: dict[str, set[str]] = {}
    for found in _all_imports():
        if not found.for_types:
            name = ".".join(found.path.relative_to(SOURCE.parent).with_suffix("").parts)
            graph.setdefault(name, set()).add(_module_named(found.target))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("import cycle: " + " ← ".join(error.args[1]))


def _module_named(target: str) -> str:
    """Return the module that a dotted name leads to: `mergepoint.app.App` is in `mergepoint.app`."""
    path = SOURCE.parent
    names = target.split(".")
    for length in range(len(names), 0, -1):
        candidate = path.joinpath(*names[:length])
        if candidate.with_suffix(".py").exists():
            return ".".join(names[:length])
        if candidate.is_dir():
            return ".".join([*names[:length], "__init__"])
    return target


def test_no_function_hides_an_import_of_ours() -> None:
    """What a module needs stands at its top; only the command loads what it was asked for."""
    hidden = [
        f"{found.where}: {found.target} is imported inside a function: move it to the top of the module"
        for found in _all_imports()
        if found.nested and found.imported and found.importer != "__main__"
    ]
    assert not hidden, _listed(hidden)


def _requirements() -> dict[str, set[str]]:
    """Return what pyproject.toml allows: the names of distributions by extra; "" is the core's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: {_distribution(line) for line in lines} for extra, lines in extras.items()}


def _distribution(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return _normalized(found[0])


def _normalized(name: str) -> str:
    return name.lower().replace("_", "-")


def test_a_module_imports_only_what_its_extra_installs() -> None:
    """The core needs msgspec and nothing else; every other module needs what the extra of its name lists."""
    requirements = _requirements()
    owners = packages_distributions()
    strangers = []
    for found in _all_imports():
        if found.package == "mergepoint" or found.package in sys.stdlib_module_names:
            continue
        allowed = {"msgspec"}
        if found.importer not in CORE:
            allowed |= requirements[""] | requirements.get(SAME_EXTRA.get(found.importer, found.importer), set())
        if allowed.isdisjoint(map(_normalized, owners.get(found.package, []))):
            strangers.append(
                f"{found.where}: {found.importer} imports {found.package}; "
                f"it may use the standard library and {', '.join(sorted(allowed))} (see pyproject.toml)"
            )
    assert not strangers, _listed(strangers)


def test_every_extra_is_named_after_a_module() -> None:
    """`pip install 'mergepoint[rest]'` is for `mergepoint.rest`; `all` is every other extra."""
    requirements = _requirements()
    extras = requirements.keys() - {"", "all"}
    assert [extra for extra in extras if not _exists(extra)] == []
    everything = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["all"]
    assert everything == [f"mergepoint[{','.join(sorted(extras))}]"]


@pytest.mark.parametrize("part", ["records", "service"])
def test_the_newsrooms_business_code_does_not_know_mergepoint(part: str) -> None:
    """The service and its records use words of the vocabulary and no other name of Mergepoint."""
    place = NEWSROOM / part
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    assert files, f"{place.relative_to(ROOT)} is missing"
    foreign = [
        f"{found.where}: {found.target}; business code may import {', '.join(sorted(VOCABULARY))}"
        for path in files
        for found in _imports(path)
        if found.package == "mergepoint" and found.target.rpartition(".")[2] not in VOCABULARY
    ]
    assert not foreign, _listed(foreign)
