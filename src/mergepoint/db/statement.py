"""Known statements, run as fast as the driver can: compiled once, kept prepared, rows straight into records.

A statement that needs more at each run (an expanding IN, a default made in Python) takes SQLAlchemy's own execution;
the result is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from sqlalchemy import Delete, Insert, Update
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.sql.compiler import SQLCompiler

from ..errors import DeadlineExceeded, RegistrationError
from .records import Maker, Shape, maker, match

if TYPE_CHECKING:
    from sqlalchemy import BindParameter, CursorResult, Executable

    from .links import Link
    from .unit import Unit
    from .units import Units

T = TypeVar("T")

Binder = Callable[[Mapping[str, Any]], tuple[Any, ...]]
MANY = "The statement was to find one row, and found several."
NONE = "The statement was to find one row, and found none."
LARGE = 1000
"""Rows from which a result is not kept on the cursor until the next statement."""


class Plan:
    """A statement compiled for one server: its text, what binds values to it and what makes records of its rows."""

    __slots__ = ("bind", "compiled", "execute", "make", "ready", "shape", "sql")

    def __init__(self, compiled: SQLCompiler, bind: Binder, link: Link, shape: Shape | None) -> None:
        self.compiled = compiled
        self.sql = compiled.string
        self.bind = bind
        self.shape = shape
        self.execute = link.driver.executor(self.sql, None, link.dbapi)
        self.make: Maker | None = None
        self.ready = shape is None

    def learn(self, link: Link) -> None:
        """Complete the plan with what only a result tells: the database's types of its columns."""
        assert self.shape is not None  # noqa: S101 - for the type checker: a statement that returns rows has one
        oids = [column[1] for column in link.cursor.description]
        types = [entry[3] for entry in self.compiled._result_columns]  # noqa: SLF001 - there is no public way to them
        processors = [
            # As SQLAlchemy's own results do it, decorators included.
            kind._cached_result_processor(link.dialect, oid)  # noqa: SLF001
            for kind, oid in zip(types, oids, strict=True)
        ]
        self.make = maker(self.shape, processors)
        self.execute = link.driver.executor(self.sql, oids, link.dbapi)
        self.ready = True


