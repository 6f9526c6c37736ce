"""The .proto of an app: its text, its numbers, and what is left out."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from click.testing import CliRunner
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from tests.menagerie import build

from mergepoint import App, Download, Id, Meta, Sensitive, Upload
from mergepoint.__main__ import main
from mergepoint.grpc.messages import GOOGLES, Messages, file_of
from mergepoint.grpc.proto import text
from mergepoint.grpc.schema import Schema, schema
from mergepoint.lock import describe, merge


def _schema(app: App, before: App | None = None) -> Schema:
    old = None if before is None else describe(before)
    return schema(app, merge(old, describe(app)))


def _proto(app: App, before: App | None = None) -> str:
    return text(_schema(app, before).file)


def _message(name: str, proto: str) -> list[str]:
    """Return the lines of a message, without comments."""
    found = re.search(rf"^message {name} \{{\n(.*?)^\}}", proto, re.MULTILINE | re.DOTALL)
    assert found, proto
    return [line.strip() for line in found[1].splitlines() if "//" not in line]


def test_the_text_is_what_people_write() -> None:
    """Package, service and messages, with what the docstrings say above each."""
    app = App("hello", version="2.1")

    @app.query
    def greet(name: str = "World", loud: bool = False) -> str:
        """Say hello to somebody.

        It is polite.

        Args:
            name: who is greeted.
            loud: shout.
        """
        return name

    assert _proto(app) == (
        "// Version 2.1 of the app `hello`.\n"
        'syntax = "proto3";\n'
        "\n"
        "package hello.v2_1;\n"
        "\n"
        "service Hello {\n"
        "  // Say hello to somebody.\n"
        "  //\n"
        "  // It is polite.\n"
        "  rpc Greet(GreetRequest) returns (GreetResponse);\n"
        "}\n"
        "\n"
        "// What `greet` takes.\n"
        "message GreetRequest {\n"
        '  // who is greeted. Unless given: "World".\n'
        "  optional string name = 1;\n"
        "  // shout.\n"
        "  optional bool loud = 2;\n"
        "}\n"
        "\n"
        "// The answer of `greet`: what it gives.\n"
        "message GreetResponse {\n"
        "  optional string result = 1;\n"
        "}\n"
    )


class Cat(msgspec.Struct, tag=True):
    """One of a union."""

    lives: int


class Dog(msgspec.Struct, tag=True):
    """Another one."""

    name: str


class Hello(msgspec.Struct):
    """A record whose name is that of the service."""

    message: str


class StrList(msgspec.Struct):
    """A record whose name a message of ours would have."""

    items: list[str] | None


def awkward() -> App:
    """Return an app with all that is hard to name."""
    app = App("hello")

    @app.query
    def hello(  # noqa: PLR0917 - as many as there are ways to be awkward
        hello: Hello,
        names: StrList,
        pets: list[Cat | Dog | None],
        grid: dict[str, list[list[int]]],
        pair: tuple[int, list[str]],
        limit: int | None = 20,
        tags: list[str] = ["a"],  # noqa: B006 - that it is one is what is tested
        option: str = "",
        message: str = "",
        reserved: str = "",
        oneof: bytes = b"",
    ) -> Hello:
        """Take everything."""
        return hello

    @app.query
    def hello_request(kind: Cat | Dog) -> dict[Id, str | None] | None:
        """Be called what another message is called."""
        return None

    @app.query
    def chunk(file: Upload) -> Download:
        """Be called what the messages of downloads are called."""
        return Download(b"")

    return app


def test_names_do_not_clash() -> None:
    """Records give way to services, requests and answers; messages of ours give way to records."""
    app = awkward()
    file = _schema(app).file
    names = [message.name for message in file.message_type]
    assert len(names) == len(set(names))
    assert {"HelloRecord", "StrList", "StrList_", "CatOrDog", "CatOrDogOrNull", "IntListList", "IntStrListTuple"} <= {
        *names
    }
    Messages([*map(file_of, GOOGLES), file])


def test_null_and_empty_have_fields_of_their_own() -> None:
    """Where null, or an empty list, is not the same as left out, a field beside says so, far from the other numbers."""
    lines = _message("HelloRequest", _proto(awkward()))
    assert lines[5:11] == [
        "oneof limit_or_null {",
        "int64 limit = 6;",
        "google.protobuf.NullValue limit_null = 100006;",
        "}",
        "repeated string tags = 7;",
        "optional bool tags_empty = 100007;",
    ]


@pytest.mark.parametrize("make", [build, awkward])
def test_protoc_makes_the_same_descriptor_of_it(make: Callable[[], App], tmp_path: Path) -> None:
    """The text says everything: what protoc makes of it is what the server has, number for number."""
    mine = FileDescriptorProto()
    mine.CopyFrom(_schema(make()).file)
    path = tmp_path / mine.name
    path.parent.mkdir(parents=True)
    path.write_text(text(mine))
    mine.ClearField("source_code_info")
    made = tmp_path / "set"
    protoc = [sys.executable, "-m", "grpc_tools.protoc"]
    subprocess.run([*protoc, f"-I{tmp_path}", f"--descriptor_set_out={made}", path], check=True, timeout=60)
    (theirs,) = FileDescriptorSet.FromString(made.read_bytes()).file
    assert theirs == mine


# --- numbers ---


def test_new_fields_append_and_removed_ones_are_reserved() -> None:
    """Numbers are those of the lock, in requests, records and unions alike."""

    def first() -> App:
        @dataclass
        class Bat:
            """A bat."""

            name: str
            weight: float
            born: str = ""

        app = App("bats")

        @app.query
        def find(name: str, limit: int = 5) -> Bat:
            """Find one."""
            raise LookupError

        return app

    def second() -> App:
        @dataclass
        class Bat:
            """A bat."""

            id: Id
            name: str
            born: int = 0

        app = App("bats")

        @app.query
        def find(exact: bool = False, limit: int = 5) -> Bat:
            """Find one."""
            raise LookupError

        return app

    proto = _proto(second(), before=first())
    assert _message("FindRequest", proto) == [
        "reserved 1;",
        'reserved "name";',
        "optional int64 limit = 2;",
        "optional bool exact = 3;",
    ]
    assert _message("Bat", proto) == [
        "reserved 2, 3;",
        'reserved "weight", "born__3";',
        "optional string name = 1;",
        "optional int64 id = 4;",
        "optional int64 born = 5;",
    ]


# --- what is left out ---


class Twice(msgspec.Struct, rename={"one": "a-b", "two": "a_b"}):
    """A record whose fields protobuf cannot tell apart."""

    one: int
    two: int


class Around(msgspec.Struct):
    """A record that contains it."""

    inner: Twice


def test_what_cannot_be_carried_is_left_out_with_its_reason() -> None:
    """The other operations are served; each that is not says why."""
    app = App("odd")

    @app.query
    def twice() -> Around:
        """Give the record."""
        raise LookupError

    @app.query
    def again(value: Around) -> int:
        """Take the record, after it failed before."""
        return 1

    @app.query
    def void(value: None) -> int:
        """Take nothing at all."""
        return 1

    @app.query
    def find_bat() -> int:
        """Find one."""
        return 1

    @app.query(name="findBat")
    def find_bat_too(x: int, x_null: int = 0) -> int:
        """Have the same name in CamelCase."""
        return 1

    @app.query
    def nulls(x: int | None = 5, x_null: int = 0) -> int:
        """Have a field that is called what tells of a null."""
        return 1

    described = _schema(app)
    assert list(described.methods) == ["find_bat"]
    assert described.left_out == {
        "twice": "Twice: protobuf cannot tell `a-b` from `a_b`; rename one of them",
        "again": "Twice: protobuf cannot tell `a-b` from `a_b`; rename one of them",
        "void": "protobuf has nothing for a value that is always None",
        "findBat": "gRPC would call it `/odd.v1.Odd/FindBat`, as it does `find_bat`; rename one",
        "nulls": "The arguments: protobuf cannot tell `x` from `x_null`; rename one of them",
    }


def test_an_app_without_operations_has_an_empty_file() -> None:
    """Nothing to serve is no error."""
    assert "service" not in _proto(App("empty"))


def test_secrets_are_not_in_the_comments() -> None:
    """The default of a sensitive parameter is nobody's business."""
    app = App("vault")

    @app.query
    def enter(key: Annotated[str, Sensitive] = "sesame", name: Annotated[str, Meta(min_length=1)] = "Ali") -> int:
        """Go in."""
        return 1

    proto = _proto(app)
    assert "sesame" not in proto
    assert 'Unless given: "Ali".' in proto


