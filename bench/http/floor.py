"""The floor: the least that a WSGI server, msgspec and Python can do, with no framework at all."""

from urllib.parse import parse_qs

import msgspec

from records import ITEMS, decode_item, encode, greeting, item

JSON = ("Content-Type", "application/json")


def answer(start_response, status, body):
    """Send a body that is JSON already."""
    start_response(status, [JSON, ("Content-Length", str(len(body)))])
    return [body]


def parameter(query):
    """Return q of a query string, without parsing when nothing in it needs to be."""
    name = query.removeprefix("q=")
    return name if name.isalnum() else parse_qs(query)["q"][0]


def hello(environ, start_response):
    """Answer GET /hello."""
    return answer(start_response, "200 OK", encode(greeting()))


def one(environ, start_response):
    """Answer GET /items/{id}?q={name}."""
    record = item(int(environ["PATH_INFO"][7:]), parameter(environ["QUERY_STRING"]))
    return answer(start_response, "200 OK", encode(record))


def post(environ, start_response):
    """Answer POST /items."""
    try:
        record = decode_item(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    except msgspec.ValidationError as error:
        return answer(start_response, "422 Unprocessable Entity", encode(str(error)))
    return answer(start_response, "201 Created", encode(record))


def every(environ, start_response):
    """Answer GET /list."""
    return answer(start_response, "200 OK", encode(ITEMS))


ROUTES = {"/hello": hello, "/items": post, "/list": every}


def app(environ, start_response):
    """Dispatch a request by its path."""
    return ROUTES.get(environ["PATH_INFO"], one)(environ, start_response)
