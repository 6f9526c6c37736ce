"""The database part on SQLite (in a file and in memory), PostgreSQL and MariaDB: one suite for all."""

# ruff: noqa: PT012 - what fails is a unit of work, with all that happens in it

from __future__ import annotations

import contextvars
import enum
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypedDict
from uuid import UUID, uuid4

import attrs
import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError, MultipleResultsFound, NoResultFound, ProgrammingError
from tests.databases import KINDS, command, database_url, query

from mergepoint import App, Call, Failure
from mergepoint.db import Database, DatabaseUnavailable, ExactDecimal, UTCDateTime
from mergepoint.errors import ConfigError, InvalidArgument, MergepointError, RegistrationError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


TABLES = sa.MetaData()
BATS = sa.Table(
    "bats",
    TABLES,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("wings", sa.Integer, nullable=False, server_default="2"),
)
THINGS = sa.Table(
    "things",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("colour", sa.Enum(Colour)),
    sa.Column("data", sa.JSON),
    sa.Column("seen", UTCDateTime),
    sa.Column("blob", sa.LargeBinary),
    sa.Column("price", ExactDecimal(2)),
    sa.Column("token", sa.Uuid),
    sa.Column("ratio", sa.Double),
    sa.Column("open", sa.Boolean),
    sa.Column("made", sa.DateTime, default=lambda: datetime(2026, 1, 2)),  # noqa: DTZ001 - a column without zone
)
FOOD = sa.Table("food", TABLES, sa.Column("bat", sa.ForeignKey("bats.id"), primary_key=True))


@dataclass(frozen=True)
class Bat:
    id: int
    name: str
    wings: int = 2


