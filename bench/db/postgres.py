"""The PostgreSQL with the rows that are measured."""

from collections.abc import Iterator
from contextlib import contextmanager

from servers import connect, postgresql

ROWS = 10_000
TABLE = (
    "CREATE TABLE items (id integer PRIMARY KEY, name varchar(100) NOT NULL, price double precision NOT NULL,"
    " quantity integer NOT NULL, active boolean NOT NULL, category varchar(50) NOT NULL)"
)
FILL = (
    "INSERT INTO items SELECT id, 'Item number ' || id, 9.99 + id, id * 3, id %% 2 = 1, 'tools'"
    " FROM generate_series(1, %s) AS id"
)


@contextmanager
def private_database() -> Iterator[str]:
    """Run a PostgreSQL with the table in it; yield `user@host:port/name`."""
    with postgresql({"synchronous_commit": "off"}) as where:
        fill(f"postgresql://{where}")
        yield where


def fill(url: str) -> None:
    """Make the table and its rows."""
    with connect(url) as connection:
        connection.execute(TABLE)
        connection.execute(FILL, [ROWS])
        connection.execute("VACUUM ANALYZE items")
