"""The contract lock: what is recorded of an app, how numbers stay, what a change breaks for whom, and the command."""

import enum
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import menagerie

from mergepoint import UNSET, App, Unset, lock, target
from mergepoint.__main__ import main
from mergepoint.errors import RegistrationError
from mergepoint.lock import AppLock, LockError, Message, OperationLock, Slot
from mergepoint.rest.routes import routes

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
EVERYBODY = ("REST", "GraphQL", "gRPC", "places", "commands", "MCP")
CALLERS = ("REST", "GraphQL", "gRPC", "places", "commands")
AND_JOBS = ("REST", "GraphQL", "gRPC", "places", "queued jobs", "commands")


WORDS = """
from typing import Annotated, Literal
from mergepoint import UNSET, Download, Id, Meta, Page, Unset, Upload
"""


class Kind(enum.Enum):
    """An enum that leads nowhere."""

    BIG = 1
    SMALL = 2


class Cat(msgspec.Struct, tag="cat"):
    """A member of a union that contains itself."""

    lives: int
    friends: "list[Cat | Dog]" = []


class Dog(msgspec.Struct, tag="dog", tag_field="type"):
    """The other one."""

    kind: Kind


class Point(NamedTuple):
    """A record that is a tuple in Python."""

    x: float
    y: float = 0.0


class Options(TypedDict, total=False):
    """A record that is a dict in Python."""

    depth: int


@dataclass
class Box(Generic[T]):
    """A record of something."""

    inside: T
    note: str | Unset = UNSET


def app_of(source: str, **settings: Any) -> App:
    """Make an app of a few lines that register operations with `@app.query` and `@app.command`."""
    app = App("bats", **settings)
    classes: tuple[Any, ...] = (Box, Cat, Dog, Kind, Options, Point, enum.Enum, msgspec.Struct)
    names = {"app": app, "__name__": "bats"} | {cls.__name__: cls for cls in classes}
    exec(WORDS, names)  # noqa: S102  # it is imports
    exec(textwrap.dedent(source), names)  # noqa: S102  # the source stands in this file
    return app


def described(source: str, **settings: Any) -> AppLock:
    """Describe the app of a few lines."""
    return lock.describe(app_of(source, **settings))


# --- describe ------------------------------------------------------------------------------------------------------


def texts(message: Message) -> dict[str, str]:
    """Return the type texts of a message, marked where they are required."""
    return {name: slot.type + "!" * slot.required for name, slot in message.fields.items()}


def test_an_app_is_described_with_its_records_enums_and_errors() -> None:
    """Every operation is there with its kind, address and result; names are those on the wire."""
    found = lock.describe(menagerie.build())
    assert list(found.operations) == list(menagerie.build().operations)
    replace = found.operations["replace"]
    assert (replace.kind, replace.gives, replace.result) == ("command", "value", "Bat")
    assert (replace.http, replace.body) == ("PUT /bats/{id}", "bat")
    assert texts(replace.parameters) == {"id": "Id!", "bat": "NewBat!", "note": "str | unset"}
    assert texts(found.operations["portrait"].parameters) == {"title": "str", "photo": "Upload!"}
    assert found.operations["watch"].gives == "stream"
    assert (found.operations["release"].gives, found.operations["release"].result) == ("nothing", None)
    assert texts(found.records["Bat"]) == {
        "id": "Id!", "name": "str!", "diet": "enum Diet", "wings": "list[Wing]", "born": "datetime | null",
        "weight": "Decimal | null",
    }  # fmt: skip
    assert texts(found.records["Page_Bat"]) == {"items": "list[Bat]!", "next": "str | null"}
    assert [slot.number for slot in found.records["Bat"].fields.values()] == [1, 2, 3, 4, 5, 6]
    assert found.enums == {"Diet": ["fruit", "insects"]}
    assert found.errors["no_such_bat"] == lock.ErrorLock("not_found", {"id": "Id"})


def test_the_address_of_an_operation_is_that_of_rest() -> None:
    """What the lock says of REST is where REST serves it, with and without http=, in included apps too."""
    app = App("zoo")
    app.include(menagerie.build())
    found = lock.describe(app)
    assert {name: operation.http for name, operation in found.operations.items()} == {
        route.operation.name: f"{route.method} {route.path}" for route in routes(app)
    }


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        ("Annotated[int, Meta(ge=1)]", "int"),
        ("Id | None", "Id | null"),
        ("dict[Id, list[Point]]", "dict[int, list[Point]]"),
        ("tuple[int, str]", "tuple[int, str]"),
        ("frozenset[bytes]", "list[bytes]"),
        ("Literal['b', 'a', 1, None]", 'Literal["a", "b"] | Literal[1] | null'),
        ("Kind", "enum Kind"),
        ("Dog | Cat | None", "Cat | Dog | null"),
        ("int | str", "int | str"),
        ("Box[Page[Id]]", "Box_Page_Id"),
        ("Options", "Options"),
    ],
)
def test_a_type_has_one_text(hint: str, text: str) -> None:
    """The text says what travels, without constraints, and whatever the order of a union's members."""
    found = described(f"@app.command\ndef take(value: {hint}) -> {hint}: ...")
    assert found.operations["take"].parameters.fields["value"].type == text
    assert found.operations["take"].result == text


def test_unions_and_records_within_themselves_are_described() -> None:
    """A union is the same whatever the order of its members, a record has its tag; recursion ends."""
    found = described("@app.query\ndef pet(other: Dog | Cat) -> Box[Cat]: ...")
    assert {name: texts(union) for name, union in found.unions.items()} == {"Cat_or_Dog": {"Cat": "Cat", "Dog": "Dog"}}
    assert texts(found.records["Cat"]) == {"lives": "int!", "friends": "list[Cat | Dog]"}
    assert found.records["Cat"].tag == "type=cat"
    assert texts(found.records["Box_Cat"]) == {"inside": "Cat!", "note": "str | unset"}
    assert found.enums == {"Kind": [1, 2]}


