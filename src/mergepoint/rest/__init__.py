"""REST: operations over HTTP as a WSGI application, their OpenAPI description, a docs page and a typed client."""

from ..errors import missing

try:
    import falcon
    import urllib3
    import xxhash
except ModuleNotFoundError as error:
    raise missing("mergepoint.rest", error, extra="rest") from None

from .wsgi import Rest as wsgi

__all__ = ["wsgi"]
