"""The desk's tasks: what somebody has to do about a file."""

from __future__ import annotations

from mergepoint import Id, Page
from newsroom.errors import NoSuchFile, NoSuchTask
from newsroom.records import Cursor, Limit, Note, Task, TaskState
from newsroom.repositories import FileRepository, TaskRepository
from newsroom.service.needs import Clock, NewId


class Desk:
    """Keeps the desk's tasks.

    Args:
        tasks: keeps them.
        files: knows what they are about.
        clock: tells when they are made and done.
        new_id: numbers them.
    """

    def __init__(self, tasks: TaskRepository, files: FileRepository, clock: Clock, new_id: NewId) -> None:
        self._tasks = tasks
        self._files = files
        self._clock = clock
        self._new_id = new_id

    def tasks(
        self,
        file_id: Id | None = None,
        state: TaskState | None = None,
        cursor: Cursor | None = None,
        limit: Limit = 50,
    ) -> Page[Task]:
        """List tasks, the newest first.

        Args:
            file_id: only those about this file.
            state: only those that have come so far.
            cursor: `next` of the page before.
            limit: the most tasks on a page.
        """
        return self._tasks.find(file_id, state, cursor, limit)

    def create_task(self, file_id: Id, note: Note) -> Task:
        """Note something to do about a file.

        Raises:
            NoSuchFile: there is none with this id.
        """
        details = self._files.get(file_id)
        if details is None:
            raise NoSuchFile(file_id)
        task = Task(self._new_id(), file_id, details.file.path, note, TaskState.OPEN, self._clock())
        self._tasks.add(task)
        return task

    def finish_task(self, id: Id) -> Task:
        """Note that a task is done. A task that is done already keeps the time it was done at.

        Raises:
            NoSuchTask: there is none with this id.
        """
        if self._task(id).state is TaskState.OPEN:
            self._tasks.set_state(id, TaskState.DONE, self._clock())
        return self._task(id)

    def reopen_task(self, id: Id) -> Task:
        """Note that a task is not done after all.

        Raises:
            NoSuchTask: there is none with this id.
        """
        self._task(id)
        self._tasks.set_state(id, TaskState.OPEN, None)
        return self._task(id)

    def _task(self, id: int) -> Task:
        task = self._tasks.get(id)
        if task is None:
            raise NoSuchTask(id)
        return task
