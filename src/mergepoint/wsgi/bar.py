"""The bar shared by all applications of a site: what it lists, and the script that draws it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from wsgiref.types import StartResponse, WSGIEnvironment

from mergepoint.wsgi.answer import answer, answer_json, not_allowed, reads_only


class Listing:
    """A WSGI application that answers with a site's applications: `{"apps": [{"title": ..., "path": ...}]}`.

    Args:
        titles: the title of each application by its path in the site.
    """

    def __init__(self, titles: Mapping[str, str]) -> None:
        self.titles = titles

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if not reads_only(environ):
            return not_allowed(environ, start_response)
        root = environ["SCRIPT_NAME"].removesuffix("/site.json")
        apps = [{"title": title, "path": root + path} for path, title in self.titles.items()]
        return answer_json(environ, start_response, {"apps": apps})


class Script:
    """A WSGI application that answers with the script of the bar."""

    def __init__(self) -> None:
        self.body = files(__package__).joinpath("bar.js").read_bytes()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if not reads_only(environ):
            return not_allowed(environ, start_response)
        kept = [("Cache-Control", "public, max-age=3600")]
        return answer(environ, start_response, self.body, media_type="text/javascript; charset=utf-8", headers=kept)


def title_of(path: str) -> str:
    """Return the title of an application nobody named: `Admin` for `/admin`, `Home` for `/`."""
    return path.rsplit("/", 1)[-1].replace("-", " ").replace("_", " ").capitalize() or "Home"
