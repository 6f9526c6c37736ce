"""What services ask of background work, on a queue: which jobs there are, how they are run, and how far they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mergepoint import App
from mergepoint.jobs import Job, Message
from mergepoint.tasks import NoSuchJob, Queue
from newsroom.records import File, Progressing, StepName, StepState
from newsroom.service.gallery import Gallery
from newsroom.service.making import Making

MINUTE = 60.0

SOON = 0.5
"""Seconds until an index is made, so that what is published meanwhile is in it."""


class Background:
    """Puts in jobs for services, which know nothing of queues, and tells how far they are.

    A job opens its transactions itself: while it computes it holds no lock that others wait for.

    Args:
        queue: keeps the jobs.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def register(self, app: App, making: Making, gallery: Gallery) -> None:
        """Let jobs run what the services do; nobody else can ask for it."""
        self._making = making
        self._gallery = gallery
        app.task(making.make_thumbnail, atomic=False, timeout=2 * MINUTE)
        app.task(making.highlight, atomic=False, timeout=5 * MINUTE)
        app.task(making.extract_text, atomic=False, timeout=10 * MINUTE)
        app.task(making.compare_versions, atomic=False, timeout=30 * MINUTE)
        app.task(gallery.publish_file, atomic=False, timeout=2 * MINUTE)
        app.task(gallery.render_index, atomic=False, timeout=10 * MINUTE, retries=20)

    def enqueue(self, file: File, names: Sequence[StepName]) -> Mapping[StepName, str]:
        """See `service.needs.Enqueue`."""
        messages = {name: self._message(file, name) for name in names}
        *others, last = messages.values()
        if others:
            self._queue.group(others, then=last)
        else:
            self._queue.put([last])
        return {name: message.id for name, message in messages.items()}

    def withdraw(self, path: str) -> None:
        """See `service.needs.Withdraw`."""
        self._queue.later(self._gallery.publish_file)(path)

    def ask_for_index(self, number: int) -> None:
        """See `service.needs.AskForIndex`."""
        self._queue.later(self._gallery.render_index, unique=f"index {number}", delay=SOON)(number)

    def ask(self, jobs: Sequence[str]) -> Mapping[str, Progressing]:
        """See `service.needs.Ask`."""
        known: dict[str, Progressing] = {}
        for id in jobs:
            try:
                known[id] = _progressing(self._queue.job(id))
            except NoSuchJob:
                continue  # It was done, or purged; the step knows which.
        return known

    def _message(self, file: File, name: StepName) -> Message:
        making, message = self._making, self._queue.message
        match name:
            case StepName.THUMBNAIL:
                return message(making.make_thumbnail)(file.id, file.version, file.kind)
            case StepName.HIGHLIGHT:
                return message(making.highlight)(file.id, file.version, file.language)
            case StepName.EXTRACT:
                return message(making.extract_text)(file.id, file.version, file.kind)
            case StepName.DIFFERENCE:
                return message(making.compare_versions)(file.id, file.version, file.kind)
            case StepName.PUBLISH:
                return message(self._gallery.publish_file)(file.path, file.version)


def _progressing(job: Job) -> Progressing:
    problem = job.history[-1].message if job.history and job.state != "done" else None
    return Progressing(StepState(job.state), job.progress, job.note, problem)
