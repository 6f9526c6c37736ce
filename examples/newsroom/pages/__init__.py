"""The pages at `/`: files, imports and publications as HTML, made on the server; they need no JavaScript.

They call the app's operations, with all the policy around them, and never a repository.
"""

from __future__ import annotations

from pathlib import Path
from wsgiref.types import WSGIApplication

import falcon

from mergepoint import App
from newsroom.pages import views
from newsroom.pages.asking import Asking
from newsroom.pages.safety import Headers
from newsroom.pages.showing import Pages

DAY = 86_400
STATIC = Path(__file__).parent / "static"


class Newspages(falcon.App[falcon.Request, falcon.Response]):
    """Falcon's app, by a name that tells what it serves."""


def site(app: App) -> WSGIApplication:
    """Make the WSGI app of the pages. The app's operations are first looked at when somebody asks for a page."""
    pages = Pages(Asking(app))
    routes = {
        "/": views.Files(pages),
        "/files/{id:int}": views.File(pages),
        "/files/{id:int}/download": views.Bytes(pages, "download"),
        "/files/{id:int}/preview": views.Bytes(pages, "preview", seconds=DAY),
        "/imports": views.Many(pages, "jobs", "imports.html"),
        "/imports/{id:int}": views.One(pages, "job", "import.html"),
        "/publications": views.Many(pages, "publications", "publications.html"),
        "/publications/{id:int}": views.One(pages, "publication", "publication.html"),
    }
    wsgi = Newspages(middleware=[Headers()])
    for route, view in routes.items():
        wsgi.add_route(route, view)
    wsgi.add_static_route("/static", STATIC)
    wsgi.add_error_handler(Exception, pages.failed)
    wsgi.add_error_handler(falcon.HTTPError, pages.refused)
    return wsgi
