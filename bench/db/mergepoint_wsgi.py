"""The REST adapter alone, with metrics, as any WSGI server can run it."""

from mergepoint import observe, rest
from mergepoint_app import app as operations

observe.setup(operations)
app = rest.wsgi(operations)
