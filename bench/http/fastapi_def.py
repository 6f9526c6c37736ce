"""FastAPI with plain functions, which it runs on threads."""

from fastapi import FastAPI

from models import ITEMS, Item, Message, greeting, item

app = FastAPI()


@app.get("/hello")
def hello() -> Message:
    return greeting()


@app.get("/items/{id}")
def one(id: int, q: str) -> Item:
    return item(id, q)


@app.post("/items", status_code=201)
def post(item: Item) -> Item:
    return item


@app.get("/list")
def every() -> list[Item]:
    return ITEMS