class Statement(Generic[T]):
    """A statement that is known before it runs. Make it once, with `Database.statement`, and run it often.

    Values are given by name: those of its `bindparam`s, or of the columns to insert or set. `T` is what a row becomes.
    """

    def __init__(self, units: Units, statement: Executable, record: Any) -> None:
        self._units = units
        self._changes = isinstance(statement, Insert | Update | Delete)
        columns = column_names(statement)
        if record is not None and not columns:
            raise RegistrationError(f"This statement returns no rows to make a {record.__qualname__} of.")
        # Without RETURNING nobody asks for the new key: spare the driver from fetching it.
        self._statement: Any = statement.inline() if isinstance(statement, Insert) and not columns else statement
        self._shape = match(record, columns) if columns else None
        self._plain = None if self._shape is None else maker(self._shape, [None] * len(self._shape.names))
        self._plans: dict[tuple[Any, ...], Plan | None] = {}

    def one(self, **values: Any) -> T:
        """Run it and return the only row.

        Raises:
            sqlalchemy.exc.NoResultFound: there is none.
            sqlalchemy.exc.MultipleResultsFound: there are several.
        """
        rows = self.all(**values)
        if len(rows) == 1:
            return rows[0]
        raise MultipleResultsFound(MANY) if rows else NoResultFound(NONE)

    def one_or_none(self, **values: Any) -> T | None:
        """Run it and return the only row, or None if there is none.

        Raises:
            sqlalchemy.exc.MultipleResultsFound: there are several rows.
        """
        rows = self.all(**values)
        if len(rows) > 1:
            raise MultipleResultsFound(MANY)
        return rows[0] if rows else None

    def all(self, **values: Any) -> list[T]:
        """Run it and return every row, in order."""
        unit = self._units.current()
        if unit is None:
            with self._units.open(writes=self._changes) as alone:
                return self._rows(alone, values)
        return self._rows(unit, values)

    def stream(self, batch: int = 500, /, **values: Any) -> Iterator[T]:
        """Run it and yield row by row, fetching in batches: for results that should not be in memory as a whole.

        The iterator holds a connection until it is exhausted or closed.

        Args:
            batch: rows to fetch at a time.
            values: the values of its parameters.
        """
        make = self._plain or tuple
        with self._units.streaming() as (connection, server_side):
            options = {"yield_per": batch} if server_side else {}
            with closing(connection.execute(self._statement, values, execution_options=options)) as result:
                for row in result:
                    yield cast("T", make(row))

    def run(self, **values: Any) -> int:
        """Run an INSERT, UPDATE or DELETE.

        Returns:
            How many rows it touched.
        """
        self._must_change()
        unit = self._units.current()
        if unit is None:
            with self._units.open(writes=True) as alone:
                return self._run(alone, values)
        return self._run(unit, values)

    def run_many(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run an INSERT, UPDATE or DELETE once for each row of values, all or nothing.

        Args:
            rows: the values; every row has the same names.

        Returns:
            How many rows it touched in all.
        """
        self._must_change()
        if not rows:
            return 0
        for number, row in enumerate(rows):
            if row.keys() != rows[0].keys():
                raise TypeError(
                    f"Every row of run_many must have the same names: row {number} has {sorted(row)}, "
                    f"row 0 has {sorted(rows[0])}."
                )
        unit = self._units.current()
        if unit is None:
            with self._units.open(writes=True, transaction=True) as alone:
                return self._run_many(alone, rows)
        return self._run_many(unit, rows)

    def _must_change(self) -> None:
        if not self._changes:
            raise TypeError("`run` is for INSERT, UPDATE and DELETE; read rows with one, one_or_none, all or stream.")

    def _rows(self, unit: Unit, values: dict[str, Any]) -> list[T]:
        if self._changes:
            unit.will_write()
        with unit.lock:
            link = unit.link or unit.acquire()
            plan = self._plan(link, values)
            if plan is None:
                return self._made(self._plain, self._plainly(unit, values).all())
            rows = self._execute(unit, link, plan, plan.bind(values))
            if len(rows) > LARGE and unit.link is not None:
                unit.link.renew_cursor()
        return self._made(plan.make, rows)

    def _made(self, make: Maker | None, rows: Sequence[Any]) -> list[T]:
        return cast("list[T]", [tuple(row) for row in rows] if make is None else [make(row) for row in rows])

    def _run(self, unit: Unit, values: dict[str, Any]) -> int:
        unit.will_write()
        with unit.lock:
            link = unit.link or unit.acquire()
            plan = self._plan(link, values)
            if plan is None:
                return self._plainly(unit, values).rowcount
            self._execute(unit, link, plan, plan.bind(values))
            return cast("int", (unit.link or link).cursor.rowcount)  # another one after a retry

    def _run_many(self, unit: Unit, rows: Sequence[Mapping[str, Any]]) -> int:
        unit.will_write()
        with unit.lock:
            link = unit.link or unit.acquire()
            plan = self._plan(link, rows[0], many=True)
            if plan is None:
                return self._plainly(unit, rows).rowcount
            parameters = [plan.bind(row) for row in rows]
            try:
                link.cursor.executemany(plan.sql, parameters)
            except link.error as error:
                raise unit.failure(link, error, plan.sql) from error
            unit.ran = True
            return cast("int", link.cursor.rowcount)

    def _execute(self, unit: Unit, link: Link, plan: Plan, parameters: tuple[Any, ...]) -> Sequence[Any]:
        if unit.overdue:
            raise DeadlineExceeded
        cursor = link.cursor
        try:
            plan.execute(cursor, parameters)
            rows = () if self._shape is None else cursor.fetchall()
        except link.error as error:
            if not unit.may_retry(link, error, reads=not self._changes):
                raise unit.failure(link, error, plan.sql) from error
            return self._execute(unit, unit.renew(link), plan, parameters)
        unit.ran = True
        if not plan.ready:
            plan.learn(link)
        return rows

    def _plainly(self, unit: Unit, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> CursorResult[Any]:
        return unit.execute(self._statement, values, reads=not self._changes)

    def _plan(self, link: Link, names: Mapping[str, Any], *, many: bool = False) -> Plan | None:
        key = (link.dialect, many, *names)
        try:
            return self._plans[key]
        except KeyError:
            plan = self._plans[key] = self._compile(link, list(names), many=many)
            return plan

    def _compile(self, link: Link, names: list[str], *, many: bool) -> Plan | None:
        keys = names if self._changes else None
        compiled = self._statement.compile(dialect=link.dialect, column_keys=keys, for_executemany=many)
        check_names(compiled, names)
        return Plan(compiled, binder(compiled), link, self._shape) if is_direct(compiled) else None


def column_names(statement: Any) -> list[str]:
    """List the names of the columns that a statement returns, in order; empty if it returns no rows."""
    columns = getattr(statement, "exported_columns", None)
    return [] if columns is None else list(columns.keys())


def is_direct(compiled: SQLCompiler) -> bool:
    """Tell whether a compiled statement's text is final, and its values need no work beyond each one's own type."""
    at_each_run = (
        compiled.post_compile_params,  # IN with a list: one placeholder per item
        compiled.literal_execute_params,
        compiled.insert_prefetch,  # defaults made in Python
        compiled.update_prefetch,
    )
    return not any(at_each_run)


def check_names(compiled: SQLCompiler, names: Sequence[str]) -> None:
    """Refuse values that the statement has no use for, and miss those that it needs.

    Raises:
        TypeError: the message names them.
    """
    takes = {bind.key: bind.required for bind in compiled.binds.values() if not bind.unique}
    faults = [
        *(f"{name!r} is missing" for name, required in takes.items() if required and name not in names),
        *(f"{name!r} is unknown" for name in names if name not in takes),
    ]
    if faults:
        raise TypeError(f"The statement takes the values {', '.join(sorted(takes)) or 'none'}: {'; '.join(faults)}.")


def binder(compiled: SQLCompiler) -> Binder:
    """Make the function that turns named values into the driver's parameters, each treated as its type demands."""
    scope: dict[str, Any] = {}
    entries = []
    for position, name in enumerate(compiled.positiontup or ()):
        bind = compiled.binds[name]
        process = bind.type._cached_bind_processor(compiled.dialect)  # noqa: SLF001 - decorators included
        scope[f"key{position}"], scope[f"process{position}"] = bind.key, process
        scope[f"fixed{position}"], scope[f"callable{position}"] = bind.value, bind.callable
        value = _value(bind, position)
        if bind.unique and process is not None and bind.callable is None:
            scope[f"fixed{position}"], process = process(bind.value), None
        entries.append(value if process is None else f"process{position}({value})")
    # The text holds positions only: names and values stand in the scope.
    return cast("Binder", eval(f"lambda values: ({''.join(entry + ', ' for entry in entries)})", scope))  # noqa: S307


def _value(bind: BindParameter[Any], position: int) -> str:
    if bind.unique:
        return f"fixed{position}" if bind.callable is None else f"callable{position}()"
    return f"values[key{position}]" if bind.required else f"values.get(key{position}, fixed{position})"
