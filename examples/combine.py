"""Small applications make a larger one, and any WSGI application fits beside them.

$ mergepoint routes examples/combine.py
"""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from mergepoint import App

moon = App("moon")
tide = App("tide")


@moon.query
def phase(day: int) -> float:
    """Return the lit part of the moon, from 0 to 1, on a day after new moon."""
    return 1 - abs(1 - (day % 29.53) / 14.765)


@tide.query
def height(hour: int) -> float:
    """Return the height of the tide in metres, at an hour after high water."""
    return 4 - 8 * abs((hour % 12.42) / 12.42 - 0.5)


def legacy(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer as the application answered that was here before."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"Here be the old almanac.\n"]


app = App("almanac")
app.include(moon)
app.include(tide)
app.mount("/almanac", legacy)
