"""Many publishers behind one address."""

from __future__ import annotations

import contextlib
import threading
from typing import Self

import zmq

from .address import endpoint, listen, notice_silence, prove, real_endpoint
from .running import GRACE, Running


def proxy(publishers: str, subscribers: str, *, key: str | None = None) -> Proxy:
    """Return a proxy; see `Proxy` for the arguments."""
    return Proxy(publishers, subscribers, key=key)


class Proxy(Running):
    """Stands between publishers and subscribers, so that neither need to know how many others there are."""

    def __init__(self, publishers: str, subscribers: str, *, key: str | None = None) -> None:
        """Prepare a proxy; nothing happens before `start`.

        Args:
            publishers: where publishers connect, with `connect=True`.
            subscribers: where subscribers connect.
            key: the file of the secret key, if both sides shall be encrypted.

        Raises:
            ConfigError: an address or the key cannot be used.
        """
        self._ends = endpoint(publishers), endpoint(subscribers)
        self._key = key
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._thread: threading.Thread | None = None

    @property
    def publishers(self) -> str:
        """Where publishers connect, with the port that it really has."""
        return self._ends[0]

    @property
    def subscribers(self) -> str:
        """Where subscribers connect, with the port that it really has."""
        return self._ends[1]

    def start(self) -> Self:
        """Begin to pass events on.

        Raises:
            ConfigError: an address is in use.
        """
        if self._context is not None:
            return self
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            incoming = self._socket(context, zmq.XSUB, self._ends[0])
            outgoing = self._socket(context, zmq.XPUB, self._ends[1])
        except BaseException:
            context.destroy(linger=0)
            raise
        self._ends = real_endpoint(incoming), real_endpoint(outgoing)
        self._context = context
        self._thread = threading.Thread(target=_pass_on, args=(incoming, outgoing), name="mergepoint-zmq", daemon=True)
        self._thread.start()
        return self

    def stop(self, grace: float = GRACE) -> None:
        """End; what is on its way gets a second."""
        if self._context is not None:
            self._context.term()  # which ends the thread, and waits until it has closed its sockets
            self._context = None

    def _socket(self, context: zmq.Context[zmq.Socket[bytes]], kind: zmq.SocketType, at: str) -> zmq.Socket[bytes]:
        socket = context.socket(kind)
        socket.linger = 1000
        notice_silence(socket)
        if self._key is not None:
            prove(socket, self._key)
        listen(socket, at)
        return socket


def _pass_on(incoming: zmq.Socket[bytes], outgoing: zmq.Socket[bytes]) -> None:
    with incoming, outgoing, contextlib.suppress(zmq.ContextTerminated):
        zmq.proxy(incoming, outgoing)
