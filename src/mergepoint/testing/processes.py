"""`mergepoint run` in processes of its own, for tests of an application that is split into several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 30
"""Seconds in which a server begins to serve; far more than it takes on a busy machine."""


class Running:
    """A server with its workers, in a process group of its own.

    Attributes:
        process: its supervisor.
        output: the file it prints to.
    """

    def __init__(self, command: list[str], environ: Mapping[str, str], output: Path) -> None:
        self.output = output
        with output.open("w") as file:
            self.process = subprocess.Popen(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    def wait_until_served(self) -> None:
        """Wait until it says what is served.

        Raises:
            RuntimeError: it ended, or takes too long; the message has what it printed.
        """
        until = time.monotonic() + PATIENCE
        while "Ctrl+C stops it." not in self.output.read_text():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"`mergepoint run` did not serve:\n{self.output.read_text()}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End all its processes at once, as a machine that loses power does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it as an administrator does."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.kill()


@contextmanager
def running(*arguments: str, environ: Mapping[str, str]) -> Iterator[Running]:
    """Run `mergepoint run` in another process until the end of the block.

    Args:
        arguments: as at the terminal: `"bats.app:create", "--only", "roost", "--port", "8001"`.
        environ: added to this process's own environment.

    Raises:
        RuntimeError: it does not serve; the message has what it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mergepoint", "run", *arguments]
        server = Running(command, environ, Path(folder, "output"))
        try:
            server.wait_until_served()
            yield server
        finally:
            server.stop()