def test_uploads_and_downloads_are_described() -> None:
    """Files come after the values, in the words of the signature."""
    found = described(
        "@app.command\ndef hang(photos: list[Upload], title: str, other: Upload | None = None) -> Download: ...\n"
    )
    hang = found.operations["hang"]
    assert texts(hang.parameters) == {"title": "str!", "photos": "list[Upload]!", "other": "Upload | null"}
    assert (hang.gives, hang.result) == ("download", None)


ALIKE = """
    def other():
        class Cat(Struct):
            name: str
        return Cat
    Other = other()
    @app.query
    def cats(other: Other) -> Cat: ...
"""


def test_two_records_of_one_name_are_refused() -> None:
    """The message has the app, the name and both places."""
    with pytest.raises(RegistrationError) as caught:
        described(ALIKE)
    assert str(caught.value) == (
        f"bats: two different types are called Cat, in bats and in {__name__};"
        " gRPC could not tell them apart. Rename one."
    )


def test_a_record_may_not_be_called_like_a_word_of_the_lock() -> None:
    """`Upload` as the name of a record would read as a file."""
    with pytest.raises(RegistrationError, match="bats has a type called Upload, which is a word"):
        described("class Upload(Struct):\n    name: str\n@app.query\ndef cats() -> Upload: ...")


def test_a_union_is_named_after_its_members() -> None:
    """The name does not depend on their order, and has only characters that protobuf allows."""
    assert lock.union_name(["Dog", "Cat"]) == lock.union_name(["Cat", "Dog"]) == "Cat_or_Dog"
    assert lock.union_name(["list[Bat]", "str"]) == "list_Bat_or_str"


# --- fingerprint ---------------------------------------------------------------------------------------------------

RECORD = "class Bat(Struct):\n    name: str\n    span: {span} = 0\n"
OPERATION = "@app.query\ndef bat({parameters}) -> Bat: ...\n"


TWINS = """
def twin(kind):
    class Cat(Struct):
        age: kind
    return Cat
One, Other = twin(int), twin({})
@app.query
def cats(one: One, other: Other) -> Page[One]: ...
"""


def test_a_fingerprint_tells_records_of_one_name_apart() -> None:
    """Two records of one name are no obstacle to a place, and both count."""
    prints = [
        lock.fingerprint(app_of(TWINS.format(kind)).operations["cats"].contract) for kind in ("str", "bytes", "str")
    ]
    assert prints[0] == prints[2] != prints[1]


def print_of(record: str = RECORD.format(span="float"), parameters: str = "id: int, loud: bool = False") -> str:
    """Return the fingerprint of an operation."""
    return lock.fingerprint(app_of(record + OPERATION.format(parameters=parameters)).operations["bat"].contract)


def test_a_fingerprint_tells_contracts_apart() -> None:
    """A name, type or necessity anywhere changes it; the order, constraints and default values do not."""
    same = print_of()
    assert len(same) == 12
    assert int(same, 16)
    assert print_of("class Bat(Struct, kw_only=True):\n    span: float = 1\n    name: str\n") == same
    assert print_of(parameters="*, loud: bool = True, id: Annotated[int, Meta(ge=1)]") == same
    others = {
        print_of(RECORD.format(span="int")),
        print_of(RECORD.replace("name", "named").format(span="float")),
        print_of(parameters="id: int, loud: bool"),
        print_of(parameters="id: Id, loud: bool = False"),
        print_of(parameters="id: int"),
    }
    assert len(others - {same}) == 5


# --- merge ---------------------------------------------------------------------------------------------------------


def numbers(message: Message) -> dict[str, int]:
    """Return the numbers of a message."""
    return {name: slot.number for name, slot in message.fields.items()}


def bat(**fields: str) -> AppLock:
    """Return the description of an app with one record."""
    slots = {name: Slot(number, text) for number, (name, text) in enumerate(fields.items(), 1)}
    operations = {"bat": OperationLock("query", "value", Message({}), "Bat")}
    return AppLock("1", operations, {"Bat": Message(slots)})


def test_numbers_stay_and_new_fields_come_after_them() -> None:
    """A field moved in the code keeps its number; one in between gets the next; one that goes is reserved."""
    found = lock.merge(bat(name="str", span="float", diet="str"), bat(diet="str", age="int", name="str"))
    assert numbers(found.records["Bat"]) == {"name": 1, "diet": 3, "age": 4}
    assert found.records["Bat"].reserved == {"span": 2}


def test_a_field_that_comes_back_gets_a_new_number() -> None:
    """Nobody knows what the old number meant to old clients, so it stays reserved, under an ending."""
    gone = lock.merge(bat(name="str", span="float"), bat(name="str"))
    back = lock.merge(gone, bat(name="str", span="int"))
    assert numbers(back.records["Bat"]) == {"name": 1, "span": 3}
    assert back.records["Bat"].reserved == {"span__2": 2}
    again = lock.merge(lock.merge(back, bat(name="str")), bat(name="str", span="int"))
    assert numbers(again.records["Bat"]) == {"name": 1, "span": 4}
    assert again.records["Bat"].reserved == {"span__2": 2, "span__3": 3}


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("float", "str", False),
        ("str", "str | null", True),
        ("str | unset", "str", True),
        ("Id", "int", False),
        ("list[str]", "list[str] | null", False),
        ("list[str] | null", "list[str] | unset", True),
        ("list[str]", "list[str | null]", False),
        ('Literal["a"]', 'Literal["a", "b"]', True),
        ('Literal["a"]', "Literal[1]", False),
        ("Cat | Dog", "Cat | Dog | Fox", True),
        ("Cat", "Cat | Dog", False),
        ("enum Diet", "enum Kind", False),
        ("dict[str, int]", "dict[str, float]", False),
    ],
)
def test_a_number_stays_only_where_protobuf_reads_the_same(old: str, new: str, kept: bool) -> None:
    """A field whose values protobuf would misread gets a new number; its old one is reserved."""
    found = lock.merge(bat(span=old), bat(span=new)).records["Bat"]
    assert numbers(found) == {"span": 1 if kept else 2}
    assert found.reserved == ({} if kept else {"span__1": 1})


