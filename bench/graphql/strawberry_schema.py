"""Strawberry as its documentation shows it, plain and with its two caches."""

import logging

import msgspec
import strawberry
from strawberry.extensions import ParserCache, ValidationCache

import records

logging.getLogger("strawberry.execution").disabled = True  # it writes every error with its traceback


@strawberry.type
class Owner:
    id: int
    name: str


@strawberry.type
class Record:
    id: int
    name: str
    price: float
    quantity: int
    active: bool
    category: str | None
    owner: Owner | None


def mirrored(each: records.Record) -> Record:
    """Return a record as an object of Strawberry."""
    owner = each.owner and Owner(id=each.owner.id, name=each.owner.name)
    return Record(**{**vars(each), "owner": owner})


WHOLE = [mirrored(each) for each in records.WHOLE]
GAPS = [mirrored(each) for each in records.GAPS]


@strawberry.type
class Query:
    @strawberry.field
    def records(self, limit: int = records.NUMBER, gaps: bool = False) -> list[Record]:
        return (GAPS if gaps else WHOLE)[:limit]

    @strawberry.field
    def missing(self, id: int) -> Record | None:
        records.missing(id)


plain = strawberry.Schema(Query)
cached = strawberry.Schema(Query, extensions=[ParserCache(), ValidationCache()])


def written(result):
    """Return a result as JSON."""
    if result.errors:
        return msgspec.json.encode({"errors": [each.formatted for each in result.errors], "data": result.data})
    return msgspec.json.encode({"data": result.data})


def answer(query, variables):
    """Return the response to a request."""
    return written(plain.execute_sync(query, variable_values=variables))


def answer_cached(query, variables):
    """Return the response to a request whose document is known."""
    return written(cached.execute_sync(query, variable_values=variables))
