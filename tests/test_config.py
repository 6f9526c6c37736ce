"""Settings: where they come from, how faults are reported, and what is shown of them."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from mergepoint import config
from mergepoint.errors import ConfigError
from mergepoint.types import Sensitive


class Level(enum.Enum):
    INFO = "info"
    DEBUG = "debug"


class Database(msgspec.Struct, frozen=True):
    url: Annotated[str, Sensitive, msgspec.Meta(description="Where the data is.")]
    pool: Annotated[int, msgspec.Meta(ge=1)] = 5
    replicas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Peer:
    name: str
    port: int = 80


@dataclass(frozen=True)
class Settings:
    database: Database
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 8000
    debug: bool = False
    level: Level = Level.INFO
    engine: Literal["sqlite", "postgresql"] = "sqlite"
    folder: Path = Path("var")
    admins: list[str] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    peers: list[Peer] = field(default_factory=list)
    token: Annotated[str, Sensitive] | None = None
    cache: str | None = None


class Mail(msgspec.Struct, frozen=True):
    host: str
    port: int = 25


class Post(msgspec.Struct, frozen=True):
    mail: Mail | None = None
    mails: dict[str, Mail] = {}


class Open(msgspec.Struct, frozen=True):
    url: str = "postgresql://bat:hunter2@db/bats"
    api_key: str = "hunter2"
    database: Database = Database(url="hunter2")
    token: Annotated[str, Sensitive] | None = None
    urls: tuple[str, ...] = ("redis://:hunter2@cache",)
    tokens_per_minute: int = 60


class Prefilled(msgspec.Struct, frozen=True):
    database: Database = Database(url="sqlite:///bat.db", pool=3)
    limits: dict[str, int] = msgspec.field(default_factory=lambda: {"login": 10, "search": 60})
    peers: dict[str, Peer] = msgspec.field(default_factory=lambda: {"roost": Peer("a", 81)})


URL = {"BAT_DATABASE__URL": "sqlite:///bat.db"}


def load(folder: Path, environ: dict[str, str], role: str | None = None) -> Settings:
    """Load from a folder and an environment of the test's own."""
    return config.load(Settings, prefix="BAT", role=role, folder=folder, environ=environ)


def faults(folder: Path, environ: dict[str, str], role: str | None = None) -> list[str]:
    """Return the lines of the error that loading ends with."""
    with pytest.raises(ConfigError) as caught:
        load(folder, environ, role)
    return [line.removeprefix("- ") for line in str(caught.value).splitlines()[1:]]


def write(folder: Path, name: str, content: Any) -> None:
    """Write a file, as text or as JSON."""
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")


def test_defaults_fill_what_no_source_sets(tmp_path: Path) -> None:
    """A record's own defaults are in force where no file and no variable says otherwise."""
    settings = load(tmp_path, URL)
    assert settings == Settings(database=Database(url="sqlite:///bat.db"))


def test_later_sources_win_and_merge_deeply(tmp_path: Path) -> None:
    """Defaults, config.json, the role's file and variables override each other one value at a time."""
    write(tmp_path, "config.json", {"port": 1, "database": {"url": "a", "pool": 2}, "limits": {"a": 1, "b": 1}})
    write(tmp_path, "web.json", {"port": 2, "database": {"pool": 3}, "limits": {"b": 2}})
    environ = {"BAT_PORT": "3", "BAT_LIMITS__C": "3", "OTHER_PORT": "9"}
    settings = load(tmp_path, environ, role="web")
    assert settings.port == 3
    assert settings.database == Database(url="a", pool=3)
    assert settings.limits == {"a": 1, "b": 2, "c": 3}


def test_sources_merge_into_defaults_too(tmp_path: Path) -> None:
    """Setting one value inside a record or dict that has a default leaves the rest of the default in force."""
    environ = {"P_DATABASE__POOL": "9", "P_LIMITS__LOGIN": "1", "P_PEERS__ROOST__PORT": "82"}
    settings = config.load(Prefilled, prefix="P", folder=tmp_path, environ=environ)
    assert settings.database == Database(url="sqlite:///bat.db", pool=9)
    assert settings.limits == {"login": 1, "search": 60}
    assert settings.peers == {"roost": Peer("a", 82)}
    assert "# P_DATABASE__URL=***" in config.example(Prefilled, prefix="P")


