"""ZeroMQ: request and reply with many workers behind one address, and publish/subscribe of typed events."""

from ..errors import missing

try:
    import zmq  # noqa: F401
except ModuleNotFoundError as error:
    raise missing("mergepoint.zmq", error, extra="zmq") from None

from .broker import Broker, broker
from .client import client
from .proxy import Proxy, proxy
from .publisher import Publisher, publisher
from .server import Server, serve_host, server
from .subscriber import Subscriber, subscriber

__all__ = [
    "Broker",
    "Proxy",
    "Publisher",
    "Server",
    "Subscriber",
    "broker",
    "client",
    "proxy",
    "publisher",
    "serve_host",
    "server",
    "subscriber",
]
