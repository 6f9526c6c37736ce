"""The table again as an ORM class and as a Pydantic model, for the stacks that are built on them."""

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, select
from sqlalchemy.orm import DeclarativeBase

from schema import items


class Mapped(DeclarativeBase):
    """Hold the mapping."""


class Row(Mapped):
    """Map a row."""

    __table__ = items


class Item(BaseModel):
    """Describe something on a shelf."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    price: float
    quantity: int
    active: bool
    category: str


def page(after: int) -> Select:
    """Return the statement for the twenty rows that follow one."""
    return select(Row).where(Row.id > after).order_by(Row.id).limit(20)
