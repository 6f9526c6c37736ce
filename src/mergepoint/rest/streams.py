"""Streams over HTTP: one JSON value a line (NDJSON), or server-sent events for callers that ask for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from ..operation import Stream
from ..wire import Wire


class Form(NamedTuple):
    """How the items of a stream are written."""

    media_type: str
    item: str
    problem: str

    def line(self, body: bytes) -> bytes:
        """Return one item as bytes to send."""
        return self.item.encode() % body

    def problem_line(self, body: bytes) -> bytes:
        """Return the problem that ended the stream as bytes to send."""
        return self.problem.encode() % body


NDJSON = Form("application/x-ndjson", "%b\n", '{"problem":%b}\n')
EVENTS = Form("text/event-stream", "data: %b\n\n", "event: problem\ndata: %b\n\n")


def lines_for(accept: str) -> Form:
    """Return the form a caller asks for."""
    return EVENTS if "text/event-stream" in accept else NDJSON


class Lines(Iterator[bytes]):
    """The body of a stream. The first item is made before the answer begins, so that a refusal has its status."""

    def __init__(self, stream: Stream, wire: Wire[Any], form: Form, tell: Callable[[Exception], Any]) -> None:
        self._stream = stream
        self._items: Iterator[Any] = itertools.chain(list(itertools.islice(stream, 1)), stream)
        self._write = wire.encode_json
        self._form = form
        self._tell = tell

    def __next__(self) -> bytes:
        try:
            return self._form.line(self._write(next(self._items)))
        except StopIteration:
            raise
        except Exception as error:  # noqa: BLE001 - the status is sent; the last line tells what happened
            self._items = iter(())
            return self._form.problem_line(msgspec.json.encode(self._tell(error)))

    def close(self) -> None:
        """End the operation; the server calls this also when the caller has gone."""
        self._stream.close()
