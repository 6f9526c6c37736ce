"""The pages of background work: jobs as they run, what a person can do with them, and the steps of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import falcon

from mergepoint.jobs import Job, State
from newsroom.pages.showing import Pages
from newsroom.records import Pipeline, StepName
from newsroom.service.gallery import page_of

JOBS = {
    "make_thumbnail": "Thumbnail",
    "highlight": "Coloured source",
    "extract_text": "Text for searching",
    "compare_versions": "Difference",
    "publish_file": "Page in the gallery",
    "render_index": "Index of the gallery",
}
STEPS = {
    StepName.THUMBNAIL: "Thumbnail",
    StepName.HIGHLIGHT: "Coloured source",
    StepName.EXTRACT: "Text for searching",
    StepName.DIFFERENCE: "Difference",
    StepName.PUBLISH: "Page in the gallery",
}
STATES: dict[State | None, str] = {
    None: "All",
    "running": "Running",
    "waiting": "Waiting",
    "blocked": "Blocked",
    "dead": "Dead",
    "cancelled": "Cancelled",
    "done": "Done",
}
ACTS: Mapping[str, Sequence[str]] = {
    "waiting": ("expedite", "cancel"),
    "blocked": ("cancel",),
    "running": ("cancel",),
    "dead": ("retry",),
    "cancelled": ("retry",),
}
"""What a person can do with a job in a state."""

WORDS = {"expedite": "Expedite", "cancel": "Cancel", "retry": "Retry"}

PAGE = "25"
"""Jobs on a page."""

MOST_DEAD = 100


class Jobs:
    """The list of jobs.

    Args:
        pages: how to ask and to show.
        template: the whole page, or only what changes on it.
    """

    def __init__(self, pages: Pages, template: str) -> None:
        self._pages = pages
        self._template = template

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Show the jobs in a state, the newest first."""
        ask = self._pages.asking.ask
        wanted = {name: value for name in ("state", "after") if (value := request.get_param(name))}
        page = ask(request, "jobs.jobs", {**wanted, "limit": PAGE})
        dead = ask(request, "jobs.jobs", {"state": "dead", "limit": str(MOST_DEAD)})
        self._pages.show(
            response,
            self._template,
            page=page,
            dead=f"{MOST_DEAD}+" if dead.next else len(dead.items),
            files=ask(request, "files_of_jobs", {"jobs": [job.id for job in page.items]}),
            backlog=ask(request, "backlog"),
            state=wanted.get("state"),
            here=f"/jobs?{urlencode(wanted)}" if wanted else "/jobs",
            live=f"/jobs/live?{urlencode(wanted)}",
            next=f"?{urlencode({**wanted, 'after': page.next})}" if page.next else None,
            states=STATES,
            **VOCABULARY,
        )

    on_head = on_get


class OneJob:
    """One job with its history; `template` as of `Jobs`."""

    def __init__(self, pages: Pages, template: str) -> None:
        self._pages = pages
        self._template = template

    def on_get(self, request: falcon.Request, response: falcon.Response, id: str) -> None:
        """Show the job."""
        ask = self._pages.asking.ask
        job: Job = ask(request, "jobs.job", {"id": id})
        file = ask(request, "files_of_jobs", {"jobs": [id]}).get(id)
        self._pages.show(response, self._template, job=job, file=file, here=f"/jobs/{id}", **VOCABULARY)

    on_head = on_get


class Act:
    """Something that a person does: a form that is posted, after which the page it was on is shown again.

    Args:
        pages: how to ask.
        operation: the command it runs.
        back: the page that is shown then, unless the form names one; `{id}` is that of what it was done to.
    """

    def __init__(self, pages: Pages, operation: str, back: str) -> None:
        self._pages = pages
        self._operation = operation
        self._back = back

    def on_post(self, request: falcon.Request, response: falcon.Response, id: str | int) -> None:
        """Do it."""
        self._pages.asking.ask(request, self._operation, {"id": str(id)})
        back = request.get_media(default_when_empty={}).get("back", "")
        is_ours = back.startswith("/") and not back.startswith(("//", "/\\"))
        raise falcon.HTTPSeeOther(back if is_ours else self._back.format(id=id))


class Steps:
    """The steps of a file, as a piece of its page that changes."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def on_get(self, request: falcon.Request, response: falcon.Response, id: int) -> None:
        """Show how far each step is."""
        pipeline = self._pages.asking.ask(request, "pipeline", {"id": str(id)})
        self._pages.show(response, "steps.html", **about(pipeline))

    on_head = on_get


def about(pipeline: Pipeline) -> dict[str, Any]:
    """Return what the template of the steps of a file needs."""
    file = pipeline.file
    links = {
        StepName.THUMBNAIL: f"/files/{file.id}/thumbnail",
        StepName.HIGHLIGHT: f"/files/{file.id}/source",
        StepName.EXTRACT: None,
        StepName.DIFFERENCE: f"/files/{file.id}/difference",
        StepName.PUBLISH: f"/gallery/files/{page_of(file.path)}.html",
    }
    return {"pipeline": pipeline, "links": links, "here": f"/files/{file.id}", **VOCABULARY}


VOCABULARY = {"jobs": JOBS, "steps": STEPS, "acts": ACTS, "words": WORDS}
"""What the templates of these pages need besides records."""
