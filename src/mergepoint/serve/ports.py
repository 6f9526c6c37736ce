"""The addresses of a run: the supervising process finds out whether they are free, before any worker begins."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError

GRPC_PORT = 50_051
"""Where gRPC is expected."""

MOST = 65_535
"""The last port."""

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "[::]": "[::1]"}  # noqa: S104 - shown, not bound
"""What a person on this machine would write for the addresses that stand for all of them."""

_TCP = re.compile(r"(?:zmq\+)?tcp://(\S+):(\d{1,5}|\*)")
_IPC = re.compile(r"(?:zmq\+)?ipc://\S+")


class Addresses(NamedTuple):
    """Where a run listens, with real ports.

    Attributes:
        host: of HTTP.
        port: of HTTP.
        grpc: of gRPC; None if it is not served.
        grpc_refused: why it is not.
        zmq: of ZeroMQ; None if it is not served.
    """

    host: str
    port: int
    grpc: str | None
    grpc_refused: str
    zmq: str | None


def choose(host: str, port: int, grpc_port: int | None, zmq: str | None, kept: ExitStack) -> Addresses:
    """Find out where to listen.

    Args:
        host: the address of HTTP and gRPC.
        port: the port of HTTP; 0 for any free one.
        grpc_port: the port of gRPC; None for the usual one if it is free, or any if that of HTTP is any.
        zmq: the address of ZeroMQ; None for none.
        kept: keeps the port of gRPC for this run.

    Raises:
        ConfigError: one of the addresses cannot be used.
    """
    wanted = grpc_port if grpc_port is not None else GRPC_PORT if port else 0
    real, port = free(host, port)
    grpc, refused, taken = None, "", {port: "HTTP"}
    try:
        _must_differ(f"--grpc-port {wanted}", wanted, taken)
        held = kept.enter_context(hold(host, wanted, "--grpc-port"))
    except ConfigError:
        if grpc_port is not None:
            raise
        # That the usual port of gRPC is taken is no reason not to serve at all.
        refused = f"Without gRPC: port {GRPC_PORT} is taken; choose another: --grpc-port 0"
    else:
        taken[held.getsockname()[1]] = "gRPC"
        grpc = f"{bracketed(real)}:{held.getsockname()[1]}"
    if zmq is not None:
        zmq = _zmq_address(zmq, taken)
    return Addresses(real, port, grpc, refused, zmq)


def free(host: str, port: int, option: str = "--port") -> tuple[str, int]:
    """Return the address to listen at, with the port that it really has.

    The servers let several processes share a port, and would take one that another program has.

    Args:
        host: an address of this machine, or its name.
        port: the port; 0 for any free one.
        option: what its user changes to choose another one.

    Raises:
        ConfigError: it cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as probe:
            name = probe.getsockname()
            return name[0], name[1]
    except OSError as error:
        raise ConfigError(_unusable(host, port, option, error)) from None


def hold(host: str, port: int, option: str) -> socket.socket:
    """Return a socket that keeps a port for workers that share it, and for nobody else: it does not listen itself.

    Raises:
        ConfigError: the port cannot be used.
    """
    host, port = free(host, port, option)
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # A port whose last connections have just ended counts as free, as everywhere; that this one is held does not.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, port))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:  # somebody came in between
        held.close()
        raise ConfigError(_unusable(host, port, option, error)) from None
    return held


def _zmq_address(text: str, taken: Mapping[int, str]) -> str:
    if _IPC.fullmatch(text):
        folder = Path(text.partition("ipc://")[2]).parent
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigError(f"--zmq {text}: expected a folder to make the socket in, but {folder} cannot be used.")
        return text
    found = _TCP.fullmatch(text)
    port = int(found[2].replace("*", "0")) if found else MOST + 1
    if found is None or port > MOST:
        raise ConfigError(
            f"--zmq: expected an address such as tcp://127.0.0.1:5555 or ipc:///run/bats.sock, got {text}"
        )
    _must_differ(f"--zmq {text}", port, taken)
    host = "0.0.0.0" if found[1] == "*" else found[1].strip("[]")  # noqa: S104 - its user asks for it
    host, port = free(host, port, "--zmq")
    return f"tcp://{bracketed(host)}:{port}"


def _must_differ(option: str, port: int, taken: Mapping[int, str]) -> None:
    if port in taken:
        raise ConfigError(f"{option}: {taken[port]} has this port already; choose another one.")


def bracketed(host: str) -> str:
    """Return a host as it stands before a port (RFC 3986, section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def for_people(address: str) -> str:
    """Return an address as somebody on this machine would write it, who cannot call 'all addresses'."""
    scheme, _, rest = address.rpartition("://")
    host, colon, port = rest.rpartition(":")
    return f"{scheme}://{EVERYWHERE.get(host, host)}{colon}{port}"


def _unusable(host: str, port: int, option: str, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"Port {port} at {host} is taken by another program; choose another: {_another(option, host, port + 1)}"
            )
        case errno.EACCES:
            text = _another(option, host, port + 8000)
            return f"Port {port} is for the administrator (below 1024); choose another: {text}"
        case _:
            reason = (error.strerror or str(error)).partition(" (")[0]
            return f"Expected an address of this machine, got {host}: {reason}"


def _another(option: str, host: str, port: int) -> str:
    port = port if port <= MOST else 0
    return f"{option} tcp://{bracketed(host)}:{port or '*'}" if option == "--zmq" else f"{option} {port}"
