"""The protobuf file of an app: a service with a method for each operation, and the messages they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from ..app import App
from ..contract import Parameter, takes_several
from ..lock import AppLock
from ..operation import Operation
from .hints import CannotCarry, Kinds, must_have_names
from .kinds import FILE, Kind, Many, Part, Value
from .layout import Layout
from .names import CHUNK, RESULT, MethodName, camel, method_of, package_of


class Method(NamedTuple):
    """An operation over gRPC.

    Attributes:
        operation: what it runs.
        name: where it is found.
        request: the full name of its request.
        response: that of its answer, or of one item of it.
        parts: its parameters, without the files.
        uploads: those that are files.
        result: what it gives; None for nothing and for a download.
    """

    operation: Operation
    name: MethodName
    request: str
    response: str
    parts: tuple[Part, ...]
    uploads: tuple[Part, ...]
    result: Value | None

    @property
    def streams(self) -> bool:
        """True if the answer is a stream of messages."""
        return self.operation.contract.gives in ("stream", "download")


class Schema(NamedTuple):
    """What an app is in protobuf.

    Attributes:
        file: all of it, with comments.
        methods: the operations that can be called, by name.
        left_out: the operations that gRPC cannot carry, and why.
    """

    file: FileDescriptorProto
    methods: dict[str, Method]
    left_out: dict[str, str]

    @property
    def services(self) -> list[str]:
        """The full names of the services."""
        return [f"{self.file.package}.{service.name}" for service in self.file.service]


def schema(app: App, lock: AppLock) -> Schema:
    """Return what an app is in protobuf.

    Args:
        app: the app.
        lock: a description of it that is complete; the numbers are from there.
    """
    package = package_of(app.name, app.version)
    methods, left_out = _methods(app, package)
    taken = {name for m in methods.values() for name in (m.request, m.response, m.name.full_service)}
    layout = Layout(package, lock, {name.removeprefix(f"{package}.") for name in taken})
    layout.comment([12], f"Version {app.version} of the app `{app.name}`.")
    for method in methods.values():
        _add_messages(layout, method)
    for service in dict.fromkeys([camel(app.name), *(method.name.service for method in methods.values())]):
        _add_service(layout, service, [m for m in methods.values() if m.name.service == service])
    return Schema(layout.finished(), methods, left_out)


def _add_messages(layout: Layout, method: Method) -> None:
    """Add what a method takes and gives; an answer is always a message of its own, so that results may grow."""
    operation = method.operation
    numbers = layout.lock.operations[operation.name].parameters
    layout.add(method.request, f"What `{operation.name}` takes.", [*method.parts, *method.uploads], numbers)
    if operation.contract.gives == "download":
        layout.add_chunk()
        return
    what = "an item of the stream" if method.streams else "what it gives"
    parts = [] if method.result is None else [Part(RESULT, RESULT, method.result)]
    layout.add(method.response, f"The answer of `{operation.name}`: {what}.", parts)


def _add_service(layout: Layout, name: str, methods: Sequence[Method]) -> None:
    if not methods:
        return
    index = len(layout.file.service)
    service = layout.file.service.add(name=name)
    for number, method in enumerate(methods):
        service.method.add(
            name=method.name.method,
            input_type=f".{method.request}",
            output_type=f".{method.response}",
            server_streaming=method.streams or None,  # as protoc leaves it
        )
        contract = method.operation.contract
        layout.comment([6, index, 2, number], "\n\n".join(filter(None, [contract.summary, contract.description])))


def _methods(app: App, package: str) -> tuple[dict[str, Method], dict[str, str]]:
    kinds = Kinds()
    methods: dict[str, Method] = {}
    left_out: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name, operation in app.operations.items():
        try:
            method = _method(app, package, operation, kinds)
            for claimed in (method.name.path, method.request):
                if taken.setdefault(claimed, name) != name:
                    raise CannotCarry(f"gRPC would call it `{claimed}`, as it does `{taken[claimed]}`; rename one")
            methods[name] = method
        except CannotCarry as reason:
            left_out[name] = str(reason)
    return methods, left_out


def _method(app: App, package: str, operation: Operation, kinds: Kinds) -> Method:
    name = method_of(package, app.name, operation.name)
    contract = operation.contract
    parts = kinds.parts(contract.parameters)
    uploads = tuple(_upload(upload) for upload in contract.uploads)
    must_have_names("The arguments", [*parts, *uploads])
    gives = contract.gives in ("value", "stream")
    owner = name.service if "." in operation.name else ""
    message = f"{package}.{owner}{name.method}"
    return Method(
        operation,
        name,
        f"{message}Request",
        f"{package}.{CHUNK}" if contract.gives == "download" else f"{message}Response",
        parts,
        uploads,
        kinds.value(contract.result.type) if gives and contract.result else None,
    )


def _upload(parameter: Parameter) -> Part:
    """Return a parameter that is a file, or a list of them."""
    kind: Kind = Many(Value(FILE)) if takes_several(parameter.type) else FILE
    default = parameter.default if parameter.required else ()
    return Part(parameter.name, parameter.name, Value(kind), default, parameter.doc)
