"""Carries calls to a place over ZeroMQ: `zmq+tcp://host:port` or `zmq+ipc://path`."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from ..faults import ErrorTable
from .lines import Pool, header
from .messages import Message, read_fault

WHAT = "The place"
"""How messages call the other side; who asks for a place knows its name."""


class Link:
    """Carries frames to the host of another process, and its answers back.

    Args:
        url: the address; `?key=file` names the public key of the other side, for a connection that is encrypted.

    Raises:
        ConfigError: the address has another form, or the key cannot be read.
    """

    def __init__(self, url: str) -> None:
        self._pool = Pool(url, WHAT)

    def ask(self, frame: bytes, seconds: float) -> bytes:
        """Send a frame and return its answer.

        Raises:
            Unavailable: the other side cannot be reached, or went away.
            DeadlineExceeded: it did not answer in time.
        """
        return _body(self._pool.ask(header("ask"), frame, expires=monotonic() + seconds))

    def stream(self, frame: bytes, seconds: float) -> Iterator[bytes]:
        """Send a frame and yield the answers as they come; raises as `ask` does."""
        exchange = self._pool.begin(header("stream"), frame, expires=monotonic() + seconds, wait=seconds)
        try:
            while (message := exchange.next())[0].kind != "end":
                yield _body(message)
        finally:
            exchange.close()

    def close(self) -> None:
        """Let go of all connections."""
        self._pool.close()


def _body(message: Message) -> bytes:
    reply, body = message
    if reply.kind == "fault":  # of the transport: the failures of operations are in the frames
        raise ErrorTable().failure(read_fault(body))
    return body
