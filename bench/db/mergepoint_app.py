"""Mergepoint with known statements, a unit of work around every operation, and all its defaults."""

from sqlalchemy import bindparam, select

from mergepoint import App, anyone
from mergepoint.db import Database
from schema import ADDRESS, Item, items

db = Database(f"postgresql://{ADDRESS}")
find = db.statement(select(items).where(items.c.id == bindparam("id")), Item)
page = db.statement(select(items).where(items.c.id > bindparam("after")).order_by(items.c.id).limit(20), Item)

app = App("bench")
app.add(db)
app.around(db.unit_of_work)


@app.query(http="GET /items/{id}", allow=anyone)
def one(id: int) -> Item:
    return find.one(id=id)


@app.query(http="GET /items", allow=anyone)
def following(after: int) -> list[Item]:
    return page.all(after=after)
