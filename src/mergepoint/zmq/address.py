"""Addresses and keys of sockets: `tcp://host:port` or `ipc://path`, `zmq+` before it or not, `?key=` after it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import zmq
from zmq.auth.certs import load_certificate

from ..errors import ConfigError

HEARTBEAT = 1000
"""Milliseconds between the heartbeats that connecting sides send; the I/O threads of ZeroMQ send and answer them."""

SILENCE = 3000
"""Milliseconds of silence after which both sides of such a connection take it for broken."""


class Address(NamedTuple):
    """Where a socket connects to.

    Attributes:
        endpoint: as ZeroMQ has it.
        key: the public key of the other side; None for a connection that is not encrypted.
    """

    endpoint: str
    key: bytes | None


def address(text: str) -> Address:
    """Read the address of the other side: `zmq+tcp://roost.internal:5555?key=etc/roost.key`.

    Raises:
        ConfigError: it has another form, or the key cannot be read.
    """
    plain, _, query = text.removeprefix("zmq+").partition("?")
    name, _, path = query.partition("=")
    if (query and (name != "key" or not path)) or not is_endpoint(plain):
        raise ConfigError(
            f"zmq: expected an address such as zmq+tcp://127.0.0.1:5555 or zmq+ipc:///run/roost.sock, got {text!r}."
        )
    return Address(plain, key_pair(path)[0] if path else None)


def is_endpoint(text: str) -> bool:
    """Tell whether a text is an endpoint that processes can share."""
    return re.fullmatch(r"tcp://[^/\s]+:(\d+|\*)|ipc://[^\s]+", text) is not None


def endpoint(text: str) -> str:
    """Return the endpoint that a socket of ours shall listen at.

    Raises:
        ConfigError: it has another form.
    """
    plain = text.removeprefix("zmq+")
    if not is_endpoint(plain):
        raise ConfigError(
            f"zmq: expected an address such as tcp://127.0.0.1:5555, tcp://127.0.0.1:* or ipc:///run/roost.sock,"
            f" got {text!r}."
        )
    return plain


def key_pair(path: str) -> tuple[bytes, bytes | None]:
    """Return the public and the secret key of a file; the latter is None in a public file.

    Raises:
        ConfigError: it is no such file.
    """
    try:
        public, secret = load_certificate(Path(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"zmq: no key can be read from {path}: {error}. `zmq.auth.create_certificates` of pyzmq makes some."
        ) from None
    return public, secret


def prove(socket: zmq.Socket[bytes], path: str) -> None:
    """Encrypt what a listening socket exchanges: only who knows the public key can connect (CURVE)."""
    public, secret = key_pair(path)
    if secret is None:
        raise ConfigError(f"zmq: {path} holds a public key; a server needs the secret one: *.key_secret.")
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = public, secret


def listen(socket: zmq.Socket[bytes], at: str) -> None:
    """Bind a socket.

    Raises:
        ConfigError: it cannot be, for instance because the address is in use.
    """
    socket.ipv6 = "[" in at
    try:
        socket.bind(at)
    except zmq.ZMQError as error:
        raise ConfigError(f"zmq: cannot listen at {at}: {error.strerror}. Choose another address.") from error


def connect(socket: zmq.Socket[bytes], to: Address, identity: tuple[bytes, bytes] | None = None) -> None:
    """Connect a socket, encrypted if the address has a key.

    Args:
        socket: what to connect.
        to: the other side.
        identity: the key pair to show there; one of its own unless given.
    """
    if to.key is not None:
        socket.curve_serverkey = to.key
        socket.curve_publickey, socket.curve_secretkey = identity or zmq.curve_keypair()
    socket.ipv6 = "[" in to.endpoint
    socket.connect(to.endpoint)


def real_endpoint(socket: zmq.Socket[bytes]) -> str:
    """Return where a socket listens, with the port that it really has."""
    return bytes(socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()


def keep_alive(socket: zmq.Socket[bytes]) -> None:
    """Let a socket that connects, and its other side, find out when the other one is gone without a word."""
    socket.heartbeat_ivl = HEARTBEAT
    socket.heartbeat_timeout = socket.heartbeat_ttl = SILENCE


def notice_silence(socket: zmq.Socket[bytes]) -> None:
    """Let a socket that listens find out when a machine is gone, whatever program is there: by TCP's own means."""
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle, socket.tcp_keepalive_intvl, socket.tcp_keepalive_cnt = 10, 5, 3
