"""What must hold of scripts/demo: it sets itself up, imports a folder, serves and processes it, and stops on Ctrl-C.

scripts/test runs this file: `python tests/demo.py`, with nothing but Python.
"""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

ROOT = Path(__file__).parent.parent
PATIENCE = 120
"""Seconds in which every file is processed; far more than it takes."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait as long as the demo needs to set itself up; it ends when it cannot."""
    while process.poll() is None:
        with suppress(OSError):
            return socket.create_connection(("127.0.0.1", port)).close()
        time.sleep(0.1)
    raise AssertionError(f"scripts/demo ended with {process.returncode} before it listened")


def fetch(address: str) -> bytes:
    """Return what an address answers."""
    try:
        with urlopen(address) as answer:
            body: bytes = answer.read()
    except HTTPError as error:
        raise AssertionError(f"{address} answered {error.code}: {error.read()[:200]!r}") from None
    return body


def check_answers(address: str) -> None:
    """Ask for the page, the documentation, the description, health, and over REST for the files."""
    pages = ["/", "/jobs", "/search?text=newsroom", "/docs"]
    paths = [*pages, "/openapi.json", "/status", "/health", "/metrics", "/api/files?limit=1"]
    answers = {path: fetch(address + path) for path in paths}
    assert b"<html" in answers["/"].lower()
    assert b"<html" in answers["/docs"].lower()
    assert json.loads(answers["/openapi.json"])["openapi"].startswith("3.1")
    assert json.loads(answers["/api/files?limit=1"])["items"], "nothing was imported"


def check_work(address: str) -> None:
    """Wait until all files are processed, and look at what came of it."""
    until = time.monotonic() + PATIENCE
    while (backlog := json.loads(fetch(address + "/api/backlog")))["done"] < backlog["all"]:
        assert time.monotonic() < until, f"after {PATIENCE} s only {backlog['done']} of {backlog['all']} steps are done"
        time.sleep(0.5)
    assert json.loads(fetch(address + "/api/search?text=mergepoint")), "no text was found"
    while b"files/" not in fetch(address + "/gallery"):  # the index comes a little later than the last page
        assert time.monotonic() < until, "the gallery has no index"
        time.sleep(0.5)


def run_demo(port: int, folder: str) -> None:
    """Run the demo on the examples of this checkout, ask it, and stop it as Ctrl-C does."""
    command = [f"{ROOT}/scripts/demo", f"{ROOT}/examples", "--port", str(port)]
    state = {
        "NEWSROOM_DATABASE__URL": f"sqlite:///{folder}/newsroom.db",
        "NEWSROOM_STORE__FOLDER": f"{folder}/files",
        "NEWSROOM_GALLERY": f"{folder}/gallery",
    }
    process = subprocess.Popen(command, env={**os.environ, **state}, start_new_session=True)
    try:
        wait_until_it_listens(process, port)
        check_answers(f"http://127.0.0.1:{port}")
        check_work(f"http://127.0.0.1:{port}")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0, f"it ended with {process.returncode} on Ctrl-C"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def main() -> None:
    """Run the demo with its data in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        run_demo(free_port(), folder)
    print("The pages, REST, the documentation and health answered; every file was processed; Ctrl-C stopped it.")


if __name__ == "__main__":
    main()
