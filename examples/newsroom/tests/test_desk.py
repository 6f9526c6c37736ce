"""The service for the desk's tasks, on fakes."""

from __future__ import annotations

import pytest

from newsroom.errors import NoSuchFile, NoSuchTask
from newsroom.records import TaskState
from newsroom.tests.desk import Newsroom


def test_a_task_is_made_done_and_opened_again(room: Newsroom) -> None:
    """Done has a time, and doing it twice keeps the first."""
    task = room.desk.create_task(room.given("a.txt").id, "Check the names.")
    assert (task.state, task.done, task.path) == (TaskState.OPEN, None, "uploads/a.txt")
    done = room.desk.finish_task(task.id)
    assert done.state is TaskState.DONE
    assert done.done is not None
    assert room.desk.finish_task(task.id) == done
    assert room.desk.reopen_task(task.id) == task


def test_tasks_are_listed_by_file_and_state_newest_first(room: Newsroom) -> None:
    """Each filter narrows, and pages follow each other."""
    a, b = room.given("a.txt"), room.given("b.txt")
    tasks = [room.desk.create_task(file.id, f"{number}") for number, file in enumerate((a, b, a))]
    room.desk.finish_task(tasks[0].id)
    assert [task.note for task in room.desk.tasks().items] == ["2", "1", "0"]
    assert [task.note for task in room.desk.tasks(file_id=a.id).items] == ["2", "0"]
    assert [task.note for task in room.desk.tasks(state=TaskState.DONE).items] == ["0"]
    page = room.desk.tasks(limit=1)
    assert [task.note for task in room.desk.tasks(cursor=page.next, limit=1).items] == ["1"]


def test_what_is_not_there_is_said_with_its_id(room: Newsroom) -> None:
    """A task needs its file, and a change needs its task."""
    with pytest.raises(NoSuchFile, match="There is no file 404"):
        room.desk.create_task(404, "Check the names.")
    for operation in (room.desk.finish_task, room.desk.reopen_task):
        with pytest.raises(NoSuchTask, match="There is no task 404"):
            operation(404)