def test_what_was_gone_altogether_finds_its_numbers_reserved() -> None:
    """A record and an operation that come back do not use the numbers of their former lives."""
    source = "class Bat(Struct):\n    {}: str\n@app.query\ndef bat({}: str) -> Bat: ...\n"
    other = "@app.query\ndef cat() -> str: ..."
    gone = lock.merge(described(source.format("name", "id")), described(other))
    assert gone.retired == {"records.Bat": {"name": 1}, "operations.bat": {"id": 1}}
    back = lock.merge(gone, described(source.format("called", "key")))
    assert numbers(back.records["Bat"]) == {"called": 2}
    assert numbers(back.operations["bat"].parameters) == {"key": 2}
    assert back.retired == {}


def test_a_union_keeps_the_numbers_of_its_members_under_another_name() -> None:
    """A member more renames a union; those it had keep their numbers, whatever the order."""
    old = described("@app.query\ndef pet(other: Dog | Cat) -> None: ...")
    new = described(
        "class Ant(Struct, tag=True):\n    x: int\n@app.query\ndef pet(other: Ant | Cat | Dog) -> None: ..."
    )
    assert numbers(lock.merge(old, new).unions["Ant_or_Cat_or_Dog"]) == {"Cat": 1, "Dog": 2, "Ant": 3}


def test_the_values_of_an_enum_stay_in_their_order() -> None:
    """New values come after those that were known first."""
    old, new = (msgspec.structs.replace(bat(), enums={"Diet": values}) for values in (["b", "a"], ["a", "c", "b"]))
    assert lock.merge(old, new).enums == {"Diet": ["b", "a", "c"]}


NAMES = st.sampled_from(["a", "b", "c", "d", "a__1", "a__2"])
TEXTS = st.sampled_from(["int", "str", "str | null", "list[str]", "list[str] | null", "Cat | Dog", "Cat | Dog | Fox"])
VERSIONS = st.lists(st.one_of(st.none(), st.dictionaries(NAMES, TEXTS, max_size=5)), min_size=1, max_size=8)


def version(fields: dict[str, str] | None) -> AppLock:
    """Return one version of an app; None for one without the record."""
    return AppLock("1", {}) if fields is None else bat(**fields)


@given(VERSIONS)
@settings(max_examples=300, deadline=None)
def test_no_number_is_ever_moved_or_used_again(history: list[dict[str, str] | None]) -> None:
    """Through any history, a number belongs to one name and one protobuf type; merging again changes nothing."""
    kept: AppLock | None = None
    owners: dict[int, tuple[str, str]] = {}
    for fields in history:
        new = version(fields)
        kept = lock.merge(kept, new)
        assert lock.merge(kept, new) == kept
        assert lock.compare(kept, new) == []
        record = kept.records.get("Bat", Message({}, kept.retired.get("records.Bat", {})))
        assert not set(numbers(record).values()) & set(record.reserved.values())
        assert {**owners}.keys() <= {*numbers(record).values(), *record.reserved.values()}
        for name, slot in record.fields.items():
            assert slot.type == (fields or {})[name]
            mine = (name, slot.type.removesuffix(" | Fox").replace("str | null", "str"))
            assert owners.setdefault(slot.number, mine) == mine


# --- compare -------------------------------------------------------------------------------------------------------

QUERY = "@app.query\ndef bat({}) -> {}: ...\n"
COMMAND = "@app.command\ndef adopt({}) -> {}: ...\n"
GIVEN = "class Bat(Struct):\n    name: str\n    {}\n@app.query\ndef bat() -> Bat: ...\n"
TAKEN = "class Bat(Struct):\n    name: str\n    {}\n@app.command\ndef adopt(bat: Bat) -> None: ...\n"
ENUM_GIVEN = "class Diet(Enum):\n    A = 'a'\n    {}\n@app.query\ndef diet() -> Diet: ...\n"
ENUM_TAKEN = "class Diet(Enum):\n    A = 'a'\n    {}\n@app.command\ndef feed(diet: Diet) -> None: ...\n"


def said(*parts: str) -> str:
    """Return a sentence of its parts."""
    return "; ".join(parts) + "."


