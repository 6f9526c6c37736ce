"""The queue of an application: put jobs in as their commands are called, and look after them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, ParamSpec, TypeVar, Unpack, cast, overload

import msgspec

from .. import call as calls
from ..app import App
from ..call import Call
from ..db import Database
from ..errors import DeadlineExceeded, Failure
from ..jobs import Engine, Entry, Job, Message, State, job_of, moment
from ..operation import Operation
from ..stub import Stub
from .gauges import Gauge, depths
from .messages import Form, When, owner_by_id
from .services import is_function, methods
from .tables import Tables

P = ParamSpec("P")
S = TypeVar("S")

GLANCES = (0.02, 1.0)
"""Seconds between two looks at a job that is waited for: at first, and at the most."""


class NoSuchJob(Failure):
    """There is no such job, or it was kept long enough."""

    kind = "not_found"

    def __init__(self, id: str) -> None:
        super().__init__(f"There is no job {id!r}; its outcome may have been kept long enough.", code="no_such_job")


class JobFailed(Failure):
    """The job that was waited for came to no result.

    Attributes:
        job: the job, with its history.
    """

    kind = "failed_precondition"

    def __init__(self, job: Job) -> None:
        last = f": {job.history[-1].message}" if job.history else "."
        super().__init__(f"The job {job.id} of {job.operation} is {job.state}{last}", code="job_failed")
        self.job = job


class Queue:
    """Puts in jobs of an app's commands and tasks.

    Make it right after the app: it is what background commands put their jobs in, and a resource of the app.

    Args:
        app: whose commands the jobs run.
        engine: what keeps them: a database, or `redis.Worklist(...)`, `Outbox(...)`.
        owner: says whose job it is that a user puts in; by their `id` unless given.

    Attributes:
        app: the same.
        engine: the same; `Tables(db)` for a database.
        name: what health reports call it.

    Raises:
        RegistrationError: the app has a queue already.
    """

    def __init__(self, app: App, engine: Engine | Database, *, owner: Callable[[Any], str] | None = None) -> None:
        self.app = app
        self.engine: Engine = Tables(engine) if isinstance(engine, Database) else engine
        self.name = self.engine.name
        self._owner = owner or owner_by_id
        self._forms: dict[Any, Form] = {}
        app.background(self._defer)
        app.add(self)

    def __repr__(self) -> str:
        return repr(self.engine)

    # --- putting in ---

    @overload
    def later(self, callee: Callable[P, Any], **when: Unpack[When]) -> Callable[P, Job]: ...
    @overload
    def later(self, callee: S, **when: Unpack[When]) -> S: ...
    def later(self, callee: Any, **when: Unpack[When]) -> Any:
        """Return what puts in a job instead of running a command, with the command's own signature.

        Inside a transaction of the engine's database, the job is there if the transaction is committed.

        Args:
            callee: a command or task of the app, or a service whose methods are: `queue.later(roost).census()`.
            when: how the job is put in; see `When`.

        Returns:
            A callable that returns the `Job`; for a service, an object with its methods that do. A type checker sees
            the methods' own results there; to use the job, pass the method: `queue.later(roost.census)()`.

        Raises:
            RegistrationError: when it is called: the callee is no command or task of the app.
            InvalidArgument: when it is called: an argument or an option is not what it should be.
        """
        return self._each(callee, lambda message: self.put([message])[0], when)

    def message(self, callee: Callable[P, Any], **when: Unpack[When]) -> Callable[P, Message]:
        """Return what makes the message of a job without putting it in, for `put`, `group` and `chain`; as `later`."""
        return cast("Callable[P, Message]", self._each(callee, lambda message: message, when))

    def put(self, messages: Iterable[Message]) -> list[Job]:
        """Put in many jobs at once: all or none."""
        batch = list(messages)
        ids = self.engine.put(batch) if batch else []
        pairs = zip(ids, batch, strict=True)
        return [_new_job(message) if id == message.id else self._other(id, message) for id, message in pairs]

    def group(self, messages: Iterable[Message], *, then: Message) -> Job:
        """Put in jobs, and one that begins when all of them are done.

        If one of them ends in the dead letters, the last one waits until somebody puts that back; if one is cancelled,
        so is the last one.

        Returns:
            The job of `then`.

        Raises:
            ValueError: a message is a part of another group or chain, or unique.
        """
        members = [_followed(message, then) for message in messages]
        last = msgspec.structs.replace(then, needs=then.needs + len(members))
        return self.put([last, *members])[0]

    def chain(self, first: Message, *others: Message) -> list[Job]:
        """Put in jobs that begin one after the other, each when the one before is done.

        Raises:
            ValueError: a message is a part of another group or chain, or unique.
        """
        waiting = [msgspec.structs.replace(message, needs=message.needs + 1) for message in others]
        links = [first, *waiting]
        followed = [_followed(message, after) for message, after in zip(links, waiting, strict=False)]
        return self.put([*followed, links[-1]])

    # --- looking after them ---

    def job(self, id: str) -> Job:
        """Return a job as it is now.

        Raises:
            NoSuchJob: there is none of this id.
        """
        return job_of(self.entry(id))

    def entry(self, id: str) -> Entry:
        """Return all that is known of a job, its arguments too.

        Raises:
            NoSuchJob: there is none of this id.
        """
        entry = self.engine.get(id)
        if entry is None:
            raise NoSuchJob(id)
        return entry

    def jobs(
        self,
        *,
        states: Collection[State] = (),
        queue: str | None = None,
        operation: str | None = None,
        owner: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        """Return jobs, the newest first; `before` an id, for those after a page."""
        entries = self.engine.entries(
            states=states, queue=queue, operation=operation, owner=owner, before=before, limit=limit
        )
        return [job_of(entry) for entry in entries]

    def cancel(self, *ids: str) -> list[str]:
        """Cancel jobs and what waits for them; one that runs is asked to stop. Return those it has an effect on."""
        return self.engine.cancel(ids)

    def retry(self, *ids: str) -> list[str]:
        """Put dead and cancelled jobs back, as if they had never failed. Return those that were."""
        return self.engine.retry(ids)

    def expedite(self, *ids: str) -> list[str]:
        """Let waiting jobs begin before all others. Return those it has an effect on."""
        return self.engine.expedite(ids)

    def wait(self, id: str, seconds: float = 30.0) -> Job:
        """Wait until a job is done, dead or cancelled, and return it.

        Raises:
            NoSuchJob: there is none of this id.
            DeadlineExceeded: it takes longer, or the time of the call that waits is over.
        """
        call = calls.current()
        ends = time.monotonic() + seconds
        ends = ends if call is None else min(ends, call.expires)
        glance, longest = GLANCES
        while not (job := self.job(id)).is_final:
            if time.monotonic() + glance > ends:
                raise DeadlineExceeded(f"The job {id} of {job.operation} is still {job.state}.")
            time.sleep(glance)
            glance = min(glance * 1.5, longest)
        return job

    def result(self, id: str, seconds: float = 30.0) -> Any:
        """Wait for a job, and return what its command returned.

        Raises:
            JobFailed: it came to no result.
            NoSuchJob: there is none of this id.
            DeadlineExceeded: it takes longer.
        """
        job = self.wait(id, seconds)
        if job.state != "done":
            raise JobFailed(job)
        wire = self.app.jobs[job.operation].contract.result
        return None if job.result is None or wire is None else wire.tolerate_json(job.result.encode())

    def owner(self, user: Any) -> str:
        """Return whose a job is that this user puts in; nobody's without one."""
        return "" if user is None else self._owner(user)

    # --- as a resource of the app ---

    def check(self) -> None:
        """Raise what keeps the engine from working."""
        self.engine.check()

    def close(self) -> None:
        """Let go of the engine's connections."""
        self.engine.close()

    def gauges(self) -> list[Gauge]:
        """Return how many jobs there are, by queue and state, for metrics."""
        return depths(self.engine)

    # --- inside ---

    def _each(self, callee: Any, use: Callable[[Message], Any], when: When) -> Any:
        if not is_function(callee):
            later = {name: self._each(method, use, when) for name, method in methods(callee)}
            return Stub(f"{type(callee).__name__}, later", later)

        def put_in(*values: Any, **named: Any) -> Any:
            form = self._form(callee)
            return use(form.message(form.operation.contract.order(values, named), calls.current(), when))

        return put_in

    def _form(self, callee: Callable[..., Any]) -> Form:
        try:
            return self._forms[callee]
        except KeyError:
            operation = self.app.jobs[self.app.job_name(callee)]
            form = self._forms[callee] = Form(operation, self.owner)
            return form

    def _defer(self, operation: Operation, values: tuple[Any, ...], call: Call) -> Job:
        form = self._forms.get(operation) or self._forms.setdefault(operation, Form(operation, self.owner))
        return self.put([form.message(values, call, {})])[0]

    def _other(self, id: str, message: Message) -> Job:
        """Return the job that has the unique key of a message; it may be over and forgotten by now."""
        entry = self.engine.get(id)
        return msgspec.structs.replace(_new_job(message), id=id) if entry is None else job_of(entry)


def _followed(message: Message, by: Message) -> Message:
    """Return a message after whose job that of another begins."""
    if message.then is not None or message.unique is not None:
        what = "is unique, so its job may be another's" if message.unique else "is followed by another job already"
        raise ValueError(f"The job {message.id} of {message.operation} {what}: it cannot be a part of this.")
    return msgspec.structs.replace(message, then=by.id)


def _new_job(message: Message) -> Job:
    """Return what people see of a job that was just put in."""
    due = message.at if message.at is not None else message.created + message.delay
    return Job(
        id=message.id,
        operation=message.operation,
        state="blocked" if message.needs else "waiting",
        queue=message.queue,
        priority=message.priority,
        created=moment(message.created),
        due=moment(due),
    )
