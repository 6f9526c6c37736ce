"""Who may connect as a worker to a broker that has a key: those that have the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from .address import key_pair

if TYPE_CHECKING:
    from zmq.auth.thread import ThreadAuthenticator

WORKERS = "workers"
"""The ZAP domain (RFC 27/ZAP) of the socket for workers."""


class Guard:
    """Lets everybody in as a client, and as a worker only who has the broker's own key.

    Args:
        context: of the sockets to guard.
        key: the file of the secret key.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], key: str) -> None:
        # Here, because it brings asyncio, which few processes need.
        from zmq.auth.thread import ThreadAuthenticator  # noqa: PLC0415

        self._authenticator: ThreadAuthenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback("*", _Anybody())
        self._authenticator.configure_curve_callback(WORKERS, _Only(key_pair(key)[0]))

    def stop(self) -> None:
        """Let go of its thread and sockets."""
        self._authenticator.stop()


class _Anybody:
    def callback(self, domain: str, key: bytes) -> bool:
        return True


class _Only:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def callback(self, domain: str, key: bytes) -> bool:
        return key == self._key