BREAKING = [
    (
        QUERY.format("", "str") + COMMAND.format("", "str"), QUERY.format("", "str"),
        said(
            (
                "The command adopt was removed: callers over REST, GraphQL, gRPC, places, commands and MCP"
                " are told that there is no such operation"
            ),
            "queued jobs of it go to the dead letters",
        ),
        ("REST", "GraphQL", "gRPC", "places", "queued jobs", "commands", "MCP"),
    ),
    (
        COMMAND.format("", "str") + QUERY.format("", "str"), COMMAND.format("", "str"),
        said(
            (
                "The query bat was removed: callers over REST, GraphQL, gRPC, places, commands and MCP are"
                " told that there is no such operation"
            ),
        ),
        EVERYBODY,
    ),
    (
        GIVEN.format("weight: float"), GIVEN.format("weight: str"),
        said(
            "Bat.weight changed from float to str: gRPC clients do not find it under its new number",
            "clients over REST, GraphQL, places and commands get a string where they expect a number",
        ),
        CALLERS,
    ),
    (
        TAKEN.format("weight: float"), TAKEN.format("weight: str"),
        said(
            "Bat.weight changed from float to str: what gRPC clients send under its old number is overlooked",
            (
                "callers over REST, GraphQL, places and commands that send a number are refused where a"
                " string is expected now"
            ),
            "queued jobs with the old form go to the dead letters",
        ),
        AND_JOBS,
    ),
    (
        GIVEN.format("weight: int"), GIVEN.format("weight: float"),
        said(
            "Bat.weight changed from int to float: gRPC clients do not find it under its new number",
            "clients over REST, GraphQL, places and commands get a number (float) where they expect a number (int)",
        ),
        CALLERS,
    ),
    (
        GIVEN.format("weight: float"), GIVEN.format(""),
        said(
            "Bat.weight was removed: GraphQL queries that ask for it are refused",
            "clients over REST, gRPC, places and commands do not find it",
        ),
        CALLERS,
    ),
    (
        TAKEN.format("weight: float"), TAKEN.format(""),
        said(
            "Bat.weight was removed: callers over REST, GraphQL, places and commands that send it are refused",
            "what gRPC clients send is overlooked",
            "queued jobs that hold it go to the dead letters",
        ),
        AND_JOBS,
    ),
    (
        GIVEN.format("weight: float"), GIVEN.format("weight: float | None"),
        said(
            (
                "Bat.weight may be null now: clients over REST, GraphQL, gRPC, places and commands meet null"
                " where there always was a value"
            ),
        ),
        CALLERS,
    ),
    (
        GIVEN.format("weight: float"), GIVEN.format("weight: float | Unset = UNSET"),
        said(
            (
                "Bat.weight may be missing now: clients over REST, GraphQL, gRPC, places and commands do not"
                " find it where there always was a value"
            ),
        ),
        CALLERS,
    ),
    (
        TAKEN.format("weight: float | None"), TAKEN.format("weight: float"),
        said(
            (
                "Bat.weight may not be null any more: callers over REST, GraphQL, gRPC, places and commands"
                " that send null are refused"
            ),
            "queued jobs with null go to the dead letters",
        ),
        AND_JOBS,
    ),
    (
        TAKEN.format("weight: float = 1.0"), TAKEN.format("weight: float"),
        said(
            (
                "Bat.weight is required now: callers over REST, GraphQL, gRPC, places and commands that leave"
                " it out are refused"
            ),
            "queued jobs without it go to the dead letters",
        ),
        AND_JOBS,
    ),
    (
        TAKEN.format(""), TAKEN.format("weight: float"),
        said(
            (
                "Bat.weight was added and is required: callers over REST, GraphQL, gRPC, places and commands"
                " that leave it out are refused"
            ),
            "queued jobs without it go to the dead letters",
        ),
        AND_JOBS,
    ),
    (
        QUERY.format("id: int", "str"), QUERY.format("id: int, loud: bool", "str"),
        said(
            (
                "Parameter loud of bat was added and is required: callers over REST, GraphQL, gRPC, places"
                " and commands that leave it out are refused"
            ),
        ),
        CALLERS,
    ),
    (
        QUERY.format("id: int = 1", "str"), QUERY.format("id: int", "str"),
        said(
            (
                "Parameter id of bat is required now: callers over REST, GraphQL, gRPC, places and commands"
                " that leave it out are refused"
            ),
        ),
        CALLERS,
    ),
    (
        QUERY.format("id: int", "str"), QUERY.format("", "str"),
        said(
            (
                "Parameter id of bat was removed: callers over REST, GraphQL, places and commands that send"
                " it are refused"
            ),
            "what gRPC clients send is overlooked",
        ),
        CALLERS,
    ),
    (
        QUERY.format("ids: list[int] = []", "str"), QUERY.format("ids: list[int] | None = None", "str"),
        said(
            (
                "Parameter ids of bat changed from list[int] to list[int] | null: what gRPC clients send"
                " under its old number is overlooked"
            ),
        ),
        ("gRPC",),
    ),
    (
        COMMAND.format("size: Literal['s', 'm']", "str"), COMMAND.format("size: Literal['m']", "str"),
        said(
            (
                'Parameter size of adopt no longer knows "s": callers over REST, GraphQL, gRPC, places and'
                ' commands that send it are refused'
            ),
            "queued jobs with it go to the dead letters",
        ),
        AND_JOBS,
    ),
    (
        COMMAND.format("pet: Cat | Dog | None", "str"), COMMAND.format("pet: Cat | None", "str"),
        said(
            (
                "Parameter pet of adopt changed from Cat | Dog | null to Cat | null: what gRPC clients send"
                " under its old number is overlooked"
            ),
            (
                "callers over REST, GraphQL, places and commands that send one of several types are refused"
                " where an object is expected now"
            ),
            "queued jobs with the old form go to the dead letters",
        ),
        AND_JOBS,
    ),
    (
        ENUM_TAKEN.format("B = 'b'"), ENUM_TAKEN.format(""),
        said(
            (
                "The enum Diet no longer knows 'b': callers over REST, GraphQL, gRPC, places and commands"
                " that send it are refused"
            ),
            "queued jobs with it go to the dead letters",
        ),
        AND_JOBS,
    ),
    (
        ENUM_GIVEN.format("B = 'b'"), ENUM_GIVEN.format(""),
        said(
            (
                "The enum Diet no longer knows 'b': clients over REST, GraphQL, gRPC, places and commands"
                " wait for it in vain"
            ),
        ),
        CALLERS,
    ),
    (
        QUERY.format("", "list[str]"), QUERY.format("", "str"),
        said(
            "The result of bat changed from list[str] to str: gRPC clients read it wrongly",
            "clients over REST, GraphQL, places and commands get a string where they expect a list",
        ),
        CALLERS,
    ),
    (
        QUERY.format("", "str"), QUERY.format("", "None"),
        said(
            (
                "bat gave a value and gives nothing now: callers over REST, GraphQL, gRPC, places, commands"
                " and MCP read its answer in the wrong way"
            ),
        ),
        EVERYBODY,
    ),
    (
        "@app.query\ndef bat() -> str: ...", "@app.command(http='POST /bat')\ndef bat() -> str: ...",
        said(
            "bat was a query and is a command now: REST and GraphQL clients do not find it among the queries",
            "places and gRPC clients that repeat queries could run it twice",
        ),
        ("REST", "GraphQL", "gRPC", "places", "MCP"),
    ),
    (
        "@app.query(http='GET /bats/{id}')\ndef bat(id: int) -> str: ...",
        "@app.query(http='GET /bat/{id}')\ndef bat(id: int) -> str: ...",
        said(
            "bat moved from GET /bats/{id} to GET /bat/{id}: REST clients do not find it where it was",
        ),
        ("REST",),
    ),
    (
        "@app.command(body='name')\ndef bat(name: str) -> str: ...", "@app.command\ndef bat(name: str) -> str: ...",
        said(
            (
                "The body of bat was only name and is an object of its parameters now: REST clients that send"
                " the old one are refused"
            ),
        ),
        ("REST",),
    ),
    (
        "class Fox(Struct, tag='fox'):\n    x: int\n" + QUERY.format("", "Fox"),
        "class Fox(Struct, tag='vixen'):\n    x: int\n" + QUERY.format("", "Fox"),
        said(
            (
                "Fox was marked type=fox and is type=vixen now: clients over REST, places and commands do not"
                " know the new tag"
            ),
        ),
        ("REST", "places", "commands"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence", "breaks"), BREAKING, ids=[case[2][:45] for case in BREAKING])
def test_a_breaking_change_is_one_sentence(old: str, new: str, sentence: str, breaks: tuple[str, ...]) -> None:
    """It says what changed, where, and what becomes of whom."""
    found = [change for change in lock.compare(described(old), described(new)) if change.breaking]
    assert [(change.sentence, change.breaks) for change in found if change.sentence == sentence] == [(sentence, breaks)]
    unexpected = [change.sentence for change in found if "moved from GET" not in change.sentence]
    assert len(unexpected) == 1 or "moved" in sentence


DEFAULT = "Bat.age has a default now; it is in every result still, but OpenAPI calls it optional."
COMPATIBLE = [
    (QUERY.format("", "str"), QUERY.format("", "str") + COMMAND.format("", "str"), "The command adopt was added."),
    (QUERY.format("", "str"), QUERY.format("loud: bool = False", "str"), "Parameter loud of bat was added."),
    (TAKEN.format(""), TAKEN.format("age: int = 0"), "Bat.age was added."),
    (GIVEN.format(""), GIVEN.format("age: int"), "Bat.age was added."),
    (GIVEN.format("age: int | None"), GIVEN.format("age: int"), "Bat.age may not be null any more."),
    (TAKEN.format("age: int"), TAKEN.format("age: int | None"), "Bat.age may be null now."),
    (TAKEN.format("age: int"), TAKEN.format("age: int = 1"), "Bat.age may be left out by callers now."),
    (GIVEN.format("age: int"), GIVEN.format("age: int = 1"), DEFAULT),
    (GIVEN.format("age: int = 1"), GIVEN.format("age: int"), "Bat.age is required now."),
    (ENUM_TAKEN.format(""), ENUM_TAKEN.format("B = 'b'"), "The enum Diet knows 'b' now."),
    (
        QUERY.format("size: Literal['s']", "str"),
        QUERY.format("size: Literal['s', 'm']", "str"),
        'Parameter size of bat knows "m" now.',
    ),
]


@pytest.mark.parametrize(("old", "new", "sentence"), COMPATIBLE, ids=[case[2] for case in COMPATIBLE])
def test_a_compatible_change_breaks_nobody(old: str, new: str, sentence: str) -> None:
    """It is told, so that it can be recorded, and names no protocol."""
    assert lock.compare(described(old), described(new)) == [lock.Change(False, sentence, ())]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (ENUM_GIVEN.format(""), ENUM_GIVEN.format("B = 'b'"), "The enum Diet knows 'b' now"),
        (
            QUERY.format("", "list[Literal[1]]"),
            QUERY.format("", "list[Literal[1, 2]]"),
            "The result of bat knows 2 now",
        ),
        (
            QUERY.format("", "Cat | Dog"),
            "class Ant(Struct, tag=True):\n    x: int\n" + QUERY.format("", "Cat | Dog | Ant"),
            "The result of bat knows Ant now",
        ),
    ],
)
def test_a_new_value_in_a_result_is_a_warning(old: str, new: str, what: str) -> None:
    """It does not break the contract, but clients that know all values have to take care."""
    (change,) = (change for change in lock.compare(described(old), described(new)) if "knows" in change.sentence)
    assert change.sentence.startswith(f"{what}: GraphQL and gRPC clients must bear a value that they do not know")
    assert (change.breaking, change.breaks) == (False, ("GraphQL", "gRPC", "places"))


def test_a_record_that_is_sent_and_read_must_satisfy_both() -> None:
    """To allow null is fine for callers and breaks readers; the other way round for what is required."""
    both = "class Bat(Struct):\n    age: {}\n@app.command\ndef adopt(bat: list[Bat]) -> Page[Bat]: ...\n"
    (wider,) = lock.compare(described(both.format("int")), described(both.format("int | None")))
    assert wider.breaking
    assert "clients over REST" in wider.sentence
    (narrower,) = lock.compare(described(both.format("int | None")), described(both.format("int")))
    assert narrower.breaking
    assert "callers over REST" in narrower.sentence
    assert narrower.breaks == AND_JOBS


def test_jobs_are_queued_only_of_commands() -> None:
    """The parameters of a query never stand in a queue."""
    taken = TAKEN.replace("command", "query")
    (change,) = lock.compare(described(taken.format("age: int = 1")), described(taken.format("age: int")))
    assert change.breaks == CALLERS


TASK = """
class Bat(Struct):
    name: str
    {field}
@app.{kind}
def count(bat: Bat, {parameters}) -> int: ...
"""


def task(parameters: str = "depth: int = 1", *, field: str = "", kind: str = "task") -> AppLock:
    """Describe an app with one command that only jobs run, or another kind of operation."""
    return described(TASK.format(parameters=parameters, field=field or "pass", kind=kind).replace("    pass\n", ""))


def test_commands_that_only_jobs_run_are_described_apart() -> None:
    """A task is in the lock with its parameters and what they lead to, and is no operation."""
    found = task()
    assert found.operations == {}
    assert texts(found.tasks["count"]) == {"bat": "Bat!", "depth": "int"}
    assert list(found.records) == ["Bat"]
    assert lock.describe(app_of("@app.query\ndef look() -> int: ...")).tasks == {}


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        (task(""), "Parameter depth of count was removed: queued jobs that hold it go to the dead letters."),
        (
            task("depth: int = 1, *, cave: str"),
            "Parameter cave of count was added and is required: queued jobs without it go to the dead letters.",
        ),
        (
            task("depth: str = ''"),
            "Parameter depth of count changed from int to str: queued jobs with the old form go to the dead letters.",
        ),
        (
            task(field="age: int"),
            "Bat.age was added and is required: queued jobs without it go to the dead letters.",
        ),
        (AppLock("1", {}), "The task count was removed: queued jobs of it go to the dead letters."),
        (task(kind="query"), "The task count was removed: queued jobs of it go to the dead letters."),
    ],
)
def test_a_change_of_a_task_breaks_its_queued_jobs_only(new: AppLock, sentence: str) -> None:
    """Nobody calls a task, so nobody else hears of it."""
    (change,) = (change for change in lock.compare(task(), new) if change.breaking)
    assert (change.sentence, change.breaks) == (sentence, ("queued jobs",))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (task(), task("depth: int = 1, cave: str = ''"), "Parameter cave of count was added."),
        (task("depth: int"), task(), "Parameter depth of count may be left out now."),
        (task(), task(kind="command"), "The command count was added."),
        (AppLock("1", {}), task(), "The task count was added."),
        (task(), task(field="age: int = 1"), "Bat.age was added."),
    ],
)
def test_a_task_may_grow(old: AppLock, new: AppLock, told: str) -> None:
    """What queued jobs do not notice is compatible; so is it to offer a task to callers."""
    (change,) = lock.compare(old, new)
    assert (change.sentence, change.breaking) == (told, False)