class Thing(msgspec.Struct):
    id: int
    colour: Colour
    data: Any
    seen: datetime
    blob: bytes
    price: Decimal
    token: UUID
    ratio: float
    open: bool
    made: datetime


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return a database of each kind, with empty tables."""
    with database_url(request.param, tmp_path) as url:
        database = Database(url, metadata=TABLES, connections=4)
        with database.session() as link:
            TABLES.create_all(link.connection)
        yield database
        database.close()


class Bats:
    """The statements that most tests use."""

    def __init__(self, db: Database) -> None:
        self.find = db.statement(select(BATS).where(BATS.c.id == bindparam("id")), Bat)
        self.every = db.statement(select(BATS).order_by(BATS.c.id), Bat)
        self.add = db.statement(insert(BATS))
        self.rename = db.statement(update(BATS).where(BATS.c.id == bindparam("of")))
        self.remove = db.statement(delete(BATS).where(BATS.c.id == bindparam("id")))
        self.count = db.statement(select(func.count()).select_from(BATS))


@pytest.fixture
def bats(db: Database) -> Bats:
    """Return the statements for bats."""
    return Bats(db)


def fill(bats: Bats, number: int) -> None:
    """Add bats with the ids 1, 2, ..."""
    bats.add.run_many([{"id": i, "name": f"bat {i}"} for i in range(1, number + 1)])


def test_a_known_statement_returns_records(bats: Bats) -> None:
    """One row, several rows and no row become records, the second time as the first."""
    fill(bats, 3)
    for _ in range(3):
        assert bats.find.one(id=2) == Bat(2, "bat 2")
        assert bats.find.one_or_none(id=9) is None
        assert bats.every.all() == [Bat(1, "bat 1"), Bat(2, "bat 2"), Bat(3, "bat 3")]
        assert bats.count.one() == 3


def test_changes_tell_how_many_rows_they_touched(bats: Bats) -> None:
    """`run` and `run_many` return the number of rows, whatever names of values are given."""
    assert bats.add.run(id=1, name="a") == 1
    assert bats.add.run(id=2, name="b", wings=3) == 1
    assert bats.add.run_many([{"id": 3, "name": "c"}, {"id": 4, "name": "d"}]) == 2
    assert bats.add.run_many([]) == 0
    assert bats.rename.run(of=1, name="z") == 1
    assert bats.rename.run(of=1, name="z") == 1, "a row that has the value already is touched too"
    assert bats.rename.run(of=99, name="z") == 0
    assert bats.remove.run(id=2) == 1
    assert bats.every.all() == [Bat(1, "z"), Bat(3, "c"), Bat(4, "d")]


def test_one_insists_on_one(db: Database, bats: Bats) -> None:
    """`one` refuses no row and several, `one_or_none` several."""
    fill(bats, 2)
    every = db.statement(select(BATS), Bat)
    with pytest.raises(NoResultFound):
        bats.find.one(id=5)
    with pytest.raises(MultipleResultsFound):
        every.one()
    with pytest.raises(MultipleResultsFound):
        every.one_or_none()


def test_without_a_record_rows_are_plain(db: Database, bats: Bats) -> None:
    """One column gives its value, several give a tuple."""
    fill(bats, 2)
    assert db.statement(select(BATS.c.name).order_by(BATS.c.id)).all() == ["bat 1", "bat 2"]
    assert db.statement(select(BATS.c.name, BATS.c.wings).order_by(BATS.c.id)).all() == [("bat 1", 2), ("bat 2", 2)]
    assert db.fetch(select(BATS.c.name, BATS.c.wings).where(BATS.c.id == 1)) == [("bat 1", 2)]
    assert db.fetch(select(BATS.c.name).where(BATS.c.id == 1)) == ["bat 1"]


def test_every_kind_of_record(db: Database, bats: Bats) -> None:
    """Dataclasses, structs, named tuples, attrs classes and typed dictionaries; columns in any order."""

    class Named(NamedTuple):
        name: str
        id: int

    class Struct(msgspec.Struct, kw_only=True):
        name: str
        id: int

    @attrs.frozen
    class Attrs:
        name: str
        id: int
        _wings: int = 7

    class Dictionary(TypedDict):
        name: str
        id: int

    fill(bats, 1)
    columns = select(BATS.c.id, BATS.c.name)
    for kind in (Named, Struct, Attrs, Dictionary):
        expected = kind(id=1, name="bat 1")
        assert db.statement(columns, kind).one() == expected
        assert db.fetch(columns, kind) == [expected]
        assert list(db.statement(columns, kind).stream()) == [expected]


def test_columns_must_match_the_record(db: Database) -> None:
    """The message names every field without column and every column without field, when the statement is made."""
    with pytest.raises(RegistrationError) as caught:
        db.statement(select(BATS.c.id, BATS.c.wings.label("arms")), Bat)
    assert str(caught.value) == (
        "The statement's columns do not make a Bat: field 'name' has no column; column 'arms' has no field. "
        "Select the fields id, name, wings; rename a column with .label()."
    )
    with pytest.raises(RegistrationError, match="column 'id_1' has no field"):
        db.statement(select(BATS.c.id, FOOD.c.bat.label("id"), BATS.c.name), Bat)
    with pytest.raises(RegistrationError, match="expected a dataclass"):
        db.statement(select(BATS), int)
    with pytest.raises(RegistrationError, match="returns no rows"):
        db.statement(insert(BATS), Bat)


def test_values_must_match_the_statement(bats: Bats) -> None:
    """A value that is missing or unknown is named, before anything is sent."""
    with pytest.raises(TypeError, match="'id' is missing; 'idd' is unknown"):
        bats.find.one(idd=5)
    with pytest.raises(TypeError, match="'nmae' is unknown"):
        bats.add.run(id=1, nmae="x")
    with pytest.raises(TypeError, match="row 1 has"):
        bats.add.run_many([{"id": 1, "name": "a"}, {"id": 2}])


def test_a_parameter_may_have_a_default(db: Database, bats: Bats) -> None:
    """A bindparam with a value need not be given, and literals stay as they are."""
    fill(bats, 5)
    few = db.statement(select(BATS.c.id).where(BATS.c.id > bindparam("above", 3)).order_by(BATS.c.id).limit(2))
    assert few.all() == [4, 5]
    assert few.all(above=1) == [2, 3]


def test_every_type_comes_back_as_it_went(db: Database) -> None:
    """Enums, JSON, points in time, bytes, decimals and UUIDs are exact, on the fast path and the plain one."""
    seen = datetime(2026, 3, 4, 5, 6, 7, 891234, tzinfo=timezone(timedelta(hours=2)))
    given: dict[str, Any] = {
        "colour": Colour.BLUE, "data": {"a": [1, None, "é"]}, "seen": seen, "blob": b"\x00\xff'", "open": True,
        "price": Decimal("1234567890123456.78"), "token": uuid4(), "ratio": 0.1, "made": datetime(2026, 5, 6, 7, 8, 9),  # noqa: DTZ001
    }  # fmt: skip
    add = db.statement(insert(THINGS))
    find = db.statement(select(THINGS).where(THINGS.c.id == bindparam("id")), Thing)
    add.run(id=1, **given)
    add.run_many([{"id": 2, **given}])
    with db.connection() as connection:
        connection.execute(insert(THINGS), {"id": 3, **given})
    for id in (1, 2, 3):
        for thing in (find.one(id=id), find.one(id=id), *db.fetch(select(THINGS).where(THINGS.c.id == id), Thing)):
            assert thing == Thing(id=id, **given)
            assert thing.seen.tzinfo is UTC or thing.seen.utcoffset() == timedelta(0)
            assert type(thing.open) is bool
    nothing = dict.fromkeys(given) | {"data": sa.null()}
    db.statement(insert(THINGS).values(data=sa.null())).run(id=4, **{k: v for k, v in nothing.items() if k != "data"})
    assert find.one(id=4) == Thing(4, *[None] * 9)  # type: ignore[arg-type]


def test_types_can_be_compared_with(db: Database) -> None:
    """A point in time, an enum, a decimal and a UUID as parameters find the row, and sort as they should."""
    add = db.statement(insert(THINGS))
    token = uuid4()
    for number, price in enumerate(("10.00", "9.50", "-1.25"), start=1):
        seen = datetime(2026, 1, number, tzinfo=UTC)
        add.run(id=number, price=Decimal(price), seen=seen, colour=Colour.RED, token=token)
    prices = db.statement(select(THINGS.c.price).order_by(THINGS.c.price))
    assert prices.all() == [Decimal("-1.25"), Decimal("9.50"), Decimal("10.00")]
    value: Any
    for column, value in ((THINGS.c.seen, datetime(2026, 1, 1, tzinfo=UTC)), (THINGS.c.price, Decimal(10))):
        assert db.statement(select(THINGS.c.id).where(column == bindparam("value"))).all(value=value) == [1]
    for column, value in ((THINGS.c.colour, Colour.RED), (THINGS.c.token, token)):
        assert len(db.statement(select(THINGS.c.id).where(column == bindparam("value"))).all(value=value)) == 3


def test_values_that_would_lose_something_are_refused(db: Database) -> None:
    """A time without zone and a decimal with too many places say so."""
    add = db.statement(insert(THINGS))
    with pytest.raises(ValueError, match="needs a time zone"):
        add.run(id=1, seen=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="does not fit a column of 18 digits, 2 of them"):
        add.run(id=1, price=Decimal("0.001"))


def test_a_default_made_in_python_is_filled_in(db: Database) -> None:
    """A column's Python default works in a single and in a many-row insert."""
    add = db.statement(insert(THINGS))
    add.run(id=1)
    add.run_many([{"id": 2}, {"id": 3}])
    assert db.statement(select(THINGS.c.made)).all() == [datetime(2026, 1, 2)] * 3  # noqa: DTZ001


