"""A PostgreSQL of our own in a temporary folder, gone when the measurement is over."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from machine import free_port, tool

ROWS = 10_000
TABLE = (
    "CREATE TABLE items (id integer PRIMARY KEY, name varchar(100) NOT NULL, price double precision NOT NULL,"
    " quantity integer NOT NULL, active boolean NOT NULL, category varchar(50) NOT NULL)"
)
FILL = (
    "INSERT INTO items SELECT id, 'Item number ' || id, 9.99 + id, id * 3, id %% 2 = 1, 'tools'"
    " FROM generate_series(1, %s) AS id"
)

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "synchronous_commit": "off",
}
# PostgreSQL refuses to run as root.
OWNER = (
    {"user": "postgres", "group": "postgres", "extra_groups": []}
    if os.geteuid() == 0
    else {"user": None, "group": None, "extra_groups": None}
)


@contextmanager
def private_database() -> Iterator[str]:
    """Run a PostgreSQL with the table in it; yield `user@host:port/name`.

    It inherits this process's core.
    """
    programs = Path(tool("initdb", package="postgresql")).resolve().parent
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if OWNER["user"]:
            shutil.chown(folder, OWNER["user"])
        data = str(Path(folder, "data"))
        initialize([programs / "initdb", "--pgdata", data, "--username=bench", "--auth=trust", "--no-sync"], folder)
        port = free_port()
        command = [programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in SETTINGS.items())]
        server = subprocess.Popen([*command, f"--port={port}"], cwd=folder, stderr=subprocess.DEVNULL, **OWNER)
        try:
            fill(f"postgresql://bench@127.0.0.1:{port}/postgres")
            yield f"bench@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            server.wait()


def initialize(command: Sequence[object], folder: str) -> None:
    """Make a database's files; stop everything when that fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, **OWNER)
    if done.returncode:
        sys.exit(f"bench: {command[0]} failed:\n{done.stdout}{done.stderr}")


def fill(url: str) -> None:
    """Make the table and its rows, once the server takes connections."""
    with connect(url) as connection:
        connection.execute(TABLE)
        connection.execute(FILL, [ROWS])
        connection.execute("VACUUM ANALYZE items")


def connect(url: str) -> psycopg.Connection:
    """Connect to a server that is starting."""
    for _ in range(100):
        try:
            return psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError:
            time.sleep(0.1)
    sys.exit("bench: the private PostgreSQL does not take connections after 10 s")
