"""A task in the main process of a Celery worker: tells the relay what becomes of it."""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request as CeleryRequest

from .handover import HEADER, Handover, unpack


class Request(CeleryRequest):  # type: ignore[misc]  # Celery brings no types
    """A task that Celery received; one that the relay sent, or one that somebody else did."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        header = self.request_dict.get(HEADER)
        self._handover: Handover | None = None if header is None else unpack(header)
        if self._handover is not None:
            # Whether it runs is the store's to know from here on. On Redis a worker of Celery 5.7 may even die of a
            # lost connection while there is something that it has not acknowledged.
            super().acknowledge()

    def revoked(self) -> bool:
        """Tell whether not to run it: revoked by a person, put back by the relay, or delivered a second time."""
        if super().revoked():
            return True
        return self._handover is not None and not self.app.relay.awaits(self._handover)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Note that a process has it, and keeps it alive from here on."""
        super().on_accepted(pid, time_accepted)
        if self._handover is not None:
            self.app.relay.begun(self._handover)

    # Celery overrides `on_success` in a subclass; the ends of all tasks that are acknowledged late meet here.

    def acknowledge(self) -> None:
        """Take it from the broker, at its end."""
        super().acknowledge()
        self._over()

    def reject(self, requeue: bool = False) -> None:
        """Give it back to the broker, unless it was acknowledged."""
        super().reject(requeue)
        self._over()

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Note the end of its process, which ran into the time limit."""
        if not soft and self._handover is not None:
            self.app.relay.stopped(self._handover, timeout)
        super().on_timeout(soft, timeout)

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        # The one place that all ways of revoking meet.
        if self._handover is not None:
            self.app.relay.revoked(self._handover)
        super()._announce_revoked(reason, terminated, signum, expired)

    def _over(self) -> None:
        if self._handover is not None:
            self.app.relay.over(self._handover)
