"""GraphQL: operations as a schema, compiled execution, and a WSGI application that serves it."""

from ..errors import missing

try:
    import falcon  # noqa: F401
    import graphql  # noqa: F401
except ModuleNotFoundError as error:
    raise missing("mergepoint.graphql", error, extra="graphql") from None

from .exchange import Caller, Request, RequestError, Result
from .http import wsgi
from .limits import Limits
from .prepared import Prepared
from .schema import Schema

__all__ = ["Caller", "Limits", "Prepared", "Request", "RequestError", "Result", "Schema", "wsgi"]
