"""What the owners of jobs may do with them, as operations of an app that others include."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextvars import Context
from typing import Annotated

from ..access import Predicate, signed_in
from ..app import App
from ..call import Call
from ..jobs import Entry, Job, State, job_of
from ..place import Places
from ..types import Download, Meta, Page
from .queue import JobFailed, NoSuchJob, Queue
from .refusals import NoResultYet, WrongState, is_stopping

GLANCE = 0.25
"""Seconds between two looks at a job that somebody watches."""

SIGN_OF_LIFE = 10.0
"""Seconds after which a job that is watched is told again, though nothing changed: so a watcher who left is noticed."""

LONGEST_WATCH = 3600.0
"""Seconds after which a watcher has to come again."""


def api(queue: Queue, *, allow: Predicate | None = None, overseer: Predicate | None = None) -> App:
    """Return an app with the operations of those whose jobs run: `app.include(tasks.api(queue))`.

    A job belongs to the user in whose name it was put in, see `Queue.owner`. For everybody else there is no such job.
    In an app that knows no users everybody may do everything.

    Args:
        queue: whose jobs these are.
        allow: who may look after jobs of their own; whoever is signed in unless given.
        overseer: who may see and cancel everybody's jobs, put back and expedite them; nobody unless given.

    Returns:
        An app called `jobs`: `jobs.job`, `jobs.jobs`, `jobs.progress`, `jobs.cancel`, `jobs.result`; and `jobs.retry`,
        `jobs.expedite` for overseers.
    """
    has_users = queue.app.knows_users
    allow = allow or (signed_in if has_users else None)
    desk = _Desk(queue, overseer)
    app = App("jobs", places=Places())
    app.query(desk.job, http="GET /jobs/{id}", allow=allow)
    app.query(desk.jobs, http="GET /jobs", allow=allow)
    app.query(desk.progress, http="GET /jobs/{id}/progress", allow=allow, deadline=LONGEST_WATCH)
    app.query(desk.result, http="GET /jobs/{id}/result", allow=allow)
    app.command(desk.cancel, http="POST /jobs/{id}/cancel", allow=allow, idempotent=True)
    if overseer is not None or not has_users:
        app.command(desk.retry, http="POST /jobs/{id}/retry", allow=overseer)
        app.command(desk.expedite, http="POST /jobs/{id}/expedite", allow=overseer)
    return app


class _Desk:
    """Where people ask for jobs; each sees their own."""

    def __init__(self, queue: Queue, overseer: Predicate | None) -> None:
        self._queue = queue
        self._overseer = overseer

    def job(self, id: str, call: Call) -> Job:
        """Look at a job.

        Args:
            id: the job's id.
            call: who asks.
        """
        return job_of(self._entry(id, call))

    def jobs(
        self,
        call: Call,
        state: State | None = None,
        after: str | None = None,
        limit: Annotated[int, Meta(ge=1, le=100)] = 20,
    ) -> Page[Job]:
        """List jobs, the newest first.

        Args:
            call: who asks.
            state: only those in this state.
            after: the `next` of the page before.
            limit: how many to list at most.
        """
        owner = None if self._oversees(call) else self._queue.owner(call.user)
        if owner == "":
            return Page([])
        states = () if state is None else (state,)
        found = self._queue.jobs(states=states, owner=owner, before=after, limit=limit + 1)
        return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)

    def progress(self, id: str, call: Call) -> Iterator[Job]:
        """Watch a job: it is told now and whenever it changes, until it is done, dead or cancelled.

        Args:
            id: the job's id.
            call: who asks.
        """
        # Outside of the call's own context: its unit of work would keep a connection as long as somebody watches.
        look = Context().run
        seen, again = None, 0.0
        while True:
            job = look(self.job, id, call)
            if job != seen or time.monotonic() >= again:
                seen, again = job, time.monotonic() + SIGN_OF_LIFE
                yield job
            if job.is_final:
                return
            call.check()
            time.sleep(GLANCE)

    def cancel(self, id: str, call: Call) -> Job:
        """Cancel a job, and what waits for it; one that runs is asked to stop.

        Args:
            id: the job's id.
            call: who asks.
        """
        self._entry(id, call)
        cancelled = self._queue.cancel(id)
        job = self._queue.job(id)
        if not cancelled and not is_stopping(job):
            raise WrongState("cancel", job)
        return job

    def result(self, id: str, call: Call) -> Download:
        """Fetch what a job gave, as JSON.

        Args:
            id: the job's id.
            call: who asks.
        """
        job = self.job(id, call)
        if not job.is_final:
            raise NoResultYet(job)
        if job.state != "done":
            raise JobFailed(job)
        return Download((job.result or "null").encode(), "application/json", f"{job.id}.json", inline=True)

    def retry(self, id: str) -> Job:
        """Put a dead or cancelled job back, as if it had never failed.

        Args:
            id: the job's id.
        """
        job = self._queue.job(id)
        if not self._queue.retry(id):
            raise WrongState("retry", job)
        return self._queue.job(id)

    def expedite(self, id: str) -> Job:
        """Let a waiting job begin before all others.

        Args:
            id: the job's id.
        """
        job = self._queue.job(id)
        if not self._queue.expedite(id):
            raise WrongState("expedite", job)
        return self._queue.job(id)

    # --- whose jobs ---

    def _entry(self, id: str, call: Call) -> Entry:
        """Return a job that the caller may see; of others nobody learns even that they are there."""
        entry = self._queue.entry(id)
        if not self._oversees(call) and not self._owns(entry, call):
            raise NoSuchJob(id)
        return entry

    def _owns(self, entry: Entry, call: Call) -> bool:
        return entry.message.owner != "" and entry.message.owner == self._queue.owner(call.user)

    def _oversees(self, call: Call) -> bool:
        if call.operation.identify is None:
            return True
        return self._overseer is not None and call.user is not None and self._overseer(call.user)
