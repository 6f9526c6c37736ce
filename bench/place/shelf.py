"""The service that is called: one record by its number."""

import msgspec

from mergepoint import App, Id


class Item(msgspec.Struct, frozen=True):
    """A thing in stock."""

    id: Id
    name: str
    price: float
    quantity: int
    active: bool
    category: str


ITEMS = {
    number: Item(number, f"Item number {number}", number * 1.5, 3 * number, True, "tools") for number in range(100)
}


class Shelf:
    """Holds items."""

    def item(self, id: Id) -> Item:
        """Find an item."""
        return ITEMS[id]


def create() -> App:
    """Return the app."""
    app = App("shelf")
    shelf = app.place(Shelf, Shelf)
    app.query(shelf.item)
    return app
