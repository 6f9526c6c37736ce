"""REST: operations over HTTP as a WSGI application, their OpenAPI description, a docs page and a typed client."""

from ..errors import missing

try:
    import falcon  # noqa: F401
    import urllib3  # noqa: F401
    import xxhash  # noqa: F401
except ModuleNotFoundError as error:
    raise missing("mergepoint.rest", error, extra="rest") from None

from .application import wsgi
from .client import client

__all__ = ["client", "wsgi"]