def test_a_command_that_becomes_a_task_is_gone_for_callers_only() -> None:
    """Its queued jobs go on, unless its parameters change."""
    (change,) = lock.compare(task(kind="command"), task())
    assert change.sentence.startswith("The command count is a task now, which no protocol offers: callers over REST")
    assert "queued jobs" not in change.breaks
    changes = lock.compare(task(kind="command"), task(""))
    assert [change.breaks for change in changes if "depth" in change.sentence] == [("queued jobs",)]


def test_errors_are_part_of_the_contract() -> None:
    """A declared error that goes, changes its kind or loses a field is told."""

    class Full(Exception):
        room: int

    class Gone(Exception):
        pass

    source = "@app.query\ndef bat() -> str: ..."
    old = described(source, errors={Full: "resource_exhausted", Gone: "not_found"})
    del Full.__annotations__["room"]
    new = described(source, errors={Full: "aborted"})
    assert [change.sentence for change in lock.compare(old, new)] == [
        said(
            "The error full changed from resource_exhausted to aborted: clients over REST, GraphQL, gRPC, places and"
            " commands get another status"
        ),
        said(
            "Field room of the error full was removed: GraphQL queries that ask for it are refused",
            "clients over REST, gRPC, places and commands do not find it",
        ),
        said(
            "The error gone was removed: code that handles it, over REST, GraphQL, gRPC, places and commands, meets"
            " another failure"
        ),
    ]
    assert [change.sentence for change in lock.compare(new, old) if not change.breaking] == [
        "Field room of the error full was added.",
        "The error gone was added.",
    ]


