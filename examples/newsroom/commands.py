"""What is done at the terminal: import a folder, watch the work on its files, upgrade the database, sweep."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from mergepoint import cli
from mergepoint.db import migrations
from newsroom.app import ERRORS, Newsroom, assemble, create, load
from newsroom.folder import Found, walk
from newsroom.records import Backlog, Counts, ImportDetails, Skipped, Statistics
from newsroom.settings import Settings

MOST_SKIPPED = 15
"""Skipped files that are named one by one."""

DAY = 86_400

GLANCE = 0.25
"""Seconds between two looks at the work."""

main = cli.manage(
    create, errors=ERRORS, help="Keep a newsroom's files. Serve them with: mergepoint run newsroom.app:create."
)


@main.command("import")
def import_folder(folder: Path, /) -> None:
    """Import every file below a folder. What is unchanged since the last time is left as it is.

    The database is made, or brought up to date, first.

    Args:
        folder: what to import.
    """
    _must_be_folder(folder)
    console = Console(highlight=False)
    settings = load()
    with closing(assemble(settings)) as newsroom, _may_be_stopped():
        _upgrade(newsroom, console)
        root = folder.resolve()
        with console.status(Text(f"Looking through {root.name} …")):
            found = list(walk(root, settings.store.largest, never=_own(newsroom, settings)))
        began = monotonic()
        details = _run(newsroom, root.name, found, console)
        newsroom.making.catch_up()  # files that were kept before there was any work on them
        _report(console, details, monotonic() - began)
        _figures(console, newsroom.files.statistics())
        _work_left(console, newsroom.processed.backlog())


@main.command
def watch() -> None:
    """Show how far the work on files is, until no worker has anything to do."""
    console, parent = Console(highlight=False), os.getppid()
    with closing(assemble(load())) as newsroom:
        with Progress(*_columns("Processing"), console=console) as progress:
            bar = progress.add_task("")
            while os.getppid() == parent:  # whoever started this may end first
                is_at_work, backlog = _is_at_work(newsroom), newsroom.processed.backlog()
                progress.update(bar, completed=backlog.done, total=backlog.all)
                if not is_at_work:
                    break
                sleep(GLANCE)
        _work_left(console, newsroom.processed.backlog())


@main.command
def upgrade() -> None:
    """Make the database, or bring it up to date."""
    with closing(assemble(load())) as newsroom:
        if not _upgrade(newsroom, Console(highlight=False)):
            click.echo("The database is up to date.")


@main.command
def sweep() -> str:
    """Remove stored bytes that no file refers to any more, and half written ones, if they are older than a day."""
    with closing(assemble(load())) as newsroom:
        removed = newsroom.store.sweep(frozenset(newsroom.records.blobs()), older_than=DAY)
        removed += newsroom.wall.sweep(older_than=DAY)
    return f"Removed {removed} {'file' if removed == 1 else 'files'} from the store."


def _must_be_folder(folder: Path) -> None:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise click.UsageError(f"Expected a folder to import, but '{folder}' {what}.")


@contextmanager
def _may_be_stopped() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo("\nStopped. What was imported stays; import again to go on.", err=True)
        raise


def _upgrade(newsroom: Newsroom, console: Console) -> list[str]:
    applied = migrations.upgrade(newsroom.db)
    if applied:
        console.print(Text(f"Database ready ({newsroom.db.url.get_backend_name()})."))
    return applied


def _own(newsroom: Newsroom, settings: Settings) -> list[Path]:
    """List the newsroom's own places, which an import must leave out."""
    own = [settings.store.folder, settings.gallery]
    if newsroom.db.url.get_backend_name() == "sqlite" and newsroom.db.url.database:
        database = Path(newsroom.db.url.database)
        own += [database, database.with_name(f"{database.name}-wal"), database.with_name(f"{database.name}-shm")]
    return own


def _run(newsroom: Newsroom, source: str, found: Sequence[Found | Skipped], console: Console) -> ImportDetails:
    with Progress(*_columns("Importing"), console=console) as progress:
        bar = progress.add_task("", total=len(found))

        def tell(counts: Counts) -> None:
            progress.update(bar, completed=counts.new + counts.changed + counts.unchanged + counts.skipped)

        return newsroom.imports.run(source, found, tell)


def _columns(what: str) -> tuple[ProgressColumn, ...]:
    return (
        TextColumn(what, markup=False),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )


def _is_at_work(newsroom: Newsroom) -> bool:
    """Tell whether a job waits for a worker or has one; those that wait for a dead one do not count."""
    return any(count for (_, state), count in newsroom.queue.engine.counts().items() if state in ("waiting", "running"))


def _work_left(console: Console, backlog: Backlog) -> None:
    if left := backlog.all - backlog.done:
        console.print(Text(f"{left:,} of {backlog.all:,} steps of work on files are left: see /jobs"))
    else:
        console.print(Text(f"All files are processed: {backlog.all:,} steps."))


def _report(console: Console, details: ImportDetails, seconds: float) -> None:
    counts = details.run.counts
    if details.skipped:
        console.print(_skipped(details.skipped))
        reasons = Counter(skipped.reason.value.replace("_", " ") for skipped in details.skipped)
        console.print(Text("Skipped: " + ", ".join(f"{count} × {reason}" for reason, count in reasons.most_common())))
    summary = f"{counts.new} new, {counts.changed} changed, {counts.unchanged} unchanged, {counts.skipped} skipped"
    console.print(Text(f"{summary}  ({details.run.source}, {seconds:.1f} s)", style="bold"))


def _skipped(skipped: Sequence[Skipped]) -> Table:
    table = Table(title=f"Skipped ({len(skipped)})", title_justify="left", box=None, header_style="dim")
    table.add_column("File", overflow="fold")
    table.add_column("Reason")
    table.add_column("Detail", overflow="fold")
    for item in skipped[:MOST_SKIPPED]:
        table.add_row(Text(item.path), Text(item.reason.value.replace("_", " ")), Text(item.detail))
    if len(skipped) > MOST_SKIPPED:
        table.add_row("…", f"{len(skipped) - MOST_SKIPPED} more", "the page /imports lists them all")
    return table


def _figures(console: Console, statistics: Statistics) -> None:
    table = Table(title="In the newsroom", title_justify="left", box=None, header_style="dim", show_footer=True)
    table.add_column("Kind", footer="all")
    table.add_column("Files", footer=f"{statistics.files:,}", justify="right")
    table.add_column("Bytes", footer=f"{statistics.size:,}", justify="right")
    for share in statistics.kinds:
        table.add_row(share.value.replace("_", " "), f"{share.files:,}", f"{share.size:,}")
    console.print(table)
