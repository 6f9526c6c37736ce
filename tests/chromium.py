"""A Chromium for tests, without a window: it opens a page, runs JavaScript there, and says what went wrong on it.

It is driven over the two pipes of `--remote-debugging-pipe`, so that no port and no package is needed. Without a
Chromium the tests that want one are skipped; with CI=true that is a failure, as every other skip.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 30
"""The patience of a test; what it waits for comes in far less."""

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]
KEYS = {
    "Enter": (13, "\r"),
    "Tab": (9, ""),
    "Escape": (27, ""),
    " ": (32, " "),
    "ArrowDown": (40, ""),
    "ArrowRight": (39, ""),
}
CTRL = 2


class Browser:
    """One page of a running Chromium.

    Attributes:
        complaints: what the page wrote to the console as errors, exceptions nobody caught, and refusals of its policy.
        requested: the addresses that it asked for.
    """

    def __init__(self, to: int, back: int) -> None:
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self._to = to
        self._back = back
        self._unread = b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")
        self.resize(1440, 900)

    def open(self, url: str) -> None:
        """Go to an address and wait until the page has loaded."""
        self.tell("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def run(self, script: str) -> Any:
        """Return what an expression of JavaScript comes to on the page; a promise is waited for."""
        answer = self.tell(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until an expression is true on the page."""
        until = monotonic() + SECONDS
        while monotonic() < until:
            if self.run(f"(() => {{ try {{ return Boolean({script}) }} catch {{ return false }} }})()"):
                return
            self.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 10)))")
        raise AssertionError(f"it never came true: {script}; the page shows:\n{self.run('document.body.innerText')}")

    def click(self, selector: str, text: str = "") -> None:
        """Click the first element that a selector finds, or the first of them with this text."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        wanted = f"(each) => each.textContent === {json.dumps(text)}" if text else "() => true"
        self.run(f"{found}.find({wanted}).click()")

    def press(self, key: str, *, modifiers: int = 0) -> None:
        """Press and release a key in what has the focus."""
        code, text = KEYS.get(key) or (ord(key.upper()) if key.isalnum() else 0, key)  # `(` is not the key 40
        told = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        down = told if modifiers or not text else {**told, "text": text}
        self.tell("Input.dispatchKeyEvent", type="keyDown", **down)
        self.tell("Input.dispatchKeyEvent", type="keyUp", **told)

    def write(self, text: str) -> None:
        """Type a text into what has the focus."""
        for letter in text:
            self.press("Enter" if letter == "\n" else letter)

    def choose_file(self, selector: str, path: Path) -> None:
        """Put a file into a field for files."""
        root = self.tell("DOM.getDocument")["root"]["nodeId"]
        node = self.tell("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.tell("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def picture(self, path: Path) -> None:
        """Write what the page looks like to a PNG file."""
        path.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"]))

    def tell(self, method: str, **parameters: Any) -> Any:
        """Send one command of the DevTools protocol and return its result."""
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": number, "method": method, "params": parameters, **session}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (heard := self._hear()).get("id") != number:
            self._note(heard)
        assert "error" not in heard, f"{method}: {heard['error']}"
        return heard["result"]

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._back], [], [], SECONDS)
            data = os.read(self._back, 1_000_000) if ready else b""
            assert data, "Chromium hung up" if ready else f"Chromium said nothing for {SECONDS} s"
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\0")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def _note(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requested.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(told["exceptionDetails"].get("exception", told["exceptionDetails"])))
            case "Runtime.consoleAPICalled" if told["type"] == "error":
                self.complaints.append(str(told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] == "error":
                self.complaints.append(told["entry"]["text"])


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a Chromium with a profile of its own, and end it."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"No Chromium is installed: {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        their_in, to = os.pipe()
        back, their_out = os.pipe()
        # Chromium reads from 3 and writes to 4, whatever numbers the pipes have here.
        command = f'exec "$0" "$@" 3<&{their_in} 4>&{their_out}'
        process = subprocess.Popen(
            ["bash", "-c", command, program, *OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(their_in, their_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(their_in)
        os.close(their_out)
        try:
            yield Browser(to, back)
        finally:
            process.terminate()
            process.wait(SECONDS)
            os.close(to)
            os.close(back)
