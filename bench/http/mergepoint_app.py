"""Mergepoint with everything on that a user has by default."""

from mergepoint import App, anyone
from records import ITEMS, Item, Message, greeting, item

app = App("bench")


@app.query(http="GET /hello", allow=anyone)
def hello() -> Message:
    return greeting()


@app.query(http="GET /items/{id}", allow=anyone)
def one(id: int, q: str) -> Item:
    return item(id, q)


@app.command(http="POST /items", status=201, body="item", allow=anyone)
def post(item: Item) -> Item:
    return item


@app.query(http="GET /list", allow=anyone)
def every() -> list[Item]:
    return ITEMS
