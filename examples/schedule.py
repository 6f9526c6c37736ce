"""Commands by the clock: one every five minutes, one each night. Each tick is one job, however many processes run.

$ mergepoint schedule examples/schedule.py
$ mergepoint run examples/schedule.py
$ curl http://127.0.0.1:8000/api/readings
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import pi, sin

from sqlalchemy import Column, Double, MetaData, Table, bindparam, delete, insert, select

from mergepoint import App
from mergepoint.db import Database, UTCDateTime
from mergepoint.tasks import Queue

metadata = MetaData()
readings = Table(
    "readings",
    metadata,
    Column("at", UTCDateTime, primary_key=True),
    Column("metres", Double, nullable=False),
)


@dataclass(frozen=True)
class Reading:
    """How high the water stood, in metres above the mean."""

    at: datetime
    metres: float


class Gauge:
    """Measures the tide. It does not know that anything runs by the clock."""

    def __init__(self, db: Database) -> None:
        self._all = db.statement(select(readings).order_by(readings.c.at), Reading)
        self._insert = db.statement(insert(readings))
        self._forget = db.statement(delete(readings).where(readings.c.at < bindparam("before")))

    def readings(self) -> list[Reading]:
        """List what was measured, the oldest first."""
        return self._all.all()

    def measure(self) -> None:
        """Measure how high the water stands now."""
        now = datetime.now(UTC)
        self._insert.run(at=now, metres=1.2 * sin(now.timestamp() / (12.42 * 3600) * 2 * pi))

    def forget(self, after: int) -> None:
        """Forget what was measured more than some days ago."""
        self._forget.run(before=datetime.now(UTC) - timedelta(days=after))


def create(url: str = "sqlite:///gauge.db") -> App:
    """Build the application, and its table where that is missing."""
    db = Database(url, metadata=metadata)
    with db.connection() as connection:
        metadata.create_all(connection)
    app = App("tides")
    Queue(app, db)
    app.add(db)
    app.around(db.unit_of_work)
    gauge = Gauge(db)
    app.query(gauge.readings)
    app.every(app.task(gauge.measure), minutes=5)
    app.cron("0 3 * * *", app.task(gauge.forget), timezone="Europe/Oslo", after=30)
    return app
