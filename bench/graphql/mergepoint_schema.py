"""Mergepoint as a user has it: access, deadline, error table and limits on, all documents remembered."""

from typing import Annotated

import records
from mergepoint import App, Meta, anyone
from mergepoint.graphql import Caller, Request, Schema
from records import NoSuchRecord, Record

Number = Annotated[int, Meta(ge=0, le=1_000)]

app = App("bench", errors={NoSuchRecord: "not_found"})
app.identify(lambda call: call.metadata.get("authorization"))


@app.query(name="records", allow=anyone)
def every(limit: Number = records.NUMBER, gaps: bool = False) -> list[Record]:
    """List records."""
    return records.found(limit, gaps)


@app.query(allow=anyone)
def missing(id: Number) -> Record | None:
    """Find one record."""
    return records.missing(id)


schema = Schema(app)
metadata: dict[str, str] = {}


def answer(query, variables):
    """Return the response to a request."""
    return schema.prepare(Request(query, variables)).run(variables, Caller(metadata)).body
