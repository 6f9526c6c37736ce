"""A newsroom in several processes: its files in one, its publishing in another."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import sqlalchemy as sa

from mergepoint.db import Database
from mergepoint.testing.processes import running
from newsroom.db.tables import gallery, metadata, nodes
from newsroom.settings import Settings

KEY = "a key that is used in tests only"


@contextlib.contextmanager
def split(settings: Settings, scheme: str) -> Iterator[str]:
    """Run `files` and `publishing` in processes of their own, and give the places: one line of configuration."""
    ports = {name: free_port() for name in ("files", "publishing")}
    with contextlib.ExitStack() as stack:
        for name, port in ports.items():
            command = ["newsroom.app:create", "--only", name, *_listening(scheme, port)]
            stack.enter_context(running(*command, environ=_environ(settings)))
        yield ", ".join(f"{name}={scheme}://127.0.0.1:{port}" for name, port in ports.items())


def _environ(settings: Settings) -> dict[str, str]:
    return {
        "NEWSROOM_DATABASE__URL": settings.database.url,
        "NEWSROOM_STORE__FOLDER": str(settings.store.folder),
        "NEWSROOM_STORE__LARGEST": str(settings.store.largest),
        "NEWSROOM_GALLERY": str(settings.gallery),
        "NEWSROOM_KEY": settings.key,
        "PYTHONPATH": "examples",
    }


def _listening(scheme: str, port: int) -> list[str]:
    if scheme == "http":
        return ["--port", str(port)]
    return ["--port", "0", *(["--grpc-port", str(port)] if scheme == "grpc" else ["--zmq", f"tcp://127.0.0.1:{port}"])]


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def empty(database: Database) -> None:
    """Delete everything but what numbers the processes and the indexes of the gallery."""
    with database.transaction(), database.connection() as connection:
        for table in reversed(metadata.sorted_tables):
            if table not in (nodes, gallery):
                connection.execute(sa.delete(table))
