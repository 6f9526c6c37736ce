"""FastAPI with handlers on the event loop."""

from fastapi import FastAPI

from models import ITEMS, Item, Message, greeting, item

app = FastAPI()


@app.get("/hello")
async def hello() -> Message:
    return greeting()


@app.get("/items/{id}")
async def one(id: int, q: str) -> Item:
    return item(id, q)


@app.post("/items", status_code=201)
async def post(item: Item) -> Item:
    return item


@app.get("/list")
async def every() -> list[Item]:
    return ITEMS
