"""What the parts of an app are called in protobuf: packages, services, methods, messages, fields."""

from __future__ import annotations

import re
from typing import NamedTuple

NULL, EMPTY = "_null", "_empty"
"""The endings of the fields that tell of a null, or of an empty list, where it is not the same as left out."""

RESULT, VALUE, ITEMS, ENTRIES, ALTERNATIVE, NOTHING = "result", "value", "items", "entries", "alternative", "null"
"""The fields of the messages that stand around something."""

UPLOAD, CHUNK = "Upload", "Chunk"
"""The messages of files that come and go."""

NULL_VALUE = "google.protobuf.NullValue"
"""The enum that stands for a null."""


class MethodName(NamedTuple):
    """Where an operation is found: `hello.v1`, `Hello`, `Greet`."""

    package: str
    service: str
    method: str

    @property
    def full_service(self) -> str:
        """The service with its package: `hello.v1.Hello`."""
        return f"{self.package}.{self.service}"

    @property
    def path(self) -> str:
        """What a client sends: `/hello.v1.Hello/Greet`."""
        return f"/{self.full_service}/{self.method}"


def package_of(app: str, version: str) -> str:
    """Return the package of an app: `hello.v1`; of version 2.1 `hello.v2_1`."""
    return f"{app}.v{re.sub(r'[^a-zA-Z0-9]+', '_', version)}"


def method_of(package: str, app: str, operation: str) -> MethodName:
    """Return where an operation is found; those of an included app are in a service of its name.

    Args:
        package: of the app that is served.
        app: its name.
        operation: such as `greet`, or `bats.adopt` of an included app.
    """
    owner, _, name = operation.rpartition(".")
    return MethodName(package, camel(owner.replace(".", "_") or app), camel(name))


def camel(name: str) -> str:
    """Return a name as services, methods and messages have it: `FindBat` for `find_bat`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def snake(name: str) -> str:
    """Return a name as fields and operations have it: `find_bat` for `FindBat`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def field_name(wire_name: str) -> str:
    """Return the protobuf field for a name on the wire; what an identifier cannot hold becomes `_`."""
    name = re.sub(r"\W", "_", wire_name, flags=re.ASCII)
    return f"_{name}" if name[:1].isdigit() or not name else name


def json_name(field: str) -> str:
    """Return the JSON name that protoc gives a field: `bornAt` for `born_at`."""
    return re.sub(r"_+(.?)", lambda found: found[1].upper(), field)