def test_in_takes_lists_of_any_length(db: Database, bats: Bats) -> None:
    """IN with a list parameter, an empty one too, and with literals."""
    fill(bats, 5)
    some = db.statement(select(BATS).where(BATS.c.id.in_(bindparam("ids", expanding=True))).order_by(BATS.c.id), Bat)
    for ids in ([1, 3, 5], [2], [], [4, 99]):
        assert [bat.id for bat in some.all(ids=ids)] == [id for id in ids if id < 99]
    assert db.statement(select(BATS.c.id).where(BATS.c.id.in_([2, 4])).order_by(BATS.c.id)).all() == [2, 4]
    assert [bat.id for bat in some.stream(ids=[1, 2])] == [1, 2]


def test_returning_gives_records(db: Database, bats: Bats) -> None:
    """An INSERT with RETURNING is a statement with rows."""
    add = db.statement(insert(BATS).returning(BATS.c.id, BATS.c.name, BATS.c.wings), Bat)
    assert add.one(id=7, name="new") == Bat(7, "new", 2)
    assert bats.find.one(id=7) == Bat(7, "new", 2)


def test_a_broken_rule_is_an_integrity_error_on_both_paths(db: Database, bats: Bats) -> None:
    """Unique and foreign keys raise the same class from the fast path, many rows and the plain connection."""
    fill(bats, 1)
    feed = db.statement(insert(FOOD))
    with pytest.raises(IntegrityError) as caught:
        bats.add.run(id=2, name="bat 1")
    assert "bat 1" not in str(caught.value.params)
    with pytest.raises(IntegrityError):
        bats.add.run_many([{"id": 2, "name": "x"}, {"id": 2, "name": "y"}])
    with pytest.raises(IntegrityError):
        feed.run(bat=77)
    with pytest.raises(IntegrityError), db.connection() as connection:
        connection.execute(insert(BATS), {"id": 2, "name": "bat 1"})
    assert bats.count.one() == 1


