"""The app that is measured: a greeting, an item by its number, an item that is validated and sent back, 100 items."""

from typing import Annotated

import msgspec

from mergepoint import App, Id, Meta


class Item(msgspec.Struct, frozen=True):
    """A thing in stock."""

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    price: Annotated[float, Meta(ge=0)]
    tags: list[str]
    active: bool = True
    note: str | None = None


ITEMS = [Item(number, f"Item {number}", number * 1.5, ["new", "blue"]) for number in range(100)]


def hello(name: str) -> str:
    """Say hello to somebody."""
    return f"Hello, {name}!"


def item(id: Id) -> Item:
    """Find an item."""
    return ITEMS[id]


def save(item: Item) -> Item:
    """Take an item."""
    return item


def items() -> list[Item]:
    """List all items."""
    return ITEMS


def build() -> App:
    """Return the app."""
    app = App("stock")
    app.query(hello)
    app.query(item)
    app.command(save)
    app.query(items)
    return app
