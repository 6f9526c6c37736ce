"""What `mergepoint check` finds out besides the contract: each protocol, each place, each missing library."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mergepoint.__main__ import main
from mergepoint.errors import MissingExtra

APP = """\
from mergepoint import App, Download

app = App("bats")


class Roost:
    def bat(self, name: str) -> str:
        return name

    def leaflet(self) -> Download:
        return Download(b"Bats are kind.")


roost = app.place(Roost, Roost)
app.query(roost.bat)
app.query(roost.leaflet)
"""


@pytest.fixture
def bats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the target of an app with a service at a place."""
    path = tmp_path / "bats_of_check.py"
    path.write_text(APP)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, path.stem, None)
    del sys.modules[path.stem]  # and again at the end, whatever the test loads
    return str(path)


def check(*arguments: str) -> tuple[int, list[str]]:
    """Run `mergepoint check`; return its exit code and the lines it printed."""
    answer = CliRunner().invoke(main, ["check", *arguments], prog_name="mergepoint")
    return answer.exit_code, answer.output.splitlines()


def test_each_protocol_says_what_it_leaves_out(bats: str) -> None:
    """A file cannot be the answer of GraphQL, and no agent gets what anybody could call."""
    code, lines = check(bats)
    assert code == 0
    assert "ok    gRPC: 2 of 2 operations" in lines
    assert "ok    ZeroMQ: 2 of 2 operations" in lines
    assert lines[lines.index("ok    GraphQL: 1 of 2 operations") + 1].startswith("      without leaflet: it answers")
    assert lines[lines.index("ok    MCP: 0 of 2 operations") + 1].startswith(
        "      without bat, leaflet: anybody could"
    )


def test_a_protocol_without_its_library_is_skipped(bats: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is said, with the extra that brings it, and is no failure."""

    class Absent:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "mergepoint.commands.protocols.grpc":
                raise MissingExtra("`mergepoint.grpc` needs grpc: pip install 'mergepoint[grpc]'")

    monkeypatch.delitem(sys.modules, "mergepoint.commands.protocols.grpc", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    code, lines = check(bats)
    assert code == 0
    assert "skip  gRPC: `mergepoint.grpc` needs grpc: pip install 'mergepoint[grpc]'" in lines


def test_a_place_is_checked_where_it_is(bats: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that lives here is there; one that cannot be reached fails the check, except offline."""
    assert "ok    place roost: here" in check(bats)[1]
    monkeypatch.setenv("BATS_PLACES", "roost=http://127.0.0.1:9")  # where nothing listens: discard
    monkeypatch.setenv("BATS_KEY", "a key for the tests")
    sys.modules.pop("bats_of_check")
    code, lines = check(bats)
    assert code == 1
    assert any(line.startswith("FAIL  place roost at http://127.0.0.1:9: ") for line in lines)
    sys.modules.pop("bats_of_check")
    code, lines = check("--offline", bats)
    assert code == 0
    assert not any("place roost" in line for line in lines)