def test_a_command_commits_at_its_end(db: Database, bats: Bats) -> None:
    """What a command wrote is there after it, and not if an exception left it."""
    with db.unit_of_work(command()):
        fill(bats, 2)
        assert bats.count.one() == 2
    with pytest.raises(LookupError), db.unit_of_work(command()):
        bats.remove.run(id=1)
        assert bats.count.one() == 1
        raise LookupError
    assert bats.count.one() == 2


def test_a_failed_statement_spoils_the_command(db: Database, bats: Bats) -> None:
    """Nothing of a command lasts when one of its statements failed, and the next one starts clean."""
    with pytest.raises(IntegrityError), db.unit_of_work():
        bats.add.run(id=1, name="a")
        bats.add.run(id=1, name="b")
    with db.unit_of_work():
        assert bats.add.run(id=1, name="a") == 1
    assert bats.every.all() == [Bat(1, "a")]


def test_nested_transactions_are_savepoints(db: Database, bats: Bats) -> None:
    """An inner block can fail alone, also after a failed statement."""
    with db.unit_of_work():
        bats.add.run(id=1, name="a")
        with pytest.raises(IntegrityError), db.transaction():
            bats.add.run(id=2, name="b")
            bats.add.run(id=2, name="c")
        with db.transaction():
            bats.add.run(id=3, name="d")
    assert [bat.id for bat in bats.every.all()] == [1, 3]


def test_what_lasts_is_told_after_the_commit(db: Database, bats: Bats) -> None:
    """What is to be told on commit is told in order when the transaction is over, and at once where there is none."""
    told: list[str] = []
    with db.unit_of_work(command()):
        bats.add.run(id=1, name="a")
        db.on_commit(lambda: told.append(f"first of {bats.count.one()}"))
        with db.transaction():
            db.on_commit(lambda: told.append("second"))
        assert told == []
    assert told == ["first of 1", "second"]
    with db.transaction():
        db.on_commit(lambda: told.append("third"))
        assert len(told) == 2
    db.on_commit(lambda: told.append("fourth"))
    with db.unit_of_work(query()):
        db.on_commit(lambda: told.append("fifth"))
        assert told[2:] == ["third", "fourth", "fifth"]


def test_what_is_rolled_back_is_not_told(db: Database, bats: Bats) -> None:
    """What was to be told on commit is forgotten with its savepoint or transaction; what came before is told."""
    told: list[str] = []
    with db.unit_of_work(command()):
        bats.add.run(id=1, name="a")
        db.on_commit(lambda: told.append("before"))
        with pytest.raises(LookupError), db.transaction():
            db.on_commit(lambda: told.append("inside"))
            raise LookupError
        db.on_commit(lambda: told.append("after"))
    assert told == ["before", "after"]
    with pytest.raises(LookupError), db.unit_of_work(command()):
        bats.remove.run(id=1)
        db.on_commit(lambda: told.append("never"))
        raise LookupError
    with db.unit_of_work(query()):
        with pytest.raises(LookupError), db.transaction():
            db.on_commit(lambda: told.append("never"))
            raise LookupError
        with db.transaction():
            db.on_commit(lambda: told.append("later"))
    assert told == ["before", "after", "later"]