def test_a_role_reads_its_own_file_only(tmp_path: Path) -> None:
    """Another role's file has no effect."""
    write(tmp_path, "worker.json", {"port": 7})
    assert load(tmp_path, URL, role="web").port == 8000


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("BAT_DEBUG", "true", "debug", True),
        ("BAT_LEVEL", "debug", "level", Level.DEBUG),
        ("BAT_ENGINE", "postgresql", "engine", "postgresql"),
        ("BAT_FOLDER", "/srv/bats", "folder", Path("/srv/bats")),
        ("BAT_ADMINS", "ada, grace,", "admins", ["ada", "grace"]),
        ("BAT_ADMINS", '["a,b"]', "admins", ["a,b"]),
        ("BAT_ADMINS", "", "admins", []),
        ("BAT_LIMITS", '{"login": 10}', "limits", {"login": 10}),
        ("BAT_PEERS", '[{"name": "roost", "port": 81}]', "peers", [Peer("roost", 81)]),
        ("BAT_CACHE", "null", "cache", "null"),
        ("BAT_TOKEN", "12345", "token", "12345"),
    ],
)
def test_text_of_a_variable_becomes_the_declared_type(
    tmp_path: Path, variable: str, text: str, name: str, value: object
) -> None:
    """Numbers, enums, paths, lists and objects are read from a variable's text by the field's type."""
    assert getattr(load(tmp_path, {**URL, variable: text}), name) == value


def test_a_whole_record_in_one_variable_yields_to_its_parts(tmp_path: Path) -> None:
    """JSON sets a nested record, and the variable of one field inside it says the last word."""
    environ = {"BAT_DATABASE__POOL": "9", "BAT_DATABASE": '{"url": "a", "pool": 2}'}
    assert load(tmp_path, environ).database == Database(url="a", pool=9)


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    """A variable that ends in _FILE names the file that holds the value, as container platforms mount secrets."""
    write(tmp_path, "url", "postgresql://db/bats\n")
    settings = load(tmp_path, {"BAT_DATABASE__URL_FILE": str(tmp_path / "url")})
    assert settings.database.url == "postgresql://db/bats"


def test_a_secret_file_that_is_missing_or_doubled_is_reported(tmp_path: Path) -> None:
    """A missing file and a value given twice are told apart."""
    missing, *_ = faults(tmp_path, {"BAT_DATABASE__URL_FILE": "/nowhere/url"})
    assert missing == (
        "BAT_DATABASE__URL_FILE: expected a readable text file, got '/nowhere/url': "
        "No such file or directory. Correct the path or the file."
    )
    (doubled,) = faults(tmp_path, {**URL, "BAT_DATABASE__URL_FILE": "x"})
    assert doubled == (
        "BAT_DATABASE__URL_FILE: expected either this or BAT_DATABASE__URL, got both. Unset one of them."
    )


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    """One error lists the faults of every source, each with expected, got, where and remedy."""
    write(tmp_path, "config.json", {"prot": 1, "admins": [1], "peers": [{"name": "a"}, {"port": "x"}], "limits": []})
    environ = {"BAT_PORT": "70000", "BAT_PROT": "3", "BAT_LEVEL": "loud", "BAT_DEBUG": "maybe"}
    where = str(tmp_path / "config.json")
    assert faults(tmp_path, environ) == [
        f"{where} $.prot: expected the name of a setting, got an unknown name. Did you mean port?",
        "BAT_PROT: expected the variable of a setting, got an unknown name. Did you mean BAT_PORT?",
        "BAT_DATABASE__URL: expected `str`, got nothing. Set it, or add $.database.url to a file.",
        "BAT_PORT: expected `int` <= 65535, got '70000'. Correct it, or leave it out for 8000.",
        "BAT_DEBUG: expected `bool`, got 'maybe'. Correct it, or leave it out for False.",
        "BAT_LEVEL: expected one of 'info', 'debug', got 'loud'. Correct it, or leave it out for 'info'.",
        f"{where} $.admins[0]: expected `str`, got an array. Correct it, or leave it out for an array.",
        f"{where} $.limits: expected `object`, got an array. Correct it, or leave it out for an object.",
        f"{where} $.peers[1].name: expected `str`, got nothing. Add it there.",
        f"{where} $.peers[1].port: expected `int`, got 'x'. Correct it, or leave it out for 80.",
    ]


