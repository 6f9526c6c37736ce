"""Programs of other makers for tests: packages of npm in the exact versions of a lock, installed once below var/."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SECONDS = 120
"""The patience for an installation; a program has a quarter of it."""


class Node:
    """The programs of one folder of tests, with the packages they need beside them.

    Args:
        source: the folder with `package.json`, its lock and the programs.
    """

    def __init__(self, source: Path) -> None:
        if not (shutil.which("node") and shutil.which("npm")):
            pytest.skip("Node.js is not installed: node, npm")
        self.folder = _installed(source)

    def start(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a program; what it prints can be read line by line."""
        return subprocess.Popen(
            ["node", program, *arguments], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, program: str, *arguments: str) -> list[Any]:
        """Run a program to its end and return what it printed: one JSON value a line."""
        process = self.start(program, *arguments)
        try:
            output, complaints = process.communicate(timeout=SECONDS / 4)
        finally:
            process.kill()  # does nothing to one that has ended
        assert process.returncode == 0, complaints
        return [json.loads(line) for line in output.splitlines()]


def _installed(source: Path) -> Path:
    """Return a copy of a folder with its packages; a new one for each new content."""
    files = sorted(path for path in source.iterdir() if path.is_file())
    content = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()[:12]
    folder = ROOT / "var" / "node" / f"{source.name}-{content}"
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path in files:
            shutil.copy(path, folder)
        answer = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if answer.returncode:
            pytest.skip(f"npm could not install the packages of {source.name}: {answer.stderr.strip()[-300:]}")
        (folder / "installed").touch()
    return folder