def test_a_transaction_outside_a_unit_is_one(db: Database, bats: Bats) -> None:
    """`db.transaction()` alone commits or rolls back its block."""
    with db.transaction():
        bats.add.run(id=1, name="a")
    with pytest.raises(LookupError), db.transaction():
        bats.add.run(id=2, name="b")
        raise LookupError
    assert bats.count.one() == 1


def test_the_plain_connection_shares_the_transaction(db: Database, bats: Bats) -> None:
    """The fast path and SQLAlchemy's connection see each other's writes, and end together."""
    with pytest.raises(LookupError), db.unit_of_work():
        bats.add.run(id=1, name="a")
        with db.connection() as connection:
            assert connection.scalar(select(func.count()).select_from(BATS)) == 1
            connection.execute(insert(BATS), {"id": 2, "name": "b"})
        assert bats.count.one() == 2
        raise LookupError
    assert bats.count.one() == 0


def test_committing_by_hand_is_an_error(db: Database, bats: Bats) -> None:
    """Whoever ends the unit's transaction on the plain connection is told not to."""
    with pytest.raises(MergepointError, match="Leave commit and rollback to the unit"), db.unit_of_work():
        bats.add.run(id=1, name="a")
        with db.connection() as connection:
            connection.commit()


def test_a_query_changes_nothing(db: Database, bats: Bats) -> None:
    """An INSERT in a query is refused before it is sent, and the next call is as it should be."""
    with pytest.raises(MergepointError, match="A query changes nothing"), db.unit_of_work(query()):
        bats.add.run(id=1, name="a")
    with db.unit_of_work(query()):
        assert bats.count.one() == 0


def test_calls_inside_calls_join(db: Database, bats: Bats) -> None:
    """A query in a command sees its writes; a command in a query is a transaction; one in a command a savepoint."""
    with db.unit_of_work(command()):
        bats.add.run(id=1, name="a")
        with db.unit_of_work(query()):
            assert bats.count.one() == 1
        with pytest.raises(LookupError), db.unit_of_work(command()):
            bats.add.run(id=2, name="b")
            raise LookupError
    with db.unit_of_work(query()):
        assert bats.count.one() == 1
        with db.unit_of_work(command()):
            bats.add.run(id=3, name="c")
        assert [bat.id for bat in bats.every.all()] == [1, 3]
        with pytest.raises(MergepointError, match="A query changes nothing"):
            bats.remove.run(id=1)


def test_a_unit_that_is_over_says_so(db: Database, bats: Bats) -> None:
    """A thread that took a call's context along cannot use its unit afterwards."""
    with db.unit_of_work(query()):
        context = contextvars.copy_context()
    with pytest.raises(MergepointError, match="unit of work is over"):
        context.run(bats.count.one)


def test_threads_do_not_share_units(db: Database, bats: Bats) -> None:
    """More threads than connections read and write at once; each sees a consistent transaction."""
    fill(bats, 1)
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        barrier.wait()
        for turn in range(5):
            with db.unit_of_work(command()):
                before = bats.count.one()
                bats.add.run(id=100 * number + turn + 100, name=f"{number} {turn}")
                assert bats.count.one() >= before + 1
            with db.unit_of_work(query()):
                assert bats.find.one(id=1).name == "bat 1"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert bats.count.one() == 41


def test_one_unit_may_be_used_from_several_threads(db: Database, bats: Bats) -> None:
    """An asynchronous operation that hands its queries to threads gets every answer right."""
    fill(bats, 20)
    with db.unit_of_work(query()), ThreadPoolExecutor(6) as pool:
        contexts = [contextvars.copy_context() for _ in range(200)]
        answers = pool.map(lambda job: job[1].run(bats.find.one, id=job[0] % 20 + 1), enumerate(contexts))
        assert [bat.id for bat in answers] == [i % 20 + 1 for i in range(200)]