def test_another_version_moves_the_services_of_grpc() -> None:
    """The package of gRPC is named after the version of the app."""
    source = "@app.query\ndef bat() -> str: ..."
    (change,) = lock.compare(described(source), described(source, version="2"))
    assert change == lock.Change(
        True,
        "The version changed from 1 to 2: gRPC clients do not find the services, whose package is named after it.",
        ("gRPC",),
    )


def test_nothing_changes_by_itself_or_by_order() -> None:
    """An app equals itself, also with its fields, parameters, members and values in another order."""
    found = lock.describe(menagerie.build())
    assert lock.compare(found, lock.describe(menagerie.build())) == []
    one = "class Bat(Struct, kw_only=True):\n    a: int\n    b: str = ''\n"
    other = "class Bat(Struct, kw_only=True):\n    b: str = ''\n    a: int\n"
    operation = "@app.query\ndef bat({}, *, y: Literal['a', 'b'] = 'a') -> {}: ...\n"
    old = described(one + operation.format("x: int, z: Bat", "Cat | Dog"))
    assert lock.compare(old, described(other + operation.format("z: Bat, x: int", "Dog | Cat"))) == []


# --- the file ------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a lock may be."""
    return tmp_path / lock.NAME


def test_what_is_written_is_read_again(path: Path) -> None:
    """The file gives back all of a description; an app that is not in it is None, as when there is no file."""
    found = lock.describe(menagerie.build())
    assert lock.read(path, "batfriend") is None
    lock.write(path, "batfriend", found)
    assert lock.read(path, "batfriend") == found
    assert lock.read(path, "bats") is None
    lock.write(path, "bats", task())
    assert lock.read(path, "bats") == task()
    path.write_text(
        path.read_text().replace('"depth": {"number": 2, "type": "int"', '"depth": {"number": 2, "type": "str"')
    )
    with pytest.raises(lock.LockError, match=r"edited by hand\. In `count`"):
        lock.read(path, "bats")


def test_the_file_has_a_line_for_a_field(path: Path) -> None:
    """A field more is a line more, and a seal; nothing else moves."""
    lock.write(path, "bats", described(GIVEN.format("")))
    before = path.read_text().splitlines()
    assert '            "name": {"number": 1, "type": "str", "required": true}' in before
    lock.write(path, "bats", lock.merge(lock.read(path, "bats"), described(GIVEN.format("age: int | None = None"))))
    after = path.read_text().splitlines()
    assert [line.strip() for line in after if line not in before and "seal" not in line] == [
        '"name": {"number": 1, "type": "str", "required": true},',
        '"age": {"number": 2, "type": "int | null"}',
    ]
    assert len(after) == len(before) + 1