# --- the command ---


def test_the_command_prints_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mergepoint grpc proto` prints the text, or writes it; what is left out stands on standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.py").write_text(
        "from mergepoint import App\napp = App('odd')\n"
        "@app.query\ndef void(value: None) -> int:\n    '''Take nothing.'''\n    return 1\n"
        "@app.query\ndef one() -> int:\n    '''Give one.'''\n    return 1\n"
    )
    printed = CliRunner().invoke(main, ["grpc", "proto", "odd.py"])
    assert printed.stdout.startswith("// Version 1 of the app `odd`.\n")
    assert printed.stderr == "Left out: void: protobuf has nothing for a value that is always None\n"
    written = CliRunner().invoke(main, ["grpc", "proto", "odd.py", "--output", "odd.proto"])
    assert (written.exit_code, written.stdout) == (0, "")
    assert (tmp_path / "odd.proto").read_text() == printed.stdout
    failed = CliRunner().invoke(main, ["grpc", "proto", "odd.py", "--output", "nowhere/odd.proto"])
    assert failed.exit_code == 1
    assert "nowhere/odd.proto cannot be written: No such file or directory" in failed.stderr


def test_the_command_keeps_the_numbers_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields have the numbers that contract.lock recorded."""
    monkeypatch.chdir(tmp_path)
    program = (
        "from mergepoint import App\napp = App('kept')\n@app.query\ndef one({}) -> int:\n    '''One.'''\n    return 1\n"
    )
    (tmp_path / "kept_one.py").write_text(program.format("a: int = 1"))
    assert CliRunner().invoke(main, ["check", "--update", "--offline", "kept_one.py"]).exit_code == 0
    (tmp_path / "kept_two.py").write_text(program.format("b: int = 1, a: int = 1"))
    proto = CliRunner().invoke(main, ["grpc", "proto", "kept_two.py"]).stdout
    assert [line for line in _message("OneRequest", proto) if line.startswith("optional")] == [
        "optional int64 a = 1;",
        "optional int64 b = 2;",
    ]
