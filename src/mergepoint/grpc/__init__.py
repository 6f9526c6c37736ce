"""gRPC: operations as a server with health and reflection, their .proto file, and a typed client."""

import os

from ..errors import missing

# Read by grpcio when it is first imported. Without it a process that forks after its first call shares sockets with
# its children, and calls of both fail.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "true")

try:
    import google.protobuf
    import google.rpc  # type: ignore[import-untyped]  # it has no types  # noqa: F401
    import grpc  # noqa: F401
    import grpc_health  # noqa: F401
    import grpc_reflection  # noqa: F401
except ModuleNotFoundError as error:
    raise missing("mergepoint.grpc", error, extra="grpc") from None

from .client import client
from .server import Server, server
from .tls import Tls

__all__ = ["Server", "Tls", "client", "server"]
