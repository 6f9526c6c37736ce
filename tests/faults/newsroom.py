"""Kill the newsroom's worker 20 times while it processes files; all must be as without kills.

    python -m tests.faults.newsroom [--kills 20] [--files 360] [--database URL] [--jobs URL]

Each run is a newsroom of its own: a folder, and a database, which is made on the server of `--database` and dropped.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from newsroom.settings import Settings
from newsroom.tests.killing import Figures, corpus, outcome, process, settings
from newsroom.tests.servers import new_database, new_worklist


def main() -> int:
    """Process the same files without and with kills, and compare; 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.newsroom", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--files", type=int, default=360)
    parser.add_argument("--database", help="postgresql://… or mysql://…; SQLite unless given")
    parser.add_argument("--jobs", default="database", help="redis://…; the database unless given")
    options = parser.parse_args()
    runs: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = corpus(Path(folder), options.files)
        for kills in (0, options.kills):
            figures, made = _run(options, files, kills)
            runs.append(made)
            print(_told(figures, made), flush=True)
            if figures.kills != kills or figures.dead:
                print(f"BROKEN: {figures}; expected {kills} kills and no dead jobs (more --files last for more kills)")
                return 1
    return _compared(*runs)


def _run(options: argparse.Namespace, files: Path, kills: int) -> tuple[Figures, dict[str, str]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root = Path(shutil.copytree(files, folder / files.name))
        set_up = _newsroom(options, folder, stack)
        return process(set_up, root, kills), outcome(set_up)


def _newsroom(options: argparse.Namespace, folder: Path, stack: ExitStack) -> Settings:
    url = stack.enter_context(new_database(options.database)) if options.database else None
    jobs = "database" if options.jobs == "database" else stack.enter_context(new_worklist(options.jobs))
    return settings(folder, url, jobs)


def _told(figures: Figures, made: dict[str, str]) -> str:
    counts = {kind: sum(name.startswith(f"{kind} ") for name in made) for kind in ("file", "text", "store", "gallery")}
    return (
        f"{figures.kills:3} kills: {figures.steps} steps done, {figures.cut} jobs cut off and run again,"
        f" {figures.dead} dead; {counts['file']} files, {counts['text']} texts, {counts['store']} blobs,"
        f" {counts['gallery']} files in the gallery ({figures.seconds:.0f} s)"
    )


def _compared(without: dict[str, str], killed: dict[str, str]) -> int:
    differ = sorted(name for name in without.keys() | killed.keys() if without.get(name) != killed.get(name))
    for name in differ[:20]:
        print(f"DIFFERS: {name}: {without.get(name)!s:.100} without kills, {killed.get(name)!s:.100} with them")
    print(f"Of {len(without)} rows and files {len(differ)} differ.")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
