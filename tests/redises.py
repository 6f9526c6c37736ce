"""Redis for tests: a prefix of one's own on the server that runs, gone afterwards; or a server of one's own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

import pytest
import redis

REDIS = os.environ.get("MERGEPOINT_TEST_REDIS", "redis://127.0.0.1:6379/1")
"""A database that others do not fill: to clean up is to walk over all of it."""

PATIENCE = 20.0
"""Seconds that a server may take to start."""


@contextmanager
def prefixed() -> Iterator[tuple[str, str]]:
    """Give the URL of a Redis server, and a prefix; the keys that begin with it, or with it in a brace, go later."""
    prefix = f"mp_test_{os.getpid()}_{uuid4().hex[:8]}"
    client = redis.Redis.from_url(REDIS)
    with closing(client):
        try:
            client.ping()
        except redis.RedisError as error:
            pytest.skip(f"Redis does not answer; start it, or set MERGEPOINT_TEST_REDIS: {error}")
        try:
            yield REDIS, prefix
        finally:
            forget(client, prefix)


def forget(client: redis.Redis, prefix: str) -> None:
    """Delete the keys that begin with a prefix, a few at a time."""
    for pattern in (f"{prefix}*", f"{{{prefix}*"):
        keys: list[bytes] = []
        for key in client.scan_iter(match=pattern, count=10_000):
            keys.append(key)
            if len(keys) == 1000:
                client.unlink(*keys)
                keys.clear()
        if keys:
            client.unlink(*keys)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class RedisServer:
    """A Redis server of a test's own, which keeps every change on disk.

    Args:
        folder: where its data are.
        options: further settings, as its command line takes them.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        if not shutil.which("redis-server"):
            pytest.skip("redis-server is not installed")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        settings = ["--appendonly", "yes", "--appendfsync", "always", "--save", "", *self._options]
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen(["redis-server", *where, *settings], stdout=subprocess.DEVNULL)
        ends = monotonic() + PATIENCE
        with closing(redis.Redis.from_url(self.url)) as client:
            while monotonic() < ends:
                with suppress(redis.RedisError):
                    client.ping()
                    return
                sleep(0.02)
        self.kill()
        raise AssertionError(f"redis-server did not answer within {PATIENCE:.0f} s")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Start a Redis server of one's own, and end it afterwards."""
    server = RedisServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
