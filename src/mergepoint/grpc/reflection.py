"""Server reflection, v1 and v1alpha: how grpcurl, clients in other languages and our own learn what is served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import SERVICE_NAME, ReflectionServicer

from .messages import file_of

V1ALPHA, V1 = SERVICE_NAME, SERVICE_NAME.replace("v1alpha", "v1")
METHOD = "ServerReflectionInfo"


def files() -> list[FileDescriptorProto]:
    """Return the files of both versions. The library has v1alpha alone; v1 is the same under another package."""
    alpha = file_of(reflection_pb2)
    return [alpha, _renamed(alpha)]


def _renamed(alpha: FileDescriptorProto) -> FileDescriptorProto:
    file = FileDescriptorProto()
    file.CopyFrom(alpha)
    file.name = alpha.name.replace("v1alpha", "v1")
    file.package = alpha.package.replace("v1alpha", "v1")
    for message in file.message_type:
        for field in filter(lambda field: field.type_name, message.field):
            field.type_name = field.type_name.replace(alpha.package, file.package)
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(alpha.package, file.package)
        method.output_type = method.output_type.replace(alpha.package, file.package)
    return file


def handlers(services: Sequence[str], pool: DescriptorPool) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
    """Return what answers, by service and method.

    Args:
        services: the full names of all that is served.
        pool: describes it.
    """
    servicer = ReflectionServicer(services, pool=pool)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return {service: {METHOD: handler} for service in (V1, V1ALPHA)}
