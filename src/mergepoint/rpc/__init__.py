"""Calls between our own services over HTTP: frames of MessagePack in the bodies of POST requests."""

from ..errors import missing

try:
    import httptools  # noqa: F401
except ModuleNotFoundError as error:
    raise missing("mergepoint.rpc", error, extra="rpc") from None

from .link import Link
from .server import wsgi

__all__ = ["Link", "wsgi"]
