"""A terminal for tests: a program believes that somebody sits there, and the test reads what that person would see."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

LIMIT = 30.0
"""Seconds after which a program that says nothing more has failed the test."""

_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl+C reaches only those whose terminal this is
os.execvp(sys.argv[1], sys.argv[1:])
"""

_CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A program on a pseudo-terminal of 80 columns.

    Attributes:
        seen: what it showed until now, without the codes that colour it or move the cursor.
    """

    def __init__(
        self, command: Sequence[str], *, folder: Path, environ: Mapping[str, str] | None = None, columns: int = 80
    ) -> None:
        """Start a program.

        Args:
            command: the program and its arguments.
            folder: where it runs.
            environ: variables beside those of this process.
            columns: how wide the terminal is.
        """
        self.seen = ""
        self._at = 0
        self._ours, theirs = pty.openpty()
        variables = {"TERM": "xterm", "COLUMNS": str(columns), "LINES": "40"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *command],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **variables, **(environ or {})},
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(LIMIT)
        os.close(self._ours)

    def expect(self, text: str) -> str:
        """Wait until the program shows a text, after what was expected before; return all that came until then."""
        until = time.monotonic() + LIMIT
        while (found := self.seen.find(text, self._at)) < 0:
            if not self._read(until):
                raise AssertionError(f"expected {text!r} on the terminal, which shows:\n{self.seen}")
        before, self._at = self.seen[self._at : found], found + len(text)
        return before

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl+C until the program listens: Python loses one between showing a prompt and waiting for a key."""
        until = time.monotonic() + LIMIT
        while self.process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError):
                self.type("\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)

    def ended(self) -> int:
        """Wait for the end of the program; return its exit code."""
        until = time.monotonic() + LIMIT
        while self._read(until):
            pass
        return self.process.wait(LIMIT)

    def _read(self, until: float) -> bool:
        """Read what is there; False when nothing more will come."""
        if not select.select([self._ours], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        try:
            read = os.read(self._ours, 65_536)
        except OSError:  # Linux says so when the last program on the terminal is gone
            return False
        self.seen = _CODES.sub("", self.seen + read.decode(errors="replace")).replace("\r\n", "\n")
        return bool(read)
