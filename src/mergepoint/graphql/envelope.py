"""What an HTTP request asks for: the parameters of GraphQL over HTTP, from JSON or a query string."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias, TypeVar
from urllib.parse import parse_qsl
from wsgiref.types import WSGIEnvironment

import msgspec

from ..wsgi.request import HttpFailure, printable, read_body

T = TypeVar("T")

MOST_JSON = 2_500_000
"""Bytes of JSON that a request may bring; files come beside it."""

MOST_PARAMETERS = 100
"""Parameters in a query string; five are known."""


class Envelope(msgspec.Struct, rename="camel"):
    """The parameters of a request; those nobody knows are ignored, as GraphQL over HTTP, 4.4.1 wants it."""

    query: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
    document_id: str | None = None


class Asked(NamedTuple):
    """What a request asks for, and the bytes it brings beside the text of its document."""

    envelope: Envelope
    size: int


Map: TypeAlias = dict[str, Any] | None

_envelopes = msgspec.json.Decoder(Envelope)
_maps: msgspec.json.Decoder[Map] = msgspec.json.Decoder(Map)


def read_json(environ: WSGIEnvironment) -> Asked:
    """Return what a POST with JSON asks for.

    Raises:
        HttpFailure: the media type is another one, or the body is too long or no such JSON.
    """
    _must_be_json(environ.get("CONTENT_TYPE") or "")
    body = read_body(environ, MOST_JSON)
    envelope = from_json(body, "The body")
    return Asked(envelope, len(body) - len(envelope.query or ""))


def from_json(body: bytes, what: str) -> Envelope:
    """Return what JSON asks for.

    Args:
        body: the JSON.
        what: how messages call it.

    Raises:
        HttpFailure: it is no JSON, several operations, or its parameters are not what they should be.
    """
    if body.lstrip()[:1] == b"[":
        message = "Expected one operation, got an array: batches are not supported; send each in a request of its own."
        raise HttpFailure(HTTPStatus.BAD_REQUEST, "batch", message, kind="unimplemented")
    return _decoded(_envelopes, body, what)


def read_query(environ: WSGIEnvironment) -> Asked:
    """Return what a GET asks for.

    Raises:
        HttpFailure: a parameter is there twice, or is not what it should be.
    """
    given = {name: text for name, text in _pairs(environ.get("QUERY_STRING") or "").items() if text}
    envelope = Envelope(
        query=given.get("query"),
        operation_name=given.get("operationName"),
        variables=_map(given, "variables"),
        extensions=_map(given, "extensions"),
        document_id=given.get("documentId"),
    )
    return Asked(envelope, sum(len(text) for name, text in given.items() if name != "query"))


def _map(given: Mapping[str, str], name: str) -> Map:
    return _decoded(_maps, given[name].encode(), f"`{name}`") if name in given else None


def _pairs(query: str) -> dict[str, str]:
    try:
        # WSGI hands bytes on as Latin-1 (PEP 3333); a query may hold them unescaped.
        text = query.encode("latin-1").decode()
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except UnicodeDecodeError:
        raise malformed("The query string is not UTF-8.") from None
    except ValueError:
        raise malformed(f"The query string has more than {MOST_PARAMETERS} parameters.") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for position, (name, _) in enumerate(pairs) if name in dict(pairs[:position]))
        raise malformed(f"`{printable(twice)}` is there twice.")
    return found


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise malformed(f"{what} is no GraphQL request: {error}") from None
    except RecursionError:
        raise malformed(f"{what} is nested too deeply.") from None
    except UnicodeDecodeError:
        raise malformed(f"{what} is not UTF-8.") from None
    except msgspec.DecodeError as error:
        reason = str(error).removeprefix("JSON is malformed: ") if body.strip() else "it is empty"
        raise malformed(f"{what} is no JSON: {reason}.") from None


def malformed(message: str) -> HttpFailure:
    """Return the failure for a request that cannot be read."""
    return HttpFailure(HTTPStatus.BAD_REQUEST, "malformed", message)


def _must_be_json(content_type: str) -> None:
    """Refuse every other type: a foreign site's form or script can send those without being asked (CSRF)."""
    media_type, _, parameters = content_type.partition(";")
    charset = re.search(r"charset\s*=\s*\"?([\w-]+)", parameters, re.IGNORECASE)
    if media_type.strip().lower() != "application/json":
        expected = "Expected application/json, or multipart/form-data where there are files to send"
        got = printable(content_type) or "no Content-Type"
        raise HttpFailure(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", f"{expected}; got {got}.")
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        message = f"Expected JSON in UTF-8, got {printable(charset[1])}."
        raise HttpFailure(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
