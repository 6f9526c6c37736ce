"""Find the app that a TARGET names: `file.py`, `file.py:name`, `module`, `module:app` or `module:factory`."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import site
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from .app import App
from .errors import MergepointError

FACTORIES = ("create", "build")
"""What a function that makes the app is called, when a target names only the module."""


class TargetError(MergepointError):
    """A target leads to no app. The message says what was found instead and what to write."""


def load(target: str) -> App:
    """Return the app that a target names.

    The folder of a file, or the current one for a module, becomes importable, as when Python runs a script.

    Args:
        target: `file.py` or `module`, and after a colon the name of an app or of a function without arguments that
            returns one. Without a name it is the only app there, else the one called `app`, else what `create()` or
            `build()` returns.

    Raises:
        TargetError: there is no such file, module or app, or the user's own code fails.
        MergepointError: the app cannot work as it is declared or configured; the message is the whole story.
    """
    place, _, name = target.partition(":")
    if not place:
        raise TargetError(f"Expected a TARGET such as hello.py or hello:app, got {target!r}.")
    module = _file(place) if _is_path(place) else _module(place)
    return _named(module, place, name) if name else _only(module, place)


def folder(target: str) -> Path:
    """Return the folder that a target's own files belong to: that of its file, or of the package at its top.

    Nothing is imported. A module that cannot be found has its folder here.
    """
    place = target.partition(":")[0]
    if _is_path(place):
        top, name = _importable(_python_file(place))
        return top / name.partition(".")[0] if "." in name else top
    _make_importable(Path.cwd())
    spec = importlib.util.find_spec(place.partition(".")[0])
    return Path(spec.origin).parent if spec is not None and spec.origin else Path.cwd()


# --- the module ----------------------------------------------------------------------------------------------------


def _is_path(place: str) -> bool:
    return place.endswith(".py") or "/" in place or Path(place).exists()


def _file(place: str) -> ModuleType:
    path = _python_file(place)
    folder, name = _importable(path)
    _make_importable(folder)
    with _users_own_code(place):
        return importlib.import_module(name) if "." in name else _run(name, path)


def _python_file(place: str) -> Path:
    """Return the file that a path leads to, that of the package for a folder."""
    path = Path(place)
    if path.is_dir():
        if not (path / "__init__.py").is_file():
            files = ", ".join(_files_near(path))
            remedy = f"Name a file: {files}." if files else "There is no Python file in it."
            raise TargetError(f"The folder {place} is no package. {remedy}")
        path /= "__init__.py"
    if not path.is_file():
        raise TargetError(f"There is no file {place}.{_meant(place, _files_near(Path(place)))}")
    if path.suffix != ".py":
        raise TargetError(f"Expected a Python file, got {place}.")
    return path.resolve()


def _importable(path: Path) -> tuple[Path, str]:
    """Return the folder from which a file can be imported, and its name from there: dotted inside a package."""
    names = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").exists():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names)


def _run(name: str, path: Path) -> ModuleType:
    """Run a file as a module, under its own name unless another module has it: `queue.py` may be the user's."""
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    name = name if known is None else f"{name}_of_target"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # noqa: S101 - the name ends in .py
    assert spec.loader is not None  # noqa: S101 - the same
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module(place: str) -> ModuleType:
    _make_importable(Path.cwd())
    try:
        with _users_own_code(place):
            return importlib.import_module(place)
    except ModuleNotFoundError as error:
        raise TargetError(_no_module(place, error.name or place)) from None


def _no_module(place: str, missing: str) -> str:
    parent, _, name = place.rpartition(".")
    if parent and missing == place and importlib.util.find_spec(parent) is not None:
        return f"There is no module `{name}` in `{parent}`. If it is the name of an app, write {parent}:{name}."
    near = [path.removesuffix("/__init__.py") for path in _files_near(Path(place))]
    return f"There is no module `{missing}`, neither here nor installed.{_meant(place, near)}"


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _files_near(path: Path) -> list[str]:
    """Return what could have been meant: Python files and packages in the same folder."""
    folder = path.parent
    if not folder.is_dir():
        return []
    if path.is_dir():
        return sorted(str(file) for file in path.glob("*.py"))
    return sorted(map(str, [*folder.glob("*.py"), *folder.glob("*/__init__.py")]))


def _meant(given: str, candidates: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, candidates, 1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""


# --- the app in it -------------------------------------------------------------------------------------------------


def _named(module: ModuleType, place: str, name: str) -> App:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise TargetError(f"There is no `{name}` in {place}.{_meant(name, _candidates(module))}")
        found = getattr(found, part)
    return _app_of(found, place, name)


def _only(module: ModuleType, place: str) -> App:
    apps = {name: value for name, value in vars(module).items() if isinstance(value, App)}
    if "app" in apps or len({id(app) for app in apps.values()}) == 1:
        return apps.get("app") or next(iter(apps.values()))
    if apps:
        choices = " or ".join(f"{place}:{name}" for name in apps)
        raise TargetError(f"There are {len(apps)} apps in {place}; say which: {choices}.")
    for name in FACTORIES:
        if callable(getattr(module, name, None)):
            return _app_of(getattr(module, name), place, name)
    raise TargetError(
        f"There is no app in {place}. Expected `app = App(...)`, or a function `create()` that returns one;"
        f" if it has another name, write {place}:NAME."
    )


def _app_of(found: Any, place: str, name: str) -> App:
    if isinstance(found, App):
        return found
    where = f"{place}:{name}"
    if not callable(found):
        raise TargetError(f"{where} is {_a(found)}, expected an App or a function that returns one.")
    _must_take_nothing(found, where)
    with _users_own_code(where):
        made = found()
    if not isinstance(made, App):
        raise TargetError(f"{where}() returned {_a(made)}, expected an App.")
    return made


def _must_take_nothing(factory: Any, where: str) -> None:
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise TargetError(f"{where} cannot make the app: {error}. A factory takes no arguments.") from None


def _candidates(module: ModuleType) -> Iterator[str]:
    for name, value in vars(module).items():
        if isinstance(value, App) or (inspect.isfunction(value) and value.__module__ == module.__name__):
            yield name


def _a(value: Any) -> str:
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


# --- the user's own errors -----------------------------------------------------------------------------------------


class _users_own_code:  # reads as the words it is: with _users_own_code(place)
    """Turn what the user's code raises into a short account of it; what Mergepoint says of it stays as it is."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, (MergepointError, KeyboardInterrupt)):
            return
        if isinstance(error, ModuleNotFoundError) and _is_part(error.name, self.where):
            return  # the module that was asked for is itself what is missing
        raise TargetError(f"{self.where} could not be loaded:\n{account(error)}") from None


def _is_part(missing: str | None, place: str) -> bool:
    return missing is not None and f"{place}.".startswith(f"{missing}.")


def account(error: BaseException) -> str:
    """Return an exception with the lines of the user's own files that led to it, in the form Python prints them."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users_own(frame.filename)]
    for frame in frames:
        frame.filename = _shown(frame.filename)
    if isinstance(error, SyntaxError) and error.filename:
        error.filename = _shown(error.filename)
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    return "".join(lines).rstrip()


def _is_users_own(filename: str) -> bool:
    return not filename.startswith(("<frozen", str(Path(__file__).parent), *_libraries()))


def _libraries() -> list[str]:
    return [*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_path("stdlib")]


def _shown(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename
