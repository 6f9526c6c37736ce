"""What every stack serves: 100 records of six fields with a nested one, and three ways to ask for them."""

from dataclasses import dataclass

NUMBER = 100


@dataclass(frozen=True)
class Owner:
    """Who a record belongs to."""

    id: int
    name: str


@dataclass(frozen=True)
class Record:
    """One record; some have no category and no owner."""

    id: int
    name: str
    price: float
    quantity: int
    active: bool
    category: str | None
    owner: Owner | None


def record(id: int) -> Record:
    """Return the record of this number; every third lacks what may be null."""
    lacks = id % 3 == 0
    category, owner = (None, None) if lacks else ("tools", Owner(id, f"Owner {id}"))
    return Record(id, f"Item number {id}", 9.99 + id, id * 3, bool(id % 2), category, owner)


class NoSuchRecord(Exception):
    """Say that a record is missing."""


RECORDS = [record(id) for id in range(1, NUMBER * 2)]
WHOLE = [each for each in RECORDS if each.owner][:NUMBER]
GAPS = RECORDS[:NUMBER]


def found(limit: int, gaps: bool) -> list[Record]:
    """Return the first records, those with gaps too if wanted."""
    return (GAPS if gaps else WHOLE)[:limit]


def missing(id: int) -> Record | None:
    """Fail, as there is no record of any such number."""
    raise NoSuchRecord(f"There is no record {id}.")


FIELDS = "id name price quantity active category owner { id name }"
ARGUMENTS = """
query Some($n: Int!, $gaps: Boolean = false, $price: Boolean!) {
  records(limit: $n, gaps: $gaps) { id name price @include(if: $price) quantity active category of: owner { ...Named } }
}
fragment Named on Owner { id name }
"""
WORKLOADS = {
    "records": (f"{{ records {{ {FIELDS} }} }}", {}),
    "arguments": (ARGUMENTS, {"n": NUMBER, "price": True}),
    "nulls and an error": (f"{{ records(gaps: true) {{ {FIELDS} }} missing(id: 7) {{ {FIELDS} }} }}", {}),
}
"""The text and the variables of each request."""
