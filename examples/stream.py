"""A stream: an operation that yields sends each value as it comes, one JSON text per line on HTTP.

$ mergepoint run examples/stream.py
$ curl -N 'http://127.0.0.1:8000/api/countdown?start=5'
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from mergepoint import App, Meta

app = App("stream")


@dataclass(frozen=True)
class Tick:
    """One step of a countdown; `left` are the steps after it."""

    left: int


@app.query
def countdown(start: Annotated[int, Meta(ge=0, le=1000)] = 3) -> Iterator[Tick]:
    """Count down to zero."""
    for left in range(start, -1, -1):
        yield Tick(left)
