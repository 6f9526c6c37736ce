"""A command of one's own: the operations of an app, and beside them what only a terminal may do.

$ python examples/manage.py --help
$ python examples/manage.py read examples --only .py
$ python examples/manage.py longest --count 3
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from mergepoint import App, Call, Meta, anyone, cli, role
from mergepoint.errors import Kind


@dataclass(frozen=True)
class Letter:
    """A letter that was read."""

    name: str
    words: int


class NothingToRead(Exception):
    """A folder has no letters."""


@dataclass(frozen=True)
class Clerk:
    """Somebody who may work with the letters."""

    name: str
    roles: frozenset[str] = frozenset()


class Archive:
    """The letters of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def longest(self, count: Annotated[int, Meta(ge=1, le=100)] = 10) -> list[Letter]:
        """List the letters with the most words.

        Args:
            count: how many.
        """
        letters = (Letter(path.name, len(path.read_text().split())) for path in self._folder.glob("*.py"))
        return sorted(letters, key=lambda letter: -letter.words)[:count]

    def burn(self, name: str, reason: str) -> str:
        """Say that a letter is gone.

        Args:
            name: which one.
            reason: why nobody shall read it again.
        """
        return f"{name} burns, because {reason}."


ERRORS: dict[type[Exception], Kind] = {NothingToRead: "not_found"}


def clerk(call: Call) -> Clerk | None:
    """Find out who is calling: on this machine's own command line it is a clerk, over a network it is nobody."""
    if call.protocol == "command":
        return Clerk(os.environ.get("USER", "somebody"), frozenset({"archivist"}))
    return None


def create() -> App:
    """Make the app."""
    archive = Archive(Path(__file__).parent)
    app = App("archive", errors=ERRORS)
    app.identify(clerk)
    app.query(archive.longest, allow=anyone)
    app.command(archive.burn, allow=role("archivist"))
    return app


manage = cli.manage(create, errors=ERRORS, help="Look after the letters.")


@manage.command
def read(folder: Path, /, only: list[str] = [], dry_run: bool = False) -> str:  # noqa: B006 - it is never changed
    """Read the letters of a folder.

    Args:
        folder: where they are.
        only: the endings to look at.
        dry_run: tell how many there are, and read none.
    """
    found = [path for path in sorted(folder.glob("*")) if path.is_file() and (not only or path.suffix in only)]
    if not found:
        raise NothingToRead(f"There is nothing to read in {folder}.")
    return f"{'Found' if dry_run else 'Read'} {len(found)} letters."


if __name__ == "__main__":
    manage()
