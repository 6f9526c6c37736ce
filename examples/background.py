"""A command that takes long runs in the background: callers get a job at once, and can watch, cancel and fetch it.

$ mergepoint run examples/background.py
$ mergepoint call examples/background.py survey --harbours Hamburg --harbours Oslo
$ mergepoint jobs list examples/background.py
"""

from dataclasses import dataclass

from mergepoint import App, Progress, tasks
from mergepoint.db import Database

DEPTHS = {"Hamburg": 16.7, "Oslo": 11.0, "Bergen": 24.5}


@dataclass(frozen=True)
class Depth:
    """How deep the water is, in metres."""

    harbour: str
    metres: float


class NoSuchHarbour(Exception):
    """The harbour is on no chart."""


def survey(harbours: list[str], progress: Progress) -> list[Depth]:
    """Measure the water of harbours, one after the other.

    Args:
        harbours: their names.
        progress: hears how far this is.
    """
    return [_measured(harbour, number / len(harbours), progress) for number, harbour in enumerate(harbours)]


def _measured(harbour: str, done: float, progress: Progress) -> Depth:
    progress(done, harbour)
    if harbour not in DEPTHS:
        raise NoSuchHarbour(f"There is no harbour called {harbour}.")
    return Depth(harbour, DEPTHS[harbour])


def create(url: str = "sqlite:///background.db") -> App:
    """Build the application with a queue of jobs in a database."""
    db = Database(url)
    app = App("surveys", errors={NoSuchHarbour: "not_found"})
    queue = tasks.Queue(app, db)
    app.add(db)
    app.around(db.unit_of_work)
    app.command(survey, background=True)
    app.include(tasks.api(queue))
    return app
