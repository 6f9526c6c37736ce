"""The OpenAPI description: a valid document that says what the operations take, give and fail with."""

import enum
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Required, TypedDict
from uuid import UUID

import msgspec
import pytest
from jsonschema_rs import Draft202012Validator, meta
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.menagerie import build

from mergepoint import UNSET, App, Id, Meta, Page, Sensitive, Unset, Upload, anyone
from mergepoint.errors import RegistrationError
from mergepoint.rest.openapi import describe
from mergepoint.rest.openapi.examples import NONE, example


class Color(enum.Enum):
    """The color of a fur."""

    BROWN = "brown"
    GREY = "grey"


class Pair(NamedTuple):
    id: Id
    amount: int = 3


class Entry(TypedDict, total=False):
    id: Required[Id]
    note: str


class Fruit(msgspec.Struct, tag=True):
    grams: float


class Insect(msgspec.Struct, tag=True):
    id: Id


@dataclass(frozen=True)
class Node:
    """A node of a tree.

    Attributes:
        id: what it
            is called.
        children: the nodes below it.
    """

    id: Id
    children: "list[Node]"
    parent: "Node | None" = None
    note: str | Unset = UNSET


def everything(  # noqa: PLR0917  # one parameter of every type is the point
    text: str,
    number: int,
    ratio: Annotated[float, Meta(gt=0, lt=0.5)],
    yes: bool,
    raw: bytes,
    moment: datetime,
    day: date,
    hour: Annotated[time, Meta(tz=False)],
    span: timedelta,
    price: Decimal,
    key: UUID,
    color: Color,
    size: Literal["s", "m"],
    names: list[str],
    pair: tuple[int, str],
    some: set[Id],
    table: dict[Id, Pair],
    entry: Entry,
    food: Fruit | Insect,
    tree: Node,
    either: int | str,
    few: Annotated[list[int], Meta(min_length=2, max_length=3)],
    odd: Annotated[int, Meta(ge=10, le=99, multiple_of=7)],
    known: Annotated[str, Meta(pattern="^bat-[0-9]+$", examples=["bat-7"])],
    secret: Annotated[str, Sensitive] = "hunter2",  # noqa: S107  # it protects nothing
    maybe: Annotated[str, Sensitive] | None = "hunter3",
    many: list[Node] | None = None,
) -> Page[Fruit | Insect]:
    """Take one of everything."""
    raise NotImplementedError


def _described(*functions: Any, **options: Any) -> dict[str, Any]:
    app = App("bats")
    for function in functions:
        app.command(function, **options)
    return describe(app)


@pytest.fixture(scope="module")
def menagerie() -> dict[str, Any]:
    """Return the description of the app with one of everything, as a reader of the JSON finds it."""
    document: dict[str, Any] = json.loads(msgspec.json.encode(describe(build(), "/api")))
    return document


def _operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation for methods in document["paths"].values() for operation in methods.values()
    }


def _schemas_and_examples(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield every schema that has examples beside it, with each of them."""
    if isinstance(document, dict):
        if "schema" in document:
            for given in document.get("examples", {}).values():
                yield document["schema"], given["value"]
            if "example" in document:
                yield document["schema"], document["example"]
        for part in document.values():
            yield from _schemas_and_examples(part)
    elif isinstance(document, list):
        for part in document:
            yield from _schemas_and_examples(part)


DOCUMENTS = [describe(build(), "/api"), _described(everything)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=["menagerie", "everything"])
def test_the_description_is_valid(document: dict[str, Any]) -> None:
    """A validator of OpenAPI 3.1 accepts the description, and JSON Schema 2020-12 each of its schemas."""
    document = json.loads(msgspec.json.encode(document))
    OpenAPIV31SpecValidator(document).validate()
    for schema in document["components"]["schemas"].values():
        meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


@pytest.mark.parametrize("document", DOCUMENTS, ids=["menagerie", "everything"])
def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    """Examples of parameters, bodies, results and problems are what their schemas say."""
    document = json.loads(msgspec.json.encode(document))
    pairs = list(_schemas_and_examples(document))
    assert len(pairs) > 10
    for schema, value in pairs:
        Draft202012Validator({"allOf": [schema], "components": document["components"]}).validate(value)


def test_the_example_of_everything_can_be_sent() -> None:
    """The generated body of an operation with every type is accepted by the operation's own reader."""
    app = App("bats")
    app.command(everything)
    body = _operations(describe(app))["everything"]["requestBody"]["content"]["application/json"]["example"]
    arguments = app.operations["everything"].contract.arguments
    assert len(arguments.decode_json(msgspec.json.encode(body))) == 27


def test_a_record_has_one_name_everywhere(menagerie: dict[str, Any]) -> None:
    """Each record is one component, under a name that OpenAPI allows, and others refer to it."""
    schemas = menagerie["components"]["schemas"]
    assert {"Bat", "NewBat", "Wing", "Diet", "Page_Bat", "ProblemDetails"} <= schemas.keys()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in schemas)
    assert schemas["Page_Bat"]["properties"]["items"]["items"] == {"$ref": "#/components/schemas/Bat"}
    assert schemas["Bat"]["properties"]["wings"]["items"] == {"$ref": "#/components/schemas/Wing"}


