"""The pages at `/`, as HTML made on the server. They need no JavaScript; a small script keeps those of jobs up to date.

They call the app's operations, with all the policy around them, and never a repository.
"""

from __future__ import annotations

from pathlib import Path
from wsgiref.types import WSGIApplication

import falcon

from mergepoint import App
from newsroom.pages import reading, views, working
from newsroom.pages.asking import Asking
from newsroom.pages.safety import Headers, SameOrigin
from newsroom.pages.showing import Pages

DAY = 86_400
STATIC = Path(__file__).parent / "static"


class Newspages(falcon.App[falcon.Request, falcon.Response]):
    """Falcon's app, by a name that tells what it serves."""


def site(app: App, gallery: Path) -> WSGIApplication:
    """Make the WSGI app of the pages. The app's operations are first looked at when somebody asks for a page.

    Args:
        app: what they show.
        gallery: the folder of the gallery.
    """
    pages = Pages(Asking(app))
    routes = {
        "/": views.Files(pages),
        "/files/{id:int}": views.File(pages),
        "/files/{id:int}/download": views.Bytes(pages, "download"),
        "/files/{id:int}/preview": views.Bytes(pages, "preview", seconds=DAY),
        "/files/{id:int}/steps": working.Steps(pages),
        "/files/{id:int}/source": reading.Source(pages),
        "/files/{id:int}/difference": reading.Difference(pages),
        "/files/{id:int}/thumbnail": views.Bytes(pages, "thumbnail"),
        "/files/{id:int}/process": working.Act(pages, "process", "/files/{id}"),
        "/search": reading.Search(pages),
        "/gallery": reading.Gallery(pages, gallery),
        "/jobs": working.Jobs(pages, "jobs.html"),
        "/jobs/live": working.Jobs(pages, "jobs-live.html"),
        "/jobs/{id}": working.OneJob(pages, "job.html"),
        "/jobs/{id}/live": working.OneJob(pages, "job-live.html"),
        **{f"/jobs/{{id}}/{act}": working.Act(pages, f"jobs.{act}", "/jobs/{id}") for act in working.WORDS},
        "/imports": views.Many(pages, "imports", "imports.html"),
        "/imports/{id:int}": views.One(pages, "import_run", "import.html"),
        "/publications": views.Many(pages, "publications", "publications.html"),
        "/publications/{id:int}": views.One(pages, "publication", "publication.html"),
    }
    wsgi = Newspages(middleware=[Headers(), SameOrigin()])
    for route, view in routes.items():
        wsgi.add_route(route, view)
    wsgi.add_static_route("/static", STATIC)
    wsgi.add_static_route("/gallery", gallery.absolute())
    wsgi.add_error_handler(Exception, pages.failed)
    wsgi.add_error_handler(falcon.HTTPError, pages.refused)
    return wsgi
