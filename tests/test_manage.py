"""An application's own command, as people and scripts use it: prompts, tables, completion, exit codes."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import pytest
from click.testing import CliRunner, Result
from tests.terminal import Terminal

from mergepoint import App, Call, Failure, Id, Meta, Upload, cli, role
from mergepoint.errors import RegistrationError

ROOT = Path(__file__).parent.parent

PROGRAM = '''\
#!{python}
from mergepoint import App, Call, Id, Meta, Page, Sensitive, Upload, cli
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Iterator, Literal
import sys, time


class Diet(Enum):
    FRUIT = "fruit"
    INSECTS = "insects"


@dataclass(frozen=True)
class Bat:
    id: Id
    name: str
    diet: Diet
    wings: tuple[float, ...] = ()
    note: str | None = None


class NoSuchBat(LookupError):
    """No bat has this name."""


class Door:
    name = "door"

    def check(self):
        pass

    def close(self):
        print("closed", file=sys.stderr)


BATS = [Bat(1, "Flap", Diet.FRUIT, (0.1, 0.2)), Bat(2, "Flip\\x1b[31m\\nred", Diet.INSECTS, note="shy")]
app = App("roost", errors={{NoSuchBat: "not_found"}})
app.add(Door())
owls = App("owls")


@app.query
def bats(diet: Diet | None = None) -> list[Bat]:
    """List the bats."""
    return [bat for bat in BATS if diet in (None, bat.diet)]


@app.query
def page(after: str = "") -> Page[Bat]:
    """List some of the bats."""
    return Page(BATS[:1], "1")


@app.query
def names() -> list[str]:
    """List names."""
    return [bat.name for bat in BATS]


@app.command
def adopt(
    name: Annotated[str, Meta(min_length=2)], diet: Diet, tame: bool, tags: list[Literal["a", "b"]], bat: Bat,
    photo: Upload, key: Annotated[str, Sensitive], born: int = 0,
) -> str:
    """Take a bat in.

    Args:
        name: what its keepers will call it.
        key: the word that opens the roost.
    """
    return f"{{name}} {{diet.value}} {{tame}} {{tags}} {{bat.name}} {{len(photo.file.read())}} {{key}} {{born}}"


@app.query
def watch() -> Iterator[int]:
    """See bats come by."""
    for number in range(1_000_000):
        yield number


@app.command
def sleep() -> None:
    """Hang head down."""
    print("hanging", flush=True)
    time.sleep(60)


@owls.query
def hoot(loud: bool = False) -> str:
    """Call in the night."""
    return "HOOT" if loud else "hoot"


app.include(owls)
manage = cli.manage(app, help="Look after the roost.")


@manage.command
def reindex(folder: Path, /, depth: Literal["flat", "deep"] = "flat", dry_run: bool = False) -> str:
    """Read the letters again."""
    return f"{{folder}} {{depth}} {{dry_run}}"


if __name__ == "__main__":
    manage()
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the program `roost`, which runs as a newcomer would run it."""
    folder = tmp_path_factory.mktemp("roost")
    program = folder / "roost"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    (folder / "photo.png").write_bytes(b"12345")
    (folder / "letters").mkdir()
    return folder


