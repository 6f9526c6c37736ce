"""Message classes made at run time from descriptors: no generated code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf import (
    descriptor_pool,
    duration_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
)
from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

GOOGLES: tuple[Any, ...] = (duration_pb2, struct_pb2, timestamp_pb2)
"""The modules of Google's own messages that an app may need."""


class Messages:
    """The messages of some files, in a pool of their own: two apps may use the same names.

    Attributes:
        pool: the descriptors.
    """

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        """Make the messages.

        Args:
            files: those that others need come first.

        Raises:
            TypeError: a file contradicts itself or the others.
        """
        self.pool = descriptor_pool.DescriptorPool()
        for file in files:
            self.pool.AddSerializedFile(_bare(file))

    def descriptor(self, name: str) -> Descriptor:
        """Return the descriptor of a message by its full name; KeyError if there is none."""
        return self.pool.FindMessageTypeByName(name)

    def message(self, name: str) -> Any:
        """Return the class of a message by its full name; KeyError if there is none."""
        return message_factory.GetMessageClass(self.descriptor(name))


def file_of(module_or_file: Any) -> FileDescriptorProto:
    """Return the file of a generated module, or of its descriptor."""
    found: FileDescriptor = getattr(module_or_file, "DESCRIPTOR", module_or_file)
    file = FileDescriptorProto()
    found.CopyToProto(file)
    return file


def _bare(file: FileDescriptorProto) -> bytes:
    """Return a file without its comments: they are for people, and defaults are among them."""
    copy = FileDescriptorProto()
    copy.CopyFrom(file)
    copy.ClearField("source_code_info")
    return copy.SerializeToString()
