"""Litestar with msgspec."""

from litestar import Litestar, get, post

from records import ITEMS, Item, Message, greeting, item


@get("/hello")
async def hello() -> Message:
    return greeting()


@get("/items/{id:int}")
async def one(id: int, q: str) -> Item:
    return item(id, q)


@post("/items")
async def add(data: Item) -> Item:
    return data


@get("/list")
async def every() -> list[Item]:
    return ITEMS


app = Litestar([hello, one, add, every])