def run(folder: Path, *arguments: str | bytes, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program without a terminal, as a script does."""
    command = ["./roost", *arguments]
    return subprocess.run(
        command, cwd=folder, input=stdin, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip


def told(answer: subprocess.CompletedProcess[str]) -> str:
    """Return what was said on standard error, without what the app's resource says when it is closed."""
    return answer.stderr.replace("closed\n", "").partition("Error: ")[2].rstrip()


def invoke(program: click.Command, *arguments: str, stdin: str | None = None) -> Result:
    """Run a program in this process."""
    return CliRunner().invoke(program, list(arguments), input=stdin, prog_name="manage")


# --- what it offers ------------------------------------------------------------------------------------------------


def test_the_own_commands_and_the_operations_are_listed_apart(folder: Path) -> None:
    """Own commands come first, then the operations in the author's order, those of included apps as they are typed."""
    answer = run(folder, "--help")
    own, _, operations = answer.stdout.partition("Commands:\n")[2].partition("Operations:\n")
    assert [line.split()[0] for line in own.splitlines() if line] == ["reindex", "completion"]
    listed = [line.strip().partition("  ")[0] for line in operations.splitlines()]
    assert listed == ["bats", "page", "names", "adopt", "watch", "sleep", "owls hoot"]
    assert all(len(line) <= 80 for line in answer.stdout.splitlines())


def test_the_operations_of_an_included_app_are_a_group(folder: Path) -> None:
    """A space, a dot: both lead to the same operation; the group has help of its own."""
    assert run(folder, "owls", "hoot", "--loud").stdout == "HOOT\n"
    assert run(folder, "owls.hoot").stdout == "hoot\n"
    assert "hoot  Call in the night." in run(folder, "owls", "--help").stdout
    assert told(run(folder, "owls", "hot")) == "There is no operation 'hot'. Did you mean 'hoot'?"


def test_a_command_that_is_not_there_says_what_was_meant(folder: Path) -> None:
    """Own commands and operations are both offered."""
    assert told(run(folder, "reindx")) == "There is no command 'reindx'. Did you mean 'reindex'?"
    assert told(run(folder, "adpt")) == "There is no command 'adpt'. Did you mean 'adopt'?"
    assert run(folder, "adpt").returncode == 2


def test_the_app_is_made_only_when_it_is_needed() -> None:
    """A command of one's own and its help need no app; an operation makes it once, and it is closed at the end."""
    said: list[str] = []
    manage = cli.manage(_reporting(said))

    @manage.command
    def ping() -> str:
        """Answer."""
        return "pong"

    assert invoke(manage, "ping").stdout == "pong\n"
    assert invoke(manage, "ping", "--help").exit_code == 0
    assert said == []
    assert invoke(manage, "greet").stdout == "hello\n"
    assert said == ["made", "closed"]


def _reporting(said: list[str]) -> Callable[[], App]:
    class Door:
        name = "door"

        def check(self) -> None:
            pass

        def close(self) -> None:
            said.append("closed")

    def create() -> App:
        said.append("made")
        app = App("reporting")
        app.add(Door())

        @app.query
        def greet() -> str:
            return "hello"

        return app

    return create


def test_an_own_command_may_take_the_app() -> None:
    """A parameter of the type App is the app, closed after the command, and its errors are told."""
    said: list[str] = []
    manage = cli.manage(_reporting(said))

    @manage.command
    def count(app: App, by: int = 1) -> int:
        """Count the operations."""
        return len(app.operations) * by

    assert "--app" not in invoke(manage, "count", "--help").stdout
    assert said == []
    assert invoke(manage, "count", "--by", "3").stdout == "3\n"
    assert said == ["made", "closed"]


def test_an_app_that_cannot_be_made_hides_no_own_command() -> None:
    """Help lists what there is and says why there are no operations; an operation ends with the reason."""

    def create() -> App:
        raise OSError("no disk")

    manage = cli.manage(create)

    @manage.command
    def ping() -> str:
        """Answer."""
        return "pong"

    listed = invoke(manage, "--help")
    assert listed.exit_code == 0
    assert "ping" in listed.stdout
    assert "They cannot be listed. create() could not make the app" in listed.stdout
    assert invoke(manage, "ping").stdout == "pong\n"
    failed = invoke(manage, "greet")
    assert (failed.exit_code, failed.stderr.splitlines()[-1]) == (2, "OSError: no disk")


def test_what_is_no_app_is_refused() -> None:
    """A factory that forgot its return is told so."""
    manage = cli.manage(lambda: None)  # type: ignore[arg-type, return-value]  # the mistake that is meant
    assert "<lambda>() returned NoneType, expected an App." in invoke(manage, "greet").stderr


def test_an_own_command_goes_before_an_operation() -> None:
    """A name that both have is the own command's; two own commands of one name are refused."""
    manage = cli.manage(_reporting([]))

    @manage.command("greet")
    def greet_politely() -> str:
        """Say more."""
        return "good evening"

    assert invoke(manage, "greet").stdout == "good evening\n"
    assert greet_politely() == "good evening"
    with pytest.raises(RegistrationError, match=r"manage\.greet: there are two commands of this name"):
        manage.command("greet")(greet_politely)


def test_a_click_command_fits_beside_the_others() -> None:
    """What was written for click is added as it is."""
    manage = cli.manage(_reporting([]))

    @click.command()
    @click.option("--name", default="Bat")
    def wave(name: str) -> None:
        """Wave at somebody."""
        click.echo(f"waves at {name}")

    manage.add_command(wave)
    assert invoke(manage, "wave", "--name", "Owl").stdout == "waves at Owl\n"
    assert "wave        Wave at somebody." in invoke(manage, "--help").stdout


# --- own commands from functions -----------------------------------------------------------------------------------


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass(frozen=True)
class Wing:
    span: float


VALUES: list[tuple[Any, list[str], Any]] = [
    (str, ["a b"], "a b"),
    (int, ["-7"], -7),
    (Id, ["9007199254740993"], 9007199254740993),
    (float, ["1e-1"], 0.1),
    (Decimal, ["1.10"], Decimal("1.10")),
    (bytes, ["aGk="], b"hi"),
    (date, ["2026-01-31"], date(2026, 1, 31)),
    (Size, ["l"], Size.LARGE),
    (Literal["x", "y"], ["y"], "y"),
    (Path, ["a/b"], Path("a/b")),
    (Path | None, ["a"], Path("a")),
    (list[Path], ["a", "b"], [Path("a"), Path("b")]),
    (Annotated[Path, Meta(description="where")], ["a"], Path("a")),
    (list[int], ["1", "2"], [1, 2]),
    (frozenset[Size], ["s"], frozenset({Size.SMALL})),
    (Wing, ['{"span": 2}'], Wing(2.0)),
    (list[Wing], ['{"span": 2}', '{"span": 3}'], [Wing(2.0), Wing(3.0)]),
    (dict[str, int], ['{"a": 1}'], {"a": 1}),
    (int | None, ["null"], None),
]


@pytest.mark.parametrize(("hint", "texts", "value"), VALUES, ids=lambda v: str(getattr(v, "__name__", v))[:30])
@pytest.mark.parametrize("positional", [False, True])
def test_a_function_gets_values_of_its_types(hint: Any, texts: list[str], value: Any, positional: bool) -> None:
    """Every type that operations take, and Path, by an option or, for what is positional only, without one."""
    got: list[Any] = []

    def by_option(value: Any) -> None:
        got.append(value)

    def by_position(value: Any, /) -> None:
        got.append(value)

    function = by_position if positional else by_option
    function.__annotations__ = {"value": hint, "return": None}
    manage = cli.manage(_reporting([]))
    manage.command("take")(function)
    arguments = ["--", *texts] if positional else [part for text in texts for part in ("--value", text)]
    result = invoke(manage, "take", *arguments)
    assert result.exit_code == 0, result.stderr
    assert got == [value]
    assert type(got[0]) is type(value)


def test_a_function_has_defaults_flags_and_help() -> None:
    """What is positional only is an argument, all else an option; the docstring is the help of both."""
    manage = cli.manage(_reporting([]))

    @manage.command
    def reindex(folder: Path, /, *, only: list[str] = [], into: Path = Path("var"), dry: bool = False) -> str:  # noqa: B006
        """Read the letters again.

        All of them.

        Args:
            folder: where they are.
            only: the endings to look at.
            into: where the index is.
            dry: change nothing.
        """
        return f"{folder!r} {only} {into!r} {dry}"

    answer = invoke(manage, "reindex", "letters", "--only", "a", "--only", "b", "--dry")
    assert answer.stdout == "PosixPath('letters') ['a', 'b'] PosixPath('var') True\n"
    lines = [" ".join(line.split()) for line in invoke(manage, "reindex", "--help").stdout.splitlines()]
    assert lines[0] == "Usage: manage reindex [OPTIONS] FOLDER"
    assert lines[2:5] == ["Read the letters again.", "", "All of them."]
    assert lines[lines.index("Arguments:") + 1] == "FOLDER where they are."
    assert "--only TEXT the endings to look at. [repeat for more]" in lines
    assert "--into PATH where the index is. [default: var]" in lines


def test_a_function_may_give_what_operations_give() -> None:
    """Text, records, streams, paths, files, nothing; asynchronous ones too."""
    manage = cli.manage(_reporting([]))

    @manage.command
    def wing() -> Wing:
        return Wing(2.0)

    @manage.command
    def paths() -> list[Path]:
        return [Path("a"), Path("b")]

    @manage.command
    def count() -> Iterator[Path]:
        yield from (Path("a"), Path("b"))

    @manage.command
    async def soon() -> str:
        return "now"

    @manage.command
    async def ticks() -> AsyncIterator[int]:
        for number in range(2):
            yield number

    @manage.command
    def measure(file: Upload) -> int:
        return len(file.file.read())

    assert json.loads(invoke(manage, "wing").stdout) == {"span": 2.0}
    assert json.loads(invoke(manage, "paths").stdout) == ["a", "b"]
    assert invoke(manage, "count").stdout == "a\nb\n"
    assert invoke(manage, "soon").stdout == "now\n"
    assert invoke(manage, "soon", "--json").stdout == '"now"\n'
    assert invoke(manage, "ticks").stdout == "0\n1\n"
    assert invoke(manage, "measure", "--file", "-", stdin="123").stdout == "3\n"


def test_a_function_without_types_is_refused_at_once() -> None:
    """The message names the function, the parameter and the remedy, as for operations."""
    manage = cli.manage(_reporting([]))

    def untyped(folder) -> None:  # type: ignore[no-untyped-def]
        pass

    def silent(folder: Path):  # type: ignore[no-untyped-def]
        pass

    with pytest.raises(RegistrationError, match=r"manage\.untyped: parameter `folder` has no type hint"):
        manage.command(untyped)
    with pytest.raises(RegistrationError, match=r"manage\.silent: it does not say what it returns"):
        manage.command(silent)


class Lost(Exception):
    """Something is gone."""


class Broken(Failure):
    kind = "unavailable"

    def __str__(self) -> str:
        return "db1.internal does not answer"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (Lost("The letter is gone."), 3, "Error: The letter is gone.\n"),
        (Broken("try later"), 1, "Error: db1.internal does not answer\n"),
        (RegistrationError("no name"), 2, "Error: no name\n"),
        (click.ClickException("as click has it"), 1, "Error: as click has it\n"),
        (click.Abort(), 1, "Aborted!\n"),
        (click.exceptions.Exit(7), 7, ""),
        (SystemExit(9), 9, ""),
        (KeyboardInterrupt(), 130, "\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_function_ends_as_it_likes(error: BaseException, code: int, message: str) -> None:
    """Declared errors, failures, what click knows and the end of the process each keep their message and exit code."""
    manage = cli.manage(_reporting([]), errors={Lost: "not_found"})

    @manage.command
    def fail() -> None:
        raise error

    @manage.command
    def late() -> Iterator[int]:
        yield 1
        raise error

    result = invoke(manage, "fail")
    assert (result.exit_code, result.stderr) == (code, message)
    result = invoke(manage, "late")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "1\n", message)


def test_the_apps_own_errors_are_told_where_a_command_takes_the_app() -> None:
    """What the app declares needs no second table then."""

    def create() -> App:
        return App("losing", errors={Lost: "not_found"})

    manage = cli.manage(create)

    @manage.command
    def find(app: App) -> None:
        raise Lost("The letter is gone.")

    result = invoke(manage, "find")
    assert (result.exit_code, result.stderr) == (3, "Error: The letter is gone.\n")


def test_a_bug_in_a_function_has_an_incident_number(caplog: pytest.LogCaptureFixture) -> None:
    """The terminal shows the number; traceback and message are in the log under it."""
    manage = cli.manage(_reporting([]))

    @manage.command
    def bug() -> None:
        raise ZeroDivisionError("secret detail")

    with caplog.at_level(logging.ERROR):
        result = invoke(manage, "bug")
    assert result.exit_code == 1
    incident = result.stderr.removeprefix("Error: Something went wrong here. The incident number is ").rstrip(".\n")
    assert f"Incident {incident} in bug" in caplog.text
    assert "secret detail" in caplog.text
    assert "secret detail" not in result.output


def test_missing_arguments_are_called_as_in_the_usage(folder: Path) -> None:
    """What stands in the usage stands in the message."""
    answer = run(folder, "reindex", "--depth", "deeper")
    assert told(answer).splitlines() == ["Missing: FOLDER.", "--depth: Invalid enum value 'deeper'"]
    assert told(run(folder, "reindex", "a", "b")) == (
        "Got unexpected extra argument (b). Every value needs its option, such as --depth."
    )


# --- scripts: pipes, JSON, exit codes ------------------------------------------------------------------------------


def test_a_script_gets_json_and_one_line_for_all_that_is_missing(folder: Path) -> None:
    """Without a terminal nothing is asked and no table is drawn."""
    answer = run(folder, "bats", "--diet", "fruit")
    assert json.loads(answer.stdout)[0]["name"] == "Flap"
    answer = run(folder, "adopt", stdin="Flap\nfruit\n")
    assert answer.returncode == 2
    assert told(answer) == "Missing: --name, --diet, --tame, --tags, --bat, --key, --photo."


def test_errors_are_json_after_json(folder: Path) -> None:
    """One object in one line on standard error, with the same exit code, whatever went wrong."""

    def failure(*arguments: str) -> tuple[int, dict[str, Any]]:
        answer = run(folder, *arguments)
        assert answer.stdout == ""
        (line,) = answer.stderr.replace("closed\n", "").splitlines()
        return answer.returncode, json.loads(line)

    code, found = failure("adopt", "--json", "--name", "F", "--born", "x")
    assert (code, found["kind"], found["code"]) == (2, "invalid_argument", "invalid_argument")
    assert {"path": "$.diet", "message": "Missing"} in found["problems"]
    assert {"path": "$.born", "message": "Expected `int`, got `str`"} in found["problems"]
    assert failure("--json", "bats")[0] == 2
    assert failure("bats", "--json", "--dite", "x") == (
        2, {"kind": "invalid_argument", "code": "usage", "message": "No such option '--dite'. Did you mean '--diet'?"}
    )  # fmt: skip
    assert failure("bat", "--json")[1]["message"] == "There is no command 'bat'. Did you mean 'bats'?"


def test_a_declared_error_keeps_its_code_in_json() -> None:
    """Programs read kind, code and public fields."""
    app = App("codes", errors={Lost: "not_found"})

    @app.query
    def find() -> str:
        raise Lost("The letter is gone.")

    result = invoke(cli.manage(app), "find", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stderr) == {"kind": "not_found", "code": "lost", "message": "The letter is gone."}


def test_an_app_that_cannot_be_made_is_told_as_json_too() -> None:
    """The same exit code as for people."""

    def create() -> App:
        raise RegistrationError("no name")

    result = invoke(cli.manage(create), "greet", "--json")
    assert (result.exit_code, json.loads(result.stderr)["code"]) == (2, "registration_error")


def test_a_parameter_called_json_is_no_wish_for_json() -> None:
    """Where an operation has the name itself, errors stay lines."""
    app = App("words")

    @app.query
    def parse(json: int) -> int:
        return json

    result = invoke(cli.manage(app), "parse", "--json", "x")
    assert (result.exit_code, result.stderr) == (2, "Error: --json: Expected `int`, got `str`\n")


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    """A value that is not UTF-8 is told as it came, wherever it stands."""
    for arguments in ([b"reindex", b"caf\xe9"], [b"adopt", b"--name=caf\xe9"], [b"\xff"]):
        answer = run(folder, *arguments)
        assert answer.returncode == 2
        assert "Expected text in UTF-8, got '" in told(answer)
        assert "\\x" in told(answer)


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    """`roost watch | head -n 1` prints its line and nothing else."""
    answer = subprocess.run(
        ["bash", "-c", "./roost watch | head -n 1"], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert (answer.stdout, answer.stderr) == ("0\n", "closed\n")


def test_the_app_is_closed_after_every_end(folder: Path) -> None:
    """Success, failure and wrong input leave nothing open; what needs no app opens nothing."""
    assert run(folder, "names").stderr == "closed\n"
    assert "closed\n" in run(folder, "adopt").stderr
    assert run(folder, "reindex", "letters").stderr == ""


def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(folder: Path) -> None:
    """A command that did its work and lost its answer would be worse."""
    answer = run(folder, "sleep", "--output", "nowhere/answer.json")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert told(answer) == "Expected --output FILE in a folder that can be written, got 'nowhere/answer.json'."


def test_who_sits_at_the_terminal_is_the_apps_decision() -> None:
    """`identify` sees the protocol; metadata given to the program comes with every call."""
    app = App("who")

    @dataclass(frozen=True)
    class User:
        name: str
        roles: frozenset[str] = frozenset()

    @app.identify
    def user(call: Call) -> User | None:
        if call.protocol == "command":
            return User(call.metadata.get("name", "shell"), frozenset({"keeper"}))
        return None

    app.provide(User, lambda call: call.user)

    @app.query(allow=role("keeper"))
    def whoami(user: User) -> str:
        return user.name

    assert invoke(cli.manage(app), "whoami").stdout == "shell\n"
    assert invoke(cli.manage(app, metadata={"name": "Mina"}), "whoami").stdout == "Mina\n"
    assert invoke(cli.manage(app, metadata={"name": "Mina"}), "whoami", "--header", "name=Ada").stdout == "Ada\n"


# --- people: prompts, tables, Ctrl+C -------------------------------------------------------------------------------


def test_a_terminal_is_asked_for_what_was_left_out(folder: Path) -> None:
    """Each question has the documentation, is asked until the answer fits, and hides what is sensitive."""
    with Terminal(["./roost", "adopt", "--born", "3"], folder=folder) as terminal:
        terminal.expect("name (what its keepers will call it): ")
        terminal.type("F\n")
        terminal.expect("Error: Expected `str` of length >= 2")
        terminal.expect("name (what its keepers will call it): ")
        terminal.type("Flup\n")
        terminal.expect("diet [fruit|insects]: ")
        terminal.type("meat\n")
        terminal.expect("Error: Invalid enum value 'meat'")
        terminal.expect("diet [fruit|insects]: ")
        terminal.type("fruit\n")
        terminal.expect("tame [y|n]: ")
        terminal.type("maybe\n")
        terminal.expect("Error: ")
        terminal.expect("tame [y|n]: ")
        terminal.type("y\n")
        terminal.expect("tags [a|b], one a line, an empty one ends: ")
        terminal.type("c\n")
        terminal.expect("Error: Invalid enum value 'c'")
        terminal.type("a\n")
        terminal.expect("  and: ")
        terminal.type("b\n")
        terminal.expect("  and: ")
        terminal.type("\n")
        terminal.expect("bat as JSON or @FILE: ")
        terminal.type('{"id": "1"}\n')
        terminal.expect("Error: name Missing; diet Missing")
        terminal.type('{"id": "1", "name": "Flap", "diet": "fruit"}\n')
        terminal.expect("key (the word that opens the roost): ")
        terminal.type("sesame\n")
        terminal.expect("photo FILE: ")
        terminal.type("nowhere.png\n")
        terminal.expect("Error: Expected a file, got 'nowhere.png'")
        terminal.type("photo.png\n")
        terminal.expect("Flup fruit True ['a', 'b'] Flap 5 sesame 3\n")
        assert terminal.ended() == 0
        assert terminal.seen.count("sesame") == 1  # in the answer; it was not shown while it was typed


def test_nothing_is_asked_with_no_input(folder: Path) -> None:
    """One line says all that is missing."""
    with Terminal(["./roost", "adopt", "--no-input", "--name", "Flap"], folder=folder) as terminal:
        terminal.expect("Error: Missing: --diet, --tame, --tags, --bat, --key, --photo.\n")
        assert terminal.ended() == 2


def test_nothing_is_asked_when_something_given_is_wrong(folder: Path) -> None:
    """Nobody answers six questions to learn then that the first word was wrong."""
    with Terminal(["./roost", "adopt", "--born", "x"], folder=folder) as terminal:
        terminal.expect("--born: Expected `int`, got `str`")
        assert terminal.ended() == 2


def test_ctrl_c_at_a_question_ends_with_130(folder: Path) -> None:
    """The app is closed, and no traceback is shown."""
    with Terminal(["./roost", "adopt"], folder=folder) as terminal:
        terminal.expect("name (what its keepers will call it): ")
        terminal.interrupt()
        assert terminal.ended() == 130
        assert "Traceback" not in terminal.seen
        assert terminal.seen.endswith("closed\n")


def test_ctrl_c_in_an_operation_ends_with_130(folder: Path) -> None:
    """The same in the middle of the work."""
    with Terminal(["./roost", "sleep"], folder=folder) as terminal:
        terminal.expect("hanging")
        terminal.type("\x03")
        assert terminal.ended() == 130
        assert "Traceback" not in terminal.seen
        assert terminal.seen.endswith("closed\n")


def test_lists_of_records_are_tables_on_a_terminal(folder: Path) -> None:
    """A column for each field; what would command the terminal is shown and not obeyed."""
    with Terminal(["./roost", "bats"], folder=folder) as terminal:
        assert terminal.ended() == 0
    assert terminal.seen.splitlines() == [
        "ID  NAME               DIET     WINGS      NOTE",
        "1   Flap               fruit    [0.1,0.2]  -",
        "2   Flip\\x1b[31m\\nred  insects  []         shy",
        "closed",
    ]


def test_a_narrow_terminal_shows_a_field_a_line(folder: Path) -> None:
    """A table that cannot fit is no table."""
    with Terminal(["./roost", "bats", "--diet", "fruit"], folder=folder, columns=24) as terminal:
        assert terminal.ended() == 0
    assert terminal.seen.splitlines()[:3] == ["id     1", "name   Flap", "diet   fruit"]


def test_a_page_says_how_to_go_on(folder: Path) -> None:
    """The cursor stands below the table; an empty list says so."""
    with Terminal(["./roost", "page"], folder=folder) as terminal:
        terminal.expect("Flap")
        terminal.expect("More after: 1\n")
        assert terminal.ended() == 0


def test_json_is_json_on_a_terminal_too(folder: Path) -> None:
    """--json and --output draw no table; other lists are JSON as in a pipe."""
    with Terminal(["./roost", "bats", "--json", "--diet", "fruit"], folder=folder) as terminal:
        terminal.expect('[{"id":"1","name":"Flap","diet":"fruit","wings":[0.1,0.2],"note":null}]\n')
        assert terminal.ended() == 0
    with Terminal(["./roost", "bats", "--output", "bats.json"], folder=folder) as terminal:
        assert terminal.ended() == 0
    assert json.loads((folder / "bats.json").read_text())[1]["note"] == "shy"
    with Terminal(["./roost", "names"], folder=folder) as terminal:
        terminal.expect('[\n  "Flap",')
        assert terminal.ended() == 0


# --- completion ----------------------------------------------------------------------------------------------------


def completed(folder: Path, words: str, program: str = "roost") -> list[str]:
    """Return what the script for bash offers for the last word of a line, in a real bash."""
    script = f"""
        export PATH="{folder}:{Path(sys.executable).parent}:$PATH"
        compopt() {{ :; }}  # which bash has only while it completes for somebody
        eval "$({program} completion bash)" || exit 1
        COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _{program}_completion {program}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    answer = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    assert answer.stderr == ""
    return answer.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("roost re", ["reindex"]),
        ("roost ''", ["reindex", "completion", "bats", "page", "names", "adopt", "watch", "sleep", "owls"]),
        ("roost owls h", ["hoot"]),
        ("roost owls.", ["owls.hoot"]),
        ("roost adopt --di", ["--diet"]),
        ("roost adopt --diet ''", ["fruit", "insects"]),
        ("roost adopt --diet f", ["fruit"]),
        ("roost adopt --tags ''", ["a", "b"]),
        ("roost owls hoot --", ["--loud", "--no-loud", "--header", "--json", "--output", "--no-input", "--help"]),
        ("roost reindex letters --depth ''", ["deep", "flat"]),
        ("roost completion f", ["fish"]),
        ("roost nothing --", ["--help"]),
    ],
)
def test_a_shell_completes_words(folder: Path, words: str, offered: list[str]) -> None:
    """Commands, groups, options, and the values of enums, Literals and choices; nothing else is printed."""
    assert completed(folder, words) == offered


def test_a_shell_completes_for_who_types(folder: Path) -> None:
    """In an interactive bash, Tab finishes a word and completes the name of a file."""
    environ = {"PATH": f"{folder}:{os.environ['PATH']}", "PS1": "> ", "INPUTRC": "/dev/null"}
    with Terminal(["bash", "--norc", "--noprofile", "-i"], folder=folder, environ=environ) as terminal:
        terminal.expect("> ")
        terminal.type('eval "$(roost completion bash)"; echo ready\n')
        terminal.expect("ready\n")
        terminal.expect("> ")
        terminal.type("roost rein\t")
        terminal.expect("roost reindex ")
        terminal.type("let\t")
        terminal.expect("letters/")
        terminal.type(" --depth f\t\n")
        terminal.expect(" --depth flat \n")
        terminal.expect("letters flat False\n")
        terminal.type("exit\n")
        terminal.ended()


def test_mergepoint_completes_what_comes_after_its_target(folder: Path) -> None:
    """`mergepoint call TARGET` completes operations, options and values; what cannot be loaded offers nothing."""
    shutil.copy(folder / "roost", folder / "roost.py")
    assert completed(folder, "mergepoint rou", "mergepoint") == ["routes"]
    assert completed(folder, "mergepoint call roost.py ad", "mergepoint") == ["adopt"]
    assert completed(folder, "mergepoint call roost.py owls ho", "mergepoint") == ["hoot"]
    assert completed(folder, "mergepoint call roost.py adopt --na", "mergepoint") == ["--name"]
    assert completed(folder, "mergepoint call roost.py adopt --diet i", "mergepoint") == ["insects"]
    assert completed(folder, "mergepoint call --he", "mergepoint") == ["--header", "--help"]
    (folder / "broken.py").write_text("import logging\nprint('noise')\nlogging.error('noise')\n1 / 0\n")
    assert completed(folder, "mergepoint call broken.py ad", "mergepoint") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_script(folder: Path, shell: str) -> None:
    """The script names the program; help says where to put it."""
    assert "_ROOST_COMPLETE" in run(folder, "completion", shell).stdout
    assert f"roost completion {shell}" in run(folder, "completion", "--help").stdout


def test_a_program_of_several_words_cannot_be_completed() -> None:
    """The message says what to do about it."""
    result = CliRunner().invoke(cli.manage(_reporting([])), ["completion", "bash"], prog_name="python -m roost")
    assert result.exit_code == 2
    assert "a command of one word, and this is `python -m roost`" in result.stderr


def test_the_example_runs(tmp_path: Path) -> None:
    """The file of the examples is a command as it stands."""
    command = [sys.executable, str(ROOT / "examples" / "manage.py")]
    answer = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Commands:" in answer.stdout
    assert "Operations:" in answer.stdout
