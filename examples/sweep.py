"""A sweep: look at every record again and again, a few each second, and go on where it stopped after a restart.

$ mergepoint call examples/sweep.py shelve --text 'Once upon a midnight dreary'
$ mergepoint run examples/sweep.py
$ curl http://127.0.0.1:8000/api/checked
"""

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, insert, select

from mergepoint import App
from mergepoint.db import Database
from mergepoint.tasks import Queue, sweep

metadata = MetaData()
scrolls = Table(
    "scrolls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("digest", String(64), nullable=False),
)


@dataclass(frozen=True)
class Scroll:
    """A text, and the digest it had when it was shelved."""

    id: int
    text: str
    digest: str


class Damaged(Exception):
    """A scroll is not what it was."""


class Library:
    """Keeps scrolls, and knows whether one is as it was."""

    def __init__(self, db: Database) -> None:
        self._insert = db.statement(insert(scrolls))

    def shelve(self, text: str) -> None:
        """Keep a scroll."""
        self._insert.run(text=text, digest=sha256(text.encode()).hexdigest())

    def check(self, scroll: Scroll) -> None:
        """Raise if a scroll is not what it was."""
        if sha256(scroll.text.encode()).hexdigest() != scroll.digest:
            raise Damaged(f"The scroll {scroll.id} is damaged.")


def create(url: str = "sqlite:///library.db") -> App:
    """Build the application, and its table where that is missing."""
    db = Database(url, metadata=metadata)
    with db.connection() as connection:
        metadata.create_all(connection)
    app = App("library")
    queue = Queue(app, db)
    app.add(db)
    app.around(db.unit_of_work)
    library = Library(db)
    app.command(library.shelve)
    every = db.pages(select(scrolls), Scroll, by=[scrolls.c.id])
    checking = sweep(queue, library.check, over=every, per_second=10)
    app.query(checking.state, name="checked")
    return app
