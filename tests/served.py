"""Servers in processes of their own, as a user starts them: what they print, requests to them, how they end."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

SECONDS = 20
"""The patience of a test; what it waits for comes in less than two."""


class Server:
    """A server process under test: what it printed so far, and requests to it."""

    def __init__(self, command: list[str], folder: Path, port: int, environ: Mapping[str, str] | None = None) -> None:
        self.port = port
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def output(self) -> str:
        """Return what it printed so far."""
        return "".join(self.lines)

    def wait_for(self, text: str) -> None:
        """Wait until it has printed a text."""
        wait_until(lambda: text in self.output or self.process.poll() is not None)
        assert text in self.output, self.output

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of a GET on a new connection."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def address(self, scheme: str) -> str:
        """Return the address that it announced, such as `grpc://127.0.0.1:50051`."""
        found = re.search(rf"{re.escape(scheme)}://\S+", self.output)
        assert found, self.output
        return found[0]

    def json(self, path: str) -> Any:
        """Return the decoded body of a GET."""
        return json.loads(self.get(path)[2])

    def end(self) -> int:
        """Wait until it has ended, and everything it printed is read; return its exit code."""
        code = self.process.wait(SECONDS)
        self.reader.join(SECONDS)
        return code

    def stop(self) -> int:
        """Send SIGTERM and wait; return the exit code."""
        self.process.terminate()
        return self.end()


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until something holds, as long as a test has patience."""
    until = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


Start = Callable[..., Server]


@contextmanager
def starting(folder: Path, source: str) -> Iterator[Start]:
    """Give a function that starts `mergepoint run service.py` with options; what still runs is killed at the end."""
    started: list[Server] = []
    (folder / "service.py").write_text(source)

    def start(
        *options: str,
        wait: str = "Ctrl+C",
        target: str = "service.py",
        grpc: int | None = 0,
        without: Iterable[str] = (),
        **environ: str,
    ) -> Server:
        port = free_port()
        command = [*mergepoint(without), "run", target, "--port", str(port), *options]
        if grpc is not None:
            command += ["--grpc-port", str(grpc)]
        started.append(Server(command, folder, port, environ))
        started[-1].wait_for(wait)
        return started[-1]

    try:
        yield start
    finally:
        for server in started:
            kill(server)


def mergepoint(without: Iterable[str]) -> list[str]:
    """Return the command `mergepoint`, as it is where some libraries are not installed."""
    if not without:
        return [sys.executable, "-m", "mergepoint"]
    hidden = ", ".join(f"{name}=None" for name in without)
    program = f"import sys; sys.modules.update({hidden}); from mergepoint.__main__ import main; main()"
    return [sys.executable, "-c", program]


def kill(server: Server) -> None:
    """End a server and, if it does not listen, kill it; its workers are in the session that it leads."""
    with suppress(subprocess.TimeoutExpired):
        server.process.terminate()
        server.process.wait(SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.end()
    assert server.process.stdout is not None
    server.process.stdout.close()  # only now: nobody reads it any more
