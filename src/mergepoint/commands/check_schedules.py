"""What `mergepoint check` finds out about schedules, where their libraries are installed."""

from __future__ import annotations

from ..app import App
from ..errors import RegistrationError
from ..schedule import Scheduler
from ..tasks import Queue


def check(app: App) -> str:
    """Say which schedules there are.

    Raises:
        RegistrationError: one of them cannot work, or there is nothing that their jobs could be put in.
    """
    found = queues(app)
    for queue in found:
        Scheduler(queue)
    return ", ".join(name for queue in found for name in queue.app.schedules)


def queues(app: App) -> list[Queue]:
    """Return the queues of an app and of those it includes.

    Raises:
        RegistrationError: the app has schedules and no queue.
    """
    found = [resource for resource in app.resources if isinstance(resource, Queue)]
    if app.schedules and all(queue.app is not app for queue in found):
        raise RegistrationError(
            f"{app.name}: its schedules have nothing to put their jobs in: call mergepoint.tasks.Queue(app, db) right"
            " after App(...)."
        )
    return found