def test_a_record_is_told_in_its_own_words() -> None:
    """What a docstring says of attributes stands with the attributes, the rest with the record."""
    schema = _described(everything)["components"]["schemas"]["Node"]
    assert schema["description"] == "A node of a tree."
    assert schema["properties"]["id"]["description"] == "what it is called."
    assert schema["properties"]["children"]["description"] == "the nodes below it."


def test_an_operation_says_what_it_takes(menagerie: dict[str, Any]) -> None:
    """Parameters of path and query have their place, type, limits, default and words."""
    found = {p["name"]: p for p in _operations(menagerie)["bats"]["parameters"]}
    assert found["limit"] == {
        "name": "limit",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        "example": 20,
    }
    assert found["diet"]["schema"] == {"$ref": "#/components/schemas/Diet"}  # a query has no null
    (id_,) = _operations(menagerie)["bat"]["parameters"]
    assert (id_["in"], id_["required"], id_["description"]) == ("path", True, "the number of the bat.")
    assert (id_["schema"]["type"], id_["schema"]["format"]) == ("string", "int64")
    names = next(p for p in _operations(menagerie)["search"]["parameters"] if p["name"] == "name")
    assert (names["style"], names["explode"], names["schema"]["type"]) == ("form", True, "array")


def test_a_body_holds_what_is_not_in_the_path(menagerie: dict[str, Any]) -> None:
    """A body is an object of the arguments, one argument as a whole, or a form with files."""
    operations = _operations(menagerie)
    schema = operations["adopt"]["requestBody"]["content"]["application/json"]["schema"]
    assert list(schema["properties"]) == ["name", "diet", "wings", "age"]
    assert (schema["required"], schema["additionalProperties"]) == (["name"], False)
    whole = operations["replace"]["requestBody"]
    assert whole["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/NewBat"}
    assert (whole["required"], whole["x-mergepoint-body"]) == (True, "bat")
    form = operations["portrait"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["photo"]["format"] == "binary"
    assert form["required"] == ["photo"]
    assert "requestBody" not in operations["bats"]


def test_several_files_are_an_array() -> None:
    """A list of uploads is described as several parts of one name."""

    def hang(photos: list[Upload], frame: Upload | None = None) -> None:
        """Hang up photos."""

    form = _operations(_described(hang))["hang"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["photos"]["items"]["format"] == "binary"
    assert form["properties"]["frame"]["format"] == "binary"
    assert form["required"] == ["photos"]


def test_an_operation_says_what_it_gives(menagerie: dict[str, Any]) -> None:
    """Status, schema, media types and headers of success, by what an operation gives."""
    operations = _operations(menagerie)
    found = operations["bat"]["responses"]["200"]
    assert found["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Bat"}
    assert found["headers"].keys() == {"ETag", "Cache-Control", "X-Request-Id"}
    assert "304" in operations["bat"]["responses"]
    assert operations["adopt"]["responses"]["201"]["headers"].keys() == {"Location", "X-Request-Id"}
    assert "304" not in operations["adopt"]["responses"]
    assert "content" not in operations["release"]["responses"]["204"]
    assert operations["watch"]["responses"]["200"]["content"].keys() == {"application/x-ndjson", "text/event-stream"}
    assert operations["leaflet"]["responses"]["200"]["content"].keys() == {"*/*"}


def test_an_operation_says_how_it_fails(menagerie: dict[str, Any]) -> None:
    """Declared errors stand under the status of their kind, each with its code, fields and an example."""
    operations = _operations(menagerie)
    content = operations["bat"]["responses"]["404"]["content"]["application/problem+json"]
    assert content["examples"].keys() == {"no_such_bat", "no_such_path"}
    assert content["examples"]["no_such_bat"]["summary"] == "There is no such bat."
    assert content["examples"]["no_such_bat"]["value"]["fields"] == {"id": "42"}
    assert {"properties": {"code": {"enum": ["no_such_bat", "no_such_path"]}}} in content["schema"]["allOf"]
    assert "409" not in operations["bat"]["responses"]  # raises=(NoSuchBat,)
    assert operations["adopt"]["responses"].keys() == {
        "201",
        "400",
        "406",
        "409",
        "413",
        "415",
        "422",
        "500",
        "503",
        "504",
    }
    assert operations["bats"]["responses"]["422"] == {"$ref": "#/components/responses/InvalidArgument"}
    assert operations["release"]["responses"].keys() >= {"401", "403", "404", "409"}  # all that the app declares


def test_who_may_call_is_told(menagerie: dict[str, Any]) -> None:
    """An operation for some users asks for a token and names its predicate; one for anyone asks for none."""
    operations = _operations(menagerie)
    assert menagerie["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}
    assert operations["release"]["security"] == [{"bearer": []}]
    assert "Who may call: `role('keeper')`." in operations["release"]["description"]
    assert operations["bats"]["security"] == []


def test_an_app_without_users_has_no_security() -> None:
    """Where nobody can be identified, nothing is said of tokens."""

    def greet() -> str:
        """Greet."""
        return "Hello"

    document = _described(greet)
    assert "securitySchemes" not in document["components"]
    assert "security" not in _operations(document)["greet"]
    assert {"401", "403"}.isdisjoint(_operations(document)["greet"]["responses"])


def test_secrets_are_marked_and_never_shown() -> None:
    """A sensitive value is write-only, of the format password, and its default stays inside."""
    document = _described(everything)
    properties = _operations(document)["everything"]["requestBody"]["content"]["application/json"]["schema"][
        "properties"
    ]
    assert properties["secret"] == {"type": "string", "writeOnly": True, "format": "password"}
    assert "hunter" not in json.dumps(document)


def test_one_path_has_one_set_of_names() -> None:
    """Two operations on one path may call its parameter differently; the description follows the first."""

    def find(id: Id) -> str:
        """Find."""
        return str(id)

    def drop(bat_id: Id) -> None:
        """Drop."""

    app = App("bats")
    app.query(find, http="GET /bats/{id}")
    app.command(drop, http="DELETE /bats/{bat_id}")
    document = json.loads(msgspec.json.encode(describe(app)))
    OpenAPIV31SpecValidator(document).validate()
    assert document["paths"].keys() == {"/bats/{id}"}
    (parameter,) = document["paths"]["/bats/{id}"]["delete"]["parameters"]
    assert (parameter["name"], parameter["x-mergepoint-name"]) == ("id", "bat_id")


def test_included_apps_are_tags() -> None:
    """The operations of an included app are grouped under its name."""
    outer, inner = App("zoo", version="7"), App("bats")

    @inner.query
    def count() -> int:
        """Count."""
        return 1

    @outer.query(allow=anyone)
    def open_hours() -> str:
        """Tell when it is open."""
        return "always"

    outer.include(inner)
    document = describe(outer, "/v1")
    assert document["info"] == {"title": "zoo", "version": "7"}
    assert document["servers"] == [{"url": "/v1"}]
    assert document["tags"] == [{"name": "zoo"}, {"name": "bats"}]
    assert _operations(document)["bats.count"]["tags"] == ["bats"]


def _record_called_twin(hint: type) -> Any:
    @dataclass(frozen=True)
    class Twin:
        x: hint  # type: ignore[valid-type]

    def get() -> Twin:
        raise NotImplementedError

    get.__annotations__ = {"return": Twin}
    return get


def test_records_that_cannot_be_told_apart_are_refused() -> None:
    """Two classes of the same module and name are refused with their name, not mixed up."""
    app = App("twins")
    app.query(_record_called_twin(int), name="one")
    app.query(_record_called_twin(str), name="two")
    with pytest.raises(RegistrationError, match=r"two different records are called .*Twin"):
        describe(app)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "examples": ["Flap"], "default": "Wing"}, "Flap"),
        ({"type": "string", "default": "Wing"}, "Wing"),
        ({"enum": ["a", "b"]}, "a"),
        ({"type": "string", "minLength": 6}, "textttt"[:6]),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "pattern": "^[0-9]+$"}, "1"),
        ({"type": "string", "pattern": "^(?:bat){3}$"}, NONE),
        ({"type": "integer", "minimum": 10, "multipleOf": 7}, 14),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.1}, 0.1),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"anyOf": [{"$ref": "#/components/schemas/Endless"}, {"type": "null"}]}, None),
        ({"$ref": "#/components/schemas/Endless"}, NONE),
    ],
)
def test_an_example_comes_from_the_schema_alone(schema: dict[str, Any], expected: object) -> None:
    """The schema's own examples go first, then its default, then a value within its limits, or none at all."""
    endless = {
        "type": "object",
        "properties": {"next": {"$ref": "#/components/schemas/Endless"}},
        "required": ["next"],
    }
    assert example(schema, {"Endless": endless}) == expected
