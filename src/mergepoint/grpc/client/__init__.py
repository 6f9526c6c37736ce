"""A typed client: an object with the methods of a service that calls it over gRPC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from ...errors import Kind
from ...faults import ErrorTable
from ...stub import Headers, Stub, public_methods
from .connection import Connection
from .method import Method

S = TypeVar("S")


def client(
    service: Callable[..., S],
    url: str,
    *,
    errors: Mapping[type[Exception], Kind] | ErrorTable | None = None,
    operations: Mapping[str, str] | None = None,
    headers: Headers | None = None,
    timeout: float = 10.0,
    package: str | None = None,
) -> S:
    """Return an object with the public methods of a service, which calls them over gRPC.

    Args:
        service: the class of the service, or a Protocol of the methods that are called.
        url: `grpc://host:50051`; with TLS `grpcs://host:443`, and where needed the files
            `?ca=ca.pem&certificate=own.pem&key=own.key`.
        errors: the exceptions that its operations declare; a caller gets the same classes. All others are a `Failure`.
        operations: the names of operations that are not called as their methods are.
        headers: metadata to send with every call, such as `authorization`, or a function that returns it.
        timeout: the longest a call may take, in seconds; of a stream or download, the longest wait for more of it.
            A call made within another one never takes longer than that one still has.
        package: that of the app, such as `hello.v1`, where a server has several.

    Returns:
        The client. Threads may share it; it opens no connection before the first call.

    Raises:
        RegistrationError: a method has no contract that gRPC could carry, or is `async def`.
        ConfigError: the address is none.
    """
    table = errors if isinstance(errors, ErrorTable) else ErrorTable(errors)
    connection = Connection(service.__name__, url, table, headers or {}, timeout, package)
    methods = {
        name: Method(connection, (operations or {}).get(name, name), function)
        for name, function in public_methods(service)
    }
    return cast(S, Stub(f"The client of {service.__name__}", methods))
