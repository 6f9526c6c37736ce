"""The pages of the documentation run: every Python block, and the commands that are marked to run.

A page is run from top to bottom in an empty folder and a new process. Its ```python blocks share one namespace.
What a comment on the line before a block says:

- `<!-- file: hello.py -->` writes the block to that file instead.
- `<!-- run -->` before a ```console block runs its `$ ` commands; the output must be what is shown, where `...`
  stands for any text.
- `<!-- serve -->` before a ```console block starts its `$ ` command, a server, on a free port until the page ends;
  where later blocks say 127.0.0.1:8000 they mean that port.
- `<!-- skip: reason -->` leaves the block out.

To run one page: `python tests/test_docs.py README.md`.
"""

import doctest
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"^(?:<!-- *(?P<comment>.*?) *-->\n+)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n?((?:(?!\$ ).*\n?)*)", re.MULTILINE)  # a command, and what it prints
SHOWN_ADDRESS = "127.0.0.1:8000"


@dataclass(frozen=True)
class Block:
    """A fenced block: what it says, where its text begins, and the word and value of the comment before it."""

    language: str
    text: str
    line: int
    word: str
    value: str


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    for found in FENCE.finditer(page):
        word, _, value = (found["comment"] or "").partition(":")
        line = page.count("\n", 0, found.start("text"))
        yield Block(found["language"], found["text"], line, word.strip(), value.strip())


class Page:
    """A page that is being run: what its blocks defined, and the server they started."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.module = ModuleType("page")
        self.module.__file__ = str(path)
        self.address = SHOWN_ADDRESS
        self._cleanup = ExitStack()
        sys.modules["page"] = self.module

    def run(self) -> None:
        """Run all blocks in the current folder; raise when one does not hold."""
        with self._cleanup:
            for block in blocks(self.path.read_text()):
                self._run_block(block)

    def _run_block(self, block: Block) -> None:
        text = block.text.replace(SHOWN_ADDRESS, self.address)
        match block:
            case Block(word="skip", value=reason):
                assert reason, f"line {block.line}: <!-- skip: reason --> needs its reason"
            case Block(word="file", value=name):
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_text(block.text)
            case Block(language="console", word="serve"):
                self._serve(COMMAND.findall(text)[0][0])
            case Block(language="console", word="run"):
                self._run_console(text, block.line)
            case Block(language="python") if text.startswith(">>> "):
                self._run_session(text, block.line)
            case Block(language="python"):
                source = "\n" * block.line + text  # so that a traceback shows the page's own line
                exec(compile(source, str(self.path), "exec"), vars(self.module))  # noqa: S102  # to run is the purpose

    def _run_session(self, text: str, line: int) -> None:
        """Run `>>> ` lines and compare what each prints."""
        session = doctest.DocTestParser().get_doctest(text, vars(self.module), "page", str(self.path), line)
        failures, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session, clear_globs=False)
        assert not failures, f"line {line}: {failures} of the answers differ"
        vars(self.module).update(session.globs)

    def _run_console(self, text: str, line: int) -> None:
        """Run `$ ` commands and compare what each prints with what the page shows."""
        for command, output in COMMAND.findall(text):
            if command.startswith("curl ") and not shutil.which("curl"):
                print(f"line {line}: not run, there is no curl: {command}")
                continue
            answer = subprocess.run(
                ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
            ).stdout
            shown = re.escape(output.strip()).replace(r"\.\.\.", ".*?")
            assert re.fullmatch(shown, answer.strip(), re.DOTALL), (
                f"line {line}: $ {command}\nthe page shows:\n{output}\nit printed:\n{answer}"
            )

    def _serve(self, command: str) -> None:
        """Start a server on a free port and wait until it listens; it stops with the page, as on Ctrl-C."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        process = subprocess.Popen([*shlex.split(command), "--port", str(port)])
        self._cleanup.callback(self._stop, process)
        while process.poll() is None:
            with suppress(OSError):
                return socket.create_connection(("127.0.0.1", port)).close()
            time.sleep(0.05)
        raise AssertionError(f"$ {command}: ended with {process.returncode} before it listened")

    @staticmethod
    def _stop(process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        process.kill()  # does nothing to a process that has ended
        assert process.returncode == 0, f"the server ended with {process.returncode} on Ctrl-C"


def _run_afresh(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a page as a user would have typed it: in a new process and `folder`, warnings as errors."""
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-W", "error", __file__, str(page)],
        cwd=folder,
        env={**os.environ, "PATH": scripts, "PYTHONPATH": str(folder), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    """Every block of the page runs, and prints what is shown."""
    answer = _run_afresh(page, tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\nassert 1 == 2\n```", "AssertionError"),
        ("```python\n>>> 1 + 1\n3\n```", "Expected:"),
        ("<!-- run -->\n```console\n$ echo bat\ncat\n```", "it printed:\nbat"),
        ("<!-- run -->\n```console\n$ echo bat\nbat\n$ echo wing\n```", "it printed:\nwing"),
        ("<!-- skip -->\n```python\n1 / 0\n```", "needs its reason"),
    ],
)
def test_a_page_that_does_not_hold_is_found(text: str, complaint: str, tmp_path: Path) -> None:
    """A wrong block, a wrong answer and a skip without a reason each fail, and say why."""
    page = tmp_path / "page.md"
    page.write_text(text + "\n")
    answer = _run_afresh(page, tmp_path)
    assert answer.returncode != 0
    assert complaint in answer.stdout + answer.stderr


def test_the_blocks_of_a_page_share_what_they_define(tmp_path: Path) -> None:
    """Names, files and commands of one block are there for the next; `...` stands for any output."""
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- file: wings.py -->\n```python\nCOUNT = 2\n```\n"
        "```python\nimport wings\ntotal = wings.COUNT * 3\n```\n"
        "```python\n>>> total\n6\n```\n"
        "<!-- run -->\n```console\n$ python -c 'import wings; print(\"counted\", wings.COUNT)'\ncoun... 2\n```\n"
        "```console\n$ false\n```\n"
    )
    answer = _run_afresh(page, tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_page_can_talk_to_the_server_that_it_starts(tmp_path: Path) -> None:
    """The address on the page leads to the server of the page, which stops with it."""
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- file: server.py -->\n```python\n"
        "import os, signal, sys, wsgiref.simple_server as simple\n"
        "def app(environ, start):\n    start('200 OK', [])\n    return [b'squeak']\n"
        "signal.signal(signal.SIGINT, lambda *_: os._exit(0))  # wsgiref swallows KeyboardInterrupt in a request\n"
        "simple.make_server('127.0.0.1', int(sys.argv[2]), app).serve_forever()\n```\n"
        "<!-- serve -->\n```console\n$ python server.py\nListening …\n```\n"
        "```python\nfrom urllib.request import urlopen\n"
        "assert urlopen('http://127.0.0.1:8000/').read() == b'squeak'\n```\n"
    )
    answer = _run_afresh(page, tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        if Path.cwd() == ROOT:
            os.chdir(folder)
        sys.path.insert(0, os.getcwd())  # noqa: PTH109  # a string is what sys.path takes
        Page(target).run()
