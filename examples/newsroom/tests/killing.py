"""Kill the workers of a newsroom while they process its files, and tell what came of it.

python -m newsroom.tests.killing runs one worker with the settings of the environment.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path

from msgspec import Struct
from PIL import Image
from sqlalchemy import MetaData, select

from mergepoint.db import Database, migrations
from mergepoint.jobs import Backoff
from mergepoint.tasks import Outbox, Worker
from mergepoint.tasks.outbox import outbox_table
from newsroom.app import Newsroom, assemble, load
from newsroom.db import tables
from newsroom.folder import walk
from newsroom.settings import DatabaseSettings, Settings, StoreSettings
from newsroom.tests import samples

LEASE = 1.0
"""Seconds after which the jobs of a killed worker are given to the next one."""

THREADS = 4
PATIENCE = 240.0
"""Seconds in which all must be processed, whatever is killed."""


OUTBOX = outbox_table(MetaData())


class Figures(Struct):
    """What was seen.

    Attributes:
        steps: of the work, done at the end.
        kills: how many workers were killed while jobs ran.
        cut: jobs that lost a worker.
        dead: jobs in the dead letters.
        seconds: it took.
    """

    steps: int = 0
    kills: int = 0
    cut: int = 0
    dead: int = 0
    seconds: float = 0.0


def settings(folder: Path, database: str | None = None, jobs: str = "database") -> Settings:
    """Give a newsroom that keeps everything below a folder, but for what is on servers."""
    url = database or f"sqlite:///{folder}/newsroom.db"
    return Settings(DatabaseSettings(url), StoreSettings(folder / "files"), jobs=jobs, gallery=folder / "gallery")


def corpus(folder: Path, count: int) -> Path:
    """Make files of every kind that is processed. A PDF tells when it was made: to compare, copy them."""
    root = folder / "desk"
    root.mkdir(parents=True)
    chance = random.Random(4)  # noqa: S311 - nothing secret
    for number in range(count):
        name, content = _content(number, chance)
        (root / name).write_bytes(content)
    return root


def change(root: Path) -> None:
    """Change every text, source and web page somewhere in the middle."""
    for place in sorted(root.iterdir()):
        if place.suffix in (".txt", ".py", ".html"):
            lines = place.read_text().splitlines(keepends=True)
            lines[len(lines) // 2 : len(lines) // 2 + 2] = ["changed = 'after the first version'\n"]
            place.write_text("".join(lines))


def process(set_up: Settings, root: Path, kills: int = 0) -> Figures:
    """Import a folder, change it and import it again; each time let workers process it, and kill some of them.

    Args:
        set_up: the newsroom, with an empty database.
        root: what to import.
        kills: how many workers to kill, while they are at work.
    """
    began, figures = time.monotonic(), Figures()
    with closing(assemble(set_up)) as newsroom:
        migrations.upgrade(newsroom.db)
        for part in (kills // 2, kills - kills // 2):
            newsroom.imports.run(root.name, walk(root, set_up.store.largest))
            figures.kills += _work(newsroom, set_up, part)
            change(root)
        entries = newsroom.queue.engine.entries(limit=1_000_000)
        figures.cut = sum(any(attempt.outcome == "lost" for attempt in entry.history) for entry in entries)
        figures.dead = sum(entry.state == "dead" for entry in entries)
        figures.steps = newsroom.processed.backlog().done
    figures.seconds = time.monotonic() - began
    return figures


def outcome(set_up: Settings) -> dict[str, str]:
    """Tell everything that processing made, by name: bytes by their SHA-256, rows without their ids and times."""
    with closing(Database(set_up.database.url)) as db, db.connection():
        return {**_rows(db), **_folder("store", set_up.store.folder), **_folder("gallery", set_up.gallery)}


@contextmanager
def working(set_up: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker in a process of its own; it is killed at the end."""
    environ = {
        "NEWSROOM_DATABASE__URL": set_up.database.url,
        "NEWSROOM_STORE__FOLDER": str(set_up.store.folder),
        "NEWSROOM_GALLERY": str(set_up.gallery),
        "NEWSROOM_JOBS": set_up.jobs,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = subprocess.Popen([sys.executable, "-m", __name__], env={**os.environ, **environ})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _work(newsroom: Newsroom, set_up: Settings, kills: int) -> int:
    """Let one worker after the other be killed when it has begun to work, then let the last one finish."""
    chance = random.Random(kills)  # noqa: S311 - nothing secret
    for number in range(kills):
        before = newsroom.processed.backlog().done
        with working(set_up) as process:
            if not _wait(newsroom, process, more_than=before):
                return number
            time.sleep(chance.uniform(0, 0.3))
    with working(set_up) as process:
        _wait(newsroom, process, more_than=None)
    return kills


def _wait(newsroom: Newsroom, process: subprocess.Popen[bytes], more_than: int | None) -> bool:
    """Wait until more steps are done than before, and return True; or until nothing is left, and return False."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        if more_than is not None and newsroom.processed.backlog().done > more_than:
            return True
        left = unfinished(newsroom)
        if not left:
            return False
        time.sleep(0.05)
    raise TimeoutError(f"after {PATIENCE:.0f} s, or the end of the worker, {left} jobs are left")


def unfinished(newsroom: Newsroom) -> int:
    """Count the jobs that wait or run, and what is on its way to another engine than the database."""
    counts = newsroom.queue.engine.counts().items()
    left = sum(count for (_, state), count in counts if state in ("waiting", "running", "blocked"))
    if isinstance(newsroom.queue.engine, Outbox):
        left += len(newsroom.db.fetch(select(OUTBOX.c.id)))
    return left


def _rows(db: Database) -> dict[str, str]:
    files, steps, texts, exhibits = tables.files, tables.steps, tables.texts, tables.exhibits
    kept = db.fetch(select(files.c.path, files.c.version, files.c.sha256))
    done = db.fetch(
        select(files.c.path, steps.c.version, steps.c.name, steps.c.done, steps.c.made).join_from(steps, files)
    )
    read = db.fetch(select(files.c.path, texts.c.version, texts.c.content).join_from(texts, files))
    return {
        **{f"file {path}": f"{version} {sha256}" for path, version, sha256 in kept},
        **{f"step {path} {version} {name.value}": f"{is_done} {made}" for path, version, name, is_done, made in done},
        **{f"text {path}": f"{version} {_digest(content.encode())}" for path, version, content in read},
        **{f"exhibit {path}": repr(rest) for path, *rest in db.fetch(select(exhibits))},
    }


def _folder(name: str, folder: Path) -> dict[str, str]:
    """Tell the files below a folder, but for those that a killed worker left half written under other names."""
    return {
        f"{name} {place.relative_to(folder)}": _digest(place.read_bytes())
        for place in sorted(folder.rglob("*"))
        if place.is_file() and not place.name.startswith((".incoming-", "incoming-"))
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(number: int, chance: random.Random) -> tuple[str, bytes]:
    words = ["harbour", "ship", "coffee", "quay", "morning", "captain", "lantern", "rope", "gull", "tide"]
    sentences = [" ".join(chance.choices(words, k=8)) for _ in range(60)]
    match number % 6:
        case 0:
            return f"{number:03}.txt", "\n".join(sentences).encode()
        case 1 | 2:
            return f"{number:03}.py", "\n".join(f"line_{i} = '{text}'" for i, text in enumerate(sentences)).encode()
        case 3:
            page = "".join(f"<p>{text}</p>\n" for text in sentences)
            return f"{number:03}.html", f"<title>Page {number}</title>\n{page}".encode()
        case 4:
            target = BytesIO()
            Image.effect_noise((400, 300), 10 + number % 50).save(target, "PDF")
            return f"{number:03}.pdf", target.getvalue()
        case _:
            return f"{number:03}.jpg", samples.jpeg(200 + number, 150, f"Box {number}")


def main() -> None:
    """Run one worker until it is stopped or killed."""
    with closing(assemble(load())) as newsroom:
        Worker(newsroom.queue, threads=THREADS, lease=LEASE, backoff=Backoff(first=0.2)).run()


if __name__ == "__main__":
    main()
