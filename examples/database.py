"""A repository on SQLite; PostgreSQL and MariaDB need another URL and nothing else. Each command is one transaction.

$ mergepoint call examples/database.py dock --name Demeter --length 32.5
$ mergepoint call examples/database.py ships
"""

from dataclasses import dataclass
from typing import Annotated

from sqlalchemy import Column, Double, Integer, MetaData, String, Table, bindparam, insert, select

from mergepoint import App, Id, Meta
from mergepoint.db import Database

metadata = MetaData()
ships = Table(
    "ships",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("length", Double, nullable=False),
)


@dataclass(frozen=True)
class Ship:
    """A ship in the harbour.

    Attributes:
        id: its number in the harbour's book.
        name: as painted on the bow.
        length: in metres.
    """

    id: Id
    name: str
    length: float


class NameTaken(Exception):
    """Another ship of this name is in the harbour."""


class Ships:
    """The only code that knows the table: plain values in, records out."""

    def __init__(self, db: Database) -> None:
        self._named = db.statement(select(ships).where(ships.c.name == bindparam("name")), Ship)
        self._longest = db.statement(select(ships).order_by(ships.c.length.desc()), Ship)
        self._insert = db.statement(insert(ships).values(name=bindparam("name"), length=bindparam("length")))

    def longest(self) -> list[Ship]:
        """Return all ships, the longest first."""
        return self._longest.all()

    def named(self, name: str) -> Ship | None:
        """Return the ship of a name, or None."""
        return self._named.one_or_none(name=name)

    def add(self, name: str, length: float) -> Ship:
        """Enter a ship in the book."""
        self._insert.run(name=name, length=length)
        return self._named.one(name=name)


class Harbour:
    """What happens in the harbour; it does not know where ships are kept."""

    def __init__(self, repository: Ships) -> None:
        self._ships = repository

    def ships(self) -> list[Ship]:
        """List the ships, the longest first."""
        return self._ships.longest()

    def dock(self, name: Annotated[str, Meta(min_length=1, max_length=80)], length: float) -> Ship:
        """Let a ship in."""
        if self._ships.named(name):
            raise NameTaken(f"A ship called {name} is in the harbour already.")
        return self._ships.add(name, length)


def create(url: str = "sqlite:///harbour.db") -> App:
    """Build the application on a database, and its table where that is missing."""
    db = Database(url, metadata=metadata)
    with db.connection() as connection:
        metadata.create_all(connection)
    app = App("harbour", errors={NameTaken: "already_exists"})
    app.add(db)
    app.around(db.unit_of_work)
    harbour = Harbour(Ships(db))
    app.query(harbour.ships)
    app.command(harbour.dock, status=201)
    return app
