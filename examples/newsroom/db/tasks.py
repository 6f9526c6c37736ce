"""The desk's tasks in the database."""

from __future__ import annotations

from datetime import datetime

from msgspec import structs
from sqlalchemy import bindparam, insert, select, update

from mergepoint import Page
from mergepoint.db import Database
from newsroom.db.tables import files, tasks
from newsroom.records import Task, TaskState

TASK = select(*(files.c.path if name == "path" else tasks.c[name] for name in Task.__struct_fields__)).join_from(
    tasks, files
)
"""Tasks with the paths of the files they are about."""


class Tasks:
    """The `TaskRepository` of a database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._add = db.statement(insert(tasks))
        self._set_state = db.statement(update(tasks).where(tasks.c.id == bindparam("of_task")))
        self._task = db.statement(TASK.where(tasks.c.id == bindparam("task_id")), Task)

    def add(self, task: Task) -> None:
        """See `TaskRepository`."""
        row = structs.asdict(task)
        del row["path"]
        self._add.run(**row)

    def set_state(self, id: int, state: TaskState, done: datetime | None) -> None:
        """See `TaskRepository`."""
        self._set_state.run(of_task=id, state=state, done=done)

    def find(self, file_id: int | None, state: TaskState | None, cursor: str | None, limit: int) -> Page[Task]:
        """See `TaskRepository`."""
        statement = TASK
        if file_id is not None:
            statement = statement.where(tasks.c.file_id == file_id)
        if state is not None:
            statement = statement.where(tasks.c.state == state)
        return self._db.pages(statement, Task, by=[tasks.c.id.desc()], parameter="cursor").page(cursor, limit)

    def get(self, id: int) -> Task | None:
        """See `TaskRepository`."""
        return self._task.one_or_none(task_id=id)