def test_streams_come_in_batches(db: Database, bats: Bats) -> None:
    """A stream yields every row in order, inside a query, a command and alone; other statements run meanwhile."""
    fill(bats, 250)
    expected = list(range(1, 251))
    assert [bat.id for bat in bats.every.stream(100)] == expected
    for call in (query(), command()):
        with db.unit_of_work(call):
            ids = []
            for bat in bats.every.stream(100):
                ids.append(bat.id)
                assert bats.find.one(id=bat.id) == bat
            assert ids == expected


def test_a_stream_sees_what_its_command_wrote(db: Database, bats: Bats) -> None:
    """In a transaction a stream is a part of it."""
    with db.unit_of_work(command()):
        fill(bats, 3)
        assert len(list(bats.every.stream())) == 3


def test_an_abandoned_stream_gives_its_connection_back(db: Database, bats: Bats) -> None:
    """Streams that are closed half way do not use up the connections."""
    fill(bats, 50)
    for _ in range(12):
        stream = bats.every.stream(5)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
    assert bats.count.one() == 50


def test_apart_stays_when_the_unit_around_it_does_not(db: Database, bats: Bats) -> None:
    """A transaction of its own lasts, where another can write meanwhile; on SQLite it belongs to the unit."""
    with pytest.raises(LookupError), db.unit_of_work():
        bats.add.run(id=1, name="a")
        with db.apart():
            bats.add.run(id=2, name="b")
        raise LookupError
    expected = [] if db.url.get_backend_name() == "sqlite" else [2]
    assert [bat.id for bat in bats.every.all()] == expected


def test_exhausted_connections_are_reported(db: Database, bats: Bats) -> None:
    """A call that waits in vain for a connection says how many there are, and works once one is free."""
    taken = [db._units.servers.primary.take(1) for _ in range(1 if db._driver.shared else 4)]
    with pytest.raises(DatabaseUnavailable, match=f"all {len(taken)} connections were in use") as caught:
        db._units.servers.primary.take(0.05)
    assert caught.value.message == "The database cannot be reached now: try again later."
    for link in taken:
        db._units.servers.primary.give(link)
    assert bats.count.one() == 0


def test_pages_walk_through_everything(db: Database, bats: Bats) -> None:
    """Pages by two columns, one descending, give every row once and in order."""
    bats.add.run_many([{"id": i, "name": f"{i:03}", "wings": i % 3} for i in range(1, 31)])
    pages = db.pages(select(BATS), Bat, by=[BATS.c.wings.desc(), BATS.c.id])
    seen: list[Bat] = []
    cursor = None
    while True:
        page = pages.page(cursor, 7)
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    assert seen == sorted(seen, key=lambda bat: (-bat.wings, bat.id))
    assert len(seen) == 30


