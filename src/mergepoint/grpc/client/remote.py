"""What the client knows of the other side: its services, methods and messages, as reflection tells them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection_pb2

from ...errors import Failure, Unimplemented
from ..channel import Channel
from ..messages import Messages
from ..names import camel, snake

REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

Request = reflection_pb2.ServerReflectionRequest


class Target(NamedTuple):
    """One method of the other side.

    Attributes:
        path: what is sent, `/hello.v1.Hello/Greet`.
        method: its descriptor.
        request: the class of its requests.
        response: the class of its answers.
    """

    path: str
    method: MethodDescriptor
    request: Any
    response: Any


class Directory:
    """The methods of the other side, read when the first one is asked for.

    Args:
        channel: leads there.
        package: the package of the app that is meant, such as `hello.v1`; None if there is only one.
    """

    def __init__(self, channel: Channel, package: str | None) -> None:
        self._channel = channel
        self._package = package
        self._known: _Known | None = None

    def find(self, operation: str, seconds: float) -> Target:
        """Return where an operation is.

        Args:
            operation: such as `greet`, or `bats.adopt` of an included app.
            seconds: the longest to wait for the descriptions.

        Raises:
            Unimplemented: the other side has no such operation.
            Failure: the descriptions cannot be had.
        """
        if self._known is None:
            self._known = self._read(seconds)
        known = self._known
        if target := known.target(operation):
            return target
        self.forget()
        near = difflib.get_close_matches(operation, known.operations(), 1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise Unimplemented(f"{self._channel.what}: the other side has no operation `{operation}`.{hint}")

    def forget(self) -> None:
        """Read the descriptions again before the next call: the other side may have changed."""
        self._known = None

    def _read(self, seconds: float) -> _Known:
        try:
            (listed,) = self._ask([Request(list_services="")], seconds)
            services = [service.name for service in listed.list_services_response.service]
            package, own = self._chosen([name for name in services if not name.startswith(("grpc.", "mergepoint."))])
            answers = self._ask([Request(file_containing_symbol=name) for name in own], seconds)
        except grpc.RpcError as error:
            raise self._channel.failure(error) or self._unreadable(f"{error.code()}: {error.details()}") from error
        try:
            files = {f.name: f for answer in answers for f in _files(answer)}
            return _Known(Messages(_in_order(files)), package, own)
        except (DecodeError, TypeError, KeyError) as error:
            raise self._unreadable(f"its descriptions contradict themselves: {error}") from error

    def _ask(self, requests: Sequence[Any], seconds: float) -> list[Any]:
        call = self._channel.both(
            REFLECTION, Request.SerializeToString, reflection_pb2.ServerReflectionResponse.FromString
        )
        return list(call(iter(requests), timeout=seconds))

    def _chosen(self, services: Sequence[str]) -> tuple[str, list[str]]:
        """Return the package that is meant, and the services in it."""
        packages = sorted({name.rpartition(".")[0] for name in services})
        if self._package in packages or (self._package is None and len(packages) == 1):
            package = self._package or packages[0]
            return package, [name for name in services if name.rpartition(".")[0] == package]
        if self._package is None and packages:
            raise self._unreadable(f"it serves several packages, say which: package= one of {', '.join(packages)}")
        served = ", ".join(packages) or "none"
        raise self._unreadable(f"it serves no {self._package or 'app'}; its packages are: {served}")

    def _unreadable(self, reason: str) -> Failure:
        failure = Failure(
            f"{self._channel.what}: the description of its operations cannot be read.",
            kind="unavailable",
            code="no_description",
        )
        failure.add_note(f"{reason}. The client reads it by server reflection, which grpc.server(...) has.")
        return failure


class _Known:
    """The services of one package."""

    def __init__(self, messages: Messages, package: str, services: Iterable[str]) -> None:
        self._messages = messages
        self._app = camel(package.partition(".")[0])
        self._services = {name.rpartition(".")[2]: messages.pool.FindServiceByName(name) for name in services}
        self._targets: dict[str, Target | None] = {}

    def target(self, operation: str) -> Target | None:
        """Return where an operation is, or None if there is none of this name."""
        if operation not in self._targets:
            self._targets[operation] = self._found(operation)
        return self._targets[operation]

    def _found(self, operation: str) -> Target | None:
        owner, _, name = operation.rpartition(".")
        service = self._services.get(camel(owner.replace(".", "_")) if owner else self._app)
        method = None if service is None else service.methods_by_name.get(camel(name))
        if service is None or method is None:
            return None
        make: Callable[[str], Any] = self._messages.message
        request, response = make(method.input_type.full_name), make(method.output_type.full_name)
        return Target(f"/{service.full_name}/{method.name}", method, request, response)

    def operations(self) -> list[str]:
        """Return the names of all operations, as far as those of methods tell them."""
        return [
            ("" if name == self._app else f"{snake(name)}.") + snake(method)
            for name, service in self._services.items()
            for method in service.methods_by_name
        ]


def _files(answer: Any) -> Iterable[FileDescriptorProto]:
    return map(FileDescriptorProto.FromString, answer.file_descriptor_response.file_descriptor_proto)


def _in_order(files: dict[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Return files so that each comes after those it needs."""
    order = TopologicalSorter({name: list(file.dependency) for name, file in files.items()})
    return [files[name] for name in order.static_order()]
