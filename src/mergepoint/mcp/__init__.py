"""MCP: operations as tools for AI agents, over standard input and output or HTTP, under the policy they always have."""

from ..errors import missing

try:
    import anyio  # noqa: F401
    import mcp  # noqa: F401
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ModuleNotFoundError as error:
    raise missing("mergepoint.mcp", error, extra="mcp") from None

from .http import asgi, serve_http
from .service import Options, server
from .stdio import protocol_streams, serve_stdio

__all__ = ["Options", "asgi", "protocol_streams", "serve_http", "serve_stdio", "server"]
