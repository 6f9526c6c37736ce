"""What every stack on msgspec serves: one record, one hundred of them, and the way to read and write them."""

import msgspec


class Item(msgspec.Struct):
    """Describe something on a shelf."""

    id: int
    name: str
    price: float
    quantity: int
    active: bool
    category: str


class Message(msgspec.Struct):
    """Say something."""

    message: str


ITEMS = [Item(id, f"Item number {id}", 9.99 + id, id * 3, bool(id % 2), "tools") for id in range(1, 101)]

encode = msgspec.json.Encoder().encode
decode_item = msgspec.json.Decoder(Item).decode


def item(id: int, name: str) -> Item:
    """Return a record of this number and name."""
    return Item(id, name, 9.99, 3, True, "tools")


def greeting() -> Message:
    """Return a new greeting."""
    return Message("Hello, World!")
