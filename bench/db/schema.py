"""The table that every stack reads, the record it makes of a row, and where the database is."""

import os

import msgspec
from sqlalchemy import Boolean, Column, Double, Integer, MetaData, String, Table

ADDRESS = os.environ["BENCH_DATABASE"]
"""user@host:port/name"""

items = Table(
    "items",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("price", Double, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("category", String(50), nullable=False),
)


class Item(msgspec.Struct):
    """Describe something on a shelf."""

    id: int
    name: str
    price: float
    quantity: int
    active: bool
    category: str


encode = msgspec.json.Encoder().encode