def test_the_apps_of_a_file_do_not_disturb_each_other(path: Path) -> None:
    """To write one leaves the other as it is; to write the same again leaves the file as it is."""
    one, other = described(QUERY.format("", "str")), described(QUERY.format("id: int", "str"))
    lock.write(path, "one", one)
    lock.write(path, "other", other)
    written = path.stat().st_mtime_ns
    lock.write(path, "one", one)
    assert (lock.read(path, "one"), lock.read(path, "other")) == (one, other)
    assert path.stat().st_mtime_ns == written
    assert list(path.parent.iterdir()) == [path]


WRITER = """
import sys
from pathlib import Path
from mergepoint import lock
for number in range(5):
    lock.write(Path(sys.argv[1]), f"app{sys.argv[2]}{number}", lock.AppLock("1", {}))
"""


def test_writers_at_the_same_time_lose_nothing(path: Path) -> None:
    """Four processes write five apps each; all twenty are there, and no unfinished file."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number)]) for number in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert len(json.loads(path.read_text())["apps"]) == 20
    assert list(path.parent.iterdir()) == [path]


def edit(path: Path, change: Callable[[Any], None]) -> None:
    """Change the recorded app in the file, as somebody with an editor would."""
    found = json.loads(path.read_text())
    change(found["apps"]["bats"])
    path.write_text(json.dumps(found))


EDITED = "contract.lock was edited by hand. In `Bat`, "


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda app: app["records"]["Bat"]["fields"]["age"].update(number=1),
            "`name` and `age` have the same number 1",
        ),
        (lambda app: app["records"]["Bat"]["fields"]["age"].update(number=0), "`age` has the number 0"),
        (
            lambda app: app["records"]["Bat"]["fields"]["age"].update(number=2),
            "`age` has the number 2, which is reserved",
        ),
        (
            lambda app: app["records"]["Bat"]["fields"]["age"].update(number=9),
            "the fields, their types or their numbers are not those that were recorded",
        ),
        (
            lambda app: app["records"]["Bat"]["fields"]["age"].update(type="str"),
            "the fields, their types or their numbers are not those that were recorded",
        ),
        (lambda app: app["records"]["Bat"].pop("reserved"), "the fields, their types or their numbers are not"),
        (lambda app: app["records"]["Bat"].pop("seal"), "the fields, their types or their numbers are not"),
        (
            lambda app: app["records"]["Bat"]["fields"]["age"].update(type="list["),
            "`age` has the type list[, and 'list[' ends too early",
        ),
        (
            lambda app: app["records"]["Bat"]["fields"]["age"].update(type="enum Diet"),
            "`age` has the type enum Diet, and there is no Diet",
        ),
    ],
)
def test_a_lock_edited_by_hand_is_noticed(change: Callable[[Any], None], told: str, path: Path) -> None:
    """The numbers are the truth for clients elsewhere; who moves one learns what is wrong and what to do."""
    lock.write(path, "bats", lock.merge(described(GIVEN.format("span: int")), described(GIVEN.format("age: int"))))
    edit(path, change)
    with pytest.raises(LockError) as caught:
        lock.read(path, "bats")
    assert str(caught.value).startswith(EDITED + told)
    assert str(caught.value).endswith(
        "Take the file back from version control, then run `mergepoint check --update TARGET`."
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "contract.lock is no contract lock that Mergepoint wrote ("),
        ("{", "contract.lock is no contract lock that Mergepoint wrote ("),
        ("\xff", "contract.lock is no contract lock that Mergepoint wrote ("),
        ("[]", "contract.lock is no contract lock that Mergepoint wrote (it has no `apps`)"),
        ('{"apps": []}', "contract.lock is no contract lock that Mergepoint wrote (it has no `apps`)"),
        ('{"format": 1, "apps": {"bats": 3}}', "contract.lock is no contract lock that Mergepoint wrote (an app is no"),
        (
            '{"format": 1, "apps": {"bats": {}}}',
            "contract.lock is no contract lock that Mergepoint wrote (bats: Object",
        ),
        (
            '{"format": 1, "apps": {"bats": {"version": "1", "operations": {"a": 1}, "records": []}}}',
            "contract.lock is no contract lock that Mergepoint wrote (bats: Expected `object`, got `int`",
        ),
        ('{"format": 2, "apps": {}}', "contract.lock has the format 2, and this Mergepoint reads 1."),
        ('<<<<<<< ours\n{"apps": {}}', "contract.lock holds a conflict of two branches. Take the side of the branch"),
    ],
)
def test_a_file_that_is_no_lock_is_explained(text: str, told: str, path: Path) -> None:
    """A foreign, torn or newer file is never taken for an empty one, neither to read nor to write."""
    path.write_text(text, "latin-1")
    with pytest.raises(LockError) as caught:
        lock.read(path, "bats")
    assert str(caught.value).startswith(told)
    if "apps" not in text or "format" not in text:
        with pytest.raises(LockError):
            lock.write(path, "bats", AppLock("1", {}))
        assert path.read_text("latin-1") == text


def test_a_folder_in_its_place_is_an_error(path: Path) -> None:
    """What cannot be read or written is told without the path of the machine."""
    path.mkdir()
    with pytest.raises(LockError, match=r"^contract\.lock cannot be read: Is a directory\.$"):
        lock.read(path, "bats")
    with pytest.raises(LockError, match=r"^contract\.lock cannot be read: Is a directory\.$"):
        lock.write(path, "bats", AppLock("1", {}))


# --- the command ---------------------------------------------------------------------------------------------------

APP = """\
from contextlib import closing
from dataclasses import dataclass

from mergepoint import App

app = App("bats")


@dataclass
class Bat:
    name: str
    weight: float


@app.query
def bat(name: str) -> Bat:
    return Bat(name, 0.1)
