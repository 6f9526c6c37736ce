"""What several worker processes counted, told to each other through files in a folder."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from secrets import token_hex

import msgspec

from mergepoint.errors import ConfigError
from mergepoint.observe.counts import Counts, Key, Totals, add

_log = logging.getLogger(__name__)
_SECONDS = 1.0
_SNAPSHOT = msgspec.json.Decoder(list[tuple[Key, list[float]]])


class Snapshots:
    """The counts of all processes that share a folder. Each writes about once a second, from its first call on.

    Args:
        folder: where the files are.
        counts: what this process counts.

    Raises:
        ConfigError: the folder cannot be made.
    """

    def __init__(self, folder: Path, counts: Counts) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"metrics: expected a folder for the workers' counts, got {str(folder)!r}: {error.strerror}."
                " Name one that this process may write to in MERGEPOINT_METRICS_DIR."
            ) from None
        self._folder = folder
        self._counts = counts
        self._files: dict[int, _File] = {}
        counts.began = self._mine

    def totals(self) -> Totals:
        """Add up what all processes counted, those that ended too."""
        mine = self._mine()
        totals = mine.write()
        for path in self._folder.glob("*.json"):
            if path != mine.path:
                add(totals, dict(_SNAPSHOT.decode(path.read_bytes())))
        return totals

    def close(self) -> None:
        """Write one last time, and stop."""
        mine = self._mine()
        mine.ending.set()
        mine.write()

    def _mine(self) -> _File:
        """Return the file of this process; after a fork that is another one."""
        process = os.getpid()
        if process not in self._files:
            # Process ids come again, and the file of one that ended must stay.
            made = _File(self._folder / f"{process}-{token_hex(8)}.json", self._counts)
            # One step, so that of two threads that come here at once one begins to write.
            if self._files.setdefault(process, made) is made:
                threading.Thread(target=made.keep_writing, name="mergepoint-metrics", daemon=True).start()
        return self._files[process]


class _File:
    def __init__(self, path: Path, counts: Counts) -> None:
        self.path = path
        self.counts = counts
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.written = b"[]"

    def keep_writing(self) -> None:
        while not self.ending.wait(_SECONDS):
            self.write()

    def write(self) -> Totals:
        """Write what was counted, if that changed; return it."""
        with self.lock:
            totals = self.counts.totals()
            content = msgspec.json.encode(list(totals.items()))
            if content != self.written:
                self.replace(content)
            return totals

    def replace(self, content: bytes) -> None:
        draft = self.path.with_suffix(".draft")
        try:
            draft.write_bytes(content)
            draft.replace(self.path)
        except OSError as error:
            _log.warning("metrics cannot be written to %s: %s", self.path, error.strerror)
        else:
            self.written = content
