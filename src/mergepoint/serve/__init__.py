"""Granian, embedded: worker processes that load an app and serve its site. Other servers take `mergepoint.site`."""

from ..errors import missing

try:
    from .server import Settings, run
except ModuleNotFoundError as error:
    raise missing("mergepoint.serve", error, extra="serve") from None

__all__ = ["Settings", "run"]
