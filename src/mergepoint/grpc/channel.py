"""Connections to a server, one per process, and what goes wrong with them in Mergepoint's words."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any

import grpc

from ..errors import DeadlineExceeded, Failure, Unavailable
from .tls import address

PING_EVERY = 10_000
"""Milliseconds of silence, while a call waits, after which the other side is asked whether it is there."""

PING_PATIENCE = 5_000
"""Milliseconds that it has to say so."""

NOT_REACHED = ("failed to connect", "resolv", "DNS")
"""What gRPC says when there is no connection at all; everything else broke off in the midst of something."""

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", PING_EVERY),
    ("grpc.keepalive_timeout_ms", PING_PATIENCE),
    ("grpc.http2.max_pings_without_data", 0),
    # A server that comes back is found within a second, not after the two minutes of the default.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
]


class Channel:
    """A connection that threads share, and that a process makes anew after a fork.

    Args:
        what: how messages call the other side. They never show its address: they may travel on.
        url: as `tls.address` reads it.
    """

    def __init__(self, what: str, url: str) -> None:
        self.what = what
        self._address = address(url)
        self._lock = threading.Lock()
        self._process = 0
        self._channel: grpc.Channel | None = None
        self._callables: dict[tuple[str, bool], Any] = {}

    def unary(self, path: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
        """Return what calls a method with bytes, for bytes."""
        return self._callable(path, streams=False)  # type: ignore[no-any-return]

    def stream(self, path: str) -> grpc.UnaryStreamMultiCallable[bytes, bytes]:
        """Return what calls a method with bytes, for a stream of bytes."""
        return self._callable(path, streams=True)  # type: ignore[no-any-return]

    def both(self, path: str, write: Callable[[Any], bytes], read: Callable[[bytes], Any]) -> Any:
        """Return what calls a method that takes a stream of messages and gives one."""
        with self._lock:
            return self._opened().stream_stream(path, write, read)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with self._lock:
            if self._channel is not None and self._process == os.getpid():
                self._channel.close()
            self._channel = None

    def failure(self, error: grpc.RpcError) -> Failure | None:
        """Return the failure for an error of the connection itself, or None if the other side answered."""
        code, text = error.code(), error.details() or ""
        told: Failure
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            told = DeadlineExceeded(f"{self.what} did not answer in time.")
        # A server that is about to end cancels what comes in before its word of that (GOAWAY) has arrived here.
        elif code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            reached = not any(sign in text for sign in NOT_REACHED)
            told = Unavailable(f"{self.what} hung up." if reached else f"{self.what} cannot be reached.")
        else:
            return None
        told.add_note(f"{self._address.target}: {text}")
        return told

    def _callable(self, path: str, *, streams: bool) -> Any:
        with self._lock:
            channel: Any = self._opened()
            found = self._callables.get((path, streams))
            if found is None:
                make = channel.unary_stream if streams else channel.unary_unary
                found = self._callables[path, streams] = make(path)
            return found

    def _opened(self) -> grpc.Channel:
        if self._channel is None or self._process != os.getpid():
            target, credentials = self._address
            self._channel = (
                grpc.insecure_channel(target, OPTIONS)
                if credentials is None
                else grpc.secure_channel(target, credentials, OPTIONS)
            )
            self._callables = {}
            self._process = os.getpid()
        return self._channel


def seconds(expires: float) -> float | None:
    """Return the seconds until a moment of `time.monotonic()` as a timeout of gRPC; None for no end.

    gRPC sends two to three digits and rounds up, so that the other side would have more time than there is.

    Raises:
        DeadlineExceeded: there are none.
    """
    if expires == inf:
        return None
    left = expires - monotonic()
    if left <= 0:
        raise DeadlineExceeded
    step = 0.001 if left < 1 else 0.01 if left < 10 else 0.1 if left < 100 else 1.0
    return max(left // step * step - 0.002, 0.001)  # it counts in milliseconds, and rounds those up too
