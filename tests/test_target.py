"""Targets: which app a name leads to, and what is said when it leads to none."""

import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mergepoint import target
from mergepoint.errors import ConfigError, MergepointError
from mergepoint.target import TargetError

APP = 'from mergepoint import App\napp = App("bats")\n'
FACTORY = 'from mergepoint import App\ndef create():\n    return App("bats")\n'
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Give a function that writes a file into an empty current folder; forget what was imported from there."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield write
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def _message(name: str) -> str:
    with pytest.raises(MergepointError) as caught:
        target.load(name)
    return str(caught.value)


@pytest.mark.parametrize("name", ["bats.py", "bats.py:app", "bats", "bats:app", "./bats.py"])
def test_an_app_is_found_by_file_and_by_module(name: str, write: Write) -> None:
    """A file and a module lead to the app in it, with its name and without."""
    write("bats.py", APP)
    assert target.load(name).name == "bats"


@pytest.mark.parametrize("name", ["bats.py", "bats.py:create", "bats:create"])
def test_a_factory_makes_the_app(name: str, write: Write) -> None:
    """`create` is called where there is no app; a function can be named too."""
    write("bats.py", FACTORY)
    assert target.load(name).name == "bats"


def test_a_file_of_a_package_keeps_its_place_in_it(write: Write) -> None:
    """A file inside a package may import its neighbours relatively."""
    write("eyrie/__init__.py", "")
    write("eyrie/names.py", 'NAME = "bats"\n')
    write("eyrie/web.py", "from mergepoint import App\nfrom .names import NAME\napp = App(NAME)\n")
    assert target.load("eyrie/web.py").name == "bats"
    assert target.load("eyrie.web:app") is target.load("eyrie/web.py")


def test_a_package_is_a_target(write: Write) -> None:
    """A folder with `__init__.py` is what its `__init__.py` is, also when a file in it is what imports it."""
    write("eyrie/__init__.py", APP)
    assert target.load("eyrie").name == "bats"
    assert target.load("eyrie/").name == "bats"


def test_a_file_imports_its_neighbours(write: Write) -> None:
    """The folder of a file is importable, as when Python runs a script."""
    write("deep/names.py", 'NAME = "bats"\n')
    write("deep/web.py", "from mergepoint import App\nimport names\napp = App(names.NAME)\n")
    assert target.load("deep/web.py").name == "bats"


def test_a_file_may_be_called_like_a_module_of_python(write: Write) -> None:
    """`json.py` is the user's file, not Python's module, and does not take its place."""
    write("json.py", APP)
    ours = sys.modules["json"]
    assert target.load("json.py").name == "bats"
    assert sys.modules["json"] is ours


def test_a_file_that_is_loaded_twice_runs_once(write: Write) -> None:
    """The same file is the same module, so its app is the same object."""
    write("bats.py", APP)
    assert target.load("bats.py") is target.load("bats.py:app")


def test_among_several_apps_the_one_called_app_is_meant(write: Write) -> None:
    """`app` stands for a module with several apps."""
    write("two.py", 'from mergepoint import App\nmoon = App("moon")\napp = App("bats")\n')
    assert target.load("two.py").name == "bats"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bts.py", "There is no file bts.py. Did you mean bats.py?"),
        ("bts", "There is no module `bts`, neither here nor installed. Did you mean bats.py?"),
        ("bats.app", "There is no module `app` in `bats`. If it is the name of an app, write bats:app."),
        ("bats.py:ap", "There is no `ap` in bats.py. Did you mean app?"),
        ("bats.py:NAME", "bats.py:NAME is a str, expected an App or a function that returns one."),
        ("bats.py:greet", "bats.py:greet() returned a str, expected an App."),
        ("bats.py:adopt", ("bats.py:adopt cannot make the app: missing a required argument: 'name'."
         " A factory takes no arguments.")),
        ("two.py", "There are 2 apps in two.py; say which: two.py:moon or two.py:tide."),
        ("none.py", ("There is no app in none.py. Expected `app = App(...)`, or a function `create()` that returns one;"
         " if it has another name, write none.py:NAME.")),
        ("./other.txt", "Expected a Python file, got ./other.txt."),
        ("deep", "The folder deep is no package. Name a file: deep/wings.py."),
        (".", "The folder . is no package. Name a file: bats.py, none.py, two.py."),
        ("other.txt", "Expected a Python file, got other.txt."),
        (":app", "Expected a TARGET such as hello.py or hello:app, got ':app'."),
    ],
)  # fmt: skip
def test_a_target_that_leads_nowhere_is_explained(name: str, message: str, write: Write) -> None:
    """The message says what was found and what to write."""
    write("bats.py", APP + 'NAME = "x"\ndef greet(): return "hi"\ndef adopt(name): return app\n')
    write("two.py", 'from mergepoint import App\nmoon = App("moon")\ntide = App("tide")\n')
    write("none.py", "x = 1\n")
    write("other.txt", "")
    write("deep/wings.py", "")
    assert _message(name) == message


def test_an_error_in_the_users_file_shows_the_users_own_lines(write: Write) -> None:
    """The account has the lines of the user's files and the error, and none of ours or Python's."""
    write("wings.py", "import json\ndef count(text):\n    return json.loads(text)\n")
    write("bats.py", "import wings\n\nwings.count('{')\n")
    message = _message("bats.py")
    assert message.startswith("bats.py could not be loaded:\n")
    assert 'File "bats.py", line 3' in message
    assert 'File "wings.py", line 3' in message
    assert "JSONDecodeError" in message
    assert message.count("File ") == 2
    assert os.fspath(Path.cwd()) not in message


@pytest.mark.parametrize("name", ["bats.py", "bats"])
def test_a_missing_import_is_not_mistaken_for_a_missing_target(name: str, write: Write) -> None:
    """A library that the user's module needs is named, with the line that needs it."""
    write("bats.py", "import no_such_library\n")
    message = _message(name)
    assert 'File "bats.py", line 1' in message
    assert message.endswith("ModuleNotFoundError: No module named 'no_such_library'")


def test_a_syntax_error_shows_its_line(write: Write) -> None:
    """The account of a file that Python cannot read has the place and the reason."""
    write("bats.py", "def create(:\n")
    assert 'File "bats.py", line 1' in _message("bats.py")


def test_a_file_that_ends_the_program_is_an_error(write: Write) -> None:
    """A module that calls `sys.exit` when it is imported does not end the command silently."""
    write("bats.py", "import sys\nsys.exit(0)\n")
    assert "SystemExit: 0" in _message("bats.py")


def test_a_factory_that_fails_shows_its_lines(write: Write) -> None:
    """An exception of the factory is told as one of the file."""
    write("bats.py", "def create():\n    return {}['wings']\n")
    message = _message("bats.py:create")
    assert message.startswith("bats.py:create could not be loaded:\n")
    assert message.endswith("KeyError: 'wings'")


def test_what_mergepoint_says_of_an_app_is_the_whole_message(write: Write) -> None:
    """A ConfigError and a RegistrationError reach the user as they are, without a traceback."""
    write(
        "settings.py",
        "from mergepoint.errors import ConfigError\ndef create():\n    raise ConfigError('BATS_PORT: no')\n",
    )
    write("hints.py", APP + "@app.query\ndef greet(name) -> str:\n    return name\n")
    with pytest.raises(ConfigError, match=r"^BATS_PORT: no$"):
        target.load("settings.py")
    assert _message("hints.py").startswith("bats.greet: parameter `name` has no type hint.")


def test_a_target_error_is_one_of_ours() -> None:
    """One `except MergepointError` catches it."""
    assert issubclass(TargetError, MergepointError)