def test_pages_sort_by_points_in_time(db: Database) -> None:
    """A cursor carries times, decimals and enums exactly."""
    table = sa.Table(
        "events",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("cost", ExactDecimal(2), nullable=False),
    )
    with db.session() as link:
        table.create(link.connection)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    db.statement(insert(table)).run_many(
        [{"id": i, "at": start + timedelta(microseconds=i // 2), "cost": Decimal(i) / 4} for i in range(9)]
    )
    for by in ([table.c.at, table.c.id], [table.c.cost.desc(), table.c.id]):
        pages = db.pages(select(table.c.id), by=by)
        ids, page = [], pages.page(None, 2)
        while True:
            ids += page.items
            if page.next is None:
                break
            page = pages.page(page.next, 2)
        assert ids == (list(range(9)) if by[0] is table.c.at else list(range(8, -1, -1)))


@pytest.mark.parametrize("cursor", ["", "x", "é", "W10", "bm9wZQ", "WyJhIiwxLDJd", "A" * 5000, "\x00"])
def test_a_bad_cursor_names_the_parameter(db: Database, cursor: str) -> None:
    """What is no cursor of this listing is the caller's fault, and says which parameter."""
    pages = db.pages(select(BATS), Bat, by=[BATS.c.wings, BATS.c.id], parameter="after")
    with pytest.raises(InvalidArgument) as caught:
        pages.page(cursor)
    assert caught.value.problems[0].path == "$.after"


def test_a_cursor_of_another_order_is_refused(db: Database, bats: Bats) -> None:
    """A cursor belongs to one order; a limit out of range is refused too."""
    fill(bats, 5)
    cursor = db.pages(select(BATS), Bat, by=[BATS.c.wings, BATS.c.id]).page(None, 2).next
    with pytest.raises(InvalidArgument):
        db.pages(select(BATS), Bat, by=[BATS.c.wings.desc(), BATS.c.id]).page(cursor)
    with pytest.raises(InvalidArgument, match="expected 1 to 1000, got 0"):
        db.pages(select(BATS), Bat, by=[BATS.c.id]).page(None, 0)
    with pytest.raises(RegistrationError, match="may be NULL"):
        db.pages(select(THINGS), by=[THINGS.c.seen])


def test_check_asks_the_database(db: Database) -> None:
    """A database that answers is healthy."""
    db.check()


def test_a_wrong_statement_is_sqlalchemys_error(db: Database) -> None:
    """A missing table raises what SQLAlchemy raises, on the fast path too, and spoils nothing."""
    nowhere = sa.table("nowhere", sa.column("id"))
    with pytest.raises((ProgrammingError, sa.exc.OperationalError)):
        db.statement(select(nowhere)).all()
    db.check()


def test_sqlite_is_set_up_for_a_server(tmp_path: Path) -> None:
    """WAL, foreign keys, a patient lock and normal synchronisation."""
    db = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with db.connection() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
    assert settings == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000, "synchronous": 1}
    db.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://someone:hunter2@127.0.0.1:1/news", ["postgresql at 127.0.0.1:1, database news", "refused"]),
        ("mysql://someone:hunter2@127.0.0.1:1/news", ["mysql at 127.0.0.1:1, database news", "refused"]),
        ("sqlite:////no/such/folder/news.db", ["sqlite, /no/such/folder/news.db", "unable to open"]),
    ],
)
def test_an_unreachable_database_is_named_without_its_password(url: str, words: list[str]) -> None:
    """The log learns which database and why; callers learn neither."""
    db = Database(url, name="news")
    for use in (db.check, db.statement(select(sa.literal(1))).one):
        with pytest.raises(DatabaseUnavailable) as caught:
            use()
        assert str(caught.value).startswith("news (")
        assert all(word in str(caught.value) for word in words)
        assert "hunter2" not in str(caught.value) + repr(db)
        assert caught.value.message == "The database cannot be reached now: try again later."
        assert caught.value.kind == "unavailable"


@pytest.mark.parametrize("url", ["oracle://x", "nonsense", "postgresql+asyncpg://x/y", ""])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    """The message says what was expected."""
    with pytest.raises(ConfigError, match=r"sqlite:///news\.db|expected one of sqlite://"):
        Database(url)


def test_an_app_runs_its_operations_in_units_of_work(db: Database, bats: Bats) -> None:
    """With `app.around` every operation is a unit: queries, commands that fail, and streams until their end."""
    app = App("bats")
    app.around(db.unit_of_work)
    app.add(db)

    @app.command
    def adopt(name: str, *, fail: bool = False) -> int:
        """Add a bat."""
        bats.add.run(id=len(name), name=name)
        if fail:
            raise LookupError
        return bats.count.one()

    @app.query
    def every() -> Iterator[str]:
        """Name the bats."""
        return (bat.name for bat in bats.every.stream(1))

    def run(name: str, *arguments: Any, **named: Any) -> Any:
        operation = app.operations[name]
        return operation(Call(operation), *arguments, **named)

    assert run("adopt", "Ada") == 1
    with pytest.raises(Failure):
        run("adopt", "Grace", fail=True)
    assert run("adopt", "Hedy") == 2
    assert list(run("every")) == ["Ada", "Hedy"]
    half = run("every")
    assert next(half) == "Ada"
    half.close()
    assert bats.count.one() == 2
