"""The `mergepoint` command, as a newcomer types it: what each subcommand does, and what it says on mistakes."""

import json
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mergepoint import App, cli
from mergepoint.__main__ import main
from mergepoint.cli.table import table

ROOT = Path(__file__).parent.parent
HELLO = str(ROOT / "examples" / "hello.py")
BATS = str(ROOT / "examples" / "roost.py")

KITCHEN = '''
"""An app with one operation for each way to take and give values."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal

from mergepoint import UNSET, App, Call, Download, Id, Meta, Sensitive, Unset, Upload


class Color(Enum):
    BROWN = "brown"
    GREY = "grey"


@dataclass(frozen=True)
class Wing:
    span: float
    torn: bool = False


class Full(Exception):
    """The roost is full."""


app = App("kitchen", errors={Full: "resource_exhausted"})


@app.query
def scalars(
    id: Id, count: int = 1, share: float = 0.5, price: Decimal = Decimal("1.10"), day: date | None = None,
    color: Color = Color.BROWN, size: Literal["s", "m"] = "m", loud: bool = False, page_size: int = 20,
    note: str | Unset = UNSET,
) -> list[str]:
    """Show what came.

    Args:
        id: which one.
        color: of the fur.
    """
    return [repr(v) for v in (id, count, share, price, day, color, size, loud, page_size, note)]


@app.query
def names(names: list[str], ages: list[int] = []) -> list[str]:  # noqa: B006
    """Show lists."""
    return [f"{name} {age}" for name, age in zip(names, ages or [0] * len(names))]


@app.command
def fly(wing: Wing, more: list[Wing] | None = None) -> Wing:
    """Give a wing back."""
    return wing


@app.command
def measure(file: Upload, label: str = "") -> str:
    """Count the bytes of a file."""
    return f"{label}{file.name} {file.media_type} {len(file.file.read())}"


@app.query
def picture() -> Download:
    """Give bytes."""
    return Download(b"\\x89PNG", media_type="image/png", name="bat.png")


@app.query
def count(to: int, fail: bool = False) -> Iterator[int]:
    """Count up."""
    yield from range(to)
    if fail:
        raise Full("No more room.")


@app.command
def crowd() -> None:
    """Always fail."""
    raise Full("No more room.")


@app.command
def bug() -> None:
    """Fail in a way nobody declared."""
    raise ZeroDivisionError("secret detail")


@app.command
def quiet() -> None:
    """Say nothing."""


@app.query
def echo(json: str, output: str, header: str, help: str = "no") -> str:
    """Take what the command itself would like to have."""
    return f"{json} {output} {header} {help}"


@app.query
def who(call: Call) -> str:
    """Say how the call came."""
    return f"{call.protocol} {call.metadata.get('authorization')}"


@app.command
def sign_in(password: Annotated[str, Sensitive] = "wing") -> bool:
    """Check a password."""
    return password == "wing"
'''


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Forget the modules that commands loaded in this process, as its end would."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in sys.modules.keys() - modules:
        file = Path(getattr(sys.modules[name], "__file__", None) or "/")
        theirs = file.is_relative_to(tempfile.gettempdir()) or file.is_relative_to(ROOT / "examples")
        if theirs and not file.is_relative_to(sys.prefix):  # this checkout may itself stand in the temporary folder
            del sys.modules[name]


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of an app with one operation for each way to take and give values."""
    path = tmp_path_factory.mktemp("kitchen") / "kitchen_of_test.py"
    path.write_text(KITCHEN)
    return str(path)


def run(*arguments: str, stdin: str | None = None) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, list(arguments), input=stdin, prog_name="mergepoint")


def call(*arguments: str, stdin: str | None = None) -> str:
    """Run `mergepoint call`; return what it printed, which must have succeeded."""
    result = run("call", *arguments, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def refused(*arguments: str) -> tuple[int, str]:
    """Run a command that must fail; return its exit code and the text from `Error: ` on."""
    result = run(*arguments)
    assert result.exit_code != 0
    return result.exit_code, result.stderr.partition("Error: ")[2].rstrip()


def test_the_example_of_the_readme_prints_its_greeting() -> None:
    """`python -m mergepoint call hello.py greet --name Bat` prints the greeting and nothing else."""
    command = [sys.executable, "-m", "mergepoint", "call", HELLO, "greet", "--name", "Bat"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (answer.stdout, answer.stderr) == ("Hello, Bat!\n", "")


def test_a_target_alone_lists_its_operations() -> None:
    """Operations come in the author's order, each with its summary."""
    listed = call(BATS).partition("Operations:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == ["bat", "bats", "adopt", "release"]
    assert "Find one bat." in listed[0]


def test_an_app_without_operations_says_how_to_begin(tmp_path: Path) -> None:
    """A newcomer's first, empty app is no error."""
    path = tmp_path / "empty_of_test.py"
    path.write_text('from mergepoint import App\napp = App("empty")\n')
    assert "empty has no operations yet. Register one: @app.query above a function." in call(str(path))


def test_options_come_from_the_signature(kitchen: str) -> None:
    """Types, defaults, choices, requirement and documentation are in the help."""
    told = [" ".join(line.split()) for line in call(kitchen, "scalars", "--help").splitlines()]
    assert told[told.index("Options:") + 1 :][:10] == [
        "--id INTEGER which one. [required]",
        "--count INTEGER [default: 1]",
        "--share NUMBER [default: 0.5]",
        "--price DECIMAL [default: 1.10]",
        "--day DATE",
        "--color [brown|grey] of the fur. [default: brown]",
        "--size [m|s] [default: m]",
        "--loud / --no-loud [default: false]",
        "--page-size INTEGER [default: 20]",
        "--note TEXT",
    ]


def test_values_become_what_the_signature_says(kitchen: str) -> None:
    """Text on the command line is read as the type of its parameter."""
    given = "--id 7 --count 2 --share 1e-1 --price 2.50 --day 2026-01-31 --color grey --size s --loud --page-size 3"
    assert json.loads(call(kitchen, "scalars", *given.split(), "--note", "")) == [
        "7", "2", "0.1", "Decimal('2.50')", "datetime.date(2026, 1, 31)", "<Color.GREY: 'grey'>", "'s'", "True",
        "3", "''",
    ]  # fmt: skip


def test_what_is_left_out_has_its_default(kitchen: str) -> None:
    """Defaults are those of the callable; a parameter that may be unset stays unset."""
    values = json.loads(call(kitchen, "scalars", "--id", "7"))
    assert values[1:4] == ["1", "0.5", "Decimal('1.10')"]
    assert values[-1] == "UNSET"
    assert json.loads(call(kitchen, "scalars", "--id", "7", "--no-loud"))[7] == "False"


def test_lists_repeat_their_option(kitchen: str) -> None:
    """Each mention adds an item, read as the item's type."""
    told = call(kitchen, "names", "--names", "Flap", "--names", "Flip", "--ages", "3", "--ages", "4")
    assert json.loads(told) == ["Flap 3", "Flip 4"]


def test_records_are_json_or_a_file(kitchen: str, tmp_path: Path) -> None:
    """A record is written as JSON, in a file named after `@`, or on standard input as `@-`."""
    (tmp_path / "wing.json").write_text('{"span": 2}')
    assert json.loads(call(kitchen, "fly", "--wing", '{"span": 1.5, "torn": true}')) == {"span": 1.5, "torn": True}
    assert json.loads(call(kitchen, "fly", "--wing", f"@{tmp_path / 'wing.json'}"))["span"] == 2
    assert json.loads(call(kitchen, "fly", "--wing", "@-", stdin='{"span": 3}'))["span"] == 3
    assert json.loads(call(kitchen, "fly", "--wing", '{"span": 1}', "--more", '{"span": 2}'))["span"] == 1


def test_uploads_are_paths(kitchen: str, tmp_path: Path) -> None:
    """A file is sent with its name and the type its ending tells; `-` is standard input."""
    (tmp_path / "bat.png").write_bytes(b"12345")
    assert call(kitchen, "measure", "--file", str(tmp_path / "bat.png"), "--label", "x ") == "x bat.png image/png 5\n"
    assert call(kitchen, "measure", "--file", "-", stdin="123") == "stdin application/octet-stream 3\n"


def test_downloads_are_bytes(kitchen: str, tmp_path: Path) -> None:
    """A file goes to standard output as it is, or into the file that --output names."""
    assert run("call", kitchen, "picture").stdout_bytes == b"\x89PNG"
    call(kitchen, "picture", "--output", str(tmp_path / "out.png"))
    assert (tmp_path / "out.png").read_bytes() == b"\x89PNG"


def test_streams_are_printed_item_by_item(kitchen: str) -> None:
    """One item a line; what fails on the way ends the command after the items before it."""
    assert call(kitchen, "count", "--to", "3") == "0\n1\n2\n"
    broken = run("call", kitchen, "count", "--to", "2", "--fail")
    assert (broken.exit_code, broken.stdout, broken.stderr) == (1, "0\n1\n", "Error: No more room.\n")


def test_results_are_text_or_json(kitchen: str) -> None:
    """Text is printed as it is, nothing for nothing, all else as indented JSON; --json gives JSON in one line."""
    assert call(HELLO, "greet") == "Hello, World!\n"
    assert call(HELLO, "greet", "--json") == '"Hello, World!"\n'
    assert call(kitchen, "quiet") == ""
    assert call(kitchen, "fly", "--wing", '{"span": 1}') == '{\n  "span": 1.0,\n  "torn": false\n}\n'
    assert call(kitchen, "fly", "--wing", '{"span": 1}', "--json") == '{"span":1.0,"torn":false}\n'


def test_parameters_may_be_called_like_our_own_options(kitchen: str) -> None:
    """`json`, `output`, `header` and `help` are the operation's if it has them."""
    assert call(kitchen, "echo", "--json", "a", "--output", "b", "--header", "c", "--help", "d") == "a b c d\n"
    assert "Take what the command itself" in call(kitchen, "echo", "-h")


def test_callers_say_who_they_are_with_headers(kitchen: str) -> None:
    """--header is metadata of the call, before the target and after the operation; the later one wins."""
    assert call(kitchen, "who") == "command None\n"
    assert call(kitchen, "who", "--header", "Authorization: Bearer wing") == "command Bearer wing\n"
    assert call("--header", "authorization=a", kitchen, "who") == "command a\n"
    assert call("--header", "authorization=a", kitchen, "who", "--header", "authorization=b=") == "command b=\n"


def test_a_secret_default_is_not_shown(kitchen: str) -> None:
    """The help of a sensitive parameter has no default."""
    assert "[default" not in call(kitchen, "sign_in", "--help")


def test_access_holds_on_the_command_line() -> None:
    """Nobody signs in by having a terminal: the same policy as on every protocol."""
    adopt = ("call", BATS, "adopt", "--name", "Flap")
    assert refused(*adopt) == (4, "Sign in first.")
    assert json.loads(call(*adopt[1:], "--header", "authorization=Bearer wing"))["name"] == "Flap"
    release = ("call", BATS, "release", "--id", "1", "--header", "authorization=Bearer wing")
    assert refused(*release) == (4, "You may not do this.")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["scalars", "--id", "x", "--count", "y"], 2,
         "--id: Expected a 64-bit id: digits in a string\n--count: Expected `int`, got `str`"),
        (["scalars"], 2, "Missing: --id."),
        (["echo"], 2, "Missing: --json, --output, --header."),
        (["scalars", "--id", "7", "--page-size", "x"], 2, "--page-size: Expected `int`, got `str`"),
        (["scalars", "--id", "7", "--color", "red"], 2, "--color: Invalid enum value 'red'"),
        (["names", "--names", "a", "--ages", "1", "--ages", "x"], 2, "--ages[1]: Expected `int`, got `str`"),
        (["fly", "--wing", '{"spam": 1}'], 2, "--wing.spam: Unknown field; did you mean `span`?\n--wing.span: Missing"),
        (["fly", "--wing", "Flap"], 2,
         "--wing: Expected JSON, such as --wing '{...}', or @file.json; got 'Flap': invalid character (byte 0)"),
        (["fly", "--wing", "@nowhere"], 2, "--wing: Expected a file, got 'nowhere': No such file or directory"),
        (["measure"], 2, "Missing: --file."),
        (["measure", "--file", "nowhere"], 2, "--file: Expected a file, got 'nowhere': No such file or directory"),
        (["crowd"], 1, "No more room."),
        (["scalar"], 2, "There is no operation 'scalar'. Did you mean 'scalars'?"),
        (["scalars", "7"], 2, "Got unexpected extra argument (7). Every value needs its option, such as --id."),
        (["fly", "--wnig", "7"], 2, "No such option '--wnig'. Did you mean '--wing'?"),
        (["scalars", "--id"], 2, "Option '--id' requires an argument."),
        (["who", "--header", "wing"], 2,
         "Expected --header NAME=VALUE, such as authorization='Bearer ...', got 'wing'."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(arguments: list[str], code: int, message: str, kitchen: str) -> None:
    """Every problem is named with its option, and the exit code says what kind it is."""
    assert refused("call", kitchen, *arguments) == (code, message)


def test_what_is_not_found_has_its_own_exit_code() -> None:
    """A script can tell a missing record from a failure."""
    assert refused("call", BATS, "bat", "--id", "9") == (3, "There is no bat 9.")


def test_a_bug_tells_its_incident_and_nothing_else(kitchen: str) -> None:
    """The message of an undeclared exception stays in the log, under the number that the caller gets."""
    code, message = refused("call", kitchen, "bug")
    assert code == 1
    assert message.startswith("Something went wrong here. The incident number is ")
    assert "secret detail" not in message


def test_an_app_makes_a_command_of_its_own() -> None:
    """`cli.group(app)` is a click group with the operations of the app."""
    app = App("own")

    @app.query
    def double(number: int) -> int:
        return number * 2

    result = CliRunner().invoke(cli.group(app), ["double", "--number", "4"])
    assert (result.exit_code, result.stdout) == (0, "8\n")


def test_resources_are_closed_after_a_call(tmp_path: Path) -> None:
    """A command leaves nothing open, also when it fails."""
    path = tmp_path / "closing_of_test.py"
    path.write_text(
        textwrap.dedent(
            """
            from mergepoint import App

            class Door:
                name = "door"
                def check(self): raise OSError("stuck")
                def close(self): print("closed")

            app = App("house")
            app.add(Door())

            @app.command
            def enter(name: str) -> str:
                return name
            """
        )
    )
    assert call(str(path), "enter", "--name", "Flap") == "Flap\nclosed\n"
    assert run("call", str(path), "enter").stdout == "closed\n"


STUCK = """
from mergepoint import App

class Door:
    name = "door"

    def check(self):
        raise OSError("stuck")

    def close(self):
        pass

app = App("house")
app.add(Door())

@app.query(http="GET /rooms/{number}")
def room(number: int) -> str:
    return "room"
"""


def test_check_reports_each_thing_that_holds() -> None:
    """Every adapter is built; the exit code is 0 when all holds."""
    result = run("check", BATS)
    assert result.exit_code == 0
    names = [line.partition(":")[0] for line in result.stdout.splitlines()]
    own, others = ("operations", "contract", "commands"), ("GraphQL", "gRPC", "ZeroMQ", "MCP")
    assert names == [f"ok    {name}" for name in (BATS, *own, "REST", "description", "site", *others)]


def test_check_fails_for_a_resource_that_does_not_work(tmp_path: Path) -> None:
    """The broken resource is named with its error and the exit code is 1; --offline leaves resources out."""
    path = tmp_path / "stuck_of_test.py"
    path.write_text(STUCK)
    result = run("check", str(path))
    assert result.exit_code == 1
    assert "FAIL  door: " in result.stdout
    assert "OSError: stuck" in result.stdout
    assert result.stderr == "Error: 1 of the checks failed: door.\n"
    assert run("check", "--offline", str(path)).exit_code == 0


def test_check_fails_for_what_a_protocol_cannot_carry(tmp_path: Path) -> None:
    """An operation that has no place over HTTP is found before anybody calls it."""
    path = tmp_path / "twice_of_test.py"
    path.write_text(STUCK + "@app.query(http='GET /rooms/{name}')\ndef named(name: str) -> str:\n    return name\n")
    result = run("check", "--offline", str(path))
    assert result.exit_code == 1
    assert "FAIL  REST: named: GET /rooms/{name} already leads to room" in result.stdout


def test_routes_are_tables() -> None:
    """Each operation has a line with its place over HTTP and its policy, and one with its names elsewhere."""
    policy, others, notes = run("routes", BATS).stdout.split("\n\n")
    lines = policy.splitlines()
    assert lines[0].split() == ["METHOD", "PATH", "OPERATION", "KIND", "WHO", "DEADLINE", "CACHE"]
    assert lines[3].split() == ["POST", "/api/bats", "adopt", "command", "signed_in", "10", "s", "-"]
    lines = [*lines, *others.splitlines()]
    assert lines[5].split() == ["OPERATION", "GRAPHQL", "GRPC", "MCP"]
    assert lines[8].split() == ["adopt", "Mutation.adopt", "/bats.v1.Bats/Adopt", "adopt"]
    assert notes == "By their own name: command, ZeroMQ.\n"
    assert all(len(line) <= 80 for line in lines)


def test_routes_say_why_an_operation_is_left_out(kitchen: str) -> None:
    """What a protocol cannot carry, or gives away only when asked, is a dash with its reason below."""
    *_, others, notes = run("routes", kitchen).stdout.split("\n\n")
    assert others.splitlines()[5].split() == ["picture", "-", "/kitchen.v1.Kitchen/Picture"]
    assert "GraphQL, not picture: it answers with a file" in notes
    assert "MCP, none: anybody could call it" in notes


def test_routes_tell_everything_of_one_operation() -> None:
    """Its policy with the errors it may end with and what it takes, and a line for each protocol."""
    told = [" ".join(line.split()) for line in run("routes", BATS, "adopt").stdout.splitlines()]
    assert told == [
        "adopt: Take a bat in.",
        "",
        "kind command, must not be sent twice",
        "who signed_in",
        "deadline 10 s",
        "cache -",
        "input at most 2,500,000 bytes",
        "errors no_such_bat (not_found), name_taken (already_exists)",
        "REST POST /api/bats",
        "GraphQL Mutation.adopt",
        "gRPC /bats.v1.Bats/Adopt",
        "command adopt",
        "ZeroMQ adopt",
        "MCP adopt",
    ]
    assert refused("routes", BATS, "adpot") == (2, "There is no operation 'adpot'. Did you mean 'adopt'?")


def test_routes_are_json_for_programs() -> None:
    """--json has all of it, with numbers for seconds and bytes, and null for none."""
    found = json.loads(run("routes", "--json", BATS).stdout)
    assert found[0] == {
        "method": "GET", "path": "/api/bats/{id}", "operation": "bat", "kind": "query", "who": "anyone",
        "deadline": 10.0, "cache": None, "idempotent": True, "max_body": 2_500_000, "gives": "value", "joins": None,
        "errors": [
            {"code": "no_such_bat", "kind": "not_found"}, {"code": "name_taken", "kind": "already_exists"}
        ],
        "protocols": {
            "rest": "GET /api/bats/{id}", "graphql": "Query.bat", "grpc": "/bats.v1.Bats/Bat", "command": "bat",
            "zmq": "bat", "mcp": "bat",
        },
        "left_out": {},
        "job": None,
    }  # fmt: skip
    assert json.loads(run("routes", "--json", HELLO).stdout)[0]["left_out"].keys() == {"mcp"}


def test_routes_do_without_a_protocol_that_is_not_installed() -> None:
    """A missing library is said in one line, and everything else is listed."""
    probe = (
        "import sys; sys.modules.update(dict.fromkeys(['graphql', 'falcon'])); "
        f"from mergepoint.__main__ import main; main(['routes', {HELLO!r}])"
    )
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    policy, others, notes = answer.stdout.split("\n\n")
    assert policy.splitlines()[0].split() == ["OPERATION", "KIND", "WHO", "DEADLINE", "CACHE"]
    assert others.splitlines()[0].split() == ["OPERATION", "GRPC"]
    assert "pip install 'mergepoint[rest]'" in notes
    assert "pip install 'mergepoint[graphql]'" in notes


PLACED = """
from mergepoint import App

class Roost:
    def bat(self, id: int) -> str:
        return f"bat {id}"

    def bats(self) -> list[str]:
        return []

class Vault:
    def open(self, key: str) -> None:
        pass

app = App("placed")
roost = app.place(Roost, Roost)
vault = app.place(Vault, Vault)
app.query(roost.bat)
"""


def placed(folder: Path, name: str) -> str:
    """Write the app with places; return its path. It reads its configuration when it is imported."""
    path = folder / f"{name}_of_test.py"
    path.write_text(PLACED)
    return str(path)


def test_places_show_which_service_runs_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, class, address and methods of each; what runs here, or can be reached, is no failure."""
    assert run("places", placed(tmp_path, "here")).stdout.splitlines() == [
        "NAME   SERVICE  WHERE  METHODS    STATUS",
        "roost  Roost    local  bat, bats  here",
        "vault  Vault    local  open       here",
    ]
    monkeypatch.setenv("PLACED_PLACES", "roost=loopback")
    assert "roost  Roost    loopback  bat, bats  works" in run("places", placed(tmp_path, "loopback")).stdout


def test_a_place_that_cannot_be_reached_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 1; --offline asks nobody, and a wrong name is a mistake in the configuration."""
    monkeypatch.setenv("PLACED_KEY", "a key of twenty characters")
    monkeypatch.setenv("PLACED_PLACES", "roost=http://127.0.0.1:1")
    path = placed(tmp_path, "far")
    failed = run("places", "--json", path)
    assert failed.exit_code == 1
    (roost, vault) = json.loads(failed.stdout)
    assert (roost["where"], roost["methods"]) == ("http://127.0.0.1:1", ["bat", "bats"])
    assert "cannot be reached" in roost["status"]
    assert vault["status"] == "here"
    assert run("places", "--offline", path).exit_code == 0
    monkeypatch.setenv("PLACED_PLACES", "rost=loopback")
    path = placed(tmp_path, "nowhere")
    assert refused("places", path) == (2, "places: no service is called `rost`; did you mean `roost`?")


def test_an_app_without_places_says_how_to_begin() -> None:
    """No table without a line."""
    assert run("places", HELLO).stdout == "No service of hello has a place: app.place(Service, build) gives one.\n"


def test_a_wide_table_wraps_its_widest_column() -> None:
    """A long cell goes on in the next line of its column: after a word, after a slash, or where it must."""
    rows = [("NAME", "WHAT"), ("bat", "a small animal that flies"), ("path", "/api/bats/{id}/wings"), ("x", "y" * 20)]
    assert table(rows, width=20).splitlines() == [
        "NAME  WHAT",
        "bat   a small animal",
        "        that flies",
        "path  /api/bats/",
        "        {id}/wings",
        "x     yyyyyyyyyyy",
        "        yyyyyyyyy",
    ]
    assert table([("ID", "NAME"), ("1", "Flap")]).splitlines() == ["ID  NAME", "1   Flap"]


def test_a_table_keeps_ids_whole_and_may_have_remarks() -> None:
    """Columns that are to be copied are not wrapped; a remark has the whole line, below its row."""
    rows = [("ID", "WHAT"), ("0123456789", "a bat that flies"), "it does so at night only", ("1", "b")]
    assert table(rows, width=20, whole=[0]).splitlines() == [
        "ID          WHAT",
        "0123456789  a bat",
        "              that",
        "              flies",
        "  it does so at",
        "    night only",
        "1           b",
    ]
    assert table([("0123456789", "0123456789")], width=10, whole=[0, 1]) == "0123456789  0123456789"


def test_the_shell_runs_operations_through_their_policy() -> None:
    """Operations are functions there, with access, errors and help; `app` is the app."""
    script = (
        'bats()\napp.name\ntry:\n    adopt(name="Flap")\nexcept Exception as error:\n    print(error)\n\nhelp(bat)\n'
    )
    command = [sys.executable, "-m", "mergepoint", "shell", BATS]
    answer = subprocess.run(command, input=script, capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("[]\n'bats'\nSign in first.\n"), answer.stdout + answer.stderr
    assert "Find one bat." in answer.stdout


def test_the_shell_takes_a_user_and_included_apps() -> None:
    """--header says who calls; the operations of an included app are attributes of its name."""
    answer = run("shell", "--header", "authorization=Bearer wing", BATS, stdin='print(adopt(name="Flap").name)\n')
    assert answer.stdout == "Flap\n"
    combined = str(ROOT / "examples" / "combine.py")
    assert run("shell", combined, stdin="print(moon.phase(day=0))\n").stdout == "0.0\n"


DATABASE = """
from sqlalchemy import Column, Integer, MetaData, String, Table
from mergepoint import App
from mergepoint.db import Database

metadata = MetaData()
Table("bats", metadata, Column("id", Integer, primary_key=True), Column("name", String(40), nullable=False))
app = App("bats")
app.add(Database("sqlite:///{folder}/bats.db", metadata=metadata, migrations="{folder}/migrations"))
"""


def test_a_database_is_migrated_from_the_command_line(tmp_path: Path) -> None:
    """A migration is written from the tables, applied, checked and undone; the app's own database is found."""
    path = tmp_path / "bats_with_database.py"
    path.write_text(DATABASE.format(folder=tmp_path))
    target = str(path)
    written = run("db", "revision", target, "-m", "first bats")
    assert written.stdout.startswith("Wrote "), written.stderr
    assert run("db", "current", target).stdout == "database: before the first migration\n"
    assert refused("db", "check", target)[0] == 2
    applied = run("db", "upgrade", target).stdout
    revision = applied.removeprefix("database: applied ").strip()
    assert run("db", "current", target).stdout == f"database: {revision}\n"
    assert run("db", "upgrade", target).stdout == f"database: nothing to do, it is at {revision}.\n"
    assert run("db", "check", target).stdout == "database: the migrations bring all that the code has.\n"
    grown = tmp_path / "bats_with_color.py"
    grown.write_text(path.read_text().replace("nullable=False", "nullable=False), Column('color', String(20)"))
    assert refused("db", "check", str(grown)) == (
        1, f"database: migrations lack this; write one: mergepoint db revision {grown} -m ..."
    )  # fmt: skip
    assert run("db", "downgrade", target).stdout == f"database: undone {revision}\n"


def test_among_several_databases_one_is_chosen(tmp_path: Path) -> None:
    """Without --database the message lists their names; a wrong name does too."""
    path = tmp_path / "two_databases.py"
    path.write_text(DATABASE.format(folder=tmp_path) + "app.add(Database('sqlite://', name='archive'))\n")
    assert refused("db", "current", str(path)) == (2, "Say which database, with --database: database, archive.")
    assert refused("db", "current", str(path), "--database", "x") == (2, "There are only: database, archive.")
    assert run("db", "current", str(path), "--database", "archive").exit_code == 0


def test_help_lists_the_commands_without_importing_them() -> None:
    """`mergepoint --help` needs no extra and loads none of their libraries."""
    probe = (
        "import sys; from mergepoint.__main__ import main; main(['--help'], standalone_mode=False); "
        "print(sorted(sys.modules.keys() & {'granian', 'sqlalchemy', 'falcon', 'structlog'}))"
    )
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert answer.stdout.endswith("[]\n")
    assert "Serve an app: REST, GraphQL, gRPC; run its jobs." in answer.stdout


@pytest.mark.parametrize(
    "command",
    [
        *["run", "call", "routes", "places", "check", "shell", "db", "db upgrade", "db revision", "completion", "jobs"],
        *[f"jobs {name}" for name in ("list", "dead", "show", "retry", "cancel", "expedite", "purge")],
    ],
)
def test_every_command_has_help(command: str) -> None:
    """Each says what it does before it lists its options."""
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: mergepoint {command}")
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_the_version_is_that_of_the_package() -> None:
    """`mergepoint --version` says which version is installed."""
    assert run("--version").stdout == f"mergepoint, version {version('mergepoint')}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rum", "hello.py"], "There is no command 'rum'. Did you mean 'run'?"),
        ([HELLO], f"There is no command '{HELLO}'. To serve an app, write: mergepoint run {HELLO}"),
        (["call"], "Missing argument 'TARGET'."),
        (["call", "nowhere.py"], "There is no file nowhere.py."),
        (["db", "upgrade", HELLO], f"The app of {HELLO} owns no database. Add it: app.add(database)."),
    ],
)
def test_a_command_that_is_not_understood_says_what_to_write(arguments: list[str], message: str) -> None:
    """The message names what was meant; the exit code is 2."""
    assert refused(*arguments) == (2, message)
