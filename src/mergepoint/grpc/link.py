"""Calls of a place over gRPC: opaque bytes there and back, as a method of their own beside an app's."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import grpc

from ..errors import Failure
from .channel import Channel
from .channel import seconds as timeout

SERVICE = "mergepoint.Place"
ASK, STREAM = f"/{SERVICE}/Ask", f"/{SERVICE}/Stream"
WHAT = "The service"


class Link:
    """Carries frames to the host of a place at a `grpc://` or `grpcs://` address."""

    def __init__(self, url: str) -> None:
        """Remember the address; a connection is opened by the first call.

        Args:
            url: such as `grpc://roost.internal:50051`, or `grpcs://...?ca=ca.pem&certificate=own.pem&key=own.key`.

        Raises:
            ConfigError: the address is none, or names a file that cannot be read.
        """
        self._channel = Channel(WHAT, url)

    def ask(self, frame: bytes, seconds: float) -> bytes:
        """Send a frame and return its answer.

        Raises:
            Unavailable: the other side cannot be reached, or went away.
            DeadlineExceeded: it did not answer in time.
        """
        try:
            return self._channel.unary(ASK)(frame, timeout=timeout(monotonic() + seconds))
        except grpc.RpcError as error:
            raise self._failure(error) from error

    def stream(self, frame: bytes, seconds: float) -> Iterator[bytes]:
        """Send a frame and yield the answers as they come; to close the iterator ends it at the other side too."""
        answers = self._channel.stream(STREAM)(frame, timeout=timeout(monotonic() + seconds))
        try:
            yield from answers
        except grpc.RpcError as error:
            raise self._failure(error) from error
        finally:
            answers.cancel()

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()

    def _failure(self, error: grpc.RpcError) -> Failure:
        failure = self._channel.failure(error)
        if failure is None:
            code = error.code()
            failure = Failure(
                f"{WHAT} is not served where it was looked for.", kind="unavailable", code="no_such_service"
            )
            failure.add_note(f"{code.name}: {error.details()}")
        return failure
