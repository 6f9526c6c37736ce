"""What must hold where only `pip install mergepoint` ran: scripts/test runs this file there, with Python alone."""

import importlib
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import mergepoint


def greet(name: str = "World") -> str:
    """Say hello to somebody."""
    return f"Hello, {name}!"


def check_core() -> None:
    """Register an operation and find it."""
    app = mergepoint.App("hello")
    app.query(greet)
    assert "greet" in app.operations


def check_extra(extra: str) -> None:
    """Import the module of an extra that is not installed: the error says what to type."""
    expected = rf"`mergepoint\.{extra}` needs [\w.]+: pip install 'mergepoint\[{extra}\]'"
    try:
        importlib.import_module(f"mergepoint.{extra}")
    except ImportError as error:
        assert re.fullmatch(expected, str(error)), f"expected {expected}, got {error}"
    else:
        raise AssertionError(f"mergepoint.{extra} was imported without the libraries of its extra")


def check_command() -> None:
    """Ask the installed command for help."""
    command = Path(sys.executable).with_name("mergepoint")
    answer = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("Usage: mergepoint"), answer.stdout


def main() -> None:
    """Run every check; the first that does not hold ends the process with its reason."""
    extras = metadata("mergepoint").get_all("Provides-Extra") or []
    check_core()
    check_command()
    for extra in extras:
        if extra != "all":
            check_extra(extra)
    print(f"The core and the command work; {', '.join(extras)} say what to install.")


if __name__ == "__main__":
    main()
