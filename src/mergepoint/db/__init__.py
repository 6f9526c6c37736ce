"""SQLite, PostgreSQL and MariaDB: a unit of work around each call, and known statements at nearly the driver's speed.

Tables are described and statements written with SQLAlchemy Core; `Database` runs them. Migrations are in
`mergepoint.db.migrations`.
"""

from mergepoint.errors import missing

try:
    from mergepoint.db.columns import ExactDecimal, UTCDateTime
    from mergepoint.db.database import Database
    from mergepoint.db.links import DatabaseUnavailable
    from mergepoint.db.paging import Pages
    from mergepoint.db.replicas import WROTE
    from mergepoint.db.statement import Statement
except ModuleNotFoundError as error:
    raise missing("mergepoint.db", error, extra="db") from None

__all__ = ["WROTE", "Database", "DatabaseUnavailable", "ExactDecimal", "Pages", "Statement", "UTCDateTime"]
