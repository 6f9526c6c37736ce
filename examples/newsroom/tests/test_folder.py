"""Walking a real folder."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from newsroom.folder import Found, walk
from newsroom.records import Reason, Skipped


def paths(root: Path) -> list[str]:
    """List what would be read."""
    return [item.path.removeprefix(f"{root.name}/") for item in walk(root, 100) if isinstance(item, Found)]


def skipped(root: Path) -> list[tuple[str, Reason, str]]:
    """List what would not be read, and why."""
    return [
        (item.path.removeprefix(f"{root.name}/"), item.reason, item.detail)
        for item in walk(root, 100)
        if isinstance(item, Skipped)
    ]


def write(place: Path, content: bytes = b"news") -> Path:
    """Make a file, and the folders it lies in."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def test_files_come_by_name_depth_first(tmp_path: Path) -> None:
    """Paths have slashes, and come in a stable order."""
    for name in ("b.txt", "a/z.txt", "a/b/c.txt", "ä ö.txt"):
        write(tmp_path / name)
    assert paths(tmp_path) == ["a/b/c.txt", "a/z.txt", "b.txt", "ä ö.txt"]


def test_paths_begin_with_the_name_of_the_folder(tmp_path: Path) -> None:
    """Two folders with a README each have two."""
    for name in ("one", "two"):
        write(tmp_path / name / "README")
    assert [item.path for name in ("one", "two") for item in walk(tmp_path / name, 100)] == ["one/README", "two/README"]


def test_what_machines_made_and_secrets_are_left_out(tmp_path: Path) -> None:
    """Version control, environments, caches and keys are not even mentioned."""
    for name in (".git/HEAD", ".venv/x.py", "a/__pycache__/x.pyc", "node_modules/x.js", ".env", "a/id_rsa", "tls.pem"):
        write(tmp_path / name)
    assert list(walk(tmp_path, 100)) == []


def test_a_python_environment_is_left_out_under_any_name(tmp_path: Path) -> None:
    """It is known by its pyvenv.cfg."""
    for name in ("env-3.11/pyvenv.cfg", "env-3.11/lib/site.py", "news.py"):
        write(tmp_path / name)
    assert paths(tmp_path) == ["news.py"]


def test_the_newsrooms_own_folder_is_left_out(tmp_path: Path) -> None:
    """An import never eats its own store, also when that lies in the folder."""
    write(tmp_path / "var/newsroom/blob")
    write(tmp_path / "var/other")
    found = walk(tmp_path, 100, never=[tmp_path / "a/../var/newsroom"])
    assert [item.path for item in found] == [f"{tmp_path.name}/var/other"]


def test_links_are_not_followed_and_say_where_they_lead(tmp_path: Path) -> None:
    """Loops, links that lead out and links that lead nowhere end the same way: skipped, with the reason."""
    root = tmp_path / "root"
    write(root / "sub/real.txt")
    write(tmp_path / "outside.txt")
    (root / "sub/up").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "out").symlink_to("../outside.txt")
    (root / "dead").symlink_to("nowhere")
    (root / "twin").symlink_to("sub/real.txt")
    assert paths(root) == ["sub/real.txt"]
    assert skipped(root) == [
        ("dead", Reason.SYMLINK, "it leads nowhere"),
        ("out", Reason.SYMLINK, "it leads out of the folder"),
        ("self", Reason.SYMLINK_LOOP, "it leads back to itself"),
        ("sub/up", Reason.SYMLINK_LOOP, "it leads back to a folder it lies in"),
        ("twin", Reason.SYMLINK, "see root/sub/real.txt"),
    ]


def test_pipes_and_sockets_are_skipped_without_touching_them(tmp_path: Path) -> None:
    """Opening a pipe would wait forever."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert [(path, reason) for path, reason, _ in skipped(tmp_path)] == [
            ("pipe", Reason.SPECIAL_FILE),
            ("socket", Reason.SPECIAL_FILE),
        ]


def test_large_files_are_skipped_with_their_size(tmp_path: Path) -> None:
    """The reason names what came and what is allowed."""
    write(tmp_path / "film", b"x" * 1000)
    assert skipped(tmp_path) == [("film", Reason.TOO_LARGE, "1,000 bytes are more than 100")]


@pytest.mark.parametrize("name", [b"line\nend", b"latin-\xe4", b"esc\x1b[2J"])
def test_names_that_nobody_can_print_are_skipped(tmp_path: Path, name: bytes) -> None:
    """A name that is not UTF-8 or has control characters is told in printable form."""
    write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    [(path, reason, _)] = skipped(tmp_path)
    assert reason is Reason.UNUSABLE_NAME
    assert path.isprintable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read_is_skipped(tmp_path: Path) -> None:
    """One closed door does not end the walk."""
    write(tmp_path / "closed/a.txt").parent.chmod(0)
    write(tmp_path / "open.txt")
    try:
        assert paths(tmp_path) == ["open.txt"]
        assert skipped(tmp_path) == [("closed", Reason.UNREADABLE, "permission denied")]
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_file_that_became_a_link_or_a_pipe_is_not_opened(tmp_path: Path) -> None:
    """What changes between the walk and the reading is refused, not followed, and nobody waits."""
    for name in ("a", "b"):
        write(tmp_path / name)
    link, pipe = (item for item in walk(tmp_path, 100) if isinstance(item, Found))
    link.place.unlink()
    link.place.symlink_to("/etc/passwd")
    pipe.place.unlink()
    os.mkfifo(pipe.place)
    for found in (link, pipe):
        with pytest.raises(OSError):  # noqa: PT011 - any reason will do
            found.open()
