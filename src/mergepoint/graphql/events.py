"""Results as server-sent events: the "distinct connections mode" of GraphQL over SSE."""

from __future__ import annotations

from collections.abc import Callable, Iterator

BEGIN = b":\n\n"
"""A comment: servers send the headers with the first bytes, and whoever listens wants to know that it begins."""

COMPLETE = b"event: complete\ndata:\n\n"
"""With an empty `data`, as browsers drop events that have none."""


class Events(Iterator[bytes]):
    """The body of an answer in events.

    Args:
        results: results as JSON without line breaks, each to be sent when it is there. Its `close` ends the operation.

    Attributes:
        release: called when nobody wants more.
    """

    def __init__(self, results: Iterator[bytes]) -> None:
        self.release: Callable[[], None] = _nothing
        self._results = results
        self._lines = self._write()

    def __next__(self) -> bytes:
        return next(self._lines)

    def close(self) -> None:
        """End the operation; the server calls this also when the caller has gone."""
        try:
            if close := getattr(self._results, "close", None):
                close()
        finally:
            self.release()

    def _write(self) -> Iterator[bytes]:
        yield BEGIN
        for result in self._results:
            yield b"event: next\ndata: %b\n\n" % result
        yield COMPLETE


def _nothing() -> None:
    """Do nothing: most requests bring no files to let go of."""
