"""The records again as Pydantic models, for the stacks that are built on it."""

import msgspec
from pydantic import BaseModel

import records


class Item(BaseModel):
    """Describe something on a shelf."""

    id: int
    name: str
    price: float
    quantity: int
    active: bool
    category: str


class Message(BaseModel):
    """Say something."""

    message: str


ITEMS = [Item(**msgspec.structs.asdict(record)) for record in records.ITEMS]


def item(id: int, name: str) -> Item:
    """Return a record of this number and name."""
    return Item(id=id, name=name, price=9.99, quantity=3, active=True, category="tools")


def greeting() -> Message:
    """Return a new greeting."""
    return Message(message="Hello, World!")
