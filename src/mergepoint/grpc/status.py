"""Failures as a gRPC status with details (google.rpc), and back: the one place that knows how a fault travels here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

import grpc
import msgspec
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # it has no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # the same

from ..errors import Kind, Problem
from ..faults import Fault

DETAILS = "grpc-status-details-bin"
"""The trailing metadata that holds a google.rpc.Status."""

REQUEST_ID = "x-request-id"

CODES: dict[Kind, grpc.StatusCode] = {kind: grpc.StatusCode[kind.upper()] for kind in get_args(Kind)}
"""The status code of each kind of failure; the names are the same."""

KIND_OF: dict[grpc.StatusCode, Kind] = {code: kind for kind, code in CODES.items()}

MOST_DETAILS = 4_000
"""Bytes of details: peers refuse more than 8 KB of metadata, and these are a third longer as base64."""

MOST_MESSAGE = 3_000
"""Bytes of a message in the details."""

MOST_TEXT = 600
"""Bytes of the message beside them: each may take three in a header."""

Metadata = tuple[tuple[str, str | bytes], ...]


class Refusal(grpc.Status):
    """What ends a call that failed."""

    def __init__(self, code: grpc.StatusCode, text: str, trailing: Metadata) -> None:
        self.code = code
        self.details = text
        self.trailing_metadata = trailing


def refusal(fault: Fault, request_id: str, domain: str, reply: Metadata = ()) -> Refusal:
    """Return what ends a call with a fault.

    Args:
        fault: what the caller is told.
        request_id: names the call.
        domain: the name of the app, to which the fault's code belongs.
        reply: further metadata.
    """
    status = Status(code=CODES[fault.kind].value[0], message=_cut(fault.message, MOST_MESSAGE))
    own = [
        details.ErrorInfo(reason=fault.code, domain=domain, metadata=_as_json(fault.fields, status.ByteSize())),
        details.RequestInfo(request_id=request_id, serving_data=fault.incident or ""),
    ]
    if fault.problems:
        own.append(_bad_request(fault.problems, MOST_DETAILS - status.ByteSize() - sum(d.ByteSize() for d in own)))
    for detail in own:
        status.details.add().Pack(detail)
    text = _cut(fault.message, MOST_TEXT)
    return Refusal(CODES[fault.kind], text, (*reply, (DETAILS, status.SerializeToString())))


def fault_of(code: grpc.StatusCode, text: str, trailing: Mapping[str, Any]) -> Fault | None:
    """Return the fault that a status tells of, or None if it came without details of ours: from a proxy, say."""
    status = Status()
    try:
        status.ParseFromString(trailing.get(DETAILS, b""))
    except DecodeError:
        return None
    found = {detail.TypeName(): detail for detail in status.details}
    info = _unpacked(found, details.ErrorInfo())
    if info is None or code not in KIND_OF:
        return None
    request = _unpacked(found, details.RequestInfo())
    bad = _unpacked(found, details.BadRequest())
    problems = () if bad is None else tuple(Problem(_path(v.field), v.description) for v in bad.field_violations)
    incident = request.serving_data or None if request is not None else None
    return Fault(KIND_OF[code], info.reason, status.message or text, _from_json(info.metadata), problems, incident)


def header(metadata: Mapping[str, str]) -> Metadata:
    """Return metadata of an application as gRPC can send it: other characters become `?`, other names are left out."""
    return tuple(
        (name.lower(), re.sub(r"[^\x20-\x7e]", "?", value))
        for name, value in metadata.items()
        if re.fullmatch(r"[0-9A-Za-z_.-]+", name) and not name.lower().startswith("grpc-") and name[-4:] != "-bin"
    )


def _cut(text: str, most: int) -> str:
    data = text.encode("utf-8", "replace")
    return data.decode() if len(data) <= most else data[:most].decode("utf-8", "ignore") + "…"


def _bad_request(problems: tuple[Problem, ...], most: int) -> details.BadRequest:
    """Return as many problems as there is room for, one at least."""
    told = details.BadRequest()
    for problem in problems:
        told.field_violations.add(field=problem.path.removeprefix("$").removeprefix("."), description=problem.message)
        if told.ByteSize() > most and len(told.field_violations) > 1:
            del told.field_violations[-1]
            break
    return told


def _as_json(fields: Mapping[str, Any], taken: int) -> dict[str, str]:
    """Return public fields as JSON texts; those that would not fit beside what has taken its room are left out."""
    texts = {}
    for name, value in fields.items():
        text = msgspec.json.encode(value).decode()
        taken += len(name) + len(text.encode()) + 8
        if taken < MOST_DETAILS:
            texts[name] = text
    return texts


def _from_json(metadata: Mapping[str, str]) -> dict[str, Any]:
    fields = {}
    for name, text in metadata.items():
        try:
            fields[name] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            fields[name] = text
    return fields


def _unpacked(found: Mapping[str, Any], detail: Any) -> Any:
    packed = found.get(detail.DESCRIPTOR.full_name)
    return detail if packed is not None and packed.Unpack(detail) else None


def _path(field: str) -> str:
    return f"${field}" if not field or field.startswith("[") else f"$.{field}"
