"""ZeroMQ of several workers at one address, which only one process can have: that one has a broker for all of them."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

logger = logging.getLogger("mergepoint")


class Shared:
    """One worker's part. Whoever gets the lock has the broker; it is free again when that process ends, however.

    Args:
        broker: makes what stands between clients and workers, and is given where workers connect.
        server: makes the server of one worker, and is given where it gets its work.
        folder: where the workers meet.
    """

    def __init__(self, broker: Callable[[str], Any], server: Callable[[str], Any], folder: str) -> None:
        meeting = f"ipc://{folder}/zmq"
        self._broker = broker(meeting)
        self._server = server(meeting)
        self._file = os.open(Path(folder, "zmq.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        self._turn = threading.Lock()
        self._ending = False

    def start(self) -> None:
        """Begin to work, and to lead if nobody does; else wait for the turn.

        Raises:
            ConfigError: this process leads, and the address cannot be used.
        """
        try:
            # Of the process, not of the open file: a program that a worker starts must not keep it.
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            threading.Thread(target=self._wait_to_lead, name="mergepoint-zmq-lead", daemon=True).start()
        else:
            self._broker.start()
        self._server.start()

    def stop(self, grace: float) -> None:
        """End: refuse new requests where this process leads, and give running ones some seconds."""
        ends = monotonic() + grace
        with self._turn:
            self._ending = True
            self._broker.stop(grace)
        self._server.stop(max(ends - monotonic(), 0))

    def _wait_to_lead(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        with self._turn:
            if not self._ending:
                try:
                    self._broker.start()
                except Exception:
                    logger.exception(
                        "ZeroMQ is not served any more: this worker cannot follow the one that had the address"
                    )