"""

Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Give a function that runs `mergepoint check` beside bats.py; it returns the exit code and all that was said."""
    (tmp_path / "bats.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # which would be believed for a second after a change
    monkeypatch.setattr(sys, "path", [*sys.path])

    def check(*options: str, app: str = "bats.py") -> tuple[int, str]:
        answer = CliRunner().invoke(main, ["check", *options, app], prog_name="mergepoint")
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
                del sys.modules[name]
        return answer.exit_code, answer.output

    return check


def test_the_command_checks_and_records(tmp_path: Path) -> None:
    """In a process of its own, as in CI: there is no lock, it is written, and it holds."""
    (tmp_path / "bats.py").write_text(APP)
    for options, told in (([], "not recorded yet"), (["--update"], "written to"), ([], "as recorded in contract.lock")):
        command = [sys.executable, "-m", "mergepoint", "check", *options, "bats.py"]
        answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert f"ok    contract: {told}" in answer.stdout
        assert (answer.returncode, answer.stderr) == (0, "")


def rewrite(folder: Path, old: str, new: str) -> None:
    """Change the app as its author would."""
    (folder / "bats.py").write_text(APP.replace(old, new))


def test_an_app_without_a_lock_is_told_how_to_make_one(check: Check, tmp_path: Path) -> None:
    """That there is none is no failure; --update writes it, and from then on it holds."""
    code, said = check()
    assert "ok    contract: not recorded yet; `mergepoint check --update bats.py` writes it to contract.lock\n" in said
    assert code == 0
    assert not (tmp_path / lock.NAME).exists()
    assert "ok    contract: written to contract.lock, commit it: 1 operation, 1 record\n" in check("--update")[1]
    assert "ok    contract: as recorded in contract.lock: 1 operation, 1 record\n" in check()[1]


def test_a_stale_lock_fails_and_is_told_apart_from_a_broken_promise(check: Check, tmp_path: Path) -> None:
    """Compatible changes fail the check until they are recorded, with the command that does it."""
    check("--update")
    rewrite(tmp_path, "name: str)", "name: str, loud: bool = False)")
    code, said = check()
    assert code == 1
    assert (
        "FAIL  contract: 1 compatible change not in contract.lock yet:\n"
        "      - Parameter loud of bat was added.\n"
        "      To record that: mergepoint check --update bats.py\n"
    ) in said
    assert "ok    contract: written to contract.lock, commit it:\n      - Parameter loud" in check("--update")[1]
    assert check()[0] == 0


def test_a_broken_promise_fails_until_somebody_accepts_it(check: Check, tmp_path: Path) -> None:
    """--update alone refuses it and leaves the file; --accept-breaking records it with a new number."""
    check("--update")
    before = (tmp_path / lock.NAME).read_text()
    rewrite(tmp_path, "weight: float", "weight: str")
    sentence = "      - Bat.weight changed from float to str: gRPC clients do not find it under its new number;"
    for options in ((), ("--update",)):
        code, said = check(*options)
        assert code == 1
        assert f"FAIL  contract: 1 breaking change against contract.lock:\n{sentence}" in said
        assert "mergepoint check --update --accept-breaking bats.py\n" in said
    assert (tmp_path / lock.NAME).read_text() == before
    code, said = check("--update", "--accept-breaking")
    assert (code, sentence in said) == (0, True)
    recorded = lock.read(tmp_path / lock.NAME, "bats")
    assert recorded is not None
    assert numbers(recorded.records["Bat"]) == {"name": 1, "weight": 3}
    assert recorded.records["Bat"].reserved == {"weight__2": 2}
    assert check()[0] == 0


def test_to_accept_without_an_update_is_a_mistake(check: Check) -> None:
    """The remedy is the whole command."""
    code, said = check("--accept-breaking")
    assert code == 2
    assert "--accept-breaking goes with --update: mergepoint check --update --accept-breaking bats.py" in said


def test_a_renumbered_lock_fails_the_check(check: Check, tmp_path: Path) -> None:
    """An edited number is neither believed nor written over."""
    check("--update")
    path = tmp_path / lock.NAME
    path.write_text(path.read_text().replace('"number": 2', '"number": 7'))
    for options in ((), ("--update", "--accept-breaking")):
        code, said = check(*options)
        assert code == 1
        assert "FAIL  contract: contract.lock was edited by hand. In `Bat`, the fields, their types or their" in said


def test_two_apps_of_a_file_share_its_lock(check: Check, tmp_path: Path) -> None:
    """Each has its own part, under its name."""
    rewrite(tmp_path, 'app = App("bats")', 'app = App("bats")\nmoon = App("moon")\n@moon.query\ndef n() -> int: ...')
    check("--update", app="bats.py:app")
    check("--update", app="bats.py:moon")
    assert "1 operation, 1 record" in check(app="bats.py:app")[1]
    assert "1 operation, 0 records" in check(app="bats.py:moon")[1]


def test_the_lock_of_a_package_is_in_its_folder(check: Check, tmp_path: Path) -> None:
    """However a module of a package is named, there is one file."""
    (tmp_path / "eyrie" / "web").mkdir(parents=True)
    (tmp_path / "eyrie" / "__init__.py").touch()
    (tmp_path / "eyrie" / "web" / "__init__.py").touch()
    (tmp_path / "bats.py").rename(tmp_path / "eyrie" / "web" / "bats.py")
    assert "written to" in check("--update", app="eyrie.web.bats:app")[1]
    assert (tmp_path / "eyrie" / lock.NAME).exists()
    assert "as recorded" in check(app="eyrie/web/bats.py")[1]


# --- the examples --------------------------------------------------------------------------------------------------

EXAMPLES = sorted([*(ROOT / "examples").glob("*.py"), ROOT / "examples" / "newsroom" / "app.py"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_locks_of_the_examples_are_current(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example keeps what its committed contract.lock promises; a change of it is recorded with --update."""
    path = example.parent / lock.NAME
    assert target.folder(str(example)) / lock.NAME == path
    monkeypatch.chdir(tmp_path)
    with closing(target.load(str(example))) as app:
        recorded, found = lock.read(path, app.name), lock.describe(app)
    remedy = f"mergepoint check --update --offline {example.relative_to(ROOT)}"
    assert recorded is not None, remedy
    assert lock.compare(recorded, found) == [], remedy
    assert lock.merge(recorded, found) == recorded, remedy