def test_a_number_as_text_is_refused_in_a_file(tmp_path: Path) -> None:
    """JSON has numbers, so text in the place of one is a mistake there."""
    write(tmp_path, "config.json", {"port": "8000"})
    (fault,) = faults(tmp_path, URL)
    assert "$.port: expected `int`, got '8000'" in fault


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"port": 1,\n "debug": }', "config.json line 2 column 11: expected JSON, got a fault: Expecting value"),
        ("[1]", "config.json $: expected an object, got an array"),
        ("[" * 100_000, "config.json: expected JSON in UTF-8, got RecursionError"),
    ],
)
def test_a_malformed_file_is_named_with_the_place(tmp_path: Path, content: str, expected: str) -> None:
    """The message leads to the line and the column of the fault."""
    write(tmp_path, "config.json", content)
    (fault,) = faults(tmp_path, URL)
    assert expected in fault


def test_a_variable_that_should_be_json_says_so(tmp_path: Path) -> None:
    """A record's variable that is not JSON is refused without repeating what may be a secret."""
    fault, *_ = faults(tmp_path, {"BAT_DATABASE": "hunter2"})
    assert fault.startswith("BAT_DATABASE: expected JSON, got `str`")


def test_secrets_never_appear_in_errors(tmp_path: Path) -> None:
    """What is marked Sensitive, or called a secret, is redacted from the message, wherever it came from."""
    write(tmp_path, "config.json", {"database": "hunter2", "token": ["hunter2"]})
    assert "hunter2" not in "\n".join(faults(tmp_path, {}))
    write(tmp_path, "config.json", {"database": {"url": 31337}})
    (fault,) = faults(tmp_path, {})
    assert "expected `str`, got ***" in fault
    assert "31337" not in fault


def test_kubernetes_service_links_are_explained(tmp_path: Path) -> None:
    """Variables that Kubernetes invents for a service of the same name come with the way to turn them off."""
    (fault,) = faults(tmp_path, {**URL, "BAT_SERVICE_HOST": "10.0.0.1"})
    assert "set enableServiceLinks to false in the pod" in fault


def test_a_record_may_refuse_a_combination(tmp_path: Path) -> None:
    """An error of the record's own __post_init__ is one more problem in the list."""

    @dataclass(frozen=True)
    class Window:
        least: int = 0
        most: int = 0

        def __post_init__(self) -> None:
            if self.least > self.most:
                raise ValueError("least is above most")

    with pytest.raises(ConfigError, match="BAT: expected a valid Window, got a refusal: least is above most"):
        config.load(Window, prefix="BAT", folder=tmp_path, environ={"BAT_LEAST": "2"})


def test_optional_records_are_absent_or_whole(tmp_path: Path) -> None:
    """A record that may be None stays None until something sets one of its fields."""

    def read(**environ: str) -> Post:
        return config.load(Post, prefix="P", folder=tmp_path, environ=environ)

    assert read() == Post()
    assert read(P_MAIL__HOST="a").mail == Mail("a")
    assert read(P_MAILS__NEWS__HOST="b").mails == {"news": Mail("b")}
    with pytest.raises(ConfigError, match="P_MAIL__HOST: expected `str`, got nothing"):
        read(P_MAIL__PORT="1")


def test_shown_settings_hide_secrets(tmp_path: Path) -> None:
    """Sensitive fields, fields called secrets and passwords in URLs are stars; the rest is readable."""
    shown = config.redacted(Open())
    assert shown == {
        "url": "postgresql://bat:***@db/bats",
        "api_key": "***",
        "database.url": "***",
        "database.pool": 5,
        "database.replicas": [],
        "token": None,
        "urls": ["redis://:***@cache"],
        "tokens_per_minute": 60,
    }
    table = config.show(Open()).splitlines()
    assert table[0] == "url                postgresql://bat:***@db/bats"
    assert len(table) == len(shown)


def test_the_example_lists_every_variable() -> None:
    """The example is an environment file: required variables open, the others commented out at their defaults."""
    text = config.example(Settings, prefix="BAT")
    assert "# Where the data is. (str, required, secret)\nBAT_DATABASE__URL=\n" in text
    assert "# (int)\n# BAT_PORT=8000\n" in text
    assert "# (Level)\n# BAT_LEVEL=info\n" in text
    assert "# (str | None, secret)\n# BAT_TOKEN=\n" in text
    assert "# BAT_ADMINS=[]\n" in text


def test_the_example_loads_as_it_is(tmp_path: Path) -> None:
    """With the required variables filled in, what the example offers is accepted and equals the defaults."""
    lines = config.example(Settings, prefix="BAT").replace("# BAT", "BAT").splitlines()
    pairs = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    optional = ("BAT_TOKEN", "BAT_CACHE")
    environ = {name: text for name, text in pairs.items() if name not in optional}
    assert load(tmp_path, {**environ, **URL}) == Settings(database=Database(url="sqlite:///bat.db"))
