"""Servers of our own in temporary folders, gone when the measurement is over. They inherit this process's core."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from machine import free_port, tool

SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "shared_buffers": "256MB"}
# PostgreSQL refuses to run as root.
OWNER = (
    {"user": "postgres", "group": "postgres", "extra_groups": []}
    if os.geteuid() == 0
    else {"user": None, "group": None, "extra_groups": None}
)


@contextmanager
def postgresql(settings: Mapping[str, str]) -> Iterator[str]:
    """Run a PostgreSQL; yield `user@host:port/name`."""
    programs = Path(tool("initdb", package="postgresql")).resolve().parent
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if OWNER["user"]:
            shutil.chown(folder, OWNER["user"])
        data = str(Path(folder, "data"))
        initialize([programs / "initdb", "--pgdata", data, "--username=bench", "--auth=trust", "--no-sync"], folder)
        port = free_port()
        options = [f"--{name}={value}" for name, value in {**SETTINGS, **settings}.items()]
        command = [programs / "postgres", "-D", data, *options, f"--port={port}"]
        server = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, **OWNER)
        try:
            connect(f"postgresql://bench@127.0.0.1:{port}/postgres").close()
            yield f"bench@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            server.wait()


def initialize(command: Sequence[object], folder: str) -> None:
    """Make a database's files; stop everything when that fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, **OWNER)
    if done.returncode:
        sys.exit(f"bench: {command[0]} failed:\n{done.stdout}{done.stderr}")


def connect(url: str) -> psycopg.Connection:
    """Connect to a PostgreSQL that is starting."""
    for _ in range(100):
        try:
            return psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError:
            time.sleep(0.1)
    sys.exit("bench: the private PostgreSQL does not take connections after 10 s")


@contextmanager
def redis() -> Iterator[str]:
    """Run a Redis that keeps a log of every change on disk, written every second; yield its URL."""
    program = tool("redis-server", package="redis-server")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        port = free_port()
        options = {"port": port, "dir": folder, "appendonly": "yes", "appendfsync": "everysec", "save": ""}
        command = [program, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_for_redis(url := f"redis://127.0.0.1:{port}/0")
            yield url
        finally:
            server.kill()
            server.wait()


def empty_redis(url: str) -> None:
    """Empty a Redis and its log: else one turn pays for rewriting the log of those before it."""
    ask_redis(url, "flushall")
    ask_redis(url, "bgrewriteaof")
    wait_for_log(url)


def wait_for_log(url: str) -> None:
    """Return when a Redis does not rewrite its log."""
    while re.search("aof_rewrite_(in_progress|scheduled):1", ask_redis(url, "info", "persistence")):
        time.sleep(0.05)


def ask_redis(url: str, *command: str) -> str:
    """Run a command of Redis and return its answer; empty if it does not answer."""
    return subprocess.run(["redis-cli", "-u", url, *command], capture_output=True, text=True, check=False).stdout


def wait_for_redis(url: str) -> None:
    """Return when a Redis that is starting answers."""
    for _ in range(100):
        if ask_redis(url, "ping").strip() == "PONG":
            return
        time.sleep(0.05)
    sys.exit("bench: the private Redis does not answer after 5 s")
